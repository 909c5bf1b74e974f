"""What an address asks for: the words after its question mark, checked one by one.

Knows kinds of answers (a whole number, one of several words, some text) and refuses everything else with a line for a
person, so that what reaches the store has been looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

LONGEST = 300  # characters of a word to look for
MOST_PAGES = 1_000_000


class BadQuestion(ValueError):
    """An address that asks for what cannot be. The message is one line."""


@dataclass(frozen=True)
class Paging:
    """One page of many: its number from 1, how many things are on a page, and how many there are."""

    page: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """The last page's number, at least 1."""
        return max(1, -(-self.total // self.size))

    @property
    def first_shown(self) -> int:
        """The place of the first thing on it, from 1; 0 where nothing is on any page."""
        return min(self.total, (self.page - 1) * self.size + 1) if self.total else 0

    @property
    def last_shown(self) -> int:
        """The place of the last thing on it."""
        return min(self.total, self.page * self.size)


def text(given: Mapping[str, str], name: str) -> str | None:
    """Some text, None where there is none."""
    value = given.get(name, "").strip()
    if len(value) > LONGEST:
        raise BadQuestion(f"{name} has at most {LONGEST} characters")
    return value or None


def whole(given: Mapping[str, str], name: str, *, most: int, least: int = 0) -> int | None:
    """A whole number between two others, None where there is none."""
    value = given.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdecimal()) or len(value) > 10 or not least <= int(value) <= most:
        raise BadQuestion(f"{name} is a number from {least:,} to {most:,}, not {value!r:.40}")
    return int(value)


def page(given: Mapping[str, str]) -> int:
    """The number of the page, the first where none is said."""
    return whole(given, "page", least=1, most=MOST_PAGES) or 1


def one_of(given: Mapping[str, str], name: str, known: Collection[str], *, otherwise: str) -> str:
    """One of several words."""
    value = given.get(name) or otherwise
    if value not in known:
        raise BadQuestion(f"{name} is one of {', '.join(known)}, not {value!r:.40}")
    return value
