"""Values of a target on rows of tokens, kept in a folder: one file for each set of rows, there whole or not at all.

A file is found by a digest of the target, with the weights it was measured on, and of every token: what is found is
what would be measured. Nothing is trusted that does not fit, and nothing that cannot be kept stops a run. Arrays, never
pickles.
"""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from memory.records import Target

Rows = Sequence[Sequence[int]]


def kept(folder: Path | None, target: Target, rows: Rows) -> list[np.ndarray] | None:
    """The values at every token of the rows, float32 [tokens] each; [0] for one that gave none. None: not kept."""
    if folder is None:
        return None
    try:
        with _path(folder, target, rows).open("rb") as file, np.load(file) as found:
            sizes, values = found["sizes"], found["values"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = all(size in (0, len(row)) for size, row in zip(sizes.tolist(), rows, strict=False))
    if len(sizes) != len(rows) or not fits or values.dtype != np.float32 or values.shape != (int(sizes.sum()),):
        return None
    return np.split(values, np.cumsum(sizes)[:-1]) if len(sizes) else []


def keep(folder: Path | None, target: Target, rows: Rows, values: Sequence[np.ndarray]) -> None:
    """Keep the values, if there is a folder and it takes them."""
    if folder is None or not rows:
        return
    path = _path(folder, target, rows)
    part = path.with_suffix(f".{os.getpid()}.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, sizes=np.array([len(each) for each in values]), values=np.concatenate(values))
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()


def _path(folder: Path, target: Target, rows: Rows) -> Path:
    digest = hashlib.sha256(repr(target).encode())
    for row in rows:
        digest.update(np.array([len(row), *row], np.int64).tobytes())
    return folder / f"values-{digest.hexdigest()[:24]}.npz"
