"""A text as rules see it: tokens, the words, lines and chunks they make, and where each begins. Causal throughout.

Everything here is asked of a token and looks at text up to and including it, never beyond: the word is the word so far,
the line is the line so far. A word is a run of letters, digits and underscores over token borders; whatever else is not
white space makes marks, one per run. A chunk is a run without white space, a sentence ends with . ! or ?.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, TypeVar

from tools.rules.marks import START

_ELEMENTS = re.compile(r"\w+|[^\w\s]+")
_LINE, _SPACE, _SENTENCE = re.compile(r"\n"), re.compile(r"\s"), re.compile(r"[.!?]\s|\n[ \t]*\n")
LONGEST_WORD = 40
KEPT = 3000  # texts whose answers are kept

Answer = TypeVar("Answer")


class Text:
    """Tokens, and what they make. Character offsets count from the beginning of the text.

    elements: words and runs of marks in order of their ends; `before[t]` of them stand wholly before the element that
    token t is part of (or before t itself when it is white space).
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self.ends = list(accumulate(map(len, self.tokens)))
        self.string = "".join(self.tokens)
        self._asked: dict[Any, Any] = {}

    def asked(self, answer: "Callable[[Text], Answer]") -> "Answer":
        """What a function of this text gives, computed once."""
        if answer not in self._asked:
            self._asked[answer] = answer(self)
        return self._asked[answer]

    @cached_property
    def starts(self) -> list[int]:
        """Where each token begins."""
        return [end - len(token) for end, token in zip(self.ends, self.tokens, strict=True)]

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [found.span() for found in _ELEMENTS.finditer(self.string)]

    @cached_property
    def elements(self) -> list[str]:
        """The words and marks of the text, whole."""
        return [self.string[start:end] for start, end in self._spans]

    @cached_property
    def before(self) -> list[int]:
        """Per token, how many elements end before the element it ends in begins (causally: they are complete)."""
        found, place = [], 0
        spans = self._spans
        for end in self.ends:
            while place < len(spans) and spans[place][1] < end:
                place += 1
            found.append(place)
        return found

    @cached_property
    def words(self) -> list[str]:
        """Per token the element it ends in, as far as it is written; white space for white space."""
        found = []
        spans = self._spans
        for token, end, place in zip(self.tokens, self.ends, self.before, strict=True):
            inside = place < len(spans) and spans[place][0] < end
            found.append(self.string[max(spans[place][0], end - LONGEST_WORD) : end] if inside else token)
        return found

    @cached_property
    def _runs(self) -> tuple[str, list[int]]:
        """The kinds of the runs of like characters, and per character the number of its run."""
        kinds, numbers, last = [], [], ""
        for mark in self.string:
            kind = _kind(mark)
            if kind != last:
                kinds.append(kind)
                last = kind
            numbers.append(len(kinds) - 1)
        return "".join(kinds), numbers

    def shape(self, start: int, end: int) -> str:
        """A stretch of text by kind of character, runs of one kind once: letters A or a, digits 0; the last 12 runs."""
        kinds, numbers = self._runs
        return kinds[max(numbers[start], numbers[end - 1] - 11) : numbers[end - 1] + 1] if end > start else ""

    def since(self, boundary: "re.Pattern[str]") -> list[int]:
        """Per token, where the stretch since the last boundary before the token's end begins (character offset).

        A boundary inside the token counts; the stretch begins after it.
        """
        found, start = [], 0
        marks: Iterator[re.Match[str]] = boundary.finditer(self.string)
        mark = next(marks, None)
        for end in self.ends:
            while mark is not None and mark.end() <= end:
                start, mark = mark.end(), next(marks, None)
            found.append(start)
        return found

    @cached_property
    def lines(self) -> list[int]:
        """Where the current line begins."""
        return self.since(_LINE)

    @cached_property
    def chunks(self) -> list[int]:
        """Where the current run without white space begins."""
        return self.since(_SPACE)

    @cached_property
    def sentences(self) -> list[int]:
        """Where the current sentence begins."""
        return self.since(_SENTENCE)

    @cached_property
    def punctuation(self) -> list[int]:
        """Where each punctuation mark stands."""
        return [
            place for place, mark in enumerate(self.string) if not (mark.isalnum() or mark == "_" or mark.isspace())
        ]

    @cached_property
    def element_starts(self) -> list[int]:
        """Where each element begins."""
        return [start for start, _ in self._spans]

    def first_element(self, offsets: Sequence[int]) -> list[int]:
        """Per offset, the number of the first element that begins there or later."""
        found, place = [], 0
        for offset in offsets:  # offsets never decrease
            while place < len(self._spans) and self._spans[place][0] < offset:
                place += 1
            found.append(place)
        return found

    def element_start(self, number: int) -> int:
        """Where an element begins; the text's end for one beyond the last."""
        return self._spans[number][0] if number < len(self._spans) else len(self.string)

    def back(self, gap: int) -> list[str]:
        """The token `gap` places before each token; START before the text."""
        return [START] * min(gap, len(self.tokens)) + list(self.tokens[: max(0, len(self.tokens) - gap)])


@lru_cache(maxsize=KEPT)
def text_of(tokens: tuple[str, ...]) -> Text:
    """The text of some tokens; one that was asked of lately keeps its answers."""
    return Text(tokens)


@lru_cache(maxsize=8192)
def _kind(mark: str) -> str:
    if mark.isalpha():
        return "A" if mark.isupper() else "a"
    return "0" if mark.isdigit() else " " if mark.isspace() else mark
