"""Training text for pocket: the Python sources every installation of this project already has.

Knows where the interpreter keeps its standard library and its installed packages, how to drop repeated text and how
to split what is left by file. Knows nothing about tokens or models.
"""

import hashlib
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE_LIMIT = 7_000_000  # bytes one installed package may give, so that no single style dominates
SMALLEST, LARGEST = 300, 150_000  # bytes of a file worth reading
REPEATED = 0.5  # a file is dropped when this share of its longer lines stood in an earlier file
HELD_OUT = 50  # one file in so many is never trained on


@dataclass(frozen=True)
class Source:
    """One file: where it stands, its text, and whether training may read it."""

    name: str
    text: str
    held_out: bool


def sources() -> Iterator[Source]:
    """Yield each kept file once, the standard library first, in a fixed order for a given installation."""
    seen: set[bytes] = set()
    given: Counter[str] = Counter()
    for package, path in _files():
        if given[package] >= PACKAGE_LIMIT:
            continue
        text = _readable(path)
        if text is None or _repeats(text, seen):
            continue
        if package != "stdlib":
            given[package] += len(text)
        digest = hashlib.sha256(text.encode()).digest()
        yield Source(f"{package}/{path.name}", text, int.from_bytes(digest[:4], "big") % HELD_OUT == 0)


def _files() -> Iterator[tuple[str, Path]]:
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(stdlib.rglob("*.py")):
        if not {"site-packages", "lib2to3", "idlelib"} & set(path.parts):
            yield "stdlib", path
    installed = Path(sysconfig.get_paths()["purelib"])
    by_name = sorted(installed.rglob("*.py"), key=lambda path: hashlib.sha256(path.name.encode()).digest())
    for path in by_name:
        yield path.relative_to(installed).parts[0], path


def _readable(path: Path) -> str | None:
    if not SMALLEST <= path.stat().st_size <= LARGEST:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    letters = sum(map(str.isalpha, text))
    return text if letters > 0.4 * len(text) else None  # tables of numbers teach nothing


def _repeats(text: str, seen: set[bytes]) -> bool:
    lines = [line.strip() for line in text.splitlines()]
    digests = [hashlib.blake2b(line.encode(), digest_size=8).digest() for line in lines if len(line) >= 24]
    repeated = sum(digest in seen for digest in digests)
    seen.update(digests)
    return bool(digests) and repeated > REPEATED * len(digests)
