"""Words for what the statistics found: the typed verdict and one or two sentences, from the rule and its numbers.

The verdict comes from how much of the checkable variance each kind of feature explains, decided in this order: dead,
dense, positional, unexplained, single token, token set, n-gram, context.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agents.mind import Evidence
from agents.statistical.induction import Reading, full_rule
from memory.records import Clause, Rule, Verdict
from tools.rules import DESCRIPTIONS, shown

DENSE_SHARE = 0.6  # of tokens above zero, with a mean that stands out of its own spread
EXPLAINED = 0.06  # less checked variance than this explains nothing
MOST = 0.85  # of what the full rule explains
LISTED = 6  # values a sentence names

N_GRAM = {
    "token",
    "word",
    "class",
    "previous",
    "second-previous",
    "pair",
    "previous-word",
    "previous-class",
    "class-pair",
}


def is_dead(evidence: Evidence) -> bool:
    """Nothing in the corpus or the experiments moves it."""
    peaks = [record.peak for record in evidence.top if record.peak is not None]
    return evidence.distribution.deviation < 1e-6 or max([evidence.distribution.highest, *peaks]) <= 1e-3


def verdict(evidence: Evidence, reading: Reading) -> Verdict:
    """What sort of unit the numbers say it is."""
    spread = evidence.distribution
    if is_dead(evidence):
        return Verdict.DEAD
    if spread.active > DENSE_SHARE and spread.mean > 0.5 * spread.deviation:
        return Verdict.DENSE
    whole = explained(reading)
    if explained(reading, {"position"}) > MOST * whole > 0:
        return Verdict.POSITIONAL
    if whole < EXPLAINED:
        return Verdict.UNEXPLAINED
    if explained(reading, {"token", "word", "class"}) >= MOST * whole:
        tokens = Counter(record.peak_token.strip() for record in evidence.top if record.position is not None)
        return (
            Verdict.SINGLE_TOKEN if tokens and tokens.most_common(1)[0][1] > 0.8 * tokens.total() else Verdict.TOKEN_SET
        )
    return Verdict.N_GRAM if explained(reading, N_GRAM) >= 0.9 * whole else Verdict.CONTEXT


def explained(reading: Reading, features: Iterable[str] | None = None) -> float:
    """Share of the variance of the checking pages that a full rule over the features explains; at least 0."""
    kept = set(features) if features is not None else {column.feature for column in reading.columns}
    part = replace(reading, columns=tuple(column for column in reading.columns if column.feature in kept))
    left = part.error(part.measured - part.predicted(full_rule(part, rounds=2)))
    return max(0.0, 1.0 - left / max(float(part.measured[part.checking].var()), 1e-12))


def sentence(found: Verdict, evidence: Evidence, rule: Rule) -> str:
    """The explanation in prose."""
    spread = evidence.distribution
    if found is Verdict.DEAD:
        return f"Nothing found moves it: over {spread.tokens:,} tokens it never rose above {spread.highest:.3f}."
    if found is Verdict.UNEXPLAINED:
        return "No feature of the token or of what precedes it predicts its activation on text it was not fitted to."
    raises = [told for clause in rule.clauses[:4] if (told := _told(clause, positive=True))]
    opening = "It is active on most tokens" if found is Verdict.DENSE else "It fires"
    if found is Verdict.POSITIONAL:
        opening = "It follows the position in the text"
    body = f"{opening}, most when {_joined(raises)}." if raises else f"{opening}, with no feature that raises it alone."
    lowers = [told for clause in rule.clauses if (told := _told(clause, positive=False))]
    return body + (f" It is held down when {_joined(lowers[:2])}." if lowers else "")


def _told(clause: Clause, *, positive: bool) -> str:
    strongest = max(map(abs, clause.levels.values()), default=0.0)
    chosen = [(value, level) for value, level in clause.levels.items() if (level > 0) == positive]
    chosen = [(value, level) for value, level in chosen if abs(level) > 0.35 * strongest]
    if not chosen:
        return ""
    ranked = [shown(value) for value, _ in sorted(chosen, key=lambda item: -abs(item[1]))]
    if len(ranked) > LISTED:
        ranked = [*ranked[:LISTED], f"{len(ranked) - LISTED} more"]
    return f"{DESCRIPTIONS[clause.feature]} {_joined(ranked)}"


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} or {parts[-1]}"
