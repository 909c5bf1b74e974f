"""Words for what the statistics found: the typed verdict and one or two sentences, from the rule and its numbers.

The verdict comes from how much of the variance of the checking pages each kind of feature explains, decided in this
order: dead, dense, positional, unexplained, single token, token set, n-gram, context. The sentences name what raises
the unit, then what holds it down, by how much of the activation each clause accounts for.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from agents.mind import Evidence
from agents.statistical import phrases
from agents.statistical.conditions import told
from agents.statistical.induction import full_rule
from agents.statistical.reading import Reading
from agents.statistical.sorts import Sort, cause, sort_of, sorts_of
from memory.records import Clause, Predicate, Rule, Verdict
from tools.rules import ALWAYS

DENSE_SHARE = 0.6  # of tokens above zero, with a mean that stands out of its own spread
EXPLAINED = 0.06  # less checked variance than this explains nothing
MOST = 0.9  # of what all features explain
ONE = 0.85  # of what tokens explain, by one of them
TELLING = 0.08  # of what the first clause accounts for: less is left to the rule
MANY = "Many small influences move it, and none of them stands out."
UNTESTED = "The rule below predicts it, but minimal pairs bear none of its clauses out."
PHRASES = 3  # clauses that a sentence tells


def is_dead(evidence: Evidence) -> bool:
    """Nothing in the corpus or the experiments moves it, or nothing lifts it above silence."""
    spread = evidence.distribution
    peaks = [record.peak for record in evidence.top if record.peak is not None]
    highest = max([spread.highest, *peaks])
    return highest - spread.lowest < 1e-6 or highest <= 1e-3


def verdict(evidence: Evidence, reading: Reading, full: Rule) -> Verdict:
    """What sort of unit the numbers say it is; kinds of questions are compared by rules made of them alone."""
    spread = evidence.distribution
    if is_dead(evidence):
        return Verdict.DEAD
    if spread.active > DENSE_SHARE and spread.mean > 0.5 * spread.deviation:
        return Verdict.DENSE
    whole = explained(reading, set(Sort), full)
    if whole >= EXPLAINED and explained(reading, {Sort.POSITION}, full) > MOST * whole:
        return Verdict.POSITIONAL
    if whole < EXPLAINED:
        return Verdict.UNEXPLAINED
    if explained(reading, {Sort.TOKEN}, full) >= MOST * whole:
        return Verdict.SINGLE_TOKEN if share_of_one_token(reading) > ONE else Verdict.TOKEN_SET
    return Verdict.N_GRAM if explained(reading, {Sort.TOKEN, Sort.N_GRAM}, full) >= MOST * whole else Verdict.CONTEXT


def explained(reading: Reading, sorts: Collection[Sort], full: Rule) -> float:
    """Share of the variance of the checking pages that a rule of these sorts of questions explains; at least 0."""
    features = {column.feature for column in reading.columns if sort_of(Predicate(column.feature)) in sorts}
    part = replace(reading, columns=tuple(column for column in reading.columns if column.feature in features))
    known = {*features, ALWAYS}
    gated = [clause for clause in full.clauses if clause.when is not None and clause.feature in known]
    kept = [clause for clause in gated if sorts_of(clause) <= set(sorts)]
    left = part.error(part.measured - part.predicted(full_rule(part, replace(full, clauses=tuple(kept)))))
    return max(0.0, 1.0 - left / max(float(part.measured[part.checking].var()), 1e-12))


def share_of_one_token(reading: Reading) -> float:
    """Of the checked variance that a table of tokens explains, the share of the best one (with and without space)."""
    column, part = reading.column("token"), reading.checking
    fitted = reading.measured - float(np.median(reading.measured[reading.fitting]))
    levels = column.sums(fitted, reading.fitting) / (column.fitted + 1.0)
    gains = 2 * levels * column.sums(fitted, part) - levels**2 * column.counts(part)
    by_name: dict[str, float] = {}
    for token, gain in zip(column.listed, gains, strict=True):
        by_name[token.strip(" ")] = by_name.get(token.strip(" "), 0.0) + max(0.0, float(gain))
    return max(by_name.values(), default=0.0) / max(sum(by_name.values()), 1e-12)


def sentence(found: Verdict, evidence: Evidence, rule: Rule, reading: Reading, *, untested: int = 0) -> str:
    """The explanation in prose, from the compact rule: its clauses by what they explain, strongest first.

    untested: how many clauses were left out because no minimal pair bears them out.
    """
    spread = evidence.distribution
    if found is Verdict.DEAD:
        return stillness(evidence)
    if found is Verdict.UNEXPLAINED:
        return (
            "What can be said of the token and of what precedes it explains less than "
            f"{EXPLAINED:.0%} of its variance on text it was not fitted to."
        )
    raises, lowers = (_causes(rule, reading, sign) for sign in (1, -1))
    if found is Verdict.POSITIONAL:
        return f"Follows the position in the text, whatever stands there; highest {raises or 'later on'}."
    if found is Verdict.DENSE:
        parts = [f"highest {raises}" if raises else "", f"lowest {lowers}" if lowers else ""]
        return ", ".join(["Active on most tokens", *filter(None, parts)]) + "."
    if not raises:
        return f"Held down {lowers}." if lowers else UNTESTED if untested else MANY
    fires = float(reading.predicted(rule).max()) >= spread.firing
    opening, limit = ("Fires", "") if fires else ("Rises", ", which alone does not make it fire")
    return f"{opening} {raises}{limit}{f'; held down {lowers}' if lowers else ''}."


def worded(rule: Rule) -> Rule:
    """The rule with what each clause says in words."""
    return replace(rule, clauses=tuple(replace(clause, prose=clause_told(clause)) for clause in rule.clauses))


def clause_told(clause: Clause) -> str:
    """One clause in words: what raises the unit and what holds it down."""
    parts = []
    for sign, word in ((1, "raised"), (-1, "held down")):
        condition = cause(clause, sign)
        parts += [f"{word} {told(condition) or 'everywhere'}"] if condition is not None else []
    return "; ".join(parts)


def _causes(rule: Rule, reading: Reading, sign: int) -> str:
    """What moves the unit in one direction, by the squared activation that each clause accounts for."""
    ranked = sorted(_accounted(rule, reading), key=lambda item: -item[0])
    worth = [phrase for removed, way, phrase in ranked if way == sign and removed > TELLING * ranked[0][0]]
    return phrases.joined(list(dict.fromkeys(worth))[:PHRASES], "and")


def _accounted(rule: Rule, reading: Reading) -> Iterator[tuple[float, int, str]]:
    """(squared activation accounted for, sign, phrase) of every clause, for each sign it has."""
    for clause in rule.clauses:
        for sign in (1, -1):
            condition = cause(clause, sign)
            if condition is not None:
                amount = np.maximum(0.0, sign * reading.predicted(Rule(0.0, (clause,))))
                yield float(np.square(amount).sum()), sign, told(condition) or "everywhere"


def stillness(evidence: Evidence) -> str:
    """What there is to say of a dead unit."""
    spread = evidence.distribution
    return f"Nothing found raises it: over {spread.tokens:,} tokens it never rose above {spread.highest:.3f}."
