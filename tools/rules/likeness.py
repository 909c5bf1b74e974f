"""Likeness of meaning: the word being written, or the recent text, beside examples, by the cosine of their embeddings.

The encoder is memory/recall's (a sentence encoder that is on the machine); embeddings are kept by their text. A
nearness is the cosine to the nearest example, or for a question that ends in "-two" the mean of the two nearest: one
may be near by chance. Two kinds of question: a nearness of at least so many hundredths ("word-like"), and one that
exceeds the nearness to counter-examples by so many ("word-nearer": examples, AGAINST, then counter-examples).
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memory.recall import Encoder, MiniLM
from tools.rules.text import Text

AGAINST = "rather than "  # between examples and counter-examples; what is compared never ends in a space
NAMES = {
    "word-like": "the word so far means something like",
    "phrase-like": "the last three words mean something like",
    "text-like": "the last words mean something like",
    "word-like-two": "the word so far means something like two of",
    "phrase-like-two": "the last three words mean something like two of",
    "text-like-two": "the last words mean something like two of",
    "word-nearer": "the word so far is nearer in meaning to",
    "phrase-nearer": "the last three words are nearer in meaning to",
    "text-nearer": "the last words are nearer in meaning to",
    "word-nearer-two": "the word so far is nearer in meaning to two of",
    "phrase-nearer-two": "the last three words are nearer in meaning to two of",
    "text-nearer-two": "the last words are nearer in meaning to two of",
}
USUAL = 50  # percent of cosine, when a predicate does not say
RECENT = {"phrase": 3, "text": 12}  # words and marks of recent text
KEPT = 50_000  # embeddings

_known: dict[str, NDArray[np.float32]] = {}


def alike(of: str, text: Text, examples: Sequence[str], *, percent: int) -> NDArray[np.bool_]:
    """Per token, whether the nearness to the examples is at least `percent` hundredths, bool [tokens].

    For a "nearer" question the nearness to the counter-examples is taken off first.
    """
    recent, two = embedded(recent_texts(of, text)), of.endswith("-two")
    if "-nearer" not in of:
        return _near(recent, examples, two=two) >= percent / 100
    place = list(examples).index(AGAINST) if AGAINST in examples else len(examples)
    difference = _near(recent, examples[:place], two=two) - _near(recent, examples[place + 1 :], two=two)
    return difference >= percent / 100


def _near(recent: NDArray[np.float32], examples: Sequence[str], *, two: bool) -> NDArray[np.float32]:
    if not len(examples) or not len(recent):
        return np.zeros(len(recent), np.float32)
    return nearness(recent @ embedded(examples).T, two=two)


def nearness(cosines: NDArray[np.float32], *, two: bool) -> NDArray[np.float32]:
    """Of every row [rows, examples] the greatest cosine, or the mean of the two greatest where there are two."""
    if not two or cosines.shape[1] == 1:
        return cosines.max(axis=1)
    return np.partition(cosines, -2, axis=1)[:, -2:].mean(axis=1)


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
