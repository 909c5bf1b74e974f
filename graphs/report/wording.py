"""What a report says in words about its own numbers: rule lines, a score's sentence, and what speaks against it.

Knows the nouns and plain arithmetic on them. Refuses to know the screen: page and terminal print the same words.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.statistical.certificates import stands
from graphs.report.findings import Change, Findings
from graphs.report.visible import number, percent, visible
from memory.records import BUILT_IN, Certificate, Clause, Explanation, Predicate, Record, Rule, Score, Status
from tools.rules import ALWAYS, DESCRIPTIONS, said, shown

CITED = 12  # records that an explanation is said to name
LEVELS_SHOWN = 7  # of one clause, strongest first; the rest is counted


@dataclass(frozen=True)
class RuleLine:
    """One clause as people read it: what is looked at, its strongest values with what each adds, how many more.

    A clause that adds one amount wherever its condition holds has a single level without a name.
    """

    words: str
    levels: tuple[tuple[str, float], ...]
    more: int = 0
    proof: "Proof | None" = None


@dataclass(frozen=True)
class Proof:
    """A clause's certificate: minimal pairs, the higher side first, of those records that are known.

    What counts of a text is the activation at its end: that is where the clause holds in one and not in the other.
    """

    words: str
    pairs: tuple[tuple[Record, Record], ...] = ()
    bears: bool | None = None  # None without a pair


def rule_lines(rule: Rule) -> list[RuleLine]:
    """A rule's clauses, each with its strongest values first. The base is not among them."""
    return [_rule_line(clause) for clause in rule.clauses]


def _rule_line(clause: Clause) -> RuleLine:
    where = "" if clause.when is None else f"where {_condition(clause.when)}"
    if clause.feature == ALWAYS:
        return RuleLine(visible(where or "everywhere"), (("", sum(clause.levels.values())),))
    ranked = sorted(clause.levels.items(), key=lambda level: -abs(level[1]))
    words = DESCRIPTIONS.get(clause.feature, clause.prose or clause.feature)
    levels = tuple((visible(shown(value)), amount) for value, amount in ranked[:LEVELS_SHOWN])
    return RuleLine(visible(f"{where}, {words}" if where else words), levels, len(ranked) - len(levels))


def _condition(predicate: Predicate) -> str:
    try:
        return said(predicate)
    except KeyError as unknown:
        return f"something holds that is not known here ({unknown})"


def proven_lines(findings: Findings) -> list[RuleLine]:
    """The lines of the compact rule, each with its certificate where it has one."""
    if findings.explanation is None:
        return []
    records = {record.id: record for record in (*findings.evidence, *findings.top, *findings.bottom)}
    lines = rule_lines(findings.explanation.rule)
    for each in findings.explanation.certificates:
        if 0 <= each.clause < len(lines):
            pairs = [(records[one], records[other]) for one, other in each.pairs if {one, other} <= records.keys()]
            lines[each.clause] = replace(lines[each.clause], proof=Proof(certified(each), tuple(pairs), stands(each)))
    untested = Proof("no minimal pair tests this") if findings.explanation.certificates else None
    return [line if line.proof else replace(line, proof=untested) for line in lines]


def certified(each: Certificate) -> str:
    """A certificate's figures, with how often pairs move in which no clause changes."""
    told = f"held in {each.held} of {each.of} minimal pairs, {each.change:+.2f} on average"
    if each.base_of is None:
        return told
    if not each.base_of:
        return f"{told}; no pair was measured in which no clause changes"
    return f"{told}; {each.base} of {each.base_of} in which no clause changes moved as far"


def largest_level(rule: Rule) -> float:
    """The largest amount that any value of the rule adds or takes away."""
    return max((abs(amount) for clause in rule.clauses for amount in clause.levels.values()), default=0.0)


def bounded(score: Score) -> bool:
    """Whether the figure can be drawn from 0 to 1; one in nats has no upper end."""
    return "nats" not in score.metric


def beats_floor(score: Score) -> bool | None:
    """Whether the score, at the low end of its interval, is above its floor; None where that cannot be said."""
    if score.value is None or score.floor is None or score.low is None:
        return None
    return score.low > score.floor


def below_floor(score: Score) -> bool:
    """Whether even the high end of its interval is below its floor."""
    return score.high is not None and score.floor is not None and score.high < score.floor


def cited(explanation: Explanation) -> str:
    """Which records an explanation names, and what for: the built-in mind's rule rests on all pages that it read."""
    ids = ", ".join(map(str, explanation.evidence[:CITED]))
    more = f" and {len(explanation.evidence) - CITED} more" if len(explanation.evidence) > CITED else ""
    return f"{cites(explanation.author)} {ids}{more}"


def cites(author: str) -> str:
    """What the records are that an author names."""
    return "strongest texts: records" if author == BUILT_IN else "rests on records"


def score_sentence(score: Score) -> str:
    """A score in one sentence, with everything it must be read against."""
    if score.value is None:
        return f"{visible(score.metric)} could not be scored: {visible(score.reason) or 'no reason was given'}."
    name = f" ({visible(score.floor_name)})" if score.floor_name else ""
    parts = [
        "no floor is known" if score.floor is None else f"floor {number(score.floor)}{name}",
        f"ceiling {number(score.ceiling)}"
        if score.ceiling is not None
        else "no ceiling is known"
        if bounded(score)
        else "",
    ]
    gap = None if score.floor is None or score.ceiling is None else score.ceiling - score.floor
    if gap is not None and gap > 0 and beats_floor(score):
        parts.append(f"{percent((score.value - (score.floor or 0.0)) / gap)} of the way between them")
    if beats_floor(score) is False:
        parts.append("below its floor" if below_floor(score) else "not distinguishable from its floor")
    if score.low is None:
        parts.append("no interval: too few texts have what is scored")
    aside = f"; {visible(score.reason)}" if score.reason else ""
    return f"{', '.join(filter(None, parts))}; n={score.n:,}{aside}."


def standing(among: Mapping[str, Any], times: float = 1.0) -> str:
    """Where a figure of the output side stands among those of other units."""
    figures = f"median {number(times * among['median'])}, {among['named']} {number(times * among['high'])}"
    return f"{among['above']} of {among['units']} other units of its layer reach as much ({figures})"


def nothing_shortened(findings: Findings) -> str:
    """Why there is no trigger."""
    if "prune_augment" not in findings.visited and findings.best is not None:
        return "no text was shortened: the run ended before it came to that"
    return "nothing fired, so there was nothing to shorten"


def nothing_optimised(findings: Findings) -> str:
    """Why the optimiser has no text to show."""
    if "sae_optimizer" not in findings.visited:
        return "the optimiser was not asked: the run ended before it came to that"
    return "the optimiser reached nothing that fires"


def telling_changes(changes: Iterable[Change], kind: str) -> list[Change]:
    """One kind of changes, the most telling first: what moved it most, or for `keeps` what moved it least."""

    def moved(change: Change) -> float:
        if change.activation_before is None or change.activation_after is None:
            return math.inf if kind == "keeps" else -math.inf
        return abs(change.activation_after - change.activation_before)

    return sorted((change for change in changes if change.kind == kind), key=moved, reverse=kind != "keeps")


def cautions(findings: Findings) -> list[str]:
    """What a reader should hold against this report: the run's own warnings first, then what its numbers admit."""
    return [*map(visible, findings.warnings), *_about_the_claim(findings), *_about_the_search(findings)]


def _about_the_claim(findings: Findings) -> Iterator[str]:
    score, explanation = findings.headline, findings.explanation
    if explanation is None:
        yield "No explanation was reached; what follows is evidence without a claim."
    elif not explanation.evidence:
        yield "The explanation names no record that it rests on."
    if explanation is not None and explanation.author != BUILT_IN:
        yield (
            f"The sentences are {visible(explanation.author)}'s. The scores are those of the rule beside them; "
            "of the sentences themselves only what a judge was asked says anything."
        )
    if score is not None and beats_floor(score) is False:
        stands = "is below its floor" if below_floor(score) else "cannot be told from its floor"
        yield (
            f"The main score ({visible(score.metric)}, {number(score.value)}) {stands} "
            f"({visible(score.floor_name) or 'baseline'}, {number(score.floor)})."
        )
    if score is not None and score.value is not None and score.low is None:
        yield "The main score has no interval, so it cannot be held against its floor."
    if findings.compact is not None and beats_floor(findings.compact) is False:
        yield "The compact rule, the one shown, predicts no better than its floor; the full one is in the JSON."
    missing = sum(score.value is None for score in findings.scores)
    if missing:
        yield f"{missing} of {len(findings.scores)} scores could not be had; the reasons stand beside them."
    if explanation is not None and not findings.changes:
        yield "No single-token change was tried, so nothing here shows what the activation depends on."


def _about_the_search(findings: Findings) -> Iterator[str]:
    counts, firing = findings.counts, findings.distribution.firing
    if not counts.balanced:
        yield (
            f"The books do not balance: {counts.generated:,} generated, but {counts.accepted_total:,} accepted "
            f"and {counts.rejected_total:,} rejected."
        )
    weakest = min((record.peak for record in findings.bottom if record.peak is not None), default=math.nan)
    if weakest >= firing > 0:
        yield f"Always on: even the weakest prompt reached {number(weakest)}; firing starts at {number(firing)}."
    if findings.share is not None and findings.share < 1:
        yield f"The strongest prompt reaches {percent(findings.share)} of what plain reading of the corpus found."
    states = Counter(record.status for record in findings.evidence)
    for status in (Status.FAILED, Status.EMPTY, Status.TRUNCATED):
        if states[status]:
            yield f"{states[status]:,} of {len(findings.evidence):,} records have the status {status.value}."
    broken = sum(call.status not in ("ok", "repaired") for call in findings.calls)
    if broken:
        yield f"{broken} of {len(findings.calls)} language model calls failed."
