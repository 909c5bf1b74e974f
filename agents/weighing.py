"""What measured prompts say about a hypothesis: counts of predictions kept and broken, and the fate that follows."""

from collections.abc import Iterable
from dataclasses import replace

from memory.records import Fate, Hypothesis, Record

ENOUGH = 6  # predictions tested before a fate is given
SUPPORTED, REFUTED = 0.8, 0.6  # share of predictions kept: at least, and less than


def weighed(hypothesis: Hypothesis, records: Iterable[Record], *, firing: float) -> Hypothesis:
    """The hypothesis with its predictions counted over all its records, and its fate.

    A prediction counts when both sides have been tested: firing alone is what any always-on claim would predict.
    """
    kept = {True: 0, False: 0}
    tested = {True: 0, False: 0}
    for record in records:
        predicted = record.prompt.predicted
        if record.prompt.hypothesis == hypothesis.id and predicted is not None and record.peak is not None:
            tested[predicted] += 1
            kept[predicted] += (record.peak >= firing) == predicted
    hits, total = sum(kept.values()), sum(tested.values())
    fate, reason = _fate(kept, tested)
    return replace(hypothesis, hits=hits, misses=total - hits, fate=fate, reason=reason)


def _fate(kept: dict[bool, int], tested: dict[bool, int]) -> tuple[Fate, str]:
    if not sum(tested.values()):
        return Fate.UNTESTED, "no prediction was measured"
    told = f"{kept[True]} of {tested[True]} triggers fired, {kept[False]} of {tested[False]} controls stayed silent"
    if sum(tested.values()) < ENOUGH or not min(tested.values()):
        return Fate.PROPOSED, told
    worst = min(kept[side] / tested[side] for side in (True, False))
    if worst >= SUPPORTED:
        return Fate.SUPPORTED, told
    return (Fate.REFUTED, told) if worst < REFUTED else (Fate.PROPOSED, told)
