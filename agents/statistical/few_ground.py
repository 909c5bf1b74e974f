"""A handful of sentences as columns over all their tokens, and what fires and what does not by its meaning.

What is learned from sentences is always asked of a token without the token's own sentence ("elsewhere"), so that what
it seems to be worth here is what it is worth on a sentence nobody has seen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory.records import Predicate
from tools import rules
from tools.pages import Page
from tools.rules import likeness
from tools.rules.text import Text, text_of

Truth = NDArray[np.bool_]
Numbers = NDArray[np.float64]

FIRING = 0.3  # share of the greatest value from which a token fires
LIKE, NEARER, TWO = "like", "nearer", "-two"
MOST = 900  # examples and counter-examples of a question
PERCENTS = {  # steps of a cosine
    LIKE: (35, 45, 55, 65, 75), LIKE + TWO: (35, 45, 55, 65, 75), NEARER: (1, 8, 16, 25), NEARER + TWO: (1, 8, 16, 25)
}  # fmt: skip


class Ground:
    """Sentences as columns. values: [tokens] activation over silence, 0 to 1; sentence: [tokens] number of sentence."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.texts: list[Text] = [text_of(page.tokens) for page in pages]
        measured = np.concatenate([page.values for page in pages]).astype(float)
        self.sentence = np.repeat(np.arange(len(pages)), [len(page.tokens) for page in pages])
        self.silence = float(np.median(measured))
        self.scale = float(measured.max()) - self.silence
        self.values: Numbers = np.clip((measured - self.silence) / (self.scale or 1.0), 0.0, 1.0)
        self.firing: Truth = self.values >= FIRING

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

    def tally(self, codes: NDArray[np.int64], among: Truth | None = None) -> Numbers:
        """How often each code occurs in each sentence, among some of the tokens: [codes, sentences]."""
        found = np.zeros((int(codes.max(initial=0)) + 1, self.number))
        np.add.at(found, (codes, self.sentence), 1.0 if among is None else among.astype(float))
        return found

    def elsewhere(self, tally: Numbers, codes: NDArray[np.int64]) -> Numbers:
        """Per token how often its code occurs in sentences other than its own."""
        return tally.sum(1)[codes] - tally[codes, self.sentence]


class Meanings:
    """Words, or the last three words, and how near each token is to those that fire, and to the silent ones."""

    def __init__(self, ground: Ground, unit: str) -> None:
        self._ground, self._unit = ground, unit
        told = [value for text in ground.texts for value in likeness.recent_texts(f"{unit}-{LIKE}", text)]
        names, self._codes = np.unique(np.array(told), return_inverse=True)
        self._names: list[str] = names.tolist()
        vectors = likeness.embedded(self._names)
        self._cosines = vectors @ vectors.T
        self.nearness: dict[str, NDArray[np.float32]] = {}  # [tokens], of a cosine
        for ending in ("", TWO):
            fires, silent = (self._elsewhere(among, two=bool(ending)) for among in (ground.firing, ~ground.firing))
            self.nearness |= {LIKE + ending: fires, NEARER + ending: fires - silent}

    def _elsewhere(self, among: Truth, *, two: bool) -> NDArray[np.float32]:
        """Per token the nearness to some tokens of other sentences, 0 where there is none."""
        found = np.zeros(len(self._codes), np.float32)
        for own in range(self._ground.number):
            inside = self._ground.sentence == own
            examples = np.unique(self._codes[among & ~inside])
            if len(examples) and inside.any():
                found[inside] = likeness.nearness(self._cosines[self._codes[inside]][:, examples], two=two)
        return found

    def held(self, kind: str, percent: int) -> Truth:
        """Where a token is near enough to what fires elsewhere, by itself or beside what is silent elsewhere."""
        return self.nearness[kind] >= percent / 100

    def predicate(self, kind: str, percent: int) -> Predicate:
        """The same question, with every sentence's examples."""
        fires, silent = np.unique(self._codes[self._ground.firing]), np.unique(self._codes[~self._ground.firing])
        examples = self._listed(fires[: MOST // 2])
        if kind.startswith(NEARER):  # of very many silent ones those near what fires decide
            closest = np.argsort(-self._cosines[np.ix_(silent, fires)].max(1), kind="stable")
            examples = (*examples, likeness.AGAINST, *self._listed(silent[closest[: MOST // 2]]))
        return Predicate(f"{self._unit}-{kind}", examples, low=percent)

    def _listed(self, codes: NDArray[np.int64]) -> tuple[str, ...]:
        return tuple(self._names[code] for code in codes)
