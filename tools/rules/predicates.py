"""Predicates: what can be true of a token and what precedes it, run on a text. Data, never code.

`holds` gives the truth at every token. A predicate asks one of:
  a feature        its value is one of `values`                      Predicate("previous", (" of",))
  an ending        the text, word or chunk ends, begins or holds     Predicate("ends", ("ing",))
  a count          it lies between `low` and `high`                  Predicate("run-of-digits", low=4)
  words before     one of `values` stands before, in some reach      Predicate("line-word", ("import",))
  text before      one of `values` was written before, in some reach Predicate("near-text", ("://",), high=20)
  a pattern        the text up to the token ends in a match          Predicate("matches", (r"v\\d+\\.\\d+",))
  a likeness       the recent text means something like `values`     Predicate("word-like", (" red", " blue"), low=45)
  an operator      all, any or not of its parts; back: a part held `low` to `high` tokens before
What it is not able to run (unknown name, too many values, too deep, a pattern that nests repetitions) is refused by
name with RuleError when it is checked, before anything is run. Patterns are RE2's: linear time, no look-around.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from memory.records import Predicate
from tools.rules import likeness, patterns
from tools.rules.counts import COUNTED, COUNTS
from tools.rules.errors import RuleError
from tools.rules.features import DESCRIPTIONS, FEATURES
from tools.rules.marks import visible
from tools.rules.text import Text

Truth = NDArray[np.bool_]

OPERATORS = ("all", "any", "not", "back")
DEEPEST, MOST_PARTS, MOST_VALUES, LONGEST_VALUE = 6, 40, 20_000, 400
MOST_PREDICATES = 400  # in one, its parts' parts included
MOST_EXAMPLES = 1000  # of a likeness: each is embedded

ENDINGS: dict[str, tuple[str, Callable[[Text, tuple[str, ...]], list[bool]]]] = {
    "ends": ("the text so far ends in", lambda text, of: [text.string.endswith(of, 0, end) for end in text.ends]),
    "word-starts": ("the word so far begins with", lambda text, of: [word.startswith(of) for word in text.words]),
    "word-has": ("the word so far has", lambda text, of: [any(v in word for v in of) for word in text.words]),
    "chunk-starts": (
        "the text since the last space begins with",
        lambda text, of: [text.string.startswith(of, a, e) for a, e in zip(text.chunks, text.ends, strict=True)],
    ),
}


WORDS: dict[str, tuple[str, Callable[[Text], list[int]]]] = {  # where the reach begins, as an element's number
    "line-word": ("earlier in the line stands", lambda text: text.first_element(text.lines)),
    "sentence-word": ("earlier in the sentence stands", lambda text: text.first_element(text.sentences)),
    "chunk-word": ("since the last space stands", lambda text: text.first_element(text.chunks)),
    "earlier-word": ("earlier in the text stands", lambda text: [0] * len(text.tokens)),
}
NEAR_WORD = "near-word"  # among the last `high` words and marks
NEAR_CHARACTERS = "near-characters"  # begins among the last `high` characters, the token's own included

STRETCHES: dict[str, tuple[str, Callable[[Text], list[int]]]] = {  # where the reach begins, as a character
    "line-text": ("earlier in the line is written", lambda text: text.lines),
    "sentence-text": ("earlier in the sentence is written", lambda text: text.sentences),
    "chunk-text": ("since the last space is written", lambda text: text.chunks),
    "earlier-text": ("earlier in the text is written", lambda text: [0] * len(text.tokens)),
}
NEAR_TEXT = "near-text"  # within the last `high` characters before the token

NAMES: dict[str, str] = {
    **{name: told for name, told in DESCRIPTIONS.items() if name.partition("-")[0] not in ("ends",)},
    **{name: told for name, told in DESCRIPTIONS.items() if name.startswith("ends-")},
    **{name: told for name, (told, _) in ENDINGS.items()},
    **COUNTED,
    **{name: told for name, (told, _) in WORDS.items()},
    NEAR_WORD: "among the last words stands",
    NEAR_CHARACTERS: "shortly before stands",
    **{name: told for name, (told, _) in STRETCHES.items()},
    NEAR_TEXT: "shortly before is written",
    "matches": "the text so far ends in a match of",
    **likeness.NAMES,
}


def holds(predicate: Predicate, text: Text) -> Truth:
    """Whether the predicate is true at every token, bool [tokens]. Run `check` on what is not known to be sound."""
    of, values = predicate.of, predicate.values
    if of in OPERATORS:
        return _combined(predicate, text)
    if of in FEATURES:
        listed = frozenset(values)
        return _truth(value in listed for value in text.asked(FEATURES[of]))
    if of in COUNTS:
        return _between(np.array(text.asked(COUNTS[of]), dtype=np.int64), predicate)
    if of in ENDINGS:
        return _truth(ENDINGS[of][1](text, values))
    if of in WORDS or of in (NEAR_WORD, NEAR_CHARACTERS):
        return _words_before(predicate, text)
    if of in STRETCHES or of == NEAR_TEXT:
        return _text_before(predicate, text)
    if of == "matches":
        return _truth(patterns.matches(values[0], text))
    if of in likeness.NAMES:
        return likeness.alike(of, text, values, percent=predicate.low or likeness.USUAL)
    raise RuleError(f"nothing is called '{visible(of[:40])}'")


def check(predicate: Predicate) -> None:
    """RuleError saying what is wrong with a predicate that cannot be run."""
    waiting = [(predicate, 0)]
    for checked in range(1, MOST_PREDICATES + 2):
        if not waiting:
            return
        if checked > MOST_PREDICATES:
            raise RuleError(f"a predicate has more than {MOST_PREDICATES} parts in all")
        part, depth = waiting.pop()
        if depth > DEEPEST:
            raise RuleError(f"a predicate is nested more than {DEEPEST} deep")
        _check_one(part)
        waiting += [(inner, depth + 1) for inner in part.parts]


def _check_one(predicate: Predicate) -> None:
    """The predicate itself, its parts not looked at."""
    if not isinstance(predicate, Predicate):
        raise RuleError("a part of a predicate is no predicate")
    of = predicate.of
    if not isinstance(of, str) or (of not in OPERATORS and of not in NAMES):
        raise RuleError(f"nothing is called '{visible(str(of)[:40])}': there are {', '.join([*OPERATORS, *NAMES])}")
    if not isinstance(predicate.values, tuple) or not isinstance(predicate.parts, tuple):
        raise RuleError(f"the values and parts of '{of}' are no lists")
    if len(predicate.parts) > MOST_PARTS or len(predicate.values) > MOST_VALUES:
        raise RuleError(f"'{of}' has more than {MOST_PARTS} parts or {MOST_VALUES} values")
    if not all(isinstance(value, str) and len(value) <= LONGEST_VALUE for value in predicate.values):
        raise RuleError(f"'{of}' has a value that is no text of at most {LONGEST_VALUE} characters")
    if not all(bound is None or (type(bound) is int and abs(bound) < 10**6) for bound in _bounds(predicate)):
        raise RuleError(f"a bound of '{of}' is no whole number below a million")
    _check_needs(predicate)


def _check_needs(predicate: Predicate) -> None:
    of, bounded = predicate.of, any(bound is not None for bound in _bounds(predicate))
    if (of in OPERATORS) != bool(predicate.parts) or (of in ("not", "back") and len(predicate.parts) != 1):
        raise RuleError(f"'{of}' has {len(predicate.parts)} parts")
    if of in COUNTS and not bounded:
        raise RuleError(f"'{of}' is a count and has no bound")
    if of == "back" and not 1 <= (predicate.low or 1) <= (predicate.high or predicate.low or 1):
        raise RuleError("'back' needs bounds of at least 1, the lower one first")
    if of not in OPERATORS and of not in COUNTS and not predicate.values:
        raise RuleError(f"'{of}' lists no value")
    if of in (NEAR_WORD, NEAR_CHARACTERS, NEAR_TEXT) and (predicate.high or 0) < 1:
        raise RuleError(f"'{of}' needs to know how far: high")
    if of in likeness.NAMES and (len(predicate.values) > MOST_EXAMPLES or not 0 < (predicate.low or 1) <= 100):
        raise RuleError(f"'{of}' takes at most {MOST_EXAMPLES} examples and a likeness of 1 to 100 percent")
    if of == "matches":
        if len(predicate.values) != 1:
            raise RuleError("'matches' takes one pattern")
        patterns.check(predicate.values[0])


def strings(predicate: Predicate | None) -> int:
    """How many strings a predicate lists, its parts included."""
    if predicate is None:
        return 0
    return len(predicate.values) + sum(strings(part) for part in predicate.parts)


def conjuncts(predicate: Predicate | None) -> Iterator[Predicate]:
    """The parts that all have to hold; the predicate itself when it is no conjunction."""
    if predicate is not None and predicate.of == "all":
        for part in predicate.parts:
            yield from conjuncts(part)
    elif predicate is not None:
        yield predicate


def _bounds(predicate: Predicate) -> tuple[int | None, int | None]:
    return predicate.low, predicate.high


def _combined(predicate: Predicate, text: Text) -> Truth:
    parts = [holds(part, text) for part in predicate.parts]
    if predicate.of == "all":
        return np.logical_and.reduce(parts)
    if predicate.of == "any":
        return np.logical_or.reduce(parts)
    if predicate.of == "not":
        return ~parts[0]
    found = np.zeros(len(text.tokens), bool)
    low = predicate.low or 1
    for gap in range(low, min(predicate.high or low, len(found)) + 1):
        found[gap:] |= parts[0][: len(found) - gap]
    return found


def _between(counted: NDArray[np.int64], predicate: Predicate) -> Truth:
    found = np.ones(len(counted), bool)
    if predicate.low is not None:
        found &= counted >= predicate.low
    if predicate.high is not None:
        found &= counted <= predicate.high
    return found


def _words_before(predicate: Predicate, text: Text) -> Truth:
    listed = frozenset(predicate.values)
    seen = list(accumulate((element in listed for element in text.elements), initial=0))
    starts = reach(predicate.of, predicate.high)(text)
    return _truth(place > start and seen[place] > seen[start] for start, place in zip(starts, text.before, strict=True))


def reach(of: str, high: int | None) -> Callable[[Text], list[int]]:
    """Where a reach over words begins, as a function of a text: the number of its first element, per token."""
    if of == NEAR_WORD:
        return lambda text: [max(0, place - (high or 1)) for place in text.before]
    if of == NEAR_CHARACTERS:
        return lambda text: text.first_element([max(0, end - (high or 1)) for end in text.ends])
    return WORDS[of][1]


def _text_before(predicate: Predicate, text: Text) -> Truth:
    reach = predicate.high or 1
    starts = (
        [max(0, start - reach) for start in text.starts]
        if predicate.of == NEAR_TEXT
        else STRETCHES[predicate.of][1](text)
    )
    begins, ends = np.array(starts, dtype=np.int64), np.array(text.starts, dtype=np.int64)
    found = np.zeros(len(ends), bool)
    for value in dict.fromkeys(predicate.values):
        places = np.array(list(_places(value, text.string)), dtype=np.int64)
        if len(places):
            last = np.searchsorted(places, ends - len(value), side="right") - 1  # the last one written by then
            found |= (last >= 0) & (places[last] >= begins)
    return found


def _places(value: str, string: str) -> Iterator[int]:
    """Where a value is written, overlaps included; nowhere when it is empty."""
    place = string.find(value) if value else -1
    while place >= 0:
        yield place
        place = string.find(value, place + 1)


def _truth(found: Iterator[bool] | Sequence[bool]) -> Truth:
    return np.array(list(found), dtype=bool)
