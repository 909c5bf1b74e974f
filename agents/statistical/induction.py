"""From pages of text to a rule, without a language model.

What is computed: an additive model of the activation over the features of tools/rules.py (a generalised additive model
with categorical terms, Hastie and Tibshirani 1986), in two forms.
  compact  greedy forward selection of single feature values: each round adds the value that removes most squared error
           on the fitting pages and also removes some on the checking pages; at most 40 values of 8 features.
  full     backfitting of whole tables, each level shrunk towards zero by its count; a table stays only when it lowers
           the squared error of the checking pages.
One page in four checks; the others fit. Everything is deterministic.
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
SHRINKAGE = {"pair": 6.0, "word": 4.0}  # pseudo-counts of silence for the sparse tables
USUAL_SHRINKAGE = 3.0
PREFERENCE = {"token": 1.0, "class": 0.95, "previous": 0.9, "line-opening": 0.85, "inside": 0.85, "pair": 0.75}
USUAL_PREFERENCE = 0.7  # a plainer feature wins a near tie
ORDER = (
    "token", "word", "pair", "previous", "previous-word", "second-previous", "line-opening", "inside",
    "class-pair", "class", "previous-class", "column", "indentation", "position",
)  # fmt: skip

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One feature over all tokens: its listed values, and each token's place among them (-1: not listed)."""

    feature: str
    listed: tuple[str, ...]
    codes: NDArray[np.int64]

    def sums(self, residual: Numbers, chosen: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """Per listed value over the chosen tokens: how many, and the sum of residuals."""
        where = chosen & (self.codes >= 0)
        size = len(self.listed)
        counts = np.bincount(self.codes[where], minlength=size).astype(float)
        return counts, np.bincount(self.codes[where], weights=residual[where], minlength=size).astype(float)

    def spread(self, levels: Numbers) -> Numbers:
        """Each token's amount for levels per listed value."""
        return np.where(self.codes >= 0, np.append(levels, 0.0)[self.codes], 0.0)


@dataclass(frozen=True)
class Reading:
    """Pages turned into columns: measured values, which tokens fit, which check, and every feature."""

    measured: Numbers
    fitting: NDArray[np.bool_]
    columns: tuple[Column, ...]

    @property
    def checking(self) -> NDArray[np.bool_]:
        """Tokens that only check."""
        return ~self.fitting


def read(pages: Sequence[Page]) -> Reading:
    """Turn pages into columns; features of every page are computed once."""
    measured = np.concatenate([page.values for page in pages]).astype(float)
    fitting = np.concatenate([np.full(len(page.tokens), n % CHECKING != 0) for n, page in enumerate(pages)])
    columns = tuple(_column(feature, pages, fitting) for feature in ORDER)
    return Reading(measured, fitting, columns)


def _column(feature: str, pages: Sequence[Page], fitting: NDArray[np.bool_]) -> Column:
    told = [value for page in pages for value in rules.values(feature, page.tokens)]
    numbering: dict[str, int] = {}
    raw = np.array([numbering.setdefault(value, len(numbering)) for value in told], dtype=np.int64)
    counts = np.bincount(raw[fitting], minlength=len(numbering))
    kept = np.flatnonzero(counts >= RAREST)
    renumber = np.full(len(numbering), -1)
    renumber[kept] = np.arange(len(kept))
    names = list(numbering)
    return Column(feature, tuple(names[n] for n in kept), renumber[raw])


def full_rule(reading: Reading, rounds: int = 3) -> Rule:
    """Whole tables for every feature that helps on the checking pages."""
    base = float(reading.measured[reading.fitting].mean())
    amounts: dict[str, Numbers] = {}
    levels: dict[str, Numbers] = {}
    residual = reading.measured - base
    for turn in range(rounds):
        for column in reading.columns:
            if turn and column.feature not in levels:
                continue
            without = residual + amounts.get(column.feature, 0.0)
            counts, sums = column.sums(without, reading.fitting)
            found = sums / (counts + SHRINKAGE.get(column.feature, USUAL_SHRINKAGE))
            amount = column.spread(found)
            if turn or _error(without - amount, reading) < _error(without, reading):
                amounts[column.feature], levels[column.feature], residual = amount, found, without - amount
    listed = {column.feature: column.listed for column in reading.columns}
    clauses = [_clause(feature, listed[feature], found) for feature, found in levels.items()]
    return Rule(base, tuple(clause for clause in clauses if clause.levels))


def _error(residual: Numbers, reading: Reading) -> float:
    return float(np.square(residual[reading.checking]).mean())


def _clause(feature: str, listed: Sequence[str], found: Numbers) -> Clause:
    smallest = 0.002 * float(np.abs(found).max(initial=0.0))
    kept = {value: round(float(level), 5) for value, level in zip(listed, found, strict=True) if abs(level) > smallest}
    return Clause(feature, kept)


def table_rule(reading: Reading, values: int | None = None) -> Rule:
    """The floor: a token look-up table, of the `values` most telling tokens when a size is given."""
    column = next(column for column in reading.columns if column.feature == "token")
    base = float(reading.measured[reading.fitting].mean())
    everything = np.ones_like(reading.fitting)
    counts, sums = column.sums(reading.measured - base, everything)
    found = sums / (counts + USUAL_SHRINKAGE)
    if values is not None:
        weak = np.argsort(-counts * found**2, kind="stable")[values:]
        found[weak] = 0.0
    return Rule(base, (_clause("token", column.listed, found),))


def compact_rule(reading: Reading) -> Rule:
    """The few feature values that tell most, re-fitted together."""
    chosen: dict[str, dict[int, float]] = {}
    base = float(np.median(reading.measured[reading.fitting]))
    residual = reading.measured - base
    columns = {column.feature: column for column in reading.columns}
    refused: set[tuple[str, int]] = set()
    while sum(map(len, chosen.values())) < COMPACT_VALUES:
        best = _best_value(reading, residual, chosen, refused)
        if best is None:
            break
        feature, code, level = best
        where = columns[feature].codes == code
        shown = residual[where & reading.checking]
        if len(shown) and float(np.square(shown - level).sum()) >= float(np.square(shown).sum()):
            refused.add((feature, code))
            if len(refused) > COMPACT_VALUES:
                break
            continue
        chosen.setdefault(feature, {})[code] = level
        residual = residual - np.where(where, level, 0.0)
    return _refitted(reading, columns, chosen, base)


def _best_value(
    reading: Reading, residual: Numbers, chosen: dict[str, dict[int, float]], refused: set[tuple[str, int]]
) -> tuple[str, int, float] | None:
    """The unused feature value whose amount removes most squared error on the fitting pages."""
    best: tuple[float, str, int, float] | None = None
    for column in reading.columns:
        if not column.listed or (len(chosen) >= COMPACT_FEATURES and column.feature not in chosen):
            continue
        counts, sums = column.sums(residual, reading.fitting)
        gains = sums**2 / (counts + USUAL_SHRINKAGE) * PREFERENCE.get(column.feature, USUAL_PREFERENCE)
        for code in chosen.get(column.feature, ()):
            gains[code] = 0.0
        for feature, code in refused:
            if feature == column.feature:
                gains[code] = 0.0
        top = int(gains.argmax())
        if best is None or gains[top] > best[0]:
            best = (float(gains[top]), column.feature, top, float(sums[top] / (counts[top] + USUAL_SHRINKAGE)))
    smallest = 1e-4 * float(np.square(reading.measured - reading.measured.mean()).sum())
    return best[1:] if best is not None and best[0] > smallest else None


def _refitted(
    reading: Reading, columns: dict[str, Column], chosen: dict[str, dict[int, float]], base: float, rounds: int = 6
) -> Rule:
    levels = {feature: np.zeros(len(columns[feature].listed)) for feature in chosen}
    kept = {feature: np.array(sorted(codes)) for feature, codes in chosen.items()}
    residual = reading.measured - base
    for _ in range(rounds):
        for feature, found in levels.items():
            without = residual + columns[feature].spread(found)
            counts, sums = columns[feature].sums(without, reading.fitting)
            found[:] = 0.0
            found[kept[feature]] = (sums / (counts + 1.0))[kept[feature]]
            residual = without - columns[feature].spread(found)
        shift = float(residual[reading.fitting].mean())
        base, residual = base + shift, residual - shift
    clauses = [
        Clause(feature, {columns[feature].listed[n]: round(float(found[n]), 4) for n in kept[feature]})
        for feature, found in levels.items()
    ]
    return Rule(round(base, 5), tuple(sorted(clauses, key=lambda clause: -_weight(clause))))


def _weight(clause: Clause) -> float:
    return max(map(abs, clause.levels.values()), default=0.0)
