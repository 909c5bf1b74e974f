"""Counts: whole numbers of a token and what precedes it: how long, how far, how deep. One integer per token.

COUNTS maps a name to a function of a Text; COUNTED says in words what is counted. Refuses to know which bounds matter.
"""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tools.rules.features import indents
from tools.rules.text import Text

Count = Callable[[Text], list[int]]
LONGEST = 60  # a run is counted no further

_RUNS = {
    "capitals": r"[A-Z]",
    "capitals-and-underscores": r"[A-Z_]",
    "constant": r"[A-Z0-9_]",
    "lower": r"[a-z]",
    "letters": r"[^\W\d_]",
    "digits": r"\d",
    "number": r"[\d,.]",
    "hex": r"[0-9a-fA-F]",
    "word": r"\w",
    "name": r"[\w.]",
    "marks": r"[^\w\s]",
    "spaces": r" ",
    "white": r"\s",
    "dense": r"\S",
    "same": None,
}


def _run(text: Text, kind: str) -> list[int]:
    """How many characters of a kind stand at the end of the text so far."""
    pattern, letters = _RUNS[kind], text.asked(_letters)
    if pattern is None:
        ofs = np.concatenate([[False], letters[1:] == letters[:-1]]) if len(letters) else np.zeros(0, bool)
    else:
        distinct, place = np.unique(letters, return_inverse=True)
        ofs = np.array([re.match(pattern, chr(letter)) is not None for letter in distinct], bool)[place]
    places = np.arange(len(letters))
    lengths = places - np.maximum.accumulate(np.where(ofs, -1, places))  # since the last one of another kind
    lengths = lengths + (pattern is None)
    return [min(int(lengths[end - 1]), LONGEST) if end else 0 for end in text.ends]


def _letters(text: Text) -> NDArray[np.uint32]:
    return np.frombuffer(text.string.encode("utf-32-le", "surrogatepass"), np.uint32)


def _columns(text: Text) -> list[int]:
    return [end - start for start, end in zip(text.lines, text.ends, strict=True)]


def _words_in(text: Text, starts: list[int]) -> list[int]:
    """Words and marks written since `starts`, the current one not counted."""
    firsts = text.first_element(starts)
    return [max(0, place - first) for place, first in zip(text.before, firsts, strict=True)]


def _depth(text: Text) -> list[int]:
    """Brackets open after the token, strings not considered."""
    found, depth = [], 0
    for token in text.tokens:
        for mark in token:
            if mark in "([{":
                depth += 1
            elif mark in ")]}":
                depth = max(0, depth - 1)
        found.append(depth)
    return found


def _digits(text: Text) -> list[int]:
    """Digits of the number being written, commas between groups left out; 0 where no number is written."""
    found = []
    for end in text.ends:
        number = _NUMBER.search(text.string, max(0, end - LONGEST), end)
        found.append(sum(map(str.isdigit, number[0])) if number else 0)
    return found


_NUMBER = re.compile(r"\d[\d,]*\Z")


def _lines(text: Text) -> list[int]:
    found, count = [], 0
    for token in text.tokens:
        count += token.count("\n")
        found.append(count)
    return found


COUNTS: dict[str, Count] = {
    "tokens": lambda text: list(range(len(text.tokens))),
    "characters": lambda text: list(text.ends),
    "lines": _lines,
    "line-characters": _columns,
    "line-words": lambda text: _words_in(text, text.lines),
    "sentence-words": lambda text: _words_in(text, text.sentences),
    "indent": indents,
    "depth": _depth,
    "digits-of-number": _digits,
    **{f"run-of-{kind}": (lambda text, kind=kind: _run(text, kind)) for kind in _RUNS},
}

COUNTED: dict[str, str] = {
    "tokens": "tokens before it in the text",
    "characters": "characters of the text so far",
    "lines": "line breaks so far",
    "line-characters": "characters of the line so far",
    "line-words": "words before it in the line",
    "sentence-words": "words before it in the sentence",
    "indent": "spaces of indentation",
    "depth": "open brackets",
    "digits-of-number": "digits of the number so far",
    "run-of-capitals": "capitals in a row",
    "run-of-capitals-and-underscores": "capitals and underscores in a row",
    "run-of-constant": "capitals, digits and underscores in a row",
    "run-of-lower": "lower-case letters in a row",
    "run-of-letters": "letters in a row",
    "run-of-digits": "digits in a row",
    "run-of-number": "digits, commas and points in a row",
    "run-of-hex": "hexadecimal digits in a row",
    "run-of-word": "letters, digits and underscores in a row",
    "run-of-name": "letters, digits, underscores and points in a row",
    "run-of-marks": "punctuation marks in a row",
    "run-of-spaces": "spaces in a row",
    "run-of-white": "white-space characters in a row",
    "run-of-dense": "characters without a space",
    "run-of-same": "like characters in a row",
}
