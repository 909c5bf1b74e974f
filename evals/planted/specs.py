"""What a planted neuron is: JSON lines with name, when, unless, value, otherwise, noise, truth and verdict.

At a token the neuron gives `value` when the regex `when` matches the text up to and including that token, anchored at
its end, and `unless` does not; else `otherwise`; plus Gaussian noise of deviation `noise`. Lines of one name are one
neuron: the values of the lines that hold add up, and `otherwise`, `noise` and `verdict` of the first line count.
`verdict` is only there when a right verdict solves the neuron. Knows the format; refuses a bad line by its number.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evals.planted.matching import Pattern
from memory.records import Verdict

SPECS = Path(__file__).parent / "specs.jsonl"
KEYS = {"name", "when", "unless", "value", "otherwise", "noise", "truth", "verdict"}


class SpecError(ValueError):
    """A spec file that cannot be used; the message is one line that names the file's line."""


@dataclass(frozen=True)
class Part:
    """One line: where it holds and what it adds."""

    when: str
    unless: str | None
    value: float


@dataclass(frozen=True)
class Spec:
    """One planted neuron."""

    name: str
    parts: tuple[Part, ...]
    otherwise: float = 0.0
    noise: float = 0.0
    truth: str = ""
    verdict: Verdict | None = None


def read_specs(path: Path = SPECS) -> list[Spec]:
    """The neurons of a file in the order of their names' first lines. Raises SpecError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {type(error).__name__}") from error
    found: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _row(line, f"{path} line {number}")
            found.setdefault(row["name"], []).append(row)
    if not found:
        raise SpecError(f"{path} line 1: there is no spec in the file")
    return [_spec(name, rows) for name, rows in found.items()]


def _spec(name: str, rows: Sequence[dict[str, Any]]) -> Spec:
    parts = tuple(Part(row["when"], row.get("unless"), float(row.get("value", 1.0))) for row in rows)
    first = rows[0]
    return Spec(
        name,
        parts,
        float(first.get("otherwise", 0.0)),
        float(first.get("noise", 0.0)),
        "; ".join(dict.fromkeys(row["truth"] for row in rows if row.get("truth"))),
        Verdict(first["verdict"]) if first.get("verdict") else None,
    )


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise SpecError(f"{where} is not JSON: {error.msg}") from error
    if not isinstance(row, dict):
        raise SpecError(f"{where} is not an object")
    row = {key: value for key, value in row.items() if value is not None}
    for unknown in row.keys() - KEYS:  # others may keep notes of their own there
        if meant := get_close_matches(unknown, KEYS - row.keys(), 1, 0.75):
            raise SpecError(f"{where}: there is no key '{unknown[:40]}'; is '{meant[0]}' meant?")
    for key in ("name", "when"):
        if not isinstance(row.get(key), str) or not row["name"]:
            raise SpecError(f"{where}: '{key}' must be a text")
    for key in ("unless", "truth", "verdict"):
        if not isinstance(row.get(key, ""), str):
            raise SpecError(f"{where}: '{key}' must be a text or null")
    for key in ("value", "otherwise", "noise"):
        if not _finite(row.get(key, 0.0)) or (key == "noise" and row.get(key, 0.0) < 0):
            raise SpecError(f"{where}: '{key}' must be a number")
    if row.get("verdict") and row["verdict"] not in set(Verdict):
        raise SpecError(f"{where}: no verdict is called '{row['verdict'][:40]}'; there are {', '.join(Verdict)}")
    for key in ("when", "unless"):
        _compile(row.get(key), f"{where}: '{key}'")
    return row


def _compile(regex: str | None, where: str) -> None:
    try:
        if regex is not None:
            Pattern(regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise SpecError(f"{where} is not a regular expression: {' '.join(str(error).split())}") from error


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0
