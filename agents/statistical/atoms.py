"""Atoms: the single questions that conditions are built of, and which of them split a set of tokens best.

`proposals` scores, for tokens and what is still unexplained of each, every value, every set of values, every bound of
every count and every word before, by the squared error that one level for the tokens it holds for would remove: S^2 /
(n + s), with S the sum of what is unexplained, n their number and s a shrinkage. Each string listed costs what the best
of as many chance values would remove (2 ln of their number, Donoho and Johnstone 1994), so a question that needs no
list wins where both say the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.statistical.reach import Places
from agents.statistical.reading import HIGHEST, Column, Numbers, Reading
from memory.records import Predicate

SHRINKAGE = 1.0
SAMPLED, SAMPLED_BEFORE = 24_000, 4000  # tokens looked at, and those whose words before are
LONGEST_LIST = 400
SETS = frozenset({"token", "word", "any-case", "previous", "previous-word", "class", "shape", "line-opening", "pair",
                  "second-previous", "word-back-2", "ends-1", "word-starts-1", "inside", "class-pair", "previous-class",
                  "chunk-shape", "runs-2", "runs-3", "ends-3", "ends-2", "word-starts-3"})  # fmt: skip


PLAIN = {
    "token": 0.9995, "word": 1.0, "class": 0.999, "previous": 0.998, "pair": 0.998, "any-case": 0.997,
    "previous-word": 0.997, "inside": 0.997, "line-opening": 0.997, "ends": 0.996, "word-starts": 0.996, "shape": 0.996,
    "tokens": 0.996,
    "previous-class": 0.995, "class-pair": 0.994, "second-previous": 0.994, "line-word": 0.994, "line-text": 0.994,
    "near-word": 0.993, "earlier-word": 0.992, "run-of-digits": 0.994, "run-of-capitals": 0.994,
}  # fmt: skip
OTHERWISE, DENIED = 0.988, 0.994  # plainness of other questions, and of one asked the other way round


@dataclass(frozen=True)
class Atom:
    """One question: the values of a column (by number), the bounds of a count, or words before in some reach."""

    kind: str  # values, count, words or marks
    feature: str
    codes: tuple[int, ...] = ()
    low: int | None = None
    high: int | None = None
    negated: bool = False

    @property
    def strings(self) -> int:
        """How many strings it lists."""
        return len(self.codes)

    @property
    def plainness(self) -> float:
        """What it keeps of a gain beside a plainer question that removes as much."""
        return PLAIN.get(family(self.feature), OTHERWISE) * (DENIED if self.negated else 1.0)

    def mask(self, reading: Reading, tokens: Places) -> NDArray[np.bool_]:
        """Whether it is true at some tokens."""
        if self.kind == "values":
            column = reading.column(self.feature)
            wanted = np.zeros(len(column.listed) + 1, bool)
            wanted[list(self.codes)] = True
            held = wanted[column.codes[tokens]]
        elif self.kind == "count":
            counted = reading.counts[self.feature][tokens]
            held = (counted >= (self.low if self.low is not None else -1)) & (
                counted <= (self.high if self.high is not None else HIGHEST)
            )
        else:
            reach = reading.words if self.kind == "words" else reading.marks
            held = reach.held(self.feature, self.codes, tokens, self.high)
        return held != self.negated

    def predicate(self, reading: Reading) -> Predicate:
        """The same question in the language of rules."""
        if self.kind == "count":
            open_above = self.high is not None and self.high >= HIGHEST  # where the reading cuts counts off
            asked = Predicate(self.feature, low=self.low, high=None if open_above else self.high)
        elif self.kind != "values":
            names = (reading.words if self.kind == "words" else reading.marks).names
            asked = Predicate(self.feature, tuple(names[n] for n in self.codes), high=self.high)
        else:
            listed = reading.column(self.feature).listed
            asked = Predicate(family(self.feature), tuple(listed[n] for n in self.codes))
        return Predicate("not", parts=(asked,)) if self.negated else asked


def family(feature: str) -> str:
    """The name that the language of rules has for a column: "ends" for "ends-3"."""
    for family in ("ends", "word-starts", "chunk-starts"):
        if feature.startswith(f"{family}-"):
            return family
    return feature


@dataclass(frozen=True)
class Sample:
    """Tokens that are looked at, what is unexplained at each, and how many tokens each stands for."""

    tokens: Places
    left: Numbers
    weights: Numbers

    @property
    def total(self) -> float:
        """What is unexplained in all."""
        return float((self.left * self.weights).sum())

    @property
    def everyone(self) -> float:
        """How many tokens that is."""
        return float(self.weights.sum())

    def drawn(self, most: int) -> "Sample":
        """At most so many tokens: a third are those with most left, the others every so-manieth of the rest."""
        if len(self.left) <= most:
            return self
        strongest = np.zeros(len(self.left), bool)
        strongest[np.argpartition(-np.abs(self.left), most // 3)[: most // 3]] = True
        others = np.flatnonzero(~strongest)
        drawn = others[:: -(-len(others) // (most - most // 3))]
        chosen = np.concatenate([np.flatnonzero(strongest), drawn])
        weights = self.weights[chosen]
        weights[most // 3 :] *= self.weights[others].sum() / self.weights[drawn].sum()
        return Sample(self.tokens[chosen], self.left[chosen], weights)


def proposals(
    reading: Reading, tokens: Places, left: Numbers, *, price: float, longest: int = LONGEST_LIST
) -> list[tuple[float, Atom]]:
    """Questions worth asking of these tokens, best first, with what each removes less what its strings cost.

    left: what is unexplained at `tokens`. price: the cost of one string. longest: the longest list. Of very many
    tokens a sample is looked at.
    """
    sample = Sample(tokens, left, np.ones(len(left))).drawn(SAMPLED)
    found = [*_nominal(reading, sample, price, longest), *_ordinal(reading, sample, price)]
    found += _before(reading, sample.drawn(SAMPLED_BEFORE), price)
    return sorted(found, key=lambda item: -item[0] * item[1].plainness)


def _totals(codes: NDArray[Any], weights: Numbers, size: int = 0) -> Numbers:
    """The sum of weights by code."""
    return np.bincount(codes, weights=weights, minlength=size).astype(np.float64)


def _gain(sums: Numbers, counts: Numbers) -> Numbers:
    return np.square(sums) / (counts + SHRINKAGE)


def _nominal(reading: Reading, sample: Sample, price: float, longest: int) -> Iterator[tuple[float, Atom]]:
    total, everyone = sample.total, sample.everyone
    weighed = sample.left * sample.weights
    for column in reading.columns:
        codes = column.codes[sample.tokens]
        sums = _totals(codes, weighed, len(column.listed) + 1)[:-1]
        counts = _totals(codes, sample.weights, len(column.listed) + 1)[:-1]
        if not len(sums):
            continue
        gains = _gain(sums, counts) - price
        for best in np.argpartition(-gains, min(2, len(gains) - 1))[:2].tolist():
            if 0 < counts[best] < everyone:
                yield float(gains[best]), Atom("values", column.feature, (best,))
        without = _gain(total - sums, everyone - counts) - price
        without[(counts == 0) | (counts == everyone)] = -np.inf
        best = int(without.argmax())
        if np.isfinite(without[best]):
            yield float(without[best]), Atom("values", column.feature, (best,), negated=True)
        if column.feature in SETS:
            yield from _sets(column, sums, counts, price, longest)


def _sets(column: Column, sums: Numbers, counts: Numbers, price: float, longest: int) -> Iterator[tuple[float, Atom]]:
    """The values that rise above, or fall below, enough to pay for their place on the list."""
    for sign in (1, -1):
        own = np.where(sign * sums > 0, _gain(sums, counts), 0.0) - price
        kept = np.argsort(-own)[:longest]
        kept = kept[own[kept] > 0]
        if len(kept) > 1:
            yield float(own[kept].sum()), Atom("values", column.feature, tuple(sorted(kept.tolist())))


def _ordinal(reading: Reading, sample: Sample, price: float) -> Iterator[tuple[float, Atom]]:
    everyone, weighed = sample.everyone, sample.left * sample.weights
    for name, counted in reading.counts.items():
        here = counted[sample.tokens]
        sums, counts = _totals(here, weighed), _totals(here, sample.weights)
        upto, many = np.cumsum(sums), np.cumsum(counts)
        for at_most in (True, False):
            held, number = (upto, many) if at_most else (upto[-1] - upto, everyone - many)
            gains = _gain(held, number) - price / 2
            gains[(number < 0.5) | (number > everyone - 0.5)] = -np.inf
            best = int(gains.argmax())
            if np.isfinite(gains[best]):
                low, high = (None, best) if at_most else (best + 1, None)
                yield float(gains[best]), Atom("count", name, low=low, high=high)
        gains = _gain(sums, counts) - price
        best = int(gains.argmax())
        if 0 < counts[best] < everyone:
            yield float(gains[best]), Atom("count", name, low=best, high=best)


def _before(reading: Reading, sample: Sample, price: float) -> Iterator[tuple[float, Atom]]:
    """Words and marks before, in every reach."""
    weighed, weights = sample.left * sample.weights, sample.weights
    total, everyone = sample.total, sample.everyone
    for kind, reach in (("words", reading.words), ("marks", reading.marks)):
        for name, high in reach.reaches():
            codes, owner = reach.pairs(name, sample.tokens, high)
            if not len(codes):
                continue
            sums, counts = _totals(codes, weighed[owner]), _totals(codes, weights[owner])
            often = np.bincount(codes) >= 3
            for negated, held, number in ((False, sums, counts), (True, total - sums, everyone - counts)):
                gains = np.where(often & (number > 0.5), _gain(held, np.maximum(number, 0.0)), 0.0) - price
                best = int(gains.argmax())
                yield float(gains[best]), Atom(kind, name, (best,), high=high, negated=negated)
