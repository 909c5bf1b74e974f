"""The compact form of an explanation: at most 8 clauses and 40 listed strings, chosen to tell as much as they can.

What is computed: some conditions with short lists at most (agents/statistical/growth.py), then single values, in turn
each the one that removes most of what is left when the level from one part of the pages is judged on the other; the
values of one feature share a clause. How many conditions come first, none to seven, is what
leaves least squared error on the checking pages.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from agents.statistical.atoms import Atom
from agents.statistical.induction import Term, grown_terms, refitted, rule_of, term_of
from agents.statistical.reading import Column, Numbers, Reading
from memory.records import Rule

VALUES, CLAUSES = 40, 8
FIRST = (7, 5, 3, 1, 0)  # conditions before values
SHRINKAGE = 2.0
IDLE = 0.93  # a question goes when a condition is nearly as good without it: a person reads this
LONGEST = 6  # the longest list of a condition
LEAST = 12.0  # of the variance left, that a value has to remove
PREFERENCE = 0.7  # of a gain, for what is not a plain feature
PREFERRED = {
    "token": 1.0,
    "word": 1.0,
    "class": 0.95,
    "previous": 0.9,
    "line-opening": 0.85,
    "inside": 0.85,
    "pair": 0.75,
}
REFITTED_EVERY = 5  # values


@lru_cache(maxsize=2)
def compact_rule(reading: Reading) -> Rule:
    """The few clauses that tell most."""
    base, grown = grown_terms(reading, clauses=FIRST[0], longest=LONGEST, idle=IDLE)
    best: tuple[float, Rule] | None = None
    for first in dict.fromkeys(_within(grown, number) for number in FIRST):
        found, terms, residual = with_values(reading, *refitted(reading, base, grown[:first]))
        error = reading.error(residual)
        if best is None or error < 0.995 * best[0]:
            whole, terms, _ = refitted(reading, found, terms, everything=True)
            best = error, rule_of(reading, whole, terms)
    return best[1] if best else Rule(base)


def _within(grown: Sequence[Term], number: int) -> int:
    """How many of the first `number` terms the strings are enough for."""
    while sum(term.strings for term in grown[:number]) > VALUES:
        number -= 1
    return min(number, len(grown))


def with_values(
    reading: Reading, base: float, terms: Sequence[Term], residual: Numbers
) -> tuple[float, list[Term], Numbers]:
    """Terms and the single values that tell most beside them, fitted together."""
    first, chosen = list(terms), dict[str, list[int]]()
    room = VALUES - sum(term.strings for term in first)
    while sum(map(len, chosen.values())) < room:
        full = len(first) + len(chosen) >= CLAUSES
        best = _best_value(reading, residual, chosen, only_known=full)
        if best is None:
            break
        column, code, level = best
        where = column.codes == code
        chosen.setdefault(column.feature, []).append(code)
        residual = residual - level * where
        if sum(map(len, chosen.values())) % REFITTED_EVERY == 0:
            base, _, residual = refitted(reading, base, [*first, *_tables(reading, chosen)])
    return refitted(reading, base, [*first, *_tables(reading, chosen)])


def _tables(reading: Reading, chosen: dict[str, list[int]]) -> list[Term]:
    return [term_of(reading, (), Atom("values", feature, tuple(sorted(codes)))) for feature, codes in chosen.items()]


def _best_value(
    reading: Reading,
    residual: Numbers,
    chosen: dict[str, list[int]],
    *,
    only_known: bool,
) -> tuple[Column, int, float] | None:
    """The unused value that removes most squared error, cross-validated, and its level.

    The level from the fitting pages is judged on the checking ones and the other way round.
    """
    best: tuple[float, Column, int, float] | None = None
    for column in reading.columns:
        if not column.listed or (only_known and column.feature not in chosen):
            continue
        fitted, checked = (column.sums(residual, part) for part in (reading.fitting, reading.checking))
        many, others = column.fitted, column.checked
        here, there = fitted / (many + SHRINKAGE), checked / (others + SHRINKAGE)
        one, two = 2 * here * checked - here**2 * others, 2 * there * fitted - there**2 * many
        gains = np.where((one > 0) & (two > 0), one + two, 0.0)
        gains *= PREFERRED.get(column.feature, PREFERENCE)
        gains[chosen.get(column.feature, [])] = 0.0
        top = int(gains.argmax())
        if best is None or gains[top] > best[0]:
            level = (fitted[top] + checked[top]) / (many[top] + others[top] + SHRINKAGE)
            best = (float(gains[top]), column, top, float(level))
    chance = LEAST * float(residual.var())
    return best[1:] if best is not None and best[0] > chance else None
