"""Likeness of meaning: the word being written, or the recent text, beside examples, by the cosine of their embeddings.

The encoder is memory/recall's (a sentence encoder that is on the machine); embeddings are kept by their text. Two kinds
of question: a cosine to the nearest example of at least so many hundredths ("word-like"), and a cosine that exceeds the
one to the nearest counter-example by so many ("word-nearer": the examples, AGAINST, then the counter-examples).
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memory.recall import Encoder, MiniLM
from tools.rules.text import Text

AGAINST = "rather than"  # between examples and counter-examples
NAMES = {
    "word-like": "the word so far means something like",
    "phrase-like": "the last three words mean something like",
    "text-like": "the last words mean something like",
    "word-nearer": "the word so far is nearer in meaning to",
    "phrase-nearer": "the last three words are nearer in meaning to",
    "text-nearer": "the last words are nearer in meaning to",
}
USUAL = 50  # percent of cosine, when a predicate does not say
RECENT = {"phrase": 3, "text": 12}  # words and marks of recent text
KEPT = 50_000  # embeddings

_known: dict[str, NDArray[np.float32]] = {}


def alike(of: str, text: Text, examples: Sequence[str], *, percent: int) -> NDArray[np.bool_]:
    """Per token, whether the cosine to the nearest example is at least `percent` hundredths, bool [tokens].

    For a "nearer" question the cosine to the nearest counter-example is taken off first.
    """
    recent = embedded(recent_texts(of, text))
    if not of.endswith("-nearer"):
        return _nearest(recent, examples) >= percent / 100
    place = list(examples).index(AGAINST) if AGAINST in examples else len(examples)
    difference = _nearest(recent, examples[:place]) - _nearest(recent, examples[place + 1 :])
    return difference >= percent / 100


def _nearest(recent: NDArray[np.float32], examples: Sequence[str]) -> NDArray[np.float32]:
    if not len(examples) or not len(recent):
        return np.zeros(len(recent), np.float32)
    return (recent @ embedded(examples).T).max(axis=1)


def recent_texts(of: str, text: Text) -> list[str]:
    """What is compared at every token: the word so far, or the last 3 or 12 words and marks."""
    unit = of.partition("-")[0]
    if unit == "word":
        return [word.strip() for word in text.words]
    places = [max(0, place - RECENT[unit] + 1) for place in text.before]
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
