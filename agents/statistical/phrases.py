"""The levels of a rule as phrases of plain English: on which tokens, and in which places. Only what the levels say.

Knows the features of tools/rules.py and their values. Refuses to know which levels matter: it is given those to name.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from tools.rules import JOIN, START, visible

NUMBERS = {"2": "two", "3": "three", "4": "four"}
NAMED, PAIRS = 4, 2  # values a phrase names; the rest are counted

Levels = Mapping[str, float]  # of one feature
Named = Callable[[str], str]  # how a token is told

CLASSES = {
    "spaces": "spaces",
    "newline": "line breaks",
    "digits": "numbers",
    "other script": "words in other scripts",
    "CAPITALS": "words in capitals",
    "one capital": "single capital letters",
    "Capitalised": "capitalised words",
    "lower case": "lower-case words",
    "quote": "quotation marks",
    "opening bracket": "opening brackets",
    "closing bracket": "closing brackets",
    "comment mark": "comment marks",
    "punctuation": "punctuation",
    "mixed": "tokens of mixed characters",
    START: "the start of the text",
}
INSIDE = {"comment": "inside comments", "(": "inside parentheses", "[": "inside square brackets", "{": "inside braces"}


def tokens(feature: str, levels: Levels, named: Named) -> str:
    """What the token itself is: "‘self’, ‘x’ and 3 more tokens"; an empty string for a feature of the place."""
    ranked = _ranked(levels)
    if feature in ("token", "word"):
        return _counted(_names(ranked, named), "tokens")
    if feature == "class":
        return _counted([CLASSES.get(value, value) for value in ranked], "classes of token")
    if feature == "pair":
        return _counted(_after(ranked, named), "such pairs", most=PAIRS)
    if feature == "class-pair":
        return _counted(_after(ranked, lambda value: CLASSES.get(value, value)), "such pairs", most=PAIRS)
    return ""


def place(feature: str, levels: Levels, named: Named) -> str:
    """Where the token stands: "after ‘if’ or ‘elif’"; an empty string for a feature of the token itself."""
    ranked = _ranked(levels)
    names = _names(ranked, named)
    if feature == "line-opening":
        return f"in lines that begin with {_counted(names, 'words', 'or')}" if names else "at the start of a line"
    if feature == "inside":
        return joined(list(dict.fromkeys(map(_inside, ranked))), "or")
    if feature == "indentation":
        return f"in lines indented by {joined(sorted(ranked, key=int), 'or')} spaces"
    if feature in ("column", "position"):
        return _stretch(ranked, "line" if feature == "column" else "text")
    opening = {
        "previous": "after ",
        "previous-word": "after the word or mark "
        if any(not re.search(r"\w", value) for value in ranked)
        else "after the word ",
        "second-previous": "two tokens after ",
    }
    if feature == "previous-class":
        return f"after {_counted([CLASSES.get(value, value) for value in ranked], 'classes of token', 'or')}"
    if feature not in opening:
        return ""
    start = ["the start of the text"] if START in ranked else []
    return opening[feature] + _counted(start + names, "tokens", "or")


def quoted(token: str, *, spaced: bool = False) -> str:
    """A token between quotation marks, without the space that most words carry in front unless it is asked for."""
    if token == START:
        return CLASSES[START]
    if token.strip():
        return f"\u2018{visible(token if spaced else token.removeprefix(' '))}\u2019"
    spaces = len(token) - len(token.rstrip(" "))
    if "\n" not in token:
        return {0: "a tab", 1: "a space"}.get(spaces, f"{spaces} spaces")
    start = "an empty line" if token.count("\n") > 1 else "a line break"
    return f"{start} with {spaces} spaces" if spaces > 1 else start


def joined(parts: Sequence[str], word: str) -> str:
    """Parts as a list in a sentence."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _ranked(levels: Levels) -> list[str]:
    return sorted(levels, key=lambda value: -abs(levels[value]))


def _names(values: Iterable[str], named: Named) -> list[str]:
    return list(dict.fromkeys(named(value) for value in values if value != START))


def _after(pairs: Iterable[str], named: Named) -> list[str]:
    """Pairs by their second part: "‘self’ after ‘.’ or ‘(’"."""
    before: dict[str, list[str]] = {}
    for pair in pairs:
        first, _, second = pair.partition(JOIN)
        indents = "\n" in first and not first.strip() and second.startswith(" ")  # whose space is one more of them
        told = named(f"{first} " if indents else first)
        if told not in before.setdefault(named(second), []):
            before[named(second)].append(told)
    return [f"{second} after {_counted(firsts, 'others', 'or')}" for second, firsts in before.items()]


def _inside(value: str) -> str:
    if value.startswith("string"):
        return "inside strings"
    return INSIDE.get(value, "outside brackets, strings and comments")


def _stretch(steps: Sequence[str], whole: str) -> str:
    """Steps like "2" and "4 to 5", counted from 0, as one stretch: "in the first 6 tokens of the text"."""
    ends = [(int(step.split()[0]), None if "more" in step else int(step.split()[-1])) for step in steps]
    first, last = min(low for low, _ in ends), max((high or low, high) for low, high in ends)[1]
    if last is None:
        return f"from token {first + 1} of the {whole} on"
    if first <= 1:
        return f"in the first {last + 1} tokens of the {whole}" if last else f"at the start of the {whole}"
    return (
        f"at tokens {first + 1} to {last + 1} of the {whole}"
        if last > first
        else f"at token {first + 1} of the {whole}"
    )


def _counted(names: Sequence[str], what: str, word: str = "and", *, most: int = NAMED) -> str:
    if len(names) > most + 1:
        return joined([*names[:most], f"{len(names) - most} more {what}"], word)
    return joined(names, word)
