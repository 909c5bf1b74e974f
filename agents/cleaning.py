"""Texts as language models hand them over, made into the texts they meant.

Takes off what a model wraps around a text: chatter ("Here is a new prompt:"), labels ("Text 1:"), numbering, code
fences, bold marks, surrounding quotes, an "Explanation:" tail; and characters that no reader sees. Works until nothing
changes, so that cleaning twice is cleaning once. Refuses to judge length or worth: an empty text comes back empty.
"""

import re
import unicodedata

MOST_LAYERS = 30  # one label after another for ever is not a wrapping

_NOUN = r"(?:prompt|text|sentence|example|rewrite|rewriting|variant|variation|version|paraphrase|candidate|snippet)"
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)
_UNSEEN = frozenset("\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CHATTER = re.compile(
    r"^(?:(?:sure|certainly|of course|absolutely|okay|ok|great)\b[,!.]?\s*)?"
    rf"here(?:'s|’s| is| are)\b[^\n:]{{0,80}}\b{_NOUN}s?\b[^\n:]{{0,80}}:\s*"
    r"|^(?:sure|certainly|of course|absolutely)\b[^\n:.!]{0,80}[:.!]\s*\n\s*",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:\*\*|__|#{1,4}\s)?(?:(?:new|next|final|my|proposed|revised|rewritten|generated|test|output)\s+)?"
    rf"{_NOUN}(?:\s*#?\d{{1,3}})?(?:\*\*|__)?\s*[:：](?:\*\*|__)?\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^(?:\(?\d{1,2}[.)]|[-*•])\s+(?=\S)")
_FENCE = re.compile(r"^```(?:[\w+-]*[ \t]*\n)?(.*?)(?:\n?```.*)?$", re.DOTALL)
_OPEN = r"[(\[*_]{0,3}"
_TAIL = re.compile(
    rf"(?:^|\n[ \t]*|(?<=[\"”'’».!?])\s+){_OPEN}(?:explanation|reasoning|rationale|justification)[*_]{{0,2}}\s*[:：].*$"
    rf"|\n[ \t]*{_OPEN}(?:note|why|(?:expected|predicted) activation)\b[*_]{{0,2}}\s*[:：].*$"
    rf"|(?:\n[ \t]*|(?<=[\"”])\s+)\(?this {_NOUN}\b.*$",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES = (('"', '"'), ("“", "”"), ("‘", "’"), ("'", "'"), ("«", "»"), ("`", "`"), ("**", "**"))
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“'(])")


def clean(text: str) -> str:
    """The text a model meant by `text`; what it said about it is gone."""
    cleaned = visible(text).strip()
    for _ in range(MOST_LAYERS):
        shorter = _unwrapped(cleaned)
        if shorter == cleaned:
            break
        cleaned = shorter
    return cleaned


def visible(text: str) -> str:
    """The text without terminal escapes, control characters, lone surrogates and invisible direction marks."""
    plain = _ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(mark for mark in plain if mark in "\n\t" or not _is_unseen(mark))


def clean_prose(text: str, *, sentences: int = 3, characters: int = 600) -> str:
    """One paragraph of at most so many sentences and characters."""
    paragraph = " ".join(_unquoted(visible(text).strip()).split())
    kept = " ".join(_SENTENCE_END.split(paragraph)[:sentences])
    return kept if len(kept) <= characters else kept[: characters - 1].rstrip() + "…"


def _is_unseen(mark: str) -> bool:
    return mark in _UNSEEN or unicodedata.category(mark) in ("Cc", "Cs")


def _unwrapped(text: str) -> str:
    """The text with one layer of every kind of wrapping taken off."""
    for pattern in (_CHATTER, _LABEL, _NUMBER, _TAIL):
        text = pattern.sub("", text, count=1).strip()
    if fenced := _FENCE.match(text):
        text = fenced.group(1).strip()
    return _unquoted(text)


def _unquoted(text: str) -> str:
    """The text without quotes around the whole of it, or one lost quote at an end."""
    for opening, closing in _QUOTES:
        inner = text[len(opening) : -len(closing)]
        around = len(text) >= len(opening + closing) and text.startswith(opening) and text.endswith(closing)
        if around and opening not in inner and closing not in inner:
            return inner.strip()
    if text.count('"') == 1 and (text.startswith('"') or text.endswith(('."', '!"', '?"'))):
        return text.strip('"').strip()
    return text
