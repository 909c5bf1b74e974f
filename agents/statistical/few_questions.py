"""Questions for a handful of sentences: a predicate, where it holds, and the price of having thought of it.

Fixed questions ask for one value, one bound, one word before or a closed class of words; learned ones are made from the
sentences (the values that fire, the words that open a stretch of firing, what means like what fires) and hold where
they do when asked without the token's own sentence. A price is a negative log probability: what the family of the
question costs and the log of the number of alternatives in it, so one of many has to explain more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agents.statistical.few_ground import LIKE, PERCENTS, Ground, Meanings, Truth
from memory.records import Predicate
from tools.rules.counts import COUNTS

NEVER = Predicate("tokens", high=-1)  # what a list without values says
OPENS = 0.4  # share of a word's occurrences that open a stretch
SHARES = (0.3, 0.7)  # of a value's occurrences that fire
LIST, COUNT, WORD = 1.0, 2.0, 1.0  # what a list, a count and a word before cost
MOST_BOUNDS = 12

CLASSES: dict[str, tuple[str, ...]] = {
    "negation": ("not", "no", "never", "t", "nothing", "nobody", "none", "neither", "nor", "without", "cannot",
                 "hardly"),
    "comparison": ("like", "as", "than", "more", "less", "most", "least"),
    "question": ("who", "what", "when", "where", "why", "how", "which", "whose", "whom"),
    "article": ("a", "an", "the", "this", "that", "these", "those"),
    "pronoun": ("i", "you", "he", "she", "it", "we", "they", "me", "him", "her", "us", "them"),
    "possessive": ("my", "your", "his", "her", "its", "our", "their"),
    "preposition": ("of", "in", "on", "at", "to", "for", "with", "by", "from", "into", "over", "under", "about",
                    "after", "before", "between", "through", "against", "during"),
    "conjunction": ("and", "or", "but", "because", "so", "if", "while", "although", "though", "until", "since"),
    "being": ("is", "am", "are", "was", "were", "be", "been", "being", "s", "m", "re"),
    "modal": ("can", "could", "will", "would", "shall", "should", "may", "might", "must", "ll", "d"),
    "having": ("has", "have", "had", "having", "do", "does", "did", "done"),
}  # fmt: skip
PRICES = {
    "token": 0.0, "any-case": 0.0, "class": 0.0, "previous-word": 0.3, "previous": 0.3, "shape": 1.0, "ends-1": 1.0,
    "ends-2": 1.0, "ends-3": 1.0, "ends-4": 1.5, "word-starts-1": 1.5, "word-starts-2": 1.5, "word-starts-3": 1.5,
    "previous-class": 0.5, "class-pair": 1.5, "word-back-2": 1.0, "word-back-3": 1.5, "inside": 1.0,
    "line-opening": 1.5, "last-of-()": 1.5, "last-of-[]": 1.5, "last-of-<>": 1.5, "chunk-shape": 1.0, "runs-2": 1.5,
    "runs-3": 1.5, "chunk-starts-2": 1.5, "second-previous": 1.0,
}  # fmt: skip
LISTED = ("any-case", "token", "previous-word", "word-back-2", "class", "shape", "ends-2", "ends-3", "previous-class",
          "class-pair", "chunk-shape")  # fmt: skip
REACHES = (("sentence-word", None, 0.0), ("earlier-word", None, 0.0), ("line-word", None, 0.5),
           *(("near-word", high, 0.0) for high in (2, 3, 5, 8)))  # fmt: skip
OPENINGS = (("word", (("sentence-word", None), ("near-word", 2), ("near-word", 5))),
            ("previous-word", (("sentence-word", None), ("near-word", 3), ("near-word", 6))))  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A predicate, where it holds when nothing is learned from a token's own sentence, and its price."""

    predicate: Predicate
    held: Truth
    price: float


def questions(ground: Ground, words: Meanings, phrases: Meanings) -> list[Question]:
    """All of them, those that hold nowhere left out."""
    asked = [
        *_values(ground), *_bounds(ground), *_words_before(ground), *_classes(ground),
        *_lists(ground), *_openings(ground), *_meanings(ground, words, phrases),
    ]  # fmt: skip
    return [question for question in asked if question.held.any()]


def _named(feature: str) -> str:
    """The name that predicates have for a feature: "ends" for "ends-3"."""
    family = feature.rpartition("-")[0]
    return family if family in ("ends", "word-starts", "chunk-starts") else feature


def _values(ground: Ground) -> Iterator[Question]:
    for feature, price in PRICES.items():
        told = np.array(ground.told(feature), dtype=object)
        listed = sorted({value for value in told[ground.firing] if value})
        for value in listed:
            yield Question(Predicate(_named(feature), (value,)), told == value, price + np.log(len(listed)))


def _bounds(ground: Ground) -> Iterator[Question]:
    for name, count in COUNTS.items():
        counted = np.concatenate([np.array(text.asked(count)) for text in ground.texts])
        bounds = sorted(set(counted[ground.firing].tolist()))
        price = COUNT + np.log(len(bounds))
        for bound in bounds[:MOST_BOUNDS]:
            yield Question(Predicate(name, low=bound), counted >= bound, price)
        for bound in bounds[-MOST_BOUNDS:]:
            yield Question(Predicate(name, high=bound), counted <= bound, price)


def _words_before(ground: Ground) -> Iterator[Question]:
    words = sorted({word for text in ground.texts for word in text.elements})
    for of, high, price in REACHES:
        asked = [Predicate(of, (word,), high=high) for word in words]
        found = [(each, held) for each in asked if ((held := ground.holds(each)) & ground.firing).any()]
        for each, held in found:
            cost = WORD + price + np.log(len(found))
            yield Question(each, held, cost)
            if of == "sentence-word":
                since = _since("word", each)
                yield Question(since, ground.holds(since), cost + 0.3)


def _since(feature: str, before: Predicate) -> Predicate:
    """From the words of a question about words before on: where `feature` is "word", the words themselves too."""
    return Predicate("any", parts=(Predicate("word", before.values), before)) if feature == "word" else before


def _classes(ground: Ground) -> Iterator[Question]:
    for words in CLASSES.values():
        listed = (*words, *(word.capitalize() for word in words))
        for asked, price in (
            (Predicate("any-case", words), 0.0), (Predicate("previous-word", listed), 0.0),
            (Predicate("near-word", listed, high=3), 0.5), (Predicate("near-word", listed, high=6), 0.5),
            (Predicate("sentence-word", listed), 0.5),
        ):  # fmt: skip
            yield Question(asked, ground.holds(asked), LIST + price + np.log(len(CLASSES)))


def _lists(ground: Ground) -> Iterator[Question]:
    """The values that fire in some sentence, as a share of their occurrences."""
    for feature in LISTED:
        names, codes = np.unique(np.array(ground.told(feature)), return_inverse=True)
        fired, seen = ground.tally(codes, ground.firing), ground.tally(codes)
        fires, number = ground.elsewhere(fired, codes), ground.elsewhere(seen, codes)
        for share in SHARES:
            kept = (fired.sum(1) > 0) & (fired.sum(1) >= share * seen.sum(1))
            predicate = Predicate(_named(feature), tuple(names[kept].tolist())) if kept.any() else NEVER
            yield Question(predicate, (fires > 0) & (fires >= share * number), LIST + PRICES[feature])


def _openings(ground: Ground) -> Iterator[Question]:
    """Since a word that opens a stretch of firing, or since the word before one, in some reach."""
    begins = ground.firing.copy()
    begins[1:] &= ~(ground.firing[:-1] & (ground.sentence[1:] == ground.sentence[:-1]))
    for feature, reaches in OPENINGS:
        names, codes = np.unique(np.array(ground.told(feature)), return_inverse=True)
        opened, seen = ground.tally(codes, begins), ground.tally(codes)
        for of, high in reaches:
            held = np.zeros(len(begins), bool)
            for own in range(ground.number):
                kept = _opening(opened.sum(1) - opened[:, own], seen.sum(1) - seen[:, own])
                if kept.any():
                    asked = _since(feature, Predicate(of, tuple(names[kept].tolist()), high=high))
                    held |= ground.holds(asked) & (ground.sentence == own)
            kept = _opening(opened.sum(1), seen.sum(1))
            values = tuple(names[kept].tolist())
            predicate = _since(feature, Predicate(of, values, high=high)) if values else NEVER
            yield Question(predicate, held, LIST + WORD)


def _opening(opened: np.ndarray, seen: np.ndarray) -> Truth:
    return (opened > 0) & (opened >= OPENS * seen)


def _meanings(ground: Ground, words: Meanings, phrases: Meanings) -> Iterator[Question]:
    """What means something like what fires, and is nearer to it than to anything silent; the word before it too."""
    same = np.append(False, ground.sentence[1:] == ground.sentence[:-1])
    for meanings, price in ((words, 0.0), (phrases, 1.0)):
        for kind, percents in PERCENTS.items():
            for percent in percents:
                asked, held = meanings.predicate(kind, percent), meanings.held(kind, percent)
                cost = LIST + price + np.log(len(percents))
                yield Question(asked, held, cost)
                if meanings is words and kind == LIKE:
                    before = Predicate("back", low=1, high=1, parts=(asked,))
                    yield Question(before, np.roll(held, 1) & same, cost + 1.0)
