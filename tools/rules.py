"""Executable explanations: what can be said of a token and what precedes it, and what a rule then predicts.

A rule is data (memory.records.Rule): a base and clauses, each a table from the values of one feature to an amount. The
prediction at a token is the base plus, for every clause, the amount its table gives to the feature's value there, and
nothing where the value is not listed. Features look at tokens up to and including the current one, never beyond, so a
rule is as causal as the model. A rule is never code: an unknown feature or an oversized table is refused by name.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from memory.records import Clause, Rule

LARGEST_RULE = 200_000  # listed values in all
START = "\u241c"  # stands where a text begins; no tokenizer here makes it
JOIN = "\u241f"  # between the parts of a compound value

Feature = Callable[[Sequence[str]], list[str]]


class RuleError(ValueError):
    """A rule that cannot be run: unknown feature, oversized, not numbers."""


def predict(rule: Rule, tokens: Sequence[str]) -> list[float]:
    """The predicted activation at every token, same unit as the measured ones. Raises RuleError."""
    predicted = [rule.base] * len(tokens)
    for clause in rule.clauses:
        for place, value in enumerate(values(clause.feature, tokens)):
            predicted[place] += clause.levels.get(value, 0.0)
    return predicted


def check(rule: Rule) -> Rule:
    """The rule itself when it can be run, else RuleError saying what is wrong."""
    if not _finite(rule.base):
        raise RuleError("the base of the rule is not a finite number")
    for clause in rule.clauses:
        _known(clause.feature)
        if not all(map(_finite, clause.levels.values())):
            raise RuleError(f"a level of the clause on '{clause.feature}' is not a finite number")
    if size(rule) > LARGEST_RULE:
        raise RuleError(f"the rule lists {size(rule)} values; {LARGEST_RULE} is the most")
    return rule


def size(rule: Rule) -> int:
    """How many values the rule lists."""
    return sum(len(clause.levels) for clause in rule.clauses)


def values(feature: str, tokens: Sequence[str]) -> list[str]:
    """The feature's value at every token. Raises RuleError for an unknown feature."""
    return _known(feature)(tokens)


def _known(feature: str) -> Feature:
    if feature not in FEATURES:
        raise RuleError(f"no feature is called '{visible(feature[:40])}': there are {', '.join(FEATURES)}")
    return FEATURES[feature]


def _finite(level: object) -> bool:
    return isinstance(level, int | float) and not isinstance(level, bool) and level - level == 0


def lines(rule: Rule, limit: int = 12) -> list[str]:
    """The rule as a person reads it: one line a clause, strongest values first. Raises RuleError."""
    check(rule)
    told = [f"start at {rule.base:+.2f}"]
    for clause in rule.clauses:
        ranked = sorted(clause.levels.items(), key=lambda item: -abs(item[1]))
        listed = ", ".join(f"{shown(value)} {level:+.2f}" for value, level in ranked[:limit])
        more = f", and {len(ranked) - limit} more" if len(ranked) > limit else ""
        told.append(f"{DESCRIPTIONS[clause.feature]}: {listed}{more}")
    return told


def shown(value: str) -> str:
    """A feature's value for a person: quoted, parts joined by an arrow, the text's start named."""
    parts = ["(start)" if part == START else f"\u2018{visible(part)}\u2019" for part in value.split(JOIN)]
    return " \u2192 ".join(parts)


def visible(text: str) -> str:
    """White space made visible: newline as ⏎, tab as ⇥, a leading or repeated space as ·; others as \\x1b."""
    text = text.replace("\n", "\u23ce").replace("\t", "\u21e5").replace("\r", "\u240d")
    text = "".join(_escaped(mark) for mark in text) if not text.isprintable() else text
    return re.sub(r"^ +| {2,}", lambda found: "\u00b7" * len(found[0]), text)


def _escaped(mark: str) -> str:
    """Control characters, direction marks, line separators and half surrogates as their code."""
    hidden = unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return mark.encode("unicode_escape").decode("ascii") if hidden else mark


@lru_cache(maxsize=65536)
def token_class(token: str) -> str:
    """The coarse class of one token: what it is made of."""
    core = token.strip(" ")
    if not core:
        return "spaces"
    if not core.strip():
        return "newline" if "\n" in core or "\r" in core else "spaces"
    if core.isdigit():
        return "digits"
    if core.isalpha() or core.isidentifier():
        return _letter_class(core)
    if core[0] in "\"'`":
        return "quote"
    if core[0] in "([{":
        return "opening bracket"
    if core[0] in ")]}":
        return "closing bracket"
    if core[0] == "#":
        return "comment mark"
    return "punctuation" if not any(map(str.isalnum, core)) else "mixed"


def _letter_class(core: str) -> str:
    if not core.isascii():
        return "other script"
    if core.isupper():
        return "CAPITALS" if len(core) > 1 else "one capital"
    if core[0].isupper():
        return "Capitalised"
    return "lower case"


def _before(tokens: Sequence[str], gap: int) -> list[str]:
    return [START] * min(gap, len(tokens)) + list(tokens[: max(0, len(tokens) - gap)])


def _pair(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return [f"{a}{JOIN}{b}" for a, b in zip(first, second, strict=True)]


def _words(tokens: Sequence[str]) -> list[str]:
    """The word so far: pieces of letters and digits merged up to and including the token."""
    found: list[str] = []
    word = ""
    for token in tokens:
        joins = bool(word) and (token[:1].isalnum() or token[:1] == "_") and (word[-1].isalnum() or word[-1] == "_")
        word = word + token if joins and len(word) < 40 else token
        found.append(word)
    return found


def _previous_words(tokens: Sequence[str]) -> list[str]:
    found: list[str] = []
    last, current = START, ""
    for word in _words(tokens):
        if current and not (word.startswith(current) and word != current):
            last = current if current.strip(" ") else last
        current = word
        found.append(last.strip(" ") or START)
    return found


def _line_openings(tokens: Sequence[str]) -> list[str]:
    """The first word of the current line, as far as it is written; a text begins a line."""
    found: list[str] = []
    opening, growing = "", True
    for token, word in zip(tokens, _words(tokens), strict=True):
        if "\n" in token:
            opening, growing = "", True
        elif not opening or (growing and word != token):
            opening = word.strip()
        else:
            growing = False
        found.append(opening or START)
    return found


def _inside(tokens: Sequence[str]) -> list[str]:
    """The innermost thing the token stands in: a bracket, a string, a comment, or code, after the token itself."""
    found: list[str] = []
    stack: list[str] = []
    quote = before = ""
    for token in tokens:
        for match in _MARKS.finditer(token):
            mark = match[0]
            if quote == "#":
                quote = "" if mark == "\n" else quote
            elif quote:
                quote = "" if mark == quote or (mark == "\n" and len(quote) == 1) else quote
            elif mark[0] in "\"'#":
                quote = "" if mark == "'" and _in_word(before + token[: match.start()]) else mark
            elif mark in _CLOSES:
                stack.append(mark)
            elif stack and _CLOSES[stack[-1]] == mark:
                stack.pop()
        before = token
        found.append({"": stack[-1] if stack else "code", "#": "comment"}.get(quote, f"string {quote}"))
    return found


def _in_word(before: str) -> bool:
    """Whether an apostrophe after `before` belongs to a word, not to a string (which r, b, f and u may precede)."""
    letters = _WORD_END.search(before)
    return letters is not None and letters[0].lower() not in ("r", "b", "f", "u", "rb", "br", "fr", "rf")


_WORD_END = re.compile(r"\w+$")
_MARKS = re.compile(r'"""|\'\'\'|["\'#()\[\]{}\n]')
_CLOSES = {"(": ")", "[": "]", "{": "}"}


def _columns(tokens: Sequence[str]) -> list[str]:
    """How many tokens since the line began, in coarse steps."""
    found: list[str] = []
    column = 0
    for token in tokens:
        column = 0 if "\n" in token else column + 1
        found.append(_step(column))
    return found


@lru_cache(maxsize=4096)
def _step(count: int) -> str:
    for low, high in pairwise((0, 1, 2, 3, 4, 6, 9, 13, 20, 40, 80, 160)):
        if low <= count < high:
            return str(low) if high == low + 1 else f"{low} to {high - 1}"
    return "160 and more"


def _indentation(tokens: Sequence[str]) -> list[str]:
    """Spaces in front of the current line."""
    found: list[str] = []
    spaces, at_start = 0, True
    for token in tokens:
        if "\n" in token:
            spaces, at_start = 0, True
            token = token.rpartition("\n")[2]
        if at_start:
            spaces += len(token) - len(token.lstrip(" "))
            at_start = not token.strip(" ")
        found.append(str(min(spaces // 4 * 4, 24)))
    return found


FEATURES: dict[str, Feature] = {
    "token": list,
    "word": _words,
    "class": lambda tokens: [token_class(token) for token in tokens],
    "previous": lambda tokens: _before(tokens, 1),
    "second-previous": lambda tokens: _before(tokens, 2),
    "pair": lambda tokens: _pair(_before(tokens, 1), tokens),
    "previous-word": _previous_words,
    "previous-class": lambda tokens: [START if t == START else token_class(t) for t in _before(tokens, 1)],
    "class-pair": lambda tokens: _pair(
        [START if t == START else token_class(t) for t in _before(tokens, 1)], [token_class(t) for t in tokens]
    ),
    "line-opening": _line_openings,
    "inside": _inside,
    "column": _columns,
    "indentation": _indentation,
    "position": lambda tokens: [_step(place) for place in range(len(tokens))],
}

DESCRIPTIONS: dict[str, str] = {
    "token": "the token is",
    "word": "the word so far is",
    "class": "the token is of class",
    "previous": "the token before is",
    "second-previous": "two tokens before stands",
    "pair": "the last two tokens are",
    "previous-word": "the word before is",
    "previous-class": "the token before is of class",
    "class-pair": "the last two tokens are of class",
    "line-opening": "the line begins with",
    "inside": "it stands inside",
    "column": "tokens since the line began",
    "indentation": "spaces of indentation",
    "position": "tokens since the text began",
}


def table(feature: str, levels: dict[str, float], prose: str = "") -> Clause:
    """A clause, refused with RuleError when the feature is unknown."""
    check(Rule(0.0, (clause := Clause(feature, levels, prose),)))
    return clause
