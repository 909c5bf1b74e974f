"""Features: what a token is and where it stands, one string per token, from the text up to and including it.

FEATURES maps a name to a function of a Text; DESCRIPTIONS says each in words that a value completes. A family such as
"ends" (the last n characters written) has one feature per n: "ends-3". Refuses to know which values matter.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import pairwise

from tools.rules.marks import JOIN, START
from tools.rules.text import Text

Feature = Callable[[Text], list[str]]

ENDS = range(1, 11)  # characters of the text's end
STARTS = range(1, 6)  # characters of a word's beginning
CHUNKS = (2, 4, 6, 8)  # characters of a chunk's beginning
WORDS_BACK = range(1, 5)
PAIRS = ("()", "[]", "{}", "<>")
QUOTES = ("'", '"', "`")
RUNS = (2, 3, 4)  # runs of like characters at the text's end


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


@lru_cache(maxsize=4096)
def shape(text: str) -> str:
    """Letters as A or a, digits as 0, runs of one kind once: "parse_HTML2" is a_A0; at most 12 characters."""
    return Text([text]).shape(0, len(text))


def _pair(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return [f"{a}{JOIN}{b}" for a, b in zip(first, second, strict=True)]


def _class_before(text: Text) -> list[str]:
    return [START if token == START else token_class(token) for token in text.back(1)]


def _classes(text: Text) -> list[str]:
    return [token_class(token) for token in text.tokens]


def _word_back(text: Text, gap: int) -> list[str]:
    """The word or marks `gap` elements before the current one."""
    elements = text.elements
    return [elements[place - gap] if place >= gap else START for place in text.before]


def _line_opening(text: Text) -> list[str]:
    """The first word or marks of the current line, as far as it is written; START before there is one."""
    firsts = text.first_element(text.lines)
    return [_element(text, first, token) or START for token, first in enumerate(firsts)]


def _element(text: Text, number: int, token: int) -> str:
    """An element as far as it is written at a token; empty when it has not begun."""
    if number < text.before[token]:
        return text.elements[number]
    begun = text.element_start(number) < text.ends[token]
    return text.words[token] if begun and number == text.before[token] else ""


def _ends(text: Text, size: int) -> list[str]:
    return [text.string[max(0, end - size) : end] if end >= size else "" for end in text.ends]


def _word_starts(text: Text, size: int) -> list[str]:
    return [word[:size] if len(word) >= size else "" for word in text.words]


def _chunk_starts(text: Text, size: int) -> list[str]:
    spans = zip(text.chunks, text.ends, strict=True)
    return [text.string[start : start + size] if end - start >= size else "" for start, end in spans]


def _word_shape(text: Text) -> list[str]:
    return [text.shape(max(0, end - len(word)), end) for word, end in zip(text.words, text.ends, strict=True)]


def _chunk_shape(text: Text) -> list[str]:
    return [text.shape(start, end) for start, end in zip(text.chunks, text.ends, strict=True)]


def _last_runs(text: Text, runs: int) -> list[str]:
    return [text.shape(0, end)[-runs:] for end in text.ends]


def _last_of(text: Text, pair: str, whole: bool) -> list[str]:
    """Which mark of a pair was written last in the line (or in the whole text), the token's own included."""
    found, last = [], START
    for token in text.tokens:
        for mark in token:
            if mark in pair:
                last = mark
            elif mark == "\n" and not whole:
                last = START
        found.append(last)
    return found


def _parity(text: Text, quote: str) -> list[str]:
    """Whether an odd number of quotes has been written in the line, the token's own included: one is open."""
    found, odd = [], False
    for token in text.tokens:
        for mark in token:
            odd = (not odd) if mark == quote else odd and mark != "\n"
        found.append("odd" if odd else "even")
    return found


def _inside(text: Text) -> list[str]:
    """The innermost thing the token stands in: a bracket, a string, a comment, or code, after the token itself."""
    found: list[str] = []
    stack: list[str] = []
    quote = before = ""
    for token in text.tokens:
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


def _columns(text: Text) -> list[str]:
    """How many tokens since the line began, in coarse steps."""
    found: list[str] = []
    column = 0
    for token in text.tokens:
        column = 0 if "\n" in token else column + 1
        found.append(step(column))
    return found


@lru_cache(maxsize=4096)
def step(count: int) -> str:
    """A count in coarse steps, as "4 to 5"."""
    for low, high in pairwise((0, 1, 2, 3, 4, 6, 9, 13, 20, 40, 80, 160)):
        if low <= count < high:
            return str(low) if high == low + 1 else f"{low} to {high - 1}"
    return "160 and more"


def indents(text: Text) -> list[int]:
    """Spaces in front of the current line, as far as it is written."""
    found: list[int] = []
    spaces, at_start = 0, True
    for token in text.tokens:
        if "\n" in token:
            spaces, at_start = 0, True
            token = token.rpartition("\n")[2]
        if at_start:
            spaces += len(token) - len(token.lstrip(" "))
            at_start = not token.strip(" ")
        found.append(spaces)
    return found


FEATURES: dict[str, Feature] = {
    "token": lambda text: list(text.tokens),
    "word": lambda text: text.words,
    "class": _classes,
    "previous": lambda text: text.back(1),
    "second-previous": lambda text: text.back(2),
    "pair": lambda text: _pair(text.back(1), text.tokens),
    "previous-word": lambda text: _word_back(text, 1),
    "previous-class": _class_before,
    "class-pair": lambda text: _pair(_class_before(text), _classes(text)),
    "line-opening": _line_opening,
    "inside": _inside,
    "column": _columns,
    "indentation": lambda text: [str(min(spaces // 4 * 4, 24)) for spaces in indents(text)],
    "position": lambda text: [step(place) for place in range(len(text.tokens))],
    "any-case": lambda text: [word.lower() for word in text.words],
    "shape": _word_shape,
    "chunk-shape": _chunk_shape,
    **{f"word-back-{gap}": partial(_word_back, gap=gap) for gap in WORDS_BACK if gap > 1},
    **{f"ends-{size}": partial(_ends, size=size) for size in ENDS},
    **{f"word-starts-{size}": partial(_word_starts, size=size) for size in STARTS},
    **{f"chunk-starts-{size}": partial(_chunk_starts, size=size) for size in CHUNKS},
    **{f"runs-{runs}": partial(_last_runs, runs=runs) for runs in RUNS},
    **{f"last-of-{pair}": partial(_last_of, pair=pair, whole=False) for pair in PAIRS},
    **{f"latest-of-{pair}": partial(_last_of, pair=pair, whole=True) for pair in PAIRS},
    **{f"number-of-{quote}": partial(_parity, quote=quote) for quote in QUOTES},
    "always": lambda text: [""] * len(text.tokens),
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
    "any-case": "the word so far, in any case, is",
    "shape": "the word so far is shaped like",
    "chunk-shape": "the text since the last space is shaped like",
    **{f"word-back-{gap}": f"{gap} words before stands" for gap in WORDS_BACK if gap > 1},
    **{f"ends-{size}": "the text so far ends in" for size in ENDS},
    **{f"word-starts-{size}": "the word so far begins with" for size in STARTS},
    **{f"chunk-starts-{size}": "the text since the last space begins with" for size in CHUNKS},
    **{f"runs-{runs}": f"the last {runs} runs of like characters are" for runs in RUNS},
    **{f"last-of-{pair}": f"of {pair[0]} and {pair[1]} the last in the line is" for pair in PAIRS},
    **{f"latest-of-{pair}": f"of {pair[0]} and {pair[1]} the last in the text is" for pair in PAIRS},
    **{f"number-of-{quote}": f"the number of {quote} in the line is" for quote in QUOTES},
    "always": "everywhere",
}
