"""Figures in prose: which of them stand in what its author was shown.

A figure may be rounded, and a share be told in percent. A name with digits in it (L9N652) has to stand there as it is.
Refuses to know what a figure means: one that stands anywhere in the sources is taken for heard.
"""

import re
from collections.abc import Set
from decimal import Decimal

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+"
_FIGURE = re.compile(
    rf"(?P<name>(?<!\w)[^\W\d]\w*\d\w*)|(?P<minus>(?<![\w.])[-−])?(?P<number>{_NUMBER})(?P<power>e[+-]?\d{{1,3}})?"
    r"(?P<share>\s*(?:%|per ?cent\b))?",
    re.IGNORECASE,
)


def unheard(words: str, *sources: str) -> list[str]:
    """The figures and names of `words` that none of the sources has."""
    heard = [found for source in sources for found in _FIGURE.finditer(source)]
    names = {found["name"].casefold() for found in heard if found["name"]}
    values = {value for found in heard for value in _values(found)}
    return [
        found[0]
        for found in _FIGURE.finditer(words)
        if (found["name"].casefold() not in names if found["name"] else not _stands(found, values))
    ]


def _stands(found: re.Match[str], values: Set[Decimal]) -> bool:
    """Whether a figure is one of the values to its own decimals; its sign counts where it has one."""
    (figure,) = _values(found)
    half = Decimal(5).scaleb(int(figure.as_tuple().exponent) - 1)
    told = [value * scale for value in values for scale in ((1, 100) if found["share"] else (1,))]
    return any(abs(figure - (value if found["minus"] else abs(value))) <= half for value in told)


def _values(found: re.Match[str]) -> list[Decimal]:
    """The value of a figure, or the numbers within a name."""
    if found["name"]:
        return list(map(Decimal, re.findall(r"\d+", found["name"])))
    size = Decimal(found["number"].replace(",", "") + (found["power"] or ""))
    return [-size if found["minus"] else size]
