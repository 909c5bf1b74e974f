"""What measured prompts say about a hypothesis: counts of predictions kept and broken, and the fate that follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from memory.records import BUILT_IN, Fate, Hypothesis, Origin, Prompt, Record

ENOUGH, OF_EACH = 6, 3  # predictions tested before a fate is given, and of each side
SUPPORTED, REFUTED = 0.8, 0.6  # share of predictions kept: at least, and less than
MOVED = 0.3  # of what a claim says, that a minimal pair has to move by
PLENTY = 16  # of each side: a claim not supported by then is refuted, else it would be tested for ever


def weighed(hypothesis: Hypothesis, records: Iterable[Record], *, firing: float) -> Hypothesis:
    """The hypothesis with its predictions counted over all its records, and its fate.

    A prediction counts when both sides have been tested: firing alone is what any always-on claim would predict. A
    claim in words says that something fires, so a trigger that only rises, below `firing`, breaks it; the reason tells
    how far each side rose, at its highest token. A claim of the built-in mind says by how much it rises where its
    condition holds: each minimal pair is read at its texts' ends, and keeps the prediction when the end moves by MOVED
    of that.
    """
    own = [record for record in records if record.prompt.hypothesis == hypothesis.id and record.values]
    own = [record for record in own if record.prompt.predicted is not None]
    level = _level(hypothesis)
    if level is not None:
        return _graded(hypothesis, own, level)
    peaks: dict[bool, list[float]] = {True: [], False: []}
    for record in own:
        peaks[bool(record.prompt.predicted)].append(max(record.values))
    kept = {side: sum((peak >= firing) == side for peak in found) for side, found in peaks.items()}
    hits, total = sum(kept.values()), sum(map(len, peaks.values()))
    fate, reason = _fate(kept, peaks, firing)
    return replace(hypothesis, hits=hits, misses=total - hits, fate=fate, reason=reason)


def sides(records: Iterable[Record]) -> list[tuple[Record, Record]]:
    """(predicted to fire, predicted to be silent) of each pair of which both sides were measured."""
    by_source: dict[str, dict[bool, Record]] = {}
    for record in records:
        if record.prompt.source and record.prompt.predicted is not None and record.values:
            by_source.setdefault(record.prompt.source, {})[record.prompt.predicted] = record
    return [(both[True], both[False]) for both in by_source.values() if len(both) == 2]


def _level(hypothesis: Hypothesis) -> float | None:
    """How far a claim of the built-in mind says the unit rises."""
    if hypothesis.author != BUILT_IN or hypothesis.rule is None or not hypothesis.rule.clauses:
        return None
    return max(hypothesis.rule.clauses[0].levels.values())


def _graded(hypothesis: Hypothesis, own: Sequence[Record], level: float) -> Hypothesis:
    moved = [fires.values[-1] - silent.values[-1] for fires, silent in sides(own)]
    hits = sum(by > MOVED * level for by in moved)
    if not moved:
        return replace(hypothesis, hits=0, misses=0, fate=Fate.UNTESTED, reason="no minimal pair was measured")
    reason = f"{hits} of {len(moved)} minimal pairs moved as it says{_mean(moved)}; it says {level:.2f}"
    share, plenty = hits / len(moved), len(moved) >= PLENTY
    if len(moved) < OF_EACH or (REFUTED <= share < SUPPORTED and not plenty):
        fate = Fate.PROPOSED
    else:
        fate = Fate.SUPPORTED if share >= SUPPORTED else Fate.REFUTED
    return replace(hypothesis, hits=hits, misses=len(moved) - hits, fate=fate, reason=reason)


def predictions(claim: Hypothesis) -> list[Prompt]:
    """The texts a claim comes with, as prompts; the two sides of a pair carry one source."""
    texts = ((True, claim.triggers), (False, claim.non_triggers))
    return [
        Prompt(text, Origin.PAIR, hypothesis=claim.id, predicted=predicted, source=f"pair {claim.id} {number}")
        for predicted, found in texts
        for number, text in enumerate(found)
    ]


def _fate(kept: Mapping[bool, int], peaks: Mapping[bool, Sequence[float]], firing: float) -> tuple[Fate, str]:
    if not any(peaks.values()):
        return Fate.UNTESTED, "no prediction was measured"
    told = (
        f"{kept[True]} of {len(peaks[True])} triggers fired{_mean(peaks[True])}, "
        f"{kept[False]} of {len(peaks[False])} controls stayed silent{_mean(peaks[False])}; firing is {firing:.2f}"
    )
    if sum(map(len, peaks.values())) < ENOUGH or min(map(len, peaks.values())) < OF_EACH:
        return Fate.PROPOSED, told
    worst = min(kept[side] / len(peaks[side]) for side in (True, False))
    if worst >= SUPPORTED:
        return Fate.SUPPORTED, told
    settled = worst < REFUTED or min(map(len, peaks.values())) >= PLENTY
    return (Fate.REFUTED, told) if settled else (Fate.PROPOSED, told)


def _mean(peaks: Sequence[float]) -> str:
    return f" (mean {sum(peaks) / len(peaks):.2f})" if peaks else ""
