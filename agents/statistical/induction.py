"""From pages of text to a rule, without a language model.

What is computed: an additive model of the activation (a generalised additive model with categorical terms, Hastie and
Tibshirani 1986, over conditions grown as in additive rule ensembles), in two forms. One page in four checks.
  grown    conditions, each grown on what the ones before leave unexplained (agents/statistical/growth.py); one level a
           clause, or one for each listed value, fitted together.
  full     those, then backfitting of whole tables: each level is shrunk towards zero by its
           count, as strongly as suits the checking pages; a table is taken only when their squared error falls.
The compact form is agents/statistical/compact.py's. Everything is deterministic.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.statistical.atoms import LONGEST_LIST, Atom
from agents.statistical.growth import IDLE, grow, held, predicate
from agents.statistical.reach import Places
from agents.statistical.reading import Column, Numbers, Reading
from memory.records import Clause, Rule
from tools.rules import ALWAYS

MOST_TERMS = 8  # conditions of the full form
SMALLEST_GAIN = 5e-4  # of all squared error: less is not worth a clause
CHANCE = 24.0  # 2 ln of the number of questions, about 200,000
WORTH = 1e-5  # of the checked variance: a table that removes less is not worth listing
NOTHING = 0.01  # of the largest level
CLEARLY = 0.97  # of the error left
RIDGE = 0.2
OWN = 2.0  # a listed value needs so many tokens to have a level of its own
REFITS = 6
USUAL_SHRINKAGE = 3.0  # pseudo-counts of silence
SHRINKAGES = (1.0, USUAL_SHRINKAGE, 8.0, 20.0, 60.0)


@dataclass(frozen=True)
class Term:
    """One clause in the making: where it holds, and the column whose values have levels of their own, if there is one.

    tokens: where it holds, in order. groups: [those tokens] which level counts there.
    """

    gates: tuple[Atom, ...]
    table: Atom | None
    tokens: Places
    groups: NDArray[np.int32]
    levels: Numbers

    @property
    def strings(self) -> int:
        """How many strings it lists."""
        return sum(atom.strings for atom in self.gates) + (self.table.strings if self.table else 0)

    @property
    def amount(self) -> Numbers:
        """What it adds at each of its tokens."""
        return self.levels[self.groups]


def grown_terms(
    reading: Reading, *, clauses: int = MOST_TERMS, longest: int = LONGEST_LIST, idle: float = IDLE
) -> tuple[float, list[Term]]:
    """The base and the terms, grown one after the other on what is left and refitted together each time.

    longest: the longest list of a question. idle: a question is dropped from a condition when so much of what it
    removes is removed without it.
    """
    base = float(np.median(reading.measured[reading.fitting]))
    terms: list[Term] = []
    residual = reading.measured - base
    smallest = SMALLEST_GAIN * float(np.square(reading.measured - reading.measured.mean()).sum())
    while len(terms) < clauses:
        price = max(CHANCE * float(residual[reading.fitting].var()), smallest / 4)
        grown = grow(reading, residual, price=price, longest=longest, idle=idle)
        found = next((condition for condition in grown if condition.gain > smallest), None)
        if found is None:
            break
        terms.append(_term(reading, found.atoms))
        base, terms, residual = refitted(reading, base, terms)
    return base, terms


def _term(reading: Reading, atoms: tuple[Atom, ...]) -> Term:
    """A condition as a term; the longest list becomes its table."""
    lists = [atom for atom in atoms if atom.kind == "values" and len(atom.codes) > 1 and not atom.negated]
    table = max(lists, key=lambda atom: len(atom.codes), default=None)
    return term_of(reading, tuple(atom for atom in atoms if atom is not table), table)


def term_of(reading: Reading, gates: tuple[Atom, ...], table: Atom | None) -> Term:
    """A term with levels still at zero."""
    tokens = np.flatnonzero(held(reading, gates))
    if table is None:
        return Term(gates, None, tokens, np.zeros(len(tokens), np.int32), np.zeros(1))
    column = reading.column(table.feature)
    place = np.full(len(column.listed) + 1, -1, dtype=np.int32)
    place[list(table.codes)] = np.arange(len(table.codes))
    groups = place[column.codes[tokens]]
    return Term(gates, table, tokens[groups >= 0], groups[groups >= 0], np.zeros(len(table.codes)))


def refitted(
    reading: Reading, base: float, terms: Sequence[Term], *, everything: bool = False
) -> tuple[float, list[Term], Numbers]:
    """Base and levels fitted together, level by level, to the fitting tokens or to all; and what is left."""
    part = slice(None) if everything else reading.fitting
    terms, told = list(terms), np.zeros(len(reading.measured))
    silent = np.ones(len(reading.measured[part]), bool)
    seen = [int(np.searchsorted(term.tokens, len(silent))) for term in terms]  # how many of its tokens are in the part
    counted = [np.bincount(term.groups[:n], minlength=len(term.levels)) for n, term in zip(seen, terms, strict=True)]
    for n, term in zip(seen, terms, strict=True):
        told[term.tokens] += term.amount
        silent[term.tokens[:n]] = False
    residual = reading.measured - base - told
    for _ in range(REFITS):
        for n, (term, counts) in enumerate(zip(terms, counted, strict=True)):
            without, groups = residual[term.tokens] + term.amount, term.groups[: seen[n]]
            sums = np.bincount(groups, weights=without[: seen[n]], minlength=len(term.levels))
            usual = sums.sum() / (counts.sum() + RIDGE)
            terms[n] = replace(term, levels=(sums + OWN * usual) / (counts + OWN))
            residual[term.tokens] = without - terms[n].amount
        shift = float(residual[part][silent].mean()) if silent.sum() > 200 else float(residual[part].mean())
        base, residual = base + shift, residual - shift
    return base, terms, residual


def rule_of(reading: Reading, base: float, terms: Sequence[Term]) -> Rule:
    """The terms in the language of rules, the largest levels first; levels of next to nothing are left out."""
    strongest = max((float(np.abs(term.levels).max(initial=0.0)) for term in terms), default=0.0)
    clauses = []
    for term in terms:
        when = predicate(reading, term.gates)
        if term.table is None:
            levels, feature = {"": float(term.levels[0])}, ALWAYS
        else:
            feature = term.table.feature
            listed = reading.column(feature).listed
            levels = {listed[code]: float(level) for code, level in zip(term.table.codes, term.levels, strict=True)}
        kept = {value: round(level, 5) for value, level in levels.items() if abs(level) > NOTHING * strongest}
        clauses += [Clause(feature, kept, when=when)] if kept else []
    told = sorted(clauses, key=lambda clause: -max(map(abs, clause.levels.values())))
    return Rule(round(base, 6), tuple(told))


def full_rule(reading: Reading, start: Rule | None = None, *, rounds: int = 5) -> Rule:
    """Whole tables for every feature that helps on the checking pages, over the clauses of `start`."""
    return _over(reading, start or Rule(float(reading.measured[reading.fitting].mean())), rounds=rounds)[1]


def fullest_rule(reading: Reading, compact: Rule) -> Rule:
    """The full form: tables over as many of the grown conditions, or over the compact form, as leave least error.

    The levels of the compact form have seen the checking pages, so it has to be clearly better there.
    """
    base, terms = grown_terms(reading)
    found = []
    for number in dict.fromkeys([len(terms), min(len(terms), 4), min(len(terms), 2), 0]):
        fitted, kept, _ = refitted(reading, base, terms[:number])
        found.append(_over(reading, rule_of(reading, fitted, kept)))
    error, best = min(found, key=lambda item: item[0])
    other, over_compact = _over(reading, compact)
    return over_compact if other < CLEARLY * error else best


def _over(reading: Reading, start: Rule, *, rounds: int = 5) -> tuple[float, Rule]:
    """Tables over a rule, and the squared error left on the checking pages; last, levels are fitted to all pages."""
    kept = tuple(clause for clause in start.clauses if clause.when is not None)
    levels: dict[str, Numbers] = {}
    for clause in start.clauses:
        if clause.when is None:
            listed = reading.column(clause.feature).listed
            own = np.array([clause.levels.get(value, 0.0) for value in listed])
            levels[clause.feature] = levels.get(clause.feature, np.zeros(len(listed))) + own
    shrinkages: dict[str, float] = {}
    residual = reading.measured - reading.predicted(start)
    worth = WORTH * float(reading.measured[reading.checking].var())
    for turn in range(rounds):
        for column in reading.tables:
            feature = column.feature
            if turn and feature not in levels:
                continue
            without = residual + column.spread(levels[feature]) if feature in levels else residual
            shrinkage, table = _shrunk(reading, column, without)
            better = without - column.spread(table)
            if reading.error(better) < reading.error(residual) - worth:
                levels[feature], residual, shrinkages[feature] = table, better, shrinkage
    error = reading.error(residual)
    for feature, shrinkage in shrinkages.items():
        column = reading.column(feature)
        without = residual + column.spread(levels[feature])
        levels[feature] = column.sums(without, slice(None)) / (column.fitted + column.checked + shrinkage)
        residual = without - column.spread(levels[feature])
    tables = (_clause(feature, reading.column(feature).listed, table) for feature, table in levels.items())
    return error, Rule(start.base, (*kept, *(clause for clause in tables if clause.levels)))


def _shrunk(reading: Reading, column: Column, residual: Numbers) -> tuple[float, Numbers]:
    """The shrinkage that leaves least squared error on the checking pages, and the column's levels under it."""
    sums, counts = column.sums(residual, reading.fitting), column.fitted
    checked, occurring = column.sums(residual, reading.checking), column.checked
    tables = [(shrinkage, sums / (counts + shrinkage)) for shrinkage in SHRINKAGES]
    return min(tables, key=lambda item: float((item[1] ** 2 * occurring - 2 * item[1] * checked).sum()))


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
