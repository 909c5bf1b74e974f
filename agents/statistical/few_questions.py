"""Questions for a handful of sentences: each a predicate and where it holds, with the price of having thought of it.

Fixed questions ask for one value, one bound or one word before; their price is what their family costs plus the log of
the number of alternatives in it. Learned questions are made from the sentences themselves (the values that fire, the
words that fire and what means like them): at a token they are asked without the token's own sentence, so that what they
seem to be worth in training is what they are worth on a sentence nobody has seen. Prices are natural logarithms.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memory.records import Predicate
from tools import rules
from tools.pages import Page
from tools.rules import likeness
from tools.rules.counts import COUNTS
from tools.rules.text import Text, text_of

Truth = NDArray[np.bool_]
FIRING = 0.3  # share of the greatest value from which a token fires
OPENS = 0.4  # share of a word's occurrences that open a stretch
LIST = 1.0  # price of a closed class of words, or of a learned list

CLASSES: dict[str, tuple[str, ...]] = {
    "negation": ("not", "no", "never", "t", "’t", "'t", "nothing", "nobody", "none", "neither", "nor", "without", "cannot", "hardly"),
    "comparison": ("like", "as", "than", "more", "less", "most", "least"),
    "question": ("who", "what", "when", "where", "why", "how", "which", "whose", "whom"),
    "article": ("a", "an", "the", "this", "that", "these", "those"),
    "pronoun": ("i", "you", "he", "she", "it", "we", "they", "me", "him", "her", "us", "them"),
    "possessive": ("my", "your", "his", "her", "its", "our", "their"),
    "preposition": ("of", "in", "on", "at", "to", "for", "with", "by", "from", "into", "over", "under", "about", "after",
                    "before", "between", "through", "against", "during"),
    "conjunction": ("and", "or", "but", "because", "so", "if", "while", "although", "though", "until", "since"),
    "being": ("is", "am", "are", "was", "were", "be", "been", "being", "s", "’s", "m", "re"),
    "modal": ("can", "could", "will", "would", "shall", "should", "may", "might", "must", "ll", "d"),
    "having": ("has", "have", "had", "having", "do", "does", "did", "done"),
}  # fmt: skip
PRICES = {
    "token": 0.0, "any-case": 0.0, "class": 0.0, "previous-word": 0.3, "previous": 0.3, "shape": 1.0, "ends-1": 1.0,
    "ends-2": 1.0, "ends-3": 1.0, "ends-4": 1.5, "word-starts-1": 1.5, "word-starts-2": 1.5, "word-starts-3": 1.5,
    "previous-class": 0.5, "class-pair": 1.5, "word-back-2": 1.0, "word-back-3": 1.5, "inside": 1.0, "line-opening": 1.5,
    "last-of-()": 1.5, "last-of-[]": 1.5, "last-of-<>": 1.5, "chunk-shape": 1.0, "runs-2": 1.5, "runs-3": 1.5,
    "chunk-starts-2": 1.5, "second-previous": 1.0,
}  # fmt: skip
LEARNED = ("any-case", "token", "previous-word", "word-back-2", "class", "shape", "ends-2", "ends-3", "previous-class",
           "class-pair", "chunk-shape")  # fmt: skip
BEFORE = {"sentence-word": 1.0, "earlier-word": 1.0, "line-word": 1.5}
NEAR = (2, 3, 5, 8)
ALIKE, NEARER = (35, 45, 55, 65, 75), (1, 8, 16, 25)


@dataclass(frozen=True)
class Question:
    """A predicate as it is asked once all sentences are known, its price, and where it held when asked honestly."""

    predicate: Callable[[NDArray[np.bool_]], Predicate]  # from the sentences it may learn from
    price: float
    held: Callable[[int], Truth]  # from the sentence left out besides a token's own, -1 for none


class Ground:
    """Sentences as columns. values: [tokens] activation over silence, 0 to 1; sentence: [tokens] number of sentence."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.texts: list[Text] = [text_of(page.tokens) for page in pages]
        measured = np.concatenate([page.values for page in pages]).astype(float)
        self.sentence = np.repeat(np.arange(len(pages)), [len(page.tokens) for page in pages])
        self.silence = float(np.median(measured))
        self.scale = float(measured.max()) - self.silence or 1.0
        self.values = np.clip((measured - self.silence) / self.scale, 0.0, 1.0)
        self.firing = self.values >= FIRING

    @property
    def number(self) -> int:
        """How many sentences there are."""
        return len(self.texts)

    def told(self, feature: str) -> list[str]:
        """A feature's value at every token."""
        return [value for text in self.texts for value in text.asked(rules.FEATURES[feature])]

    def holds(self, predicate: Predicate) -> Truth:
        """Where a predicate is true, bool [tokens]."""
        return np.concatenate([rules.holds(predicate, text) for text in self.texts])

    def firing_in(self, learning: NDArray[np.bool_]) -> Truth:
        """Firing tokens of the sentences that may be learned from."""
        return self.firing & learning[self.sentence]

    @cached_property
    def questions(self) -> list[Question]:
        """All of them."""
        return [*self._fixed(), *learned_lists(self), *openings(self), *likenesses(self)]

    def _fixed(self) -> Iterator[Question]:
        for feature, price in PRICES.items():
            told = np.array(self.told(feature), dtype=object)
            asked = sorted({value for value in told[self.firing] if value != ""})
            cost = price + np.log(max(len(asked), 1))
            name = (
                feature.rpartition("-")[0]
                if feature.startswith(("ends-", "word-starts-", "chunk-starts-"))
                else feature
            )
            for value in asked:
                yield _fixed(Predicate(name, (value,)), told == value, cost)
        for name, count in COUNTS.items():
            counted = np.concatenate([np.array(text.asked(count)) for text in self.texts])
            bounds = sorted(set(counted[self.firing].tolist()))
            cost = 2.0 + np.log(max(len(bounds), 1))
            for bound in bounds[:12]:
                yield _fixed(Predicate(name, low=bound), counted >= bound, cost)
            for bound in bounds[-12:]:
                yield _fixed(Predicate(name, high=bound), counted <= bound, cost)
        yield from self._before()
        for words in CLASSES.values():
            listed = (*words, *(word.capitalize() for word in words))
            for asked, price in ((Predicate("any-case", words), 0.0), (Predicate("previous-word", listed), 0.0),
                                 (Predicate("near-word", listed, high=3), 0.5), (Predicate("near-word", listed, high=6), 0.5),
                                 (Predicate("sentence-word", listed), 0.5)):  # fmt: skip
                yield _fixed(asked, self.holds(asked), LIST + price + np.log(len(CLASSES)))

    def _before(self) -> Iterator[Question]:
        words = sorted({word for text in self.texts for word in text.elements})
        for name, price in (*BEFORE.items(), *((f"near-word-{high}", 1.0) for high in NEAR)):
            found = []
            for word in words:
                of, high = ("near-word", int(name.rpartition("-")[2])) if name.startswith("near") else (name, None)
                asked = Predicate(of, (word,), high=high)
                held = self.holds(asked)
                if (held & self.firing).any():
                    found.append((asked, held, word))
            for asked, held, word in found:
                cost = price + np.log(len(found))
                yield _fixed(asked, held, cost)
                if asked.of in ("sentence-word",):
                    since = Predicate("any", parts=(Predicate("word", (word,)), asked))
                    yield _fixed(since, held | self.holds(since.parts[0]), cost + 0.3)


def _fixed(predicate: Predicate, held: Truth, price: float) -> Question:
    return Question(lambda _: predicate, float(price), lambda _: held)


def learned_lists(ground: Ground) -> Iterator[Question]:
    """The values that fire in another sentence, more often than not."""
    for feature in LEARNED:
        told = ground.told(feature)
        names, codes = np.unique(np.array(told), return_inverse=True)
        fired, seen = np.zeros((len(names), ground.number)), np.zeros((len(names), ground.number))
        np.add.at(fired, (codes, ground.sentence), ground.firing)
        np.add.at(seen, (codes, ground.sentence), 1.0)
        for least in (0.3, 0.7):

            def held(out: int, codes=codes, fired=fired, seen=seen, least=least) -> Truth:
                f, n = _others(fired, codes, ground.sentence, out), _others(seen, codes, ground.sentence, out)
                return (f > 0) & (f >= least * n)

            def predicate(learning, names=names, fired=fired, seen=seen, least=least, feature=feature) -> Predicate:
                f, n = fired[:, learning].sum(1), seen[:, learning].sum(1)
                of = "ends" if feature.startswith("ends-") else feature
                return Predicate(of, tuple(names[(f > 0) & (f >= least * n)].tolist()))

            yield Question(predicate, LIST + PRICES[feature], held)


def openings(ground: Ground) -> Iterator[Question]:
    """Since a word that opens a stretch of firing in another sentence, or since the word before one, in some reach."""
    begins = ground.firing.copy()
    begins[1:] &= ~(ground.firing[:-1] & (ground.sentence[1:] == ground.sentence[:-1]))
    for feature, reaches in (("word", (("sentence-word", None), ("near-word", 2), ("near-word", 5))),
                             ("previous-word", (("sentence-word", None), ("near-word", 3), ("near-word", 6)))):  # fmt: skip
        names, codes = np.unique(np.array(ground.told(feature)), return_inverse=True)
        opened, words = np.zeros((len(names), ground.number)), np.array(ground.told("word"))
        np.add.at(opened, (codes, ground.sentence), begins)
        seen = np.zeros_like(opened)
        np.add.at(seen, (codes, ground.sentence), 1.0)
        for of, high in reaches:
            apart = {name: ground.holds(_since(feature, of, (name,), high)) for name in names[opened.sum(1) > 0]}
            stands = np.array([apart.get(name, np.zeros(len(words), bool)) for name in names])

            def held(out: int, stands=stands, opened=opened, seen=seen) -> Truth:
                found = np.zeros(stands.shape[1], bool)
                for own in range(ground.number):
                    learning = np.ones(ground.number, bool)
                    learning[own] = False
                    if out >= 0:
                        learning[out] = False
                    inside = ground.sentence == own
                    found[inside] = stands[_listed(opened, seen, learning)][:, inside].any(0)
                return found

            def predicate(learning, names=names, opened=opened, seen=seen, of=of, high=high, feature=feature) -> Predicate:
                return _since(feature, of, tuple(names[_listed(opened, seen, learning)].tolist()), high)

            yield Question(predicate, LIST + 1.0, held)


def _listed(opened: NDArray[np.float64], seen: NDArray[np.float64], learning: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = opened[:, learning].sum(1)
    return (found > 0) & (found >= OPENS * seen[:, learning].sum(1))


def _since(feature: str, of: str, values: tuple[str, ...], high: int | None) -> Predicate:
    before = Predicate(of, values, high=high)
    return Predicate("any", parts=(Predicate("word", values), before)) if feature == "word" else before


def _others(table: NDArray[np.float64], codes: NDArray[np.int64], sentence: NDArray[np.int64], out: int):
    """Per token the sum of a [values, sentences] table over sentences other than its own and the one left out."""
    total = table.sum(1)[codes] - table[codes, sentence]
    return total - np.where(sentence == out, 0.0, table[codes, out]) if out >= 0 else total


def likenesses(ground: Ground, units: Sequence[str] = ("word", "phrase")) -> Iterator[Question]:
    """What means something like what fires, and is nearer to it than to anything silent."""
    for unit in units:
        like = Likeness(ground, unit)
        for back in (0, 1) if unit == "word" else (0,):
            for kind, percents in (("like", ALIKE), ("nearer", NEARER)):
                for percent in percents:
                    yield like.question(kind, percent, back=back)


class Likeness:
    """Words (or phrases) and how near they are to those that fire and to those that do not, sentence by sentence."""

    def __init__(self, ground: Ground, unit: str) -> None:
        self.ground, self.unit = ground, unit
        told = [value for text in ground.texts for value in likeness.recent_texts(f"{unit}-like", text)]
        self.names, self.codes = np.unique(np.array(told), return_inverse=True)
        vectors = likeness.embedded(self.names.tolist())
        self.cosines = vectors @ vectors.T
        self.fires = self._nearest(ground.firing)
        self.silent = self._nearest(~ground.firing)

    def _nearest(self, among: Truth) -> NDArray[np.float32]:
        """[names, sentences] the cosine to the nearest token of the sentence among some."""
        found = np.full((len(self.names), self.ground.number), -1.0, np.float32)
        for sentence in range(self.ground.number):
            codes = np.unique(self.codes[among & (self.ground.sentence == sentence)])
            if len(codes):
                found[:, sentence] = self.cosines[:, codes].max(1)
        return found

    def nearness(self, kind: str, out: int) -> NDArray[np.float32]:
        """Per token the cosine to what fires elsewhere, or how much it exceeds the one to what is silent elsewhere."""
        fires = self._elsewhere(self.fires, out)
        return fires if kind == "like" else fires - self._elsewhere(self.silent, out)

    def _elsewhere(self, nearest: NDArray[np.float32], out: int) -> NDArray[np.float32]:
        table = nearest[self.codes].copy()
        table[np.arange(len(table)), self.ground.sentence] = -1.0
        if out >= 0:
            table[:, out] = -1.0
        return table.max(1)

    def predicate(self, kind: str, percent: int, learning: NDArray[np.bool_]) -> Predicate:
        """The question with the examples of the sentences that may be learned from."""
        inside = learning[self.ground.sentence]
        examples = self._listed(inside & self.ground.firing)
        if kind == "nearer":
            examples = (*examples, likeness.AGAINST, *self._listed(inside & ~self.ground.firing))
        return Predicate(f"{self.unit}-{kind}", examples, low=percent)

    def _listed(self, among: Truth) -> tuple[str, ...]:
        return tuple(self.names[np.unique(self.codes[among])].tolist())

    def question(self, kind: str, percent: int, *, back: int = 0) -> Question:
        """The question as one that is learned. back: asked of the token before."""

        def held(out: int) -> Truth:
            found = self.nearness(kind, out) >= percent / 100
            if not back:
                return found
            moved = np.zeros_like(found)
            moved[1:] = found[:-1] & (self.ground.sentence[1:] == self.ground.sentence[:-1])
            return moved

        def predicate(learning: NDArray[np.bool_]) -> Predicate:
            asked = self.predicate(kind, percent, learning)
            return Predicate("back", low=1, high=1, parts=(asked,)) if back else asked

        price = LIST + np.log(len(ALIKE if kind == "like" else NEARER)) + (self.unit != "word") + 1.0 * back
        return Question(predicate, float(price), held)
