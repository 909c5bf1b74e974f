"""Text to read: where it comes from, how it is split by document, and the rows of tokens a model reads.

Knows folders, .txt, .jsonl and .parquet files, hub datasets (`hf:NAME`) and the interpreter's own standard library.
Every document falls into the evidence half or the held-out half by a hash of its text, so equal documents never
straddle the split; a row that stood in another document is left out. A folder is read without the data folder that
may lie in it. Refuses to know what is looked for in the text.
"""

import hashlib
import json
import os
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import numpy as np

from tools.subject import Subject

STANDARD_LIBRARY = "stdlib"
ROW_TOKENS = 255  # plus BOS
ROWS_A_DOCUMENT = 6  # so that no document dominates
SHORTEST_ROW = 12
SECTION = 4000  # characters of a plain text file that make one document
LARGEST_FILE = 5_000_000  # bytes
SKIPPED = {"site-packages", "dist-packages", "__pycache__", "node_modules"}
TEXT_FILES = {
    ".py",
    ".txt",
    ".md",
    ".rst",
    ".json",
    ".toml",
    ".cfg",
    ".html",
    ".css",
    ".js",
    ".c",
    ".h",
    ".tex",
    ".csv",
}
ROWS_OF_TEXT = {".jsonl", ".parquet"}  # files of many documents, which may be of any size


class CorpusError(ValueError):
    """There is nothing to read there. The message is one line for a person."""


@dataclass(frozen=True)
class Document:
    """A text and where it stands; `line` is the number of its first line in that place."""

    source: str
    text: str
    line: int = 1

    @property
    def digest(self) -> bytes:
        """What equal texts share: it decides their half and their place in the reading order."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).digest()

    @property
    def held_out(self) -> bool:
        """Whether agents may never see it."""
        return self.digest[0] % 2 == 1


@dataclass(frozen=True)
class Rows:
    """What the survey reads: token ids int32 [rows, ROW_TOKENS] padded with 0, their lengths, halves and sources."""

    tokens: np.ndarray
    lengths: np.ndarray
    held_out: np.ndarray
    sources: tuple[str, ...]

    def ids(self, row: int) -> list[int]:
        """Token ids of one row, without BOS and padding."""
        return self.tokens[row, : self.lengths[row]].tolist()


def documents(spec: str, *, without: Path | None = None) -> Iterator[Document]:
    """Every document of a corpus, but for those in the folder `without`. Raises CorpusError when there is none."""
    path = Path(spec)
    if spec == STANDARD_LIBRARY:
        yield from _folder(_standard_library(), suffixes={".py"}, without=without)
    elif spec.startswith("hf:"):
        yield from _hub(spec[3:])
    elif path.is_dir():
        yield from _folder(path, suffixes=TEXT_FILES | ROWS_OF_TEXT, without=without)
    elif not path.exists():
        raise CorpusError(
            f"corpus '{spec}' does not exist: give a folder, a .txt, .jsonl or .parquet file, or hf:DATASET"
        )
    elif path.suffix == ".jsonl":
        yield from _json_lines(path)
    elif path.suffix == ".parquet":
        yield from _parquet(path)
    else:
        yield from _sections(path)


def rows(subject: Subject, spec: str, tokens: int, *, without: Path | None = None) -> Rows:
    """Rows for about `tokens` tokens, half evidence and half held out, documents in the order of their hashes.

    without: a folder that is passed over. Raises CorpusError when either half is empty.
    """
    kept: list[tuple[list[int], bool, str]] = []
    room = {False: tokens // 2, True: tokens // 2}
    read: set[tuple[int, ...]] = set()
    for document in sorted(_distinct(documents(spec, without=without)), key=lambda found: found.digest[1:]):
        if room[document.held_out] > 0:
            for ids, source in _rows(subject, document):
                if (row := tuple(ids)) not in read:  # documents may begin alike
                    read.add(row)
                    kept.append((ids, document.held_out, source))
                    room[document.held_out] -= len(ids)
        if max(room.values()) <= 0:
            break
    if len({held for _, held, _ in kept}) < 2:
        raise CorpusError(_too_small(spec))
    kept.sort(key=lambda row: (row[1], -len(row[0])))  # stable: full rows first, so short ones share batches
    grid = np.zeros((len(kept), min(ROW_TOKENS, subject.context - 1)), np.int32)
    for line, (ids, _, _) in zip(grid, kept, strict=True):
        line[: len(ids)] = ids
    lengths = np.array([len(ids) for ids, _, _ in kept], np.int32)
    return Rows(grid, lengths, np.array([held for _, held, _ in kept]), tuple(source for _, _, source in kept))


def _too_small(spec: str) -> str:
    small = f"corpus '{spec}' is too small: it needs several documents of {SHORTEST_ROW} tokens and more"
    if not Path(spec).is_dir():
        return small
    read = len(_files(Path(spec), TEXT_FILES | ROWS_OF_TEXT))
    kinds = f"texts below {LARGEST_FILE // 1_000_000} MB ({' '.join(sorted(TEXT_FILES))}), .jsonl and .parquet"
    return f"{small}; {read} files of that folder are of a kind that is read: {kinds}"


def fingerprint(spec: str, *, without: Path | None = None) -> str:
    """A short name for what a corpus holds now: paths, sizes and times of what is read, or the dataset's name."""
    library = spec == STANDARD_LIBRARY
    path, suffixes = (_standard_library(), {".py"}) if library else (Path(spec), TEXT_FILES | ROWS_OF_TEXT)
    found = _files(path, suffixes, without) if path.is_dir() else [(path, path.stat())] if path.exists() else []
    stats = [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in found]
    return hashlib.sha256(repr((spec, stats)).encode()).hexdigest()[:12]


def _distinct(found: Iterable[Document]) -> Iterator[Document]:
    seen: set[bytes] = set()
    for document in found:
        if document.digest not in seen:
            seen.add(document.digest)
            yield document


def _rows(subject: Subject, document: Document) -> Iterator[tuple[list[int], str]]:
    size = min(ROW_TOKENS, subject.context - 1)
    text = document.text[: 12 * size * ROWS_A_DOCUMENT]  # more characters than the rows can use
    ids = subject.encode(text)
    line = document.line
    name = document.source.encode("utf-8", "surrogateescape")  # a file's name may be any bytes
    source = name.decode("utf-8", "backslashreplace")
    for start in range(0, min(len(ids), size * ROWS_A_DOCUMENT), size):
        row = ids[start : start + size]
        if len(row) >= SHORTEST_ROW:
            yield row, f"{source}:{line}"
        line += subject.decode(row).count("\n")


def _standard_library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def _files(folder: Path, suffixes: set[str], without: Path | None = None) -> list[tuple[Path, os.stat_result]]:
    """Every file below a folder that is read, in order, and how it stands.

    Installed packages, caches, hidden folders, `without` and what vanishes meanwhile are passed over.
    """
    found, out = [], without.resolve() if without is not None else None
    for root, folders, names in os.walk(folder):
        known = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        folders[:] = [name for name in known if (Path(root) / name).resolve() != out]
        for path in (Path(root) / name for name in names):
            with suppress(OSError):
                stat = path.stat() if path.suffix in suffixes else None
                if stat and S_ISREG(stat.st_mode) and (path.suffix in ROWS_OF_TEXT or stat.st_size < LARGEST_FILE):
                    found.append((path, stat))
    return sorted(found, key=lambda each: each[0])


def _folder(folder: Path, *, suffixes: set[str], without: Path | None) -> Iterator[Document]:
    """A file that cannot be read is passed over: there are others."""
    for path, _ in _files(folder, suffixes, without):
        if path.suffix in ROWS_OF_TEXT:
            with suppress(CorpusError, PermissionError):
                yield from (_json_lines if path.suffix == ".jsonl" else _parquet)(path)
            continue
        with suppress(PermissionError):
            text = _text(path)
            if text is not None and text.strip():
                yield Document(str(path), text)


def _sections(path: Path) -> Iterator[Document]:
    """A text in documents of at most SECTION characters, cut at empty lines, else at line ends, else at spaces."""
    line, held = 1, ""
    for piece in _pieces(_readable(path)):
        if len(held) + len(piece) > SECTION or (held.endswith("\n\n") and len(held) >= SECTION // 4):
            yield Document(str(path), held, line)
            line, held = line + held.count("\n"), ""
        held += piece
    if held.strip():
        yield Document(str(path), held, line)


def _pieces(text: str) -> Iterator[str]:
    """Lines with their ends; of a line longer than a section, parts that end at a space."""
    start = 0
    while start < len(text):
        end = text.find("\n", start, start + SECTION) + 1 or start + SECTION
        if end == start + SECTION < len(text):
            end = text.rfind(" ", start, end) + 1 or end
        yield text[start:end]
        start = end


def _text(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _readable(path: Path) -> str:
    text = _text(path)
    if text is None:
        raise CorpusError(f"corpus '{path}' is not text (UTF-8)")
    return text


def _json_lines(path: Path) -> Iterator[Document]:
    for number, line in enumerate(_readable(path).split("\n"), 1):
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise CorpusError(f"corpus '{path}' line {number} is not JSON: {reason}") from error
        text = row.get("text") if isinstance(row, dict) else row
        if isinstance(text, str) and text.strip():
            yield Document(f"{path}#{number}", text)


def _parquet(path: Path) -> Iterator[Document]:
    from pyarrow import ArrowInvalid, ArrowNotImplementedError, parquet

    number = 0
    try:
        file = parquet.ParquetFile(path)
        if "text" not in file.schema_arrow.names:
            raise CorpusError(f"corpus '{path}' has no column 'text', only {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(columns=["text"]):
            for text in batch.column("text").to_pylist():
                number += 1
                if isinstance(text, str) and text.strip():
                    yield Document(f"{path}#{number}", text)
    except (ArrowInvalid, ArrowNotImplementedError, UnicodeDecodeError) as error:
        where = f" behind row {number}" if number else ""
        raise CorpusError(f"corpus '{path}' is not a parquet file that can be read{where}") from error


def _hub(name: str) -> Iterator[Document]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        dataset = load_dataset(name, split="train")
    except OSError as error:
        raise CorpusError(f"corpus 'hf:{name}' cannot be had: the hub does not answer and no copy is cached") from error
    except (ValueError, RuntimeError, IndexError, DatasetsError) as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from error  # such as a disk that is full
        reason = " ".join(str(error).split())[:160]
        raise CorpusError(f"corpus 'hf:{name}' cannot be had: {reason}") from error
    for number, row in enumerate(dataset):
        text = dict(row).get("text")
        if isinstance(text, str) and text.strip():
            yield Document(f"hf:{name}#{number}", text)
