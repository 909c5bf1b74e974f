"""Words for what the statistics found: the typed verdict and one or two sentences, from the rule and its numbers.

The verdict comes from how much of the variance of the checking pages each kind of feature explains, decided in this
order: dead, dense, positional, unexplained, single token, token set, n-gram, context. The sentences name what raises
the unit, then what holds it down, strongest first: "on" says what the token is, everything else where it stands.
"""

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from agents.mind import Evidence
from agents.statistical import phrases
from agents.statistical.induction import ORDER, Reading, full_rule
from memory.records import Clause, Rule, Verdict
from tools.rules import START

DENSE_SHARE = 0.6  # of tokens above zero, with a mean that stands out of its own spread
EXPLAINED = 0.06  # less checked variance than this explains nothing
MOST = 0.9  # of what all features explain
ONE = 0.85  # of what tokens explain, by one of them
TELLING = 0.35  # of the largest level: smaller ones are left to the rule
PHRASES = 2  # of one kind that a sentence has at most
BEFORE = {"previous": 1, "previous-class": 1, "previous-word": 1, "second-previous": 2}  # tokens a text's start reaches

TOKEN = {"token", "word", "class"}
Tables = dict[str, dict[str, float]]  # levels by feature and value
N_GRAM = TOKEN | {"previous", "second-previous", "pair", "previous-word", "previous-class", "class-pair"}


def is_dead(evidence: Evidence) -> bool:
    """Nothing in the corpus or the experiments moves it."""
    peaks = [record.peak for record in evidence.top if record.peak is not None]
    return evidence.distribution.deviation < 1e-6 or max([evidence.distribution.highest, *peaks]) <= 1e-3


def verdict(evidence: Evidence, reading: Reading, compact: Rule) -> Verdict:
    """What sort of unit the numbers say it is; kinds of features are compared by rules that start from the compact."""
    spread = evidence.distribution
    if is_dead(evidence):
        return Verdict.DEAD
    if spread.active > DENSE_SHARE and spread.mean > 0.5 * spread.deviation:
        return Verdict.DENSE
    whole = explained(reading, ORDER, compact)
    if whole >= EXPLAINED and explained(reading, {"position"}, compact) > MOST * whole:
        return Verdict.POSITIONAL
    if whole < EXPLAINED:
        return Verdict.UNEXPLAINED
    if explained(reading, TOKEN, compact) >= MOST * whole:
        return Verdict.SINGLE_TOKEN if share_of_one_token(reading) > ONE else Verdict.TOKEN_SET
    return Verdict.N_GRAM if explained(reading, N_GRAM, compact) >= MOST * whole else Verdict.CONTEXT


def explained(reading: Reading, features: Collection[str], start: Rule) -> float:
    """Share of the variance of the checking pages that a full rule over the features explains; at least 0."""
    part = replace(reading, columns=tuple(column for column in reading.columns if column.feature in features))
    start = replace(start, clauses=tuple(clause for clause in start.clauses if clause.feature in features))
    left = part.error(part.measured - part.predicted(full_rule(part, start)))
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


def sentence(found: Verdict, evidence: Evidence, rule: Rule, reading: Reading) -> str:
    """The explanation in prose. The reading tells how high the rule's own predictions reach."""
    spread = evidence.distribution
    if found is Verdict.DEAD:
        return stillness(evidence)
    if found is Verdict.UNEXPLAINED:
        return "No feature of the token or of what precedes it predicts its activation on text it was not fitted to."
    levels = _merged(rule)
    lowers = _causes(_telling(levels, sign=-1), alone=-math.inf)
    if found is Verdict.POSITIONAL:
        raises = _causes(_telling({"position": levels.get("position", {})}, sign=1), alone=-math.inf)
        return f"Follows the position in the text, whatever stands there; highest {raises or 'later on'}."
    if found is Verdict.DENSE:
        raises = _causes(_telling(levels, sign=1), alone=-math.inf)
        parts = [f"highest {raises}" if raises else "", f"lowest {lowers}" if lowers else ""]
        return ", ".join(["Active on most tokens", *filter(None, parts)]) + "."
    raises = _causes(_telling(levels, sign=1), alone=spread.firing - rule.base)
    if not raises:
        return f"Held down {lowers}." if lowers else "Many small influences move it, and none of them stands out."
    fires = float(reading.predicted(rule).max()) >= spread.firing
    opening, limit = ("Fires", "") if fires else ("Rises", ", which alone does not make it fire")
    return f"{opening} {raises}{limit}{f'; held down {lowers}' if lowers else ''}."


def worded(rule: Rule) -> Rule:
    """The rule with what each clause says in words."""
    return replace(rule, clauses=tuple(replace(clause, prose=_clause_told(clause)) for clause in rule.clauses))


def _clause_told(clause: Clause) -> str:
    parts = []
    for sign, word in ((1, "raised"), (-1, "held down")):
        found = _telling({clause.feature: clause.levels}, sign=sign)
        parts += [f"{word} {_causes(found, alone=-math.inf)}"] if found else []
    return "; ".join(parts)


def stillness(evidence: Evidence) -> str:
    """What there is to say of a dead unit."""
    spread = evidence.distribution
    return f"Nothing found moves it: over {spread.tokens:,} tokens it never rose above {spread.highest:.3f}."


def _merged(rule: Rule) -> Tables:
    """The rule's tables; words among the tokens, and the start of the text among the positions."""
    found: Tables = {}
    for clause in rule.clauses:
        for value, level in clause.levels.items():
            feature, values = {"word": "token"}.get(clause.feature, clause.feature), (value,)
            if value == START and feature in BEFORE:
                feature, values = "position", tuple("01")[: BEFORE[feature]]
            for each in values:
                table = found.setdefault(feature, {})
                table[each] = table.get(each, 0.0) + level
    return found


def _telling(levels: Tables, *, sign: int) -> Tables:
    """Those levels of one sign that are not small beside the largest of any sign, the strongest features first."""
    largest = max((abs(level) for table in levels.values() for level in table.values()), default=0.0)
    chosen = {
        feature: {value: level for value, level in table.items() if sign * level > TELLING * largest}
        for feature, table in levels.items()
    }
    ranked = sorted(chosen.items(), key=lambda item: -max(map(abs, item[1].values()), default=0.0))
    return {feature: table for feature, table in ranked if table}


def _causes(telling: Tables, *, alone: float) -> str:
    """What moves the unit, in one phrase; a place that does not reach `alone` by itself only adds to the tokens."""
    named = phrases.naming(telling)
    tokens = [f"on {told}" for feature, table in telling.items() if (told := phrases.tokens(feature, table, named))]
    places, additions = [], []
    for feature, table in telling.items():
        if told := phrases.place(feature, table, named):
            adds = tokens and max(map(abs, table.values())) < alone
            (additions if adds else places).append(told)
    body = phrases.joined(tokens[:PHRASES] + places[:PHRASES], "and")
    return f"{body}, more strongly {phrases.joined(additions[:PHRASES], 'or')}" if additions else body
