"""One safetensors file of delphi, read and checked: sparse activations of some latents on rows of tokens.

Knows the tensors by name, their types and shapes, and checks every index before it is used. The header is read first,
so that a file that claims too much is refused before its numbers are loaded. Refuses to know texts and tokenizers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from memory.interchange.dossier import InterchangeError
from memory.interchange.files import Allowance

LARGEST = 2 * 2**30
INTEGERS = frozenset({"U8", "U16", "U32", "I8", "I16", "I32", "I64"})
FLOATS = frozenset({"F16", "F32", "F64"})
WHAT = {"locations": INTEGERS, "activations": FLOATS, "tokens": INTEGERS, "lengths": INTEGERS, "sampled": INTEGERS}


@dataclass(frozen=True, eq=False)
class Split:
    """Latents `start` on: `locations` [n, 3] (row, position, latent - start), `values` [n], `tokens` [rows, context].

    `lengths` and `sampled` are [rows]. `whole`: a file of ours, whose rows all belong to its one latent.
    """

    path: Path
    start: int
    locations: np.ndarray
    values: np.ndarray
    tokens: np.ndarray
    lengths: np.ndarray
    sampled: np.ndarray
    whole: bool

    @cached_property
    def latents(self) -> set[int]:
        """The latents with an activation; for a file of ours its one latent, active or not."""
        return {self.start} if self.whole else {int(each) + self.start for each in np.unique(self.locations[:, 2])}

    def rows_of(self, latent: int, *, most: int | None) -> Iterator[tuple[int, list[float]]]:
        """Rows and their values up to each row's length; in order, or the `most` strongest rows with an activation."""
        low, high = np.searchsorted(self._sorted, [latent - self.start, latent - self.start + 1])
        mine = self._order[low:high]
        rows, positions = (self.locations[mine, column].astype(np.int64) for column in (0, 1))
        values = self.values[mine].astype(float)
        wanted = list(range(len(self.tokens))) if most is None else _strongest(rows, values, most)
        for row in wanted if self.tokens.size else ():
            line, here = np.zeros(self.tokens.shape[1]), rows == row
            line[positions[here]] = values[here]
            if length := int(self.lengths[row]):
                yield row, line[:length].tolist()

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.locations[:, 2], kind="stable")

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self.locations[self._order, 2].astype(np.int64)


def read_split(path: Path, start: int, end: int, allowance: Allowance) -> Split:
    """A file's tensors. Raises InterchangeError naming the file and the tensor; one is held at a time."""
    found = _loaded(path, allowance)
    locations, values = _array(found, "locations", 2, path), _array(found, "activations", 1, path)
    tokens = found.get("tokens", np.zeros((0, 0), np.int64))
    if locations.shape != (len(values), 3):
        raise InterchangeError(f"{path}: locations is {list(locations.shape)} for {len(values)} activations")
    if tokens.ndim != 2:
        raise InterchangeError(f"{path}: tokens has {tokens.ndim} dimensions, not 2")
    if not np.isfinite(values).all():
        raise InterchangeError(f"{path}: activations holds something that is no finite number")
    bounds = (*tokens.shape, end - start + 1) if tokens.size else (2**62, 2**62, end - start + 1)
    if locations.size and ((locations < 0).any() or (locations >= np.array(bounds)).any()):
        raise InterchangeError(f"{path}: locations points outside the tokens or the latents {start} to {end}")
    if (tokens < 0).any():
        raise InterchangeError(f"{path}: tokens holds a negative id")
    whole = {"lengths", "sampled"} <= found.keys() and start == end
    lengths = _of_rows(found, "lengths", tokens, path) if whole else np.full(len(tokens), tokens.shape[1])
    sampled = _of_rows(found, "sampled", tokens, path) if whole else np.zeros(len(tokens), np.int64)
    return Split(path, start, locations, values, tokens, np.minimum(lengths, tokens.shape[1]), sampled, whole)


def _loaded(path: Path, allowance: Allowance) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, safe_open

    size = path.stat().st_size
    allowance.unpack(size, path)
    if size > LARGEST:
        raise InterchangeError(f"{path}: larger than {LARGEST:,} bytes")
    found: dict[str, Any] = {}
    try:
        with safe_open(path, framework="np") as file:
            for name in WHAT.keys() & set(file.keys()):
                kind = file.get_slice(name).get_dtype()
                if kind not in WHAT[name]:
                    raise InterchangeError(
                        f"{path}: {name} is of type {kind}, not one of {', '.join(sorted(WHAT[name]))}"
                    )
                found[name] = file.get_tensor(name)
    except SafetensorError as error:
        raise InterchangeError(f"{path}: no safetensors file ({str(error)[:80]})") from None
    return found


def _array(found: dict[str, np.ndarray], name: str, dimensions: int, path: Path) -> np.ndarray:
    if name not in found:
        raise InterchangeError(f"{path}: {name} is missing")
    if found[name].ndim != dimensions:
        raise InterchangeError(f"{path}: {name} has {found[name].ndim} dimensions, not {dimensions}")
    return found[name]


def _of_rows(found: dict[str, np.ndarray], name: str, tokens: np.ndarray, path: Path) -> np.ndarray:
    array = _array(found, name, 1, path).astype(np.int64)
    if len(array) != len(tokens) or (array < 0).any():
        raise InterchangeError(f"{path}: {name} has {len(array)} entries for {len(tokens)} rows, or a negative one")
    return array


def _strongest(rows: np.ndarray, values: np.ndarray, most: int) -> list[int]:
    """The rows with the highest values, strongest first, equal ones in order."""
    order = np.lexsort((rows, -values))
    _, first = np.unique(rows[order], return_index=True)
    return rows[order][np.sort(first)][:most].tolist()
