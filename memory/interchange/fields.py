"""Reading what a stranger wrote, field by field: each one is there, of its type, finite and within bounds, or named.

Knows JSON objects and the file they came from. Refuses to know what any field means.
"""

import json
import math
from collections.abc import Collection
from typing import Any

from memory.interchange.dossier import InterchangeError

LARGEST = 2**53  # integers that every JSON reader agrees on
MOST_TOKENS = 100_000  # in one text
SHOWN = 60  # characters of a stranger's word in a message


def parse(text: str | bytes, where: str) -> Any:
    """The value of a JSON text; InterchangeError for what is none, or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise InterchangeError(f"{where}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise InterchangeError(f"{where}: not JSON ({str(error)[:SHOWN]})") from None


class Fields:
    """One JSON object. Every method takes the name of a field; `where` is the file, and the line where there is one.

    `room` is about what it takes in memory, in bytes.
    """

    def __init__(self, value: Any, where: str, *, room: int = 0) -> None:
        if not isinstance(value, dict):
            raise InterchangeError(f"{where}: expected an object, found {type(value).__name__}")
        self._found: dict[str, Any] = value
        self.where = where
        self.room = room

    def refuse(self, name: str, problem: str) -> InterchangeError:
        """The error that says what is wrong with a field."""
        return InterchangeError(f"{self.where}: {name} {problem}")

    def others(self, known: Collection[str]) -> list[str]:
        """The names of all fields that hold something and are not among `known`, each cut to a readable length."""
        held = {name for name, value in self._found.items() if value is not None and value not in ("", [])}
        return sorted(name[:SHOWN] for name in held - set(known))

    def require_only(self, known: Collection[str]) -> None:
        """Raise for a field that holds something and is not among `known`."""
        if unknown := self.others(known):
            raise InterchangeError(f"{self.where}: unknown field {', '.join(unknown[:5])}")

    def has(self, name: str) -> bool:
        """Whether the field is there and is not null."""
        return self._found.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A string that UTF-8 can carry; a missing or null one is `default`, which None forbids."""
        if not self.has(name) and default is not None:
            return default
        value = self._found.get(name)
        if not isinstance(value, str):
            raise self.refuse(name, "is missing" if value is None else "is no string")
        return self._encodable(name, value)

    def integer(self, name: str, *, low: int = 0, high: int = LARGEST, written: bool = False) -> int:
        """An integer from `low` to `high`; with `written`, one in a string of digits as well."""
        value = self._found.get(name)
        if written and isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, "is missing" if value is None else "is no integer")
        if not low <= value <= high:
            raise self.refuse(name, f"is outside {low} to {high}")
        return value

    def number(self, name: str) -> float | None:
        """A finite number; None for null, for nothing, and for NaN or infinity, which mean unknown in these formats."""
        value = self._found.get(name)
        if value is None:
            return None
        number = _float(value)
        if number is None:
            raise self.refuse(name, "is no number")
        return number if math.isfinite(number) else None

    def truth(self, name: str) -> bool | None:
        """A truth value, also as 0 or 1; None for null and nothing."""
        value = self._found.get(name)
        if value is not None and value not in (0, 1):
            raise self.refuse(name, "is neither true nor false")
        return None if value is None else bool(value)

    def numbers(self, name: str) -> list[float]:
        """A list of finite numbers."""
        found = [_float(value) for value in self.many(name)]
        if not all(value is not None and math.isfinite(value) for value in found):
            raise self.refuse(name, "holds something that is no finite number")
        return [value for value in found if value is not None]

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        return [self._encodable(name, value) for value in self.many(name)]

    def many(self, name: str, *, most: int = MOST_TOKENS) -> list[Any]:
        """A list of at most `most` entries."""
        value = self._found.get(name)
        if not isinstance(value, list):
            raise self.refuse(name, "is missing" if value is None else "is no list")
        if len(value) > most:
            raise self.refuse(name, f"has {len(value)} entries, more than {most}")
        return value

    def below(self, name: str) -> "Fields":
        """The object in a field."""
        return Fields(self._found.get(name), f"{self.where}: {name}")

    def tokens_and_values(self, tokens: str, values: str) -> tuple[list[str], list[float]]:
        """Two lists of equal length, at least one entry long: strings and finite numbers."""
        strings, numbers = self.texts(tokens), self.numbers(values)
        if not strings or len(strings) != len(numbers):
            raise self.refuse(values, f"has {len(numbers)} entries for {len(strings)} {tokens}")
        return strings, numbers

    def _encodable(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self.refuse(name, "holds something that is no string")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.refuse(name, "holds half a surrogate pair, which is no text") from None
        return value


def _float(value: Any) -> float | None:
    """The number a JSON value stands for; None for any other; infinity for an integer that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
