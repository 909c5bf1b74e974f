"""Files in and out: written below one folder and over nothing, read only up to a bound.

Knows paths, gzip and the sidecar, in which a dossier's target, notes and date lie whole for our own reader:
`neuronaut/L9N652.json` below the folder of an export. Refuses to know the formats.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import fields as fields_of
from pathlib import Path, PurePosixPath
from typing import Any

from memory.interchange.dossier import Dossier, Figure, InterchangeError, public_name
from memory.interchange.fields import Fields, parse
from memory.records import Kind, Target, plain

Files = dict[str, bytes]  # relative POSIX path -> content

MOST_ROOM = 2 * 2**30
MOST_UNPACKED = 16 * 2**30
LONGEST = 64 * 2**20  # bytes of a JSON text: a line, or a file of one object
ROOM_OF_JSON = 12  # bytes in memory for one in the text
MOST_FILES = 50_000
LONGEST_NAME = 120
SIDECARS = "neuronaut"
NEGATIVE = "-negative"

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+-]+")


class Allowance:
    """What one import may still unpack, and keep in memory, in bytes. What nobody asked for takes no room."""

    def __init__(self, room: int = MOST_ROOM, unpacked: int = MOST_UNPACKED) -> None:
        self._left = {"kept": room, "unpacked": unpacked}

    def keep(self, size: int, where: object) -> None:
        """Use room; InterchangeError naming the place where there is not enough."""
        self._take("kept", size, where)

    def unpack(self, size: int, where: object) -> None:
        """Count what was read; InterchangeError naming the place where it is too much."""
        self._take("unpacked", size, where)

    def _take(self, purse: str, size: int, where: object) -> None:
        self._left[purse] -= size
        if self._left[purse] < 0:
            raise InterchangeError(f"{where}: more than can be {purse} in one import; take fewer units or files")


def slug(name: str) -> str:
    """A name that is safe as one part of a path: the last part of a path or hub name, odd characters as dashes.

    Raises InterchangeError when nothing is left, and for `.` and `..`.
    """
    last = _UNSAFE.sub("-", re.split(r"[/\\]", name.rstrip("/\\"))[-1]).strip("-")[:LONGEST_NAME]
    if last.strip(".") == "":
        raise InterchangeError(f"the name {name[:60]!r} cannot be part of a path")
    return last


def write(files: Files, folder: Path) -> list[Path]:
    """Write files below `folder`, made where missing; returns their paths.

    Raises InterchangeError, before anything is written, for a path that leaves the folder or is already there.
    """
    chosen = {folder.joinpath(*_parts(name)): content for name, content in files.items()}
    root = folder.resolve()
    for path in chosen:
        if not path.resolve().is_relative_to(root):
            raise InterchangeError(f"{path}: leads out of {folder}")
        if path.exists() or path.is_symlink():
            raise InterchangeError(f"{path}: is already there; export to another folder")
    for path, content in chosen.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(chosen)


def below(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that match, in order of the numbers in names; links that lead out are refused."""
    root, found = folder.resolve(), []
    for path in folder.glob(pattern):
        if not path.resolve().is_relative_to(root):
            raise InterchangeError(f"{path}: leads out of {folder}")
        if path.is_file():
            found.append(path)
        if len(found) > MOST_FILES:
            raise InterchangeError(f"{folder}: more than {MOST_FILES} files match {pattern}")
    return sorted(found, key=_in_order)


def content(path: Path, allowance: Allowance) -> bytes:
    """The bytes of a file of one JSON text."""
    with path.open("rb") as file:
        found = file.read(LONGEST + 1)
    _require_short(found, str(path))
    allowance.unpack(len(found), path)
    return found


def parsed(path: Path, allowance: Allowance) -> Fields:
    """The object in a .json file."""
    found = content(path, allowance)
    return Fields(parse(found, str(path)), str(path), room=ROOM_OF_JSON * len(found))


def rows(path: Path, allowance: Allowance) -> Iterator[Fields]:
    """The objects of a .jsonl or .jsonl.gz file, one at a time; a bomb ends at a line's length or the allowance."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), 1):
                where = f"{path}, line {number}"
                _require_short(line, where)
                allowance.unpack(len(line), where)
                if line.strip():
                    yield Fields(parse(line, where), where, room=ROOM_OF_JSON * len(line))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InterchangeError(f"{path}: not a whole gzip file ({error})") from None


def as_json(value: Any) -> bytes:
    """Plain data as UTF-8 JSON; a number that is not finite raises ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def as_rows(values: list[dict[str, Any]], *, packed: bool = False) -> bytes:
    """JSON lines, gzipped when `packed`; the same bytes for the same rows."""
    lines = b"".join(as_json(value) + b"\n" for value in values)
    if not packed:
        return lines
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as file:
        file.write(lines)
    return made.getvalue()


def signed(name: str, target: Target) -> str:
    """A name for the unit's side: what is read downwards is another unit to a reader that knows no signs."""
    return name + (NEGATIVE if target.sign < 0 else "")


def unsigned(name: str) -> tuple[str, int]:
    """What `signed` was given, and the sign."""
    return (name.removesuffix(NEGATIVE), -1) if name.endswith(NEGATIVE) else (name, 1)


def sidecar(dossier: Dossier) -> Files:
    """The file in which the target, the notes and the date lie whole."""
    target = dossier.target
    kept = {
        "target": plain(target) | {"model": public_name(target.model)},
        "notes": list(dossier.notes),
        "made": dossier.made,
    }
    return {f"{SIDECARS}/{signed(target.name.rstrip('-'), target)}.json": as_json(kept)}


def sidecars(folder: Path, allowance: Allowance) -> list[Dossier]:
    """The dossiers, without texts and claims, whose sidecars lie below a folder; none for a file."""
    found = []
    for path in below(folder, f"**/{SIDECARS}/*.json") if folder.is_dir() else ():
        fields = parsed(path, allowance)
        fields.require_only({"target", "notes", "made"})
        notes = tuple(fields.texts("notes"))
        found.append(Dossier(_target(fields.below("target")), notes=notes, made=fields.text("made", "")))
    return found


def read_figure(fields: Fields) -> Figure:
    """The figure that `plain` turned into these fields."""
    fields.require_only({field.name for field in fields_of(Figure)})
    return Figure(
        fields.text("metric"),
        fields.text("split", ""),
        fields.number("value"),
        fields.integer("n"),
        fields.number("low"),
        fields.number("high"),
        fields.number("floor"),
        fields.text("floor_name", ""),
        fields.number("ceiling"),
        fields.text("reason", ""),
    )


def _target(fields: Fields) -> Target:
    kind, sign = fields.text("kind"), fields.integer("sign", low=-1, high=1)
    if kind not in set(Kind):
        raise fields.refuse("kind", "is none that is known")
    if sign == 0:
        raise fields.refuse("sign", "is 0")
    return Target(
        model=fields.text("model"),
        model_hash=fields.text("model_hash"),
        hook=fields.text("hook"),
        layer=fields.integer("layer"),
        index=fields.integer("index"),
        kind=Kind(kind),
        sign=sign,
        dictionary=fields.text("dictionary") if fields.has("dictionary") else None,
    )


def _require_short(text: bytes, where: str) -> None:
    if len(text) > LONGEST:
        raise InterchangeError(f"{where}: longer than {LONGEST:,} bytes")


def _parts(name: str) -> tuple[str, ...]:
    parts = PurePosixPath(name).parts
    if not parts or any(slug(part) != part for part in parts):
        raise InterchangeError(f"the path {name[:80]!r} has a part that is not safe to write")
    return parts


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Numbers in names compare as numbers: batch-2 stands before batch-10."""
    pieces = re.findall(r"\d+|\D+", path.as_posix())
    return [(int(piece), "") if piece.isdecimal() and len(piece) < 20 else (-1, piece) for piece in pieces]
