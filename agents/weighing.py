"""What measured prompts say about a hypothesis: counts of predictions kept and broken, and the fate that follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from memory.records import Fate, Hypothesis, Origin, Prompt, Record

ENOUGH, OF_EACH = 6, 3  # predictions tested before a fate is given, and of each side
SUPPORTED, REFUTED = 0.8, 0.6  # share of predictions kept: at least, and less than
BUILT_IN = "built-in"
PLENTY = 16  # of each side: a claim not supported by then is refuted, else it would be tested for ever


def weighed(hypothesis: Hypothesis, records: Iterable[Record], *, firing: float) -> Hypothesis:
    """The hypothesis with its predictions counted over all its records, and its fate.

    A prediction counts when both sides have been tested: firing alone is what any always-on claim would predict. A
    pair of the built-in mind is read at its texts' end, where its condition holds and does not. A claim says that
    something fires, so a trigger that only rises, below `firing`, breaks it; the reason tells how far
    each side rose.
    """
    peaks: dict[bool, list[float]] = {True: [], False: []}
    for record in records:
        predicted = record.prompt.predicted
        if record.prompt.hypothesis == hypothesis.id and predicted is not None and record.peak is not None:
            ends = hypothesis.author == BUILT_IN and record.prompt.origin is Origin.PAIR
            peaks[predicted].append(record.values[-1] if ends else record.peak)
    kept = {side: sum((peak >= firing) == side for peak in found) for side, found in peaks.items()}
    hits, total = sum(kept.values()), sum(map(len, peaks.values()))
    fate, reason = _fate(kept, peaks, firing)
    return replace(hypothesis, hits=hits, misses=total - hits, fate=fate, reason=reason)


def predictions(claim: Hypothesis) -> list[Prompt]:
    """The texts a claim comes with, as prompts; the two sides of a pair carry one source."""
    sides = ((True, claim.triggers), (False, claim.non_triggers))
    return [
        Prompt(text, Origin.PAIR, hypothesis=claim.id, predicted=predicted, source=f"pair {claim.id} {number}")
        for predicted, texts in sides
        for number, text in enumerate(texts)
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
