"""Whether what fires is ranked above what does not, at no threshold: AUC and average precision.

AUC is the chance that a positive is ranked above a negative, ties counting half (Mann and Whitney 1947); chance is .5,
and the floor is never below it. Its interval resamples texts; positives stay what they are over all of the text.
"""

from collections.abc import Sequence

import numpy as np

from memory.records import Score
from tools.scoring.ceilings import EXACT
from tools.scoring.resampling import CONSTANT, Array, Mask, check_lengths, interval, rounded, weights

CHANCE = "chance"
FEWEST_TOKENS = 200
ONE_SIDED = "there is nothing that fires, or nothing that does not"


def detection(
    predicted: Sequence[Array],
    measured: Sequence[Array],
    *,
    floor: Sequence[Array],
    floor_name: str,
    split: str,
    seed: int = 0,
) -> Score:
    """AUC of predictions for the top 1 % of measured activations against the rest, with a 95 % interval.

    More than 1 % of the tokens stand at the top when so many share the highest activation.
    """
    metric = "detection of the top 1 % (AUC)"
    check_lengths(predicted, measured)
    found = np.concatenate(list(measured)) if len(measured) else np.empty(0)
    if found.size < FEWEST_TOKENS:
        return Score.unscored(metric, split, f"fewer than {FEWEST_TOKENS} held-out tokens")
    if not np.ptp(found):
        return Score.unscored(metric, split, CONSTANT)
    cut = np.quantile(found, 0.99)
    higher = found.max() > cut  # else it is a unit that is on or off
    positive = [text > cut if higher else text == cut for text in measured]
    return ranking(predicted, positive, floor=floor, floor_name=floor_name, metric=metric, split=split, seed=seed)


def ranking(
    predicted: Sequence[Array],
    positive: Sequence[Mask],
    *,
    floor: Sequence[Array] | None,
    floor_name: str,
    metric: str,
    split: str,
    seed: int = 0,
    ceiling: float | None = EXACT,
) -> Score:
    """AUC of predictions for what is positive, one array a text, with a 95 % interval over texts.

    The floor is the AUC of `floor`, or chance where that is better or there is none. Unscored for a constant.
    """
    check_lengths(predicted, positive)
    kept = _in_order([n for n, text in enumerate(predicted) if len(text)], predicted, positive)
    told = np.concatenate([predicted[n] for n in kept]) if kept else np.empty(0)
    true = np.concatenate([positive[n] for n in kept]).astype(bool) if kept else np.empty(0, bool)
    if not true.any() or true.all():
        return Score.unscored(metric, split, ONE_SIDED)
    if not np.ptp(told):
        return Score.unscored(metric, split, CONSTANT)
    base = 0.5 if floor is None else auc(np.concatenate([floor[n] for n in kept]), true)
    won, pairs = _won([predicted[n] for n in kept], [positive[n].astype(bool) for n in kept])
    draws = weights(len(kept), seed)
    wins, of = ((draws @ table * draws).sum(1) for table in (won, pairs))
    low, high = interval([float(w / o) if o else None for w, o in zip(wins, of, strict=True)])
    return Score(
        metric, split, rounded(auc(told, true)), int(told.size), rounded(low), rounded(high), rounded(max(base, 0.5)),
        floor_name if base > 0.5 else CHANCE, ceiling,
    )  # fmt: skip


def auc(scores: Array, positive: Mask) -> float:
    """Share of (positive, negative) pairs ranked right, ties counting half. Both must occur."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    hits, misses = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def average_precision(scores: Array, positive: Mask) -> float:
    """Mean precision at the rank of each positive; those that share a score share one rank. A positive must occur."""
    _, place = np.unique(-scores, return_inverse=True)
    found, hits = np.bincount(place), np.bincount(place, weights=positive)
    precision = np.cumsum(hits) / np.cumsum(found)
    return float((precision * hits).sum() / hits.sum())


def _in_order(texts: list[int], predicted: Sequence[Array], positive: Sequence[Mask]) -> list[int]:
    """Texts in an order that does not depend on the one they were given in."""
    return sorted(texts, key=lambda n: (len(predicted[n]), int(positive[n].sum()), float(np.sum(predicted[n]))))


def _won(predicted: Sequence[Array], positive: Sequence[Mask]) -> tuple[Array, Array]:
    """Pairs won, and pairs, of the positives of each text (row) with the negatives of each (column)."""
    hits = [told[true] for told, true in zip(predicted, positive, strict=True)]
    raised, owner = np.concatenate(hits), np.repeat(np.arange(len(hits)), [len(part) for part in hits])
    won = np.zeros((len(hits), len(hits)))
    for column, (told, true) in enumerate(zip(predicted, positive, strict=True)):
        others = np.sort(told[~true])
        below = (np.searchsorted(others, raised, "left") + np.searchsorted(others, raised, "right")) / 2
        won[:, column] = np.bincount(owner, weights=below, minlength=len(hits))
    counts = [len(part) for part in hits], [int((~true).sum()) for true in positive]
    return won, np.outer(*counts).astype(np.float64)
