"""Predicates in plain English: what the token is ("on words that begin with ‘0x’") and where it stands.

Knows the names of tools/rules. Refuses to know levels and verdicts. A phrase says what the predicate says, no more;
what has no phrase of its own is told as tools/rules tells it.
"""

import re
from collections.abc import Sequence

from agents.statistical import phrases
from agents.statistical.phrases import joined, quoted
from memory.records import Predicate
from tools.rules import conjuncts, likeness, said
from tools.rules.counts import COUNTED, COUNTS

MOST = 6  # values a phrase names
EXCEPT = "but not "

SHAPES = {
    "A": "words in capitals", "Aa": "capitalised words", "a": "lower-case words", "0": "numbers",
    "A_A": "names in capitals with underscores", "a_a": "lower-case names with underscores", "aA": "mixed-case names",
    "AaAa": "names in camel case", "aAa": "names in camel case", "_a_": "names between double underscores",
    "_a": "names that begin with an underscore",
}  # fmt: skip
SCOPES = {"line": "earlier in the line", "sentence": "earlier in the sentence", "chunk": "since the last space",
          "earlier": "earlier in the text"}  # fmt: skip
RUNS = {  # what a run of each kind is made of
    "capitals": "capitals", "capitals-and-underscores": "capitals and underscores",
    "constant": "capitals, digits and underscores", "lower": "lower-case letters", "letters": "letters",
    "digits": "digits", "number": "digits, commas and points", "hex": "hexadecimal digits",
    "word": "letters, digits and underscores", "name": "letters, digits, underscores and points",
    "marks": "punctuation marks", "spaces": "spaces", "white": "white-space characters",
    "dense": "characters without a space", "same": "equal characters",
}  # fmt: skip
STRETCHES = {  # what is counted, of what, and what a first one adds
    "tokens": ("tokens", "text", 1), "characters": ("characters", "text", 0), "line-words": ("words", "line", 1),
    "line-characters": ("characters", "line", 0), "sentence-words": ("words", "sentence", 1),
}  # fmt: skip
INSIDE = {"(": "inside parentheses", "[": "inside square brackets", "{": "inside braces", "<": "inside angle brackets"}
CLOSED = {")": "after closed parentheses", "]": "after closed brackets", "}": "after closed braces", ">": "after a ‘>’"}


def told(predicate: Predicate) -> str:
    """The whole condition as one phrase: what the token is, then where it stands, then what is excepted."""
    subjects, places = split(predicate)
    denied = [phrase.removeprefix(EXCEPT) for phrase in places if phrase.startswith(EXCEPT)]
    where = joined([phrase for phrase in places if not phrase.startswith(EXCEPT)], "and")
    said_so = " ".join(filter(None, [f"on {' among '.join(subjects)}" if subjects else "", where]))
    return " ".join(
        filter(None, [said_so or ("everywhere" if denied else ""), EXCEPT + joined(denied, "nor") if denied else ""])
    )


def split(predicate: Predicate) -> tuple[list[str], list[str]]:
    """What the token is, and where it stands, one phrase for each part of a conjunction."""
    subjects, places = [], []
    for part in conjuncts(predicate):
        phrase = subject(part)
        (subjects if phrase else places).append(phrase or place(part))
    return subjects, places


def subject(predicate: Predicate) -> str:
    """What the token itself is; an empty string when the predicate is about its place."""
    of, values = predicate.of, predicate.values
    if of in ("token", "word"):
        return _list(values)
    if of == "any-case":
        return f"{_list(values)} in any case"
    if of in ("class", "pair", "class-pair"):
        return phrases.tokens(of, dict.fromkeys(values, 1.0), quoted)
    if of == "shape":
        return joined(list(dict.fromkeys(map(_shape, values))), "or")
    if of == "ends":
        return f"what completes {_list(values, spaced=True)}"
    if of == "word-starts":
        return f"words that begin with {_list(values)}"
    if of == "word-has":
        return f"words with {_list(values)} in them"
    if of == "chunk-shape":
        return f"unspaced text shaped like {_list(values)}"
    if of in ("runs-2", "runs-3", "runs-4"):
        return f"what completes the shape {_list(values, spaced=True)}"
    if of.startswith("word-") and of in likeness.NAMES:
        return f"words {_meaning(of, values)}"
    if of == "matches":
        return f"what completes a match of {values[0]}"
    if of == "digits-of-number":
        return f"numbers of {_range(predicate, 'digits')}"
    if of.startswith("run-of-"):
        return _run(predicate, of.removeprefix("run-of-"))
    return ""


def place(predicate: Predicate) -> str:
    """Where the token stands."""
    of, values = predicate.of, predicate.values
    if of == "not":
        return f"{EXCEPT}{told(predicate.parts[0])}"
    if of == "any":
        return joined([told(part) for part in predicate.parts], "or")
    if of in ("near-word", "near-characters", "near-text"):
        unit = "words" if of == "near-word" else "characters"
        return f"with {_list(values)} at most {_some(predicate.high, unit)} before"
    scope, _, kind = of.rpartition("-")
    if kind in ("word", "text") and scope in SCOPES:
        anywhere = "anywhere " if kind == "text" else ""  # within words too
        return f"with {_list(values)} {anywhere}{SCOPES[scope]}"
    if of == "chunk-starts":
        return f"in text that begins with {_list(values)} after the last space"
    if of.startswith("number-of-"):
        return f"with an {joined(values, 'or')} number of {quoted(of[-1])} in the line"
    if of.startswith(("last-of-", "latest-of-")):
        return joined([INSIDE.get(v) or CLOSED.get(v) or "outside brackets" for v in values], "or")
    if of.startswith("word-back-"):
        return f"{phrases.NUMBERS[of.rpartition('-')[2]]} words after {_list(values)}"
    if of in likeness.NAMES:
        return f"in text {_meaning(of, values)}"
    if of in COUNTS:
        return _counted(predicate)
    return phrases.place(of, dict.fromkeys(values, 1.0), quoted) or f"where {said(predicate)}"


def _meaning(of: str, values: Sequence[str]) -> str:
    place = values.index(likeness.AGAINST) if likeness.AGAINST in values else len(values)
    if "nearer" in of:
        return f"nearer in meaning to {_list(values[:place])} than to {_list(values[place + 1 :])}"
    return f"close in meaning to {_list(values)}"


def _counted(predicate: Predicate) -> str:
    low, high, of = predicate.low, predicate.high, predicate.of
    if of not in STRETCHES:
        return f"with {_range(predicate, COUNTED[of])}"
    unit, stretch, add = STRETCHES[of]
    if not low and high is not None:
        return f"in the first {_some(high + add, unit, one='')} of the {stretch}"
    if high is None:
        return f"after the first {_some(max(0, (low or 0) + add - 1), unit, one='')} of the {stretch}"
    if low == high:
        return f"at {_one(unit)} {high + add} of the {stretch}"
    return f"at {unit} {(low or 0) + add} to {high + add} of the {stretch}"


def _run(predicate: Predicate, kind: str) -> str:
    low, high = predicate.low, predicate.high
    if high == 0:
        return f"text that ends in no {_one(RUNS[kind])}"
    if kind == "same" and high == 1:
        return "characters unlike the one before"
    return RUNS[kind] if low == 1 and high is None else _range(predicate, RUNS[kind]) + " in a row" * (high != 1)


def _range(predicate: Predicate, what: str) -> str:
    low, high = predicate.low, predicate.high
    if high == 0:
        return f"no {what}"
    if low is not None and high is not None:
        return _some(high, what) if low == high else f"{low} to {high} {what}"
    return f"{low} or more {what}" if low is not None else f"at most {_some(high, what)}"


def _some(number: int | None, what: str, *, one: str = "1 ") -> str:
    """A number of things. one: what stands for the number of a single one."""
    return f"{one}{_one(what)}" if number == 1 else f"{number} {what}"


def _one(what: str) -> str:
    """Things in the singular: one of several kinds is of any."""
    return re.sub(r"(\w{3,})s\b", r"\1", what).replace(" and ", " or ")


def _shape(value: str) -> str:
    """A shape in words; marks are told as they are."""
    return SHAPES.get(value) or (f"words shaped like ‘{value}’" if re.search(r"\w", value) else quoted(value))


def _list(values: Sequence[str], *, spaced: bool = False) -> str:
    names = list(dict.fromkeys(quoted(value, spaced=spaced) for value in values))
    if len(names) > MOST + 1:
        names = [*names[:MOST], f"{len(names) - MOST} more"]
    return joined(names, "or")
