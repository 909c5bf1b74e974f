"""From pages of text to a rule, without a language model.

What is computed: an additive model of the activation over the features of tools/rules.py (a generalised additive model
with categorical terms, Hastie and Tibshirani 1986), in two forms. One page in four checks; the others fit.
  compact  greedy forward selection of single feature values: each round takes the value that removes most squared error
           on the fitting pages, more than the best of as many chance values would (2 ln of their number, Donoho and
           Johnstone 1994), and keeps it when the checking pages agree; at most 40 values of 8 features.
  full     backfitting of whole tables, started from the compact rule; each level is shrunk towards zero by its count,
           as strongly as suits the checking pages, and a table is replaced only when their squared error falls.
Everything is deterministic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.records import Clause, Rule
from tools import rules
from tools.pages import Page

COMPACT_VALUES = 40
COMPACT_FEATURES = 8
RAREST = 3  # a value seen less often on the fitting pages is not listed
CHECKING = 4  # one page in so many
SMALLEST_GAIN = 1e-4  # of all squared error: less is not worth a value
AGREEMENT = 1.0  # standard errors by which the checking pages agree with a value
NOTHING = 0.01  # of the largest level
WORTH = 1e-5  # of the checked variance: a table that removes less is not worth listing
FEWEST_SILENT = 200  # tokens that a base is fitted to
REFITS = 6
USUAL_SHRINKAGE = 3.0  # pseudo-counts of silence
SHRINKAGES = (1.0, USUAL_SHRINKAGE, 8.0, 20.0, 60.0)
PREFERENCE = {"token": 1.0, "class": 0.95, "previous": 0.9, "line-opening": 0.85, "inside": 0.85, "pair": 0.75}
USUAL_PREFERENCE = 0.7  # a plainer feature wins a near tie
ORDER = (
    "token", "word", "pair", "previous", "previous-word", "second-previous", "line-opening", "inside",
    "class-pair", "class", "previous-class", "column", "indentation", "position",
)  # fmt: skip

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One feature over all tokens: its listed values, and each token's place among them (their number: not listed)."""

    feature: str
    listed: tuple[str, ...]
    codes: NDArray[np.int64]
    fitted: Numbers  # how often each listed value occurs among the fitting tokens

    def counts(self, part: slice) -> Numbers:
        """How often each listed value occurs in a part of the tokens."""
        return np.bincount(self.codes[part], minlength=len(self.listed) + 1)[:-1].astype(float)

    def sums(self, residual: Numbers, part: slice) -> Numbers:
        """Per listed value the sum of residuals over a part of the tokens."""
        summed = np.bincount(self.codes[part], weights=residual[part], minlength=len(self.listed) + 1)
        return summed[:-1].astype(float)

    def spread(self, levels: Numbers) -> Numbers:
        """Each token's amount for levels per listed value."""
        return np.append(levels, 0.0)[self.codes]


@dataclass(frozen=True)
class Reading:
    """Pages turned into columns, fitting pages first: measured values, how many tokens fit, and every feature."""

    measured: Numbers
    fitted: int
    columns: tuple[Column, ...]

    @property
    def fitting(self) -> slice:
        """Tokens that levels are fitted to."""
        return slice(0, self.fitted)

    @property
    def checking(self) -> slice:
        """Tokens that only check."""
        return slice(self.fitted, None)

    def column(self, feature: str) -> Column:
        """The column of a feature."""
        return next(column for column in self.columns if column.feature == feature)

    def error(self, residual: Numbers) -> float:
        """Mean squared error on the checking pages."""
        return float(np.square(residual[self.checking]).mean())

    def predicted(self, rule: Rule) -> Numbers:
        """What a rule over these columns predicts at every token."""
        told = np.full_like(self.measured, rule.base)
        for clause in rule.clauses:
            column = self.column(clause.feature)
            told += column.spread(np.array([clause.levels.get(value, 0.0) for value in column.listed]))
        return told


def read(pages: Sequence[Page]) -> Reading:
    """Turn pages into columns; features of every page are computed once."""
    fitting = [page for n, page in enumerate(pages) if n % CHECKING]
    checking = [page for n, page in enumerate(pages) if not n % CHECKING]
    ordered = [*fitting, *checking] if fitting else [*checking, *checking]  # a single page fits and checks
    fitted = sum(len(page.tokens) for page in fitting or checking)
    measured = np.concatenate([page.values for page in ordered]).astype(float)
    return Reading(measured, fitted, tuple(_column(feature, ordered, fitted) for feature in ORDER))


def _column(feature: str, pages: Sequence[Page], fitted: int) -> Column:
    told = [value for page in pages for value in rules.values(feature, page.tokens)]
    numbering: dict[str, int] = {}
    raw = np.array([numbering.setdefault(value, len(numbering)) for value in told], dtype=np.int64)
    counts = np.bincount(raw[:fitted], minlength=len(numbering))
    kept = np.flatnonzero(counts >= RAREST)
    renumber = np.full(len(numbering), len(kept))
    renumber[kept] = np.arange(len(kept))
    names = list(numbering)
    return Column(feature, tuple(names[n] for n in kept), renumber[raw], counts[kept].astype(float))


def full_rule(reading: Reading, start: Rule | None = None, *, rounds: int = 5) -> Rule:
    """Whole tables for every feature that helps on the checking pages, over and in place of those of `start`."""
    start = start or Rule(float(reading.measured[reading.fitting].mean()))
    found = {clause.feature: clause.levels for clause in start.clauses}
    levels = {f: np.array([of.get(v, 0.0) for v in reading.column(f).listed]) for f, of in found.items()}
    residual = reading.measured - reading.predicted(start)
    worth = WORTH * float(reading.measured[reading.checking].var())
    for turn in range(rounds):
        for column in reading.columns:
            feature = column.feature
            if turn and feature not in levels:
                continue
            without = residual + column.spread(levels[feature]) if feature in levels else residual
            table = _shrunk(reading, column, without)
            better = without - column.spread(table)
            if reading.error(better) < reading.error(residual) - worth:
                levels[feature], residual = table, better
    clauses = [_clause(feature, reading.column(feature).listed, table) for feature, table in levels.items()]
    return Rule(start.base, tuple(clause for clause in clauses if clause.levels))


def _shrunk(reading: Reading, column: Column, residual: Numbers) -> Numbers:
    """The column's levels, with the shrinkage that leaves least squared error on the checking pages."""
    sums, counts = column.sums(residual, reading.fitting), column.fitted
    checked, occurring = column.sums(residual, reading.checking), column.counts(reading.checking)
    tables = [sums / (counts + shrinkage) for shrinkage in SHRINKAGES]
    return min(tables, key=lambda table: float((table * table * occurring - 2 * table * checked).sum()))


def _clause(feature: str, listed: Sequence[str], found: Numbers) -> Clause:
    smallest = 0.002 * float(np.abs(found).max(initial=0.0))
    kept = {value: round(float(level), 5) for value, level in zip(listed, found, strict=True) if abs(level) > smallest}
    return Clause(feature, kept)


def table_rule(reading: Reading, values: int | None = None) -> Rule:
    """The floor: a token look-up table, of the `values` most telling tokens when a size is given."""
    column, everything = reading.column("token"), slice(None)
    base = float(reading.measured[reading.fitting].mean())
    counts, sums = column.counts(everything), column.sums(reading.measured - base, everything)
    found = sums / (counts + USUAL_SHRINKAGE)
    if values is not None:
        weak = np.argsort(-counts * found**2, kind="stable")[values:]
        found[weak] = 0.0
    return Rule(base, (_clause("token", column.listed, found),))


def compact_rule(reading: Reading) -> Rule:
    """The few feature values that tell most, fitted together whenever one is added."""
    chosen: dict[str, set[int]] = {}
    refused: dict[str, set[int]] = {}
    fit = Fit(reading, float(np.median(reading.measured[reading.fitting])))
    while sum(map(len, chosen.values())) < COMPACT_VALUES and sum(map(len, refused.values())) < COMPACT_VALUES:
        best = _best_value(reading, fit.residual, chosen, refused)
        if best is None:
            break
        column, code, level = best
        where = column.codes == code
        others = float(fit.residual[reading.fitting][~where[reading.fitting]].mean())
        agrees = _agrees(fit.residual[reading.checking][where[reading.checking]] - others, level)
        (chosen if agrees else refused).setdefault(column.feature, set()).add(code)
        if agrees:
            fit.covered |= where
            fit.refit({column.feature: chosen[column.feature]})
    for _ in range(REFITS):
        fit.refit(chosen, shrinkage=1.0)
    return fit.rule()


class Fit:
    """The compact rule as it grows: a base, the levels of the chosen values, and what they leave unexplained."""

    def __init__(self, reading: Reading, base: float) -> None:
        self._reading = reading
        self._base = base
        self._levels: dict[str, Numbers] = {}
        self.residual = reading.measured - base
        self.covered = np.zeros(len(self.residual), bool)  # tokens that a chosen value speaks of

    def refit(self, chosen: dict[str, set[int]], *, shrinkage: float = 0.0) -> None:
        """Fit the base to the fitting tokens no chosen value speaks of, then the levels, feature by feature."""
        part = self._reading.fitting
        silent = self.residual[part][~self.covered[part]]
        shift = float(silent.mean()) if len(silent) > FEWEST_SILENT else 0.0
        self._base, self.residual = self._base + shift, self.residual - shift
        for feature, codes in chosen.items():
            column, kept = self._reading.column(feature), sorted(codes)
            known = self._levels.get(feature, np.zeros(len(column.listed)))
            counts, found = column.fitted[kept], np.zeros(len(column.listed))
            found[kept] = (column.sums(self.residual, part)[kept] + counts * known[kept]) / (counts + shrinkage)
            self._levels[feature], self.residual = found, self.residual - column.spread(found - known)

    def rule(self) -> Rule:
        """Clauses with the largest levels first; levels of next to nothing are left out."""
        strongest = max((float(np.abs(found).max()) for found in self._levels.values()), default=0.0)
        clauses = []
        for feature, found in self._levels.items():
            kept = np.flatnonzero(np.abs(found) > NOTHING * strongest)
            listed = self._reading.column(feature).listed
            clauses.append(Clause(feature, {listed[n]: round(float(found[n]), 4) for n in kept}))
        told = [clause for clause in clauses if clause.levels]
        return Rule(
            round(self._base, 5), tuple(sorted(told, key=lambda clause: -max(map(abs, clause.levels.values()))))
        )


def _best_value(
    reading: Reading, residual: Numbers, chosen: dict[str, set[int]], refused: dict[str, set[int]]
) -> tuple[Column, int, float] | None:
    """The unused feature value that stands out most from all other fitting tokens, if that is no chance, and by how
    much: what it removes of the squared error when both its tokens and the others may have a mean of their own."""
    best: tuple[float, Column, int, float] | None = None
    fitted = residual[reading.fitting]
    tokens, mean = len(fitted), float(fitted.mean())
    for column in reading.columns:
        if not column.listed or (len(chosen) >= COMPACT_FEATURES and column.feature not in chosen):
            continue
        counts = column.fitted
        others = np.maximum(tokens - counts, 0.5)  # a value of every token stands out from nothing
        excess = column.sums(residual, reading.fitting) - counts * mean
        gains = excess**2 / (counts + USUAL_SHRINKAGE) * (tokens / others) * (counts < tokens)
        gains *= PREFERENCE.get(column.feature, USUAL_PREFERENCE)
        gains[[*chosen.get(column.feature, ()), *refused.get(column.feature, ())]] = 0.0
        top = int(gains.argmax())
        if best is None or gains[top] > best[0]:
            best = (float(gains[top]), column, top, float(excess[top] / counts[top] * tokens / others[top]))
    values = sum(len(column.listed) for column in reading.columns)
    chance = 2 * np.log(max(2, values)) * float(fitted.var())
    smallest = SMALLEST_GAIN * float(np.square(reading.measured - reading.measured.mean()).sum())
    return best[1:] if best is not None and best[0] > max(chance, smallest) else None


def _agrees(checked: Numbers, level: float) -> bool:
    """Whether residuals of checking tokens fall by the level, by more than their own spread explains."""
    gains = np.square(checked) - np.square(checked - level)
    spread = float(np.square(gains).sum()) ** 0.5
    return spread > 0 and float(gains.sum()) >= min(AGREEMENT, 0.9 * len(gains) ** 0.5) * spread
