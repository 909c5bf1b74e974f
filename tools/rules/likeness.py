"""Likeness of meaning: the word being written, or the recent text, beside examples, by the cosine of their embeddings.

The encoder is memory/recall's (a sentence encoder that is on the machine); embeddings are kept by their text.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memory.recall import Encoder, MiniLM
from tools.rules.text import Text

NAMES = {"word-like": "the word so far means something like", "text-like": "the last words mean something like"}
USUAL = 50  # percent of cosine, when a predicate does not say
RECENT = 12  # words and marks of recent text
KEPT = 50_000  # embeddings

_known: dict[str, NDArray[np.float32]] = {}


def alike(of: str, text: Text, examples: Sequence[str], *, percent: int) -> NDArray[np.bool_]:
    """Per token, whether the cosine to the nearest example is at least `percent` hundredths, bool [tokens]."""
    recent = recent_texts(of, text)
    cosines = embedded(recent) @ embedded(examples).T
    return cosines.max(axis=1) >= percent / 100


def recent_texts(of: str, text: Text) -> list[str]:
    """What is compared at every token: the word so far, or the last 12 words and marks."""
    if of == "word-like":
        return [word.strip() for word in text.words]
    places = [max(0, place - RECENT + 1) for place in text.before]
    firsts = [text.element_start(place) for place in places]
    return [text.string[min(first, end) : end].strip() for first, end in zip(firsts, text.ends, strict=True)]


def embedded(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 [texts, 384], rows of length one; each text is embedded once."""
    missing = [text for text in dict.fromkeys(texts) if text not in _known]
    if len(_known) + len(missing) > KEPT:
        _known.clear()
        missing = list(dict.fromkeys(texts))
    if missing:
        _known.update(zip(missing, _encoder().encode(missing), strict=True))
    return np.stack([_known[text] for text in texts]) if len(texts) else np.zeros((0, 1), np.float32)


@cache
def _encoder() -> Encoder:
    return MiniLM()
