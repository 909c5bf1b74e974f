"""From pages of text to a rule, without a language model.

What is computed: an additive model of the activation (a generalised additive model with categorical terms, Hastie and
Tibshirani 1986, over conditions grown as in additive rule ensembles), in two forms. One page in four checks.
  compact  conditions, each grown on what the ones before leave unexplained (agents/statistical/growth.py); one level a
           clause, or one for each listed value, fitted together; at most 8 clauses and 40 listed strings.
  full     the same without those limits, then backfitting of whole tables: each level is shrunk towards zero by its
           count, as strongly as suits the checking pages; a table is taken only when their squared error falls.
Everything is deterministic.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.statistical.atoms import Atom
from agents.statistical.growth import grow, held, predicate
from agents.statistical.reading import Column, Numbers, Reading, read
from memory.records import Clause, Rule
from tools.rules import ALWAYS

__all__ = ["Reading", "compact_rule", "full_rule", "grown_rule", "grown_terms", "read", "table_rule"]

COMPACT_VALUES, COMPACT_CLAUSES = 40, 8
MOST_TERMS = 24  # conditions of the full form
SMALLEST_GAIN = 2e-4  # of all squared error: less is not worth a clause
CHANCE = 24.0  # 2 ln of the number of questions, about 200,000
WORTH = 1e-5  # of the checked variance: a table that removes less is not worth listing
RIDGE = 0.2
OWN = 2.0  # a listed value needs so many tokens to have a level of its own
REFITS = 6
USUAL_SHRINKAGE = 3.0  # pseudo-counts of silence
SHRINKAGES = (1.0, USUAL_SHRINKAGE, 8.0, 20.0, 60.0)


@dataclass(frozen=True)
class Term:
    """One clause in the making: where it holds, and the column whose values have levels of their own, if there is one.

    groups: [tokens] which level counts at a token, -1 for none.
    """

    gates: tuple[Atom, ...]
    table: Atom | None
    groups: NDArray[np.int32]
    levels: Numbers

    @property
    def strings(self) -> int:
        """How many strings it lists."""
        return sum(atom.strings for atom in self.gates) + (self.table.strings if self.table else 0)

    @property
    def amount(self) -> Numbers:
        """What it adds at every token."""
        return np.append(self.levels, 0.0)[self.groups]


def grown_terms(reading: Reading, *, clauses: int = MOST_TERMS, strings: int | None = None) -> tuple[float, list[Term]]:
    """The base and the terms, grown one after the other on what is left and refitted together each time."""
    base = float(np.median(reading.measured[reading.fitting]))
    terms: list[Term] = []
    residual = reading.measured - base
    smallest = SMALLEST_GAIN * float(np.square(reading.measured - reading.measured.mean()).sum())
    while len(terms) < clauses:
        price = max(CHANCE * float(residual[reading.fitting].var()), smallest / 4)
        used = sum(term.strings for term in terms)
        found = next(
            (
                condition
                for condition in grow(reading, residual, price=price)
                if condition.gain > smallest and (strings is None or used < strings)
            ),
            None,
        )
        if found is None:
            break
        terms.append(_term(reading, found.atoms, None if strings is None else strings - used, residual))
        base, terms, residual = _refitted(reading, base, terms)
    return base, terms


def compact_rule(reading: Reading) -> Rule:
    """The few clauses that tell most."""
    return _rule(reading, *grown_terms(reading, clauses=COMPACT_CLAUSES, strings=COMPACT_VALUES))


def grown_rule(reading: Reading) -> Rule:
    """As many clauses as the checking pages agree with, and lists of any length."""
    return _rule(reading, *grown_terms(reading))


def _term(reading: Reading, atoms: tuple[Atom, ...], strings: int | None, residual: Numbers) -> Term:
    """A condition as a term; the longest list becomes its table, cut to the strings that are left."""
    lists = [atom for atom in atoms if atom.kind == "values" and len(atom.codes) > 1 and not atom.negated]
    table = max(lists, key=lambda atom: len(atom.codes), default=None)
    gates = tuple(atom for atom in atoms if atom is not table)
    where = held(reading, gates)
    if table is None:
        return Term(gates, None, np.where(where, 0, -1).astype(np.int32), np.zeros(1))
    codes = reading.column(table.feature).codes
    if strings is not None:
        room = max(1, strings - sum(atom.strings for atom in gates))
        part = np.flatnonzero(where[reading.fitting])
        sums = np.bincount(codes[part], weights=residual[part], minlength=int(codes.max()) + 1)
        counts = np.bincount(codes[part], minlength=len(sums))
        ranked = sorted(table.codes, key=lambda code: -(sums[code] ** 2) / (counts[code] + 1.0))[:room]
        table = replace(table, codes=tuple(sorted(ranked)))
    place = np.full(len(reading.column(table.feature).listed) + 1, -1, dtype=np.int32)
    place[list(table.codes)] = np.arange(len(table.codes))
    return Term(gates, table, np.where(where, place[codes], -1).astype(np.int32), np.zeros(len(table.codes)))


def _refitted(reading: Reading, base: float, terms: Sequence[Term]) -> tuple[float, list[Term], Numbers]:
    """Base and levels fitted together, by least squares over the terms and then level by level."""
    part = reading.fitting
    terms = list(terms)
    residual = reading.measured - base - sum((term.amount for term in terms), np.zeros(1))
    for _ in range(REFITS):
        for n, term in enumerate(terms):
            groups = term.groups[part]
            without = residual + term.amount
            inside = groups >= 0
            sums = np.bincount(groups[inside], weights=without[part][inside], minlength=len(term.levels))
            counts = np.bincount(groups[inside], minlength=len(term.levels))
            usual = sums.sum() / (counts.sum() + RIDGE)
            terms[n] = replace(term, levels=(sums + OWN * usual) / (counts + OWN))
            residual = without - terms[n].amount
        silent = np.logical_and.reduce([term.groups[part] < 0 for term in terms])
        shift = float(residual[part][silent].mean()) if silent.sum() > 200 else float(residual[part].mean())
        base, residual = base + shift, residual - shift
    return base, terms, residual


def _rule(reading: Reading, base: float, terms: Sequence[Term]) -> Rule:
    clauses = []
    for term in terms:
        when = predicate(reading, term.gates)
        if term.table is None:
            clauses.append(Clause(ALWAYS, {"": round(float(term.levels[0]), 5)}, when=when))
        else:
            listed = reading.column(term.table.feature).listed
            found = zip(term.table.codes, term.levels, strict=True)
            levels = {listed[code]: round(float(level), 5) for code, level in found}
            clauses.append(Clause(term.table.feature, levels, when=when))
    told = sorted(clauses, key=lambda clause: -max(map(abs, clause.levels.values())))
    return Rule(round(base, 6), tuple(told))


def full_rule(reading: Reading, start: Rule | None = None, *, rounds: int = 5) -> Rule:
    """Whole tables for every feature that helps on the checking pages, over the clauses of `start`."""
    start = start or Rule(float(reading.measured[reading.fitting].mean()))
    kept = [clause for clause in start.clauses if clause.when is not None]
    open_tables = [clause for clause in start.clauses if clause.when is None]
    found: dict[str, dict[str, float]] = {}
    for clause in open_tables:
        table = found.setdefault(clause.feature, {})
        for value, level in clause.levels.items():
            table[value] = table.get(value, 0.0) + level
    levels = {f: np.array([of.get(v, 0.0) for v in reading.column(f).listed]) for f, of in found.items()}
    residual = reading.measured - reading.predicted(start)
    worth = WORTH * float(reading.measured[reading.checking].var())
    for turn in range(rounds):
        for column in reading.tables:
            feature = column.feature
            if turn and feature not in levels:
                continue
            without = residual + column.spread(levels[feature]) if feature in levels else residual
            table = _shrunk(reading, column, without)
            better = without - column.spread(table)
            if reading.error(better) < reading.error(residual) - worth:
                levels[feature], residual = table, better
    clauses = [_clause(feature, reading.column(feature).listed, table) for feature, table in levels.items()]
    return Rule(start.base, (*kept, *(clause for clause in clauses if clause.levels)))


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
