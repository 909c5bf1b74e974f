"""Pure arithmetic: predicted and measured numbers in, a Score out.

What: simulation correlation, the Pearson correlation of predicted and measured activations over held-out tokens, with a
percentile bootstrap over texts (Efron 1979), because tokens of one text are not independent; and detection AUC, the
chance that a strongly active token is ranked above an ordinary one. The ceiling of both is 1: an activation is a
deterministic function of the tokens up to it, so a perfect prediction from the text exists, however large it may be.
Refuses to know where the numbers come from; what cannot be computed is `unscored` with its reason, never zero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory.records import Score

Array = NDArray[np.float64]
RESAMPLES = 400
FEWEST_TEXTS = 5  # fewer have no interval
CEILING = 1.0
CONSTANT = "the activation or the prediction is constant on the held-out text"


def correlation(predicted: Sequence[Array], measured: Sequence[Array]) -> float | None:
    """Pearson correlation over all tokens of all texts, or None when either side is constant."""
    return _pearson(_sums(predicted, measured).sum(0))


def simulation(
    predicted: Sequence[Array],
    measured: Sequence[Array],
    *,
    floor: Sequence[Array],
    floor_name: str,
    metric: str,
    split: str,
    seed: int = 0,
) -> Score:
    """How well predictions track activations, token by token, with a 95 % interval and the floor's own correlation.

    predicted, measured, floor: one array [tokens] a text. The interval resamples texts.
    """
    sums = _sums(predicted, measured)
    value = _pearson(sums.sum(0))
    if value is None:
        return Score.unscored(metric, split, CONSTANT)
    sums = sums[np.lexsort(sums.T)]  # so that the order of texts changes nothing
    draws = np.random.default_rng(seed).integers(
        len(sums), size=(RESAMPLES if len(sums) >= FEWEST_TEXTS else 0, len(sums))
    )
    resampled = [found for draw in draws if (found := _pearson(sums[draw].sum(0))) is not None]
    low, high = np.quantile(resampled, [0.025, 0.975]) if resampled else (None, None)
    return Score(
        metric=metric,
        split=split,
        value=round(value, 6),
        n=int(sums[:, 0].sum()),
        low=None if low is None else round(float(low), 6),
        high=None if high is None else round(float(high), 6),
        floor=None if (base := correlation(floor, measured)) is None else round(base, 6),
        floor_name=floor_name if base is not None else f"{floor_name}, constant on this text",
        ceiling=CEILING,
    )


def detection(
    predicted: Sequence[Array], measured: Sequence[Array], *, floor: Sequence[Array], floor_name: str, split: str
) -> Score:
    """AUC of predictions for the top 1 % of measured activations against the rest; chance is 0.5.

    More than 1 % of the tokens stand at the top when so many share the highest activation.
    """
    metric = "detection of the top 1 % (AUC)"
    _check_lengths(predicted, measured)
    told, found, base = (
        np.concatenate(list(side)) if len(side) else np.empty(0) for side in (predicted, measured, floor)
    )
    if found.size < 200:
        return Score.unscored(metric, split, "fewer than 200 held-out tokens")
    if not np.ptp(found) or not np.ptp(told):
        return Score.unscored(metric, split, CONSTANT)
    threshold = np.quantile(found, 0.99)
    positive = found > threshold if found.max() > threshold else found == threshold  # a unit that is on or off
    value = _auc(told, positive)
    return Score(
        metric,
        split,
        round(value, 6),
        int(found.size),
        floor=round(_auc(base, positive), 6),
        floor_name=floor_name,
        ceiling=CEILING,
    )


def _sums(predicted: Sequence[Array], measured: Sequence[Array]) -> Array:
    """Per text: n, sum x, sum y, sum xx, sum yy, sum xy; enough for any resampling of texts.

    Both sides are centred and scaled over all texts first, which no correlation sees and all rounding does.
    """
    _check_lengths(predicted, measured)
    kept = [n for n, text in enumerate(predicted) if len(text)]
    left, right = (_standard([side[n] for n in kept]) for side in (predicted, measured))
    rows = [
        (len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum())
        for x, y in zip(left, right, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


def _check_lengths(predicted: Sequence[Array], measured: Sequence[Array]) -> None:
    if [len(text) for text in predicted] != [len(text) for text in measured]:
        raise ValueError("every text needs as many predictions as tokens")


def _standard(texts: Sequence[Array]) -> list[Array]:
    """Texts less their mean over all tokens, in units of the largest number that occurs."""
    if not texts:
        return []
    tokens = np.concatenate(texts).astype(np.float64)
    size = float(np.abs(tokens).max()) or 1.0
    return [(text - tokens.mean()) / size for text in texts]


def _pearson(sums: Array) -> float | None:
    n, x, y, xx, yy, xy = (float(part) for part in sums)
    if n < 2:
        return None
    spread_x, spread_y = xx - x * x / n, yy - y * y / n
    if spread_x <= 1e-12 * xx + 1e-24 * n or spread_y <= 1e-12 * yy + 1e-24 * n:
        return None
    return (xy - x * y / n) / (spread_x * spread_y) ** 0.5


def _auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Mann-Whitney: share of (positive, negative) pairs ranked right, ties counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    hits, misses = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))
