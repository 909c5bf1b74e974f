"""At which tokens of a text does a regular expression match what has been read so far?

A pattern holds at a place when it matches some stretch of the text that ends there, with nothing behind the place: `$`
and word boundaries see the text's end. Asking that at every token of a million is slow, so two filters go first. Both
follow from the parsed pattern and never reject a match: (1) a match needs one of the pattern's literal strings, so
nothing holds before the first of them has been read; (2) a match that cannot be empty ends in a character that one of
the pattern's last elements takes. Where the pattern does not say, the filter is left out.
"""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

_FLAGS = re.compile(r"\(\?[aiLmsux]+\)")
_parser: Any = import_module("re._parser")
_compiler: Any = import_module("re._compiler")
_codes: Any = import_module("re._constants")
ZERO_WIDTH = {_codes.AT, _codes.ASSERT, _codes.ASSERT_NOT}
ONE_CHARACTER = {_codes.LITERAL, _codes.NOT_LITERAL, _codes.ANY, _codes.IN}
REPEATS = {_codes.MAX_REPEAT, _codes.MIN_REPEAT, _codes.POSSESSIVE_REPEAT}


class Pattern:
    """A regular expression to ask about places in texts. Raises re.error where it is not one."""

    def __init__(self, regex: str) -> None:
        flags = _FLAGS.match(regex)
        front = flags[0] if flags else ""
        self._compiled = re.compile(rf"{front}(?:{regex[len(front) :]})\Z")
        parsed = _parser.parse(regex)
        self._needed = _needed(parsed) if not parsed.state.flags & re.IGNORECASE else None
        self._can_end = _endings(parsed)
        self._ends: dict[str, bool] = {}

    def holds(self, text: str, end: int) -> bool:
        """Whether it matches a stretch of the text that ends before index `end`, as if the text ended there."""
        return self._compiled.search(text, 0, end) is not None

    def places(self, text: str, ends: Sequence[int]) -> list[bool]:
        """As `holds`, for each of `ends`."""
        first = self._first(text)
        return [end >= first and (end == 0 or self._may_end(text[end - 1])) and self.holds(text, end) for end in ends]

    def _first(self, text: str) -> int:
        """No match ends before this index."""
        if self._needed is None:
            return 0
        found = [text.find(part) + len(part) for part in self._needed if part in text]
        return min(found, default=len(text) + 1)

    def _may_end(self, character: str) -> bool:
        if self._can_end is None:
            return True
        if character not in self._ends:
            self._ends[character] = any(test(character) for test in self._can_end)
        return self._ends[character]


def _needed(parsed: Any) -> list[str] | None:
    """Strings of which every match holds one, the longest such set found; None where there is none."""
    best: list[str] | None = None
    run = ""
    for code, value in [*parsed, (None, None)]:
        if code is _codes.LITERAL:
            run += chr(value)
            continue
        for found in ([run] if run else None, _needed_by(code, value)):
            if found is not None and (best is None or min(map(len, found)) > min(map(len, best))):
                best = found
        run = ""
    return best


def _needed_by(code: Any, value: Any) -> list[str] | None:
    if code is _codes.SUBPATTERN and not value[1] & re.IGNORECASE:
        return _needed(value[3])
    if code is _codes.BRANCH:
        arms = [_needed(arm) for arm in value[1]]
        return [part for arm in arms if arm for part in arm] if all(arms) else None
    if code in REPEATS and value[0] >= 1:
        return _needed(value[2])
    return None


Test = Callable[[str], object]


def _endings(parsed: Any) -> list[Test] | None:
    """Tests of which the last character of every match passes one; None where that is not known."""
    tests, nullable = _last(parsed, parsed.state.flags)
    return None if nullable else tests


def _last(parsed: Any, flags: int) -> tuple[list[Test] | None, bool]:
    """Tests of the last character, and whether a match may be empty; None for tests where anything may end it."""
    tests: list[Test] = []
    for node in reversed(list(parsed)):
        found, nullable = _last_of(node, parsed, flags)
        if found is None:
            return None, False
        tests += found
        if not nullable:
            return tests, False
    return tests, True


def _last_of(node: Any, parsed: Any, flags: int) -> tuple[list[Test] | None, bool]:
    code, value = node
    if code in ZERO_WIDTH:
        return [], True
    if code in ONE_CHARACTER:
        alone = _parser.SubPattern(parsed.state, [node])
        return [_compiler.compile(alone, flags & ~re.DEBUG).fullmatch], False
    if code is _codes.SUBPATTERN:
        return _last(value[3], (flags | value[1]) & ~value[2])
    if code is _codes.BRANCH:
        arms = [_last(arm, flags) for arm in value[1]]
        if any(tests is None for tests, _ in arms):
            return None, False
        return [test for tests, _ in arms for test in tests or []], any(empty for _, empty in arms)
    if code in REPEATS:
        tests, nullable = _last(value[2], flags)
        return tests, nullable or value[0] == 0
    return None, False
