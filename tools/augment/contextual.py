"""Words replaced one at a time by what fits their context, unmeasured.

After the augmentation of Neuron to Graph (Foote et al. 2023, arXiv:2305.19911): a masked language model proposes, or
the subject itself where there is none.

1. Find the words of the text (words.py).
2. Ask the source for each; keep up to n that fit, take over the word's capitals, and differ from it and each other.
3. Put each in the word's place; everything around it stays as it is, spaces included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.augment.words import Span, SubjectWords, WordSource, cased, fits, spans

if TYPE_CHECKING:
    from tools.subject import Subject


@dataclass(frozen=True)
class Replacement:
    """`text` is the text with `old`, which stood at character `start`, replaced by `new`; `source` proposed it."""

    text: str
    start: int
    old: str
    new: str
    source: str


class ContextualAugmenter:
    """Replaces words as `source` expects them: a masked language model, or else the subject."""

    def __init__(self, subject: Subject, source: WordSource | None = None, *, skip_stopwords: bool = False) -> None:
        self._source = source if source is not None else SubjectWords(subject)
        self._skip_stopwords = skip_stopwords

    def augment(
        self, text: str, n: int = 5, *, before: int | None = None, besides: Sequence[Span] = ()
    ) -> list[Replacement]:
        """Up to `n` replacements of every word, in the order of the text, likeliest first.

        Only of words that begin before character `before`, and that share no character with `besides`.
        """
        found = [
            (start, end)
            for start, end in spans(text, skip_stopwords=self._skip_stopwords)
            if (before is None or start < before) and not any(start < b and a < end for a, b in besides)
        ]
        offers = self._source.words(text, found, count=n)
        return [
            Replacement(text[:start] + new + text[end:], start, text[start:end], new, self._source.name)
            for (start, end), offer in zip(found, offers, strict=True)
            for new in _chosen(offer, text[start:end], n)
        ]


def _chosen(offer: Sequence[str], old: str, n: int) -> list[str]:
    """The first `n` that fit, in the old word's capitals, none twice."""
    kept: dict[str, str] = {}
    for new in offer:
        if fits(new, old):
            kept.setdefault(new.casefold(), cased(new, old))
    return list(kept.values())[:n]
