"""Words for what the statistics found: the typed verdict and one or two sentences, from the rule and its numbers.

The verdict comes from how much of the variance of the checking pages each kind of feature explains, decided in this
order: dead, dense, positional, unexplained, single token, token set, n-gram, context. The sentences name what makes the
unit fire by itself, then what raises it, both by how much each clause accounts for where the unit fires, then what
holds it down, by how much it accounts for anywhere; last, what minimal pairs have hardly tested.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

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
FAINT = 0.25  # of firing: a rule that stays below says nothing of where the unit fires
LARGE = 0.5  # of the largest amount that is told: what is said although it is hardly tested
NOTHING = Rule(0.0)
MANY = "Many small influences move it, and none of them stands out."
UNTESTED = "The rule below predicts it, but minimal pairs bear none of its clauses out."
ELSEWHERE = "What minimal pairs bear out does not account for where it fires."
KEY = "shapes: A capitals, a small letters, 0 digits"
PHRASES = 3  # clauses that a sentence tells


@dataclass(frozen=True)
class Cause:
    """What a clause does in one direction: where, how much at most, and the squared activation it accounts for.

    anywhere: over all tokens. firing: over those where the unit fires.
    """

    where: Predicate
    most: float
    anywhere: float
    firing: float


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


def sentence(
    found: Verdict,
    evidence: Evidence,
    rule: Rule,
    reading: Reading,
    *,
    untested: int = 0,
    open_clauses: Rule = NOTHING,
) -> str:
    """The explanation in prose, from the compact rule: its clauses by what they explain, strongest first.

    untested: how many clauses were left out because no minimal pair bears them out. open_clauses: those among them of
    which too few pairs were measured to say so.
    """
    firing = evidence.distribution.firing
    if found is Verdict.DEAD:
        return stillness(evidence)
    if found is Verdict.UNEXPLAINED:
        return (
            "What can be said of the token and of what precedes it explains less than "
            f"{EXPLAINED:.0%} of its variance on text it was not fitted to."
        )
    raised, lowered = _causes(rule, reading, firing)
    least = LARGE * max((cause.most for cause in raised), default=0.0)
    left = _said([cause.where for cause in _causes(open_clauses, reading, firing)[0] if cause.most >= least])
    text = _told(found, rule, float(reading.predicted(rule).max()), firing, raised, lowered, untested=untested)
    if left:
        text += f" Hardly tested by minimal pairs: it also rises {_joined(left[: PHRASES - 1])}."
    return f"{text[:-1]} ({KEY})." if re.search(r"shaped like ‘|the shape ‘", text) else text


def _told(
    found: Verdict,
    rule: Rule,
    highest: float,
    firing: float,
    raised: Sequence[Cause],
    lowered: Sequence[Cause],
    *,
    untested: int,
) -> str:
    """What raises the unit and what holds it down. highest: what the rule predicts at most."""
    raises, lowers = (_joined(_said([cause.where for cause in each])[:PHRASES]) for each in (raised, lowered))
    if found is Verdict.POSITIONAL:
        return f"Follows the position in the text, whatever stands there; highest {raises or 'later on'}."
    if found is Verdict.DENSE:
        parts = [f"highest {raises}" if raises else "", f"lowest {lowers}" if lowers else ""]
        return ", ".join(["Active on most tokens", *filter(None, parts)]) + "."
    if not raises:
        return f"Held down {lowers}." if lowers else UNTESTED if untested else MANY
    if highest < FAINT * firing:
        return ELSEWHERE
    alone = _said([cause.where for cause in raised if rule.base + cause.most >= firing])[:PHRASES]
    beside = _said([cause.where for cause in raised if rule.base + cause.most < firing])
    other = _joined([phrase for phrase in beside if phrase not in alone][: PHRASES - len(alone)])
    if alone:
        text = f"Fires {_joined(alone)}{f'; rises {other}' if other else ''}"
    elif highest >= firing:
        text = f"Fires where several of these meet, and rises at each: {other}"
    else:
        limit = "; none of these alone makes it fire" if ";" in other else ", which alone does not make it fire"
        text = f"Rises {other}{limit}"
    return f"{text}{f'; held down {lowers}' if lowers else ''}."


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


def _said(conditions: Sequence[Predicate]) -> list[str]:
    """The conditions in words; tokens, and words so far, are one list for a reader."""
    plain = [each for each in conditions if each.of in ("token", "word")]
    names = [name for row in zip_longest(*(each.values for each in plain)) for name in row if name is not None]
    whole = Predicate("token", tuple(names))
    return list(dict.fromkeys(told(whole if each in plain else each) or "everywhere" for each in conditions))


def _joined(phrases_of: Sequence[str]) -> str:
    """Phrases in a row; where one is a list itself, or has an exception, a semicolon says where it ends."""
    apart = any("," in phrase or " but not " in phrase for phrase in phrases_of)
    return "; ".join(phrases_of) if apart else phrases.joined(phrases_of, "and")


def _causes(rule: Rule, reading: Reading, firing: float) -> tuple[list[Cause], list[Cause]]:
    """What raises the unit and what holds it down, as far as it is worth telling, the most telling first."""
    every = list(_accounted(rule, reading, firing))
    raising, lowering = ([cause for way, cause in every if way == sign] for sign in (1, -1))
    most = TELLING * max((cause.anywhere for _, cause in every), default=0.0)
    loudest = TELLING * max((cause.firing for cause in raising), default=0.0)
    raised = [cause for cause in raising if cause.anywhere > most or cause.firing > loudest]
    lowered = [cause for cause in lowering if cause.anywhere > most]
    return (
        sorted(raised, key=lambda cause: (-cause.firing, -cause.anywhere)),
        sorted(lowered, key=lambda cause: -cause.anywhere),
    )


def _accounted(rule: Rule, reading: Reading, firing: float) -> Iterator[tuple[int, Cause]]:
    """The direction and the cause of every clause, for each direction it has."""
    fires = reading.measured >= firing
    for clause in rule.clauses:
        for sign in (1, -1):
            condition = cause(clause, sign)
            if condition is not None:
                amount = np.maximum(0.0, sign * reading.predicted(Rule(0.0, (clause,))))
                squares = np.square(amount)
                yield sign, Cause(condition, float(amount.max()), float(squares.sum()), float(squares[fires].sum()))


def stillness(evidence: Evidence) -> str:
    """What there is to say of a dead unit."""
    spread = evidence.distribution
    return f"Nothing found raises it: over {spread.tokens:,} tokens it never rose above {spread.highest:.3f}."
