r"""Text nobody has checked, made safe to look at: what cannot be seen, or moves what can be seen, becomes an escape.

Knows Unicode categories. Control characters, terminal escapes, bidi overrides, zero-width marks, lone surrogates and
exotic spaces come out as `\x1b` or `\u202e`, so that a reader sees that they are there and a screen does not obey them.
Refuses to know HTML or terminals: quoting for either is their own business.
"""

import math
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, *, keep: str = "") -> str:
    """`text` with every invisible character but the plain space and those in `keep` written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char == " " or char in keep else _shown(char) for char in text)


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    if char in _NAMES:
        return _NAMES[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def number(value: float | None) -> str:
    """A measured value in about three figures; a dash for what could not be had, never a zero."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def percent(share: float | None) -> str:
    """A share as a whole percentage; a dash for what could not be had."""
    if share is None or not math.isfinite(share):
        return "–"
    return f"{share * 100:,.0f}%"


def counted(count: float, noun: str) -> str:
    """So many of something, in the singular where it is one."""
    figure = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{figure} {noun}" if count == 1 else f"{figure} {noun}s"
