"""How values are written and shown: the marks for a text's start and for compound values, and white space made visible.

Refuses to know features. What is shown to a person went through here: no control character passes.
"""

import re
import unicodedata

START = "\u241c"  # stands where a text begins; no tokenizer here makes it
JOIN = "\u241f"  # between the parts of a compound value


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
