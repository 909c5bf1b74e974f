"""Yes-or-no answers and choices between two: balanced accuracy and forced choice, both .5 for who knows nothing.

Balanced accuracy is the mean of the share of positives called so and the share of negatives called so; answering always
"none" gets exactly .5, whatever there is more of. A threshold is chosen by `threshold` on other data and never on what
is scored. A forced choice shows one thing that fires and one that does not, and counts the share told apart. Intervals
resample texts.
"""

from collections.abc import Sequence

import numpy as np

from memory.records import Score
from tools.scoring.ceilings import EXACT
from tools.scoring.rankings import CHANCE, ONE_SIDED
from tools.scoring.resampling import Array, Mask, check_lengths, scored

ALWAYS_NONE = "always none"


def threshold(scores: Array, positive: Mask) -> float | None:
    """The cut, half way between two scores, at which calling `scores > cut` positive is most accurate, balanced.

    None when nothing, or everything, is positive or the scores are constant: then nothing can be called positive.
    """
    levels = np.unique(scores)
    if len(levels) < 2 or not positive.any() or positive.all():
        return None
    place = np.searchsorted(levels, scores)
    hits, misses = (np.bincount(place, weights=part, minlength=len(levels)) for part in (positive, ~positive))
    kept = 1 - np.cumsum(hits) / hits.sum()
    silent = np.cumsum(misses) / misses.sum()
    best = int(np.argmax((kept + silent)[:-1]))
    return float((levels[best] + levels[best + 1]) / 2)


def balanced(
    called: Sequence[Mask],
    positive: Sequence[Mask],
    *,
    floor: Sequence[Mask] | None,
    floor_name: str,
    metric: str,
    split: str,
    seed: int = 0,
) -> Score:
    """Balanced accuracy of what was called positive, one array a text.

    The floor is that of the calls of `floor`, or .5, always none, where that is better or there are none.
    """
    sums = _counts(called, positive)
    if _accuracy(sums.sum(0)) is None:
        return Score.unscored(metric, split, ONE_SIDED)
    base = 0.5 if floor is None else _accuracy(_counts(floor, positive).sum(0)) or 0.5
    return scored(
        sums, _accuracy, metric=metric, split=split, n=int(sums[:, [1, 3]].sum()), floor=max(base, 0.5),
        floor_name=floor_name if base > 0.5 else ALWAYS_NONE, ceiling=EXACT, seed=seed,
    )  # fmt: skip


def choice(
    right: Sequence[Array],
    *,
    floor: Sequence[Array] | None,
    floor_name: str,
    metric: str,
    split: str,
    seed: int = 0,
) -> Score:
    """The share of choices made right: one array of numbers from 0 (wrong) over .5 (a tie) to 1 (right) a text."""
    sums = _choices(right)
    if not sums[:, 0].sum():
        return Score.unscored(metric, split, "there is nothing to choose between")
    base = 0.5 if floor is None else _share(_choices(floor).sum(0)) or 0.0
    return scored(
        sums, _share, metric=metric, split=split, n=int(sums[:, 0].sum()), floor=max(base, 0.5),
        floor_name=floor_name if base > 0.5 else CHANCE, ceiling=EXACT, seed=seed,
    )  # fmt: skip


def _counts(called: Sequence[Mask], positive: Sequence[Mask]) -> Array:
    """Per text: positives called so, positives, negatives called so, negatives."""
    check_lengths(called, positive)
    rows = [
        ((says & true).sum(), true.sum(), (~says & ~true).sum(), (~true).sum())
        for says, true in zip(called, positive, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _accuracy(sums: Array) -> float | None:
    hits, positives, silent, negatives = (float(part) for part in sums)
    return (hits / positives + silent / negatives) / 2 if positives and negatives else None


def _choices(right: Sequence[Array]) -> Array:
    return np.array([(len(text), text.sum()) for text in right], dtype=np.float64).reshape(-1, 2)


def _share(sums: Array) -> float | None:
    return float(sums[1] / sums[0]) if sums[0] else None
