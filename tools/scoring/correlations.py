"""How well predicted activations track measured ones, token by token: correlation, R2, and which of two does better.

1. `simulation`: the Pearson correlation over all tokens of all texts, which no scale and no shift changes.
2. `determination`: R2, the share of the squared deviation from the measured mean that the prediction takes away. As it
   is, it punishes a wrong scale and falls below zero; `fitted`, after the best scale (never a negative one) and shift,
   it is the square of the correlation. The two numbers fitted come from the scored text itself, which its name says.
3. `difference`: the correlation of one predictor less that of another over the same resampled texts (paired bootstrap,
   Efron and Tibshirani 1993), so that what makes a text hard for both does not widen the interval.

A constant has no correlation, so none is given; its R2 is at most 0.
"""

from collections.abc import Sequence

import numpy as np

from memory.records import Score
from tools.scoring.ceilings import EXACT
from tools.scoring.resampling import CONSTANT, Array, check_lengths, scored

ALWAYS_THE_MEAN = "always the mean"


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
    ceiling: float | None = EXACT,
) -> Score:
    """How well predictions track activations, with a 95 % interval and the floor's own correlation.

    predicted, measured, floor: one array [tokens] a text. The interval resamples texts. `ceiling` is 1 for activations,
    which are exact; for noisy numbers give `noise_ceiling`.
    """
    sums, base = _sums(predicted, measured), correlation(floor, measured)
    named = floor_name if base is not None else f"{floor_name}, constant on this text"
    n = int(sums[:, 0].sum())
    return scored(
        sums, _pearson, metric=metric, split=split, n=n, floor=base, floor_name=named, ceiling=ceiling, seed=seed
    )


def determination(
    predicted: Sequence[Array],
    measured: Sequence[Array],
    *,
    floor: Sequence[Array],
    floor_name: str,
    metric: str,
    split: str,
    fitted: bool = False,
    seed: int = 0,
) -> Score:
    """R2 of the predictions as they are, or after the best scale and shift on this text when `fitted`.

    The floor is that of `floor`, or 0 where always predicting the measured mean is better. A constant activation has
    no R2.
    """
    statistic, make = (_squared, _sums) if fitted else (_explained, _errors)
    sums = make(predicted, measured)
    if correlation(measured, measured) is None:
        return Score.unscored(metric, split, CONSTANT)
    base = statistic(make(floor, measured).sum(0)) or 0.0
    named, n = (floor_name if base > 0 else ALWAYS_THE_MEAN), int(sums[:, 0].sum())
    return scored(
        sums, statistic, metric=metric, split=split, n=n, floor=max(base, 0.0), floor_name=named, ceiling=EXACT,
        seed=seed,
    )  # fmt: skip


def difference(
    first: Sequence[Array],
    second: Sequence[Array],
    measured: Sequence[Array],
    *,
    metric: str,
    split: str,
    floor_name: str = "no difference",
    seed: int = 0,
) -> Score:
    """Correlation of the first predictor less that of the second, with a paired 95 % interval; the floor is 0.

    The ceiling is what a perfect first predictor would have over this second one. Unscored where either is constant.
    """
    other = correlation(second, measured)
    if other is None:
        return Score.unscored(metric, split, f"nothing to compare with: {CONSTANT}")
    both = np.hstack([_sums(first, measured), _sums(second, measured)])
    return scored(
        both, _gain, metric=metric, split=split, n=int(both[:, 0].sum()), floor=0.0, floor_name=floor_name,
        ceiling=1.0 - other, seed=seed,
    )  # fmt: skip


def _sums(predicted: Sequence[Array], measured: Sequence[Array]) -> Array:
    """Per text: n, sum x, sum y, sum xx, sum yy, sum xy; enough for any resampling of texts.

    Both sides are centred and scaled over all texts first, which no correlation sees and all rounding does.
    """
    check_lengths(predicted, measured)
    kept = [n for n, text in enumerate(predicted) if len(text)]
    left, right = (_standard([side[n] for n in kept]) for side in (predicted, measured))
    rows = [
        (len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum())
        for x, y in zip(left, right, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


def _errors(predicted: Sequence[Array], measured: Sequence[Array]) -> Array:
    """Per text: n, sum y, sum yy, and the sum of squared errors, y centred over all texts."""
    check_lengths(predicted, measured)
    kept = [n for n, text in enumerate(predicted) if len(text)]
    tokens = np.concatenate([measured[n] for n in kept]) if kept else np.empty(0)
    mean, size = (float(tokens.mean()), float(np.abs(tokens).max()) or 1.0) if tokens.size else (0.0, 1.0)
    rows = []
    for n in kept:
        y, error = (measured[n] - mean) / size, (measured[n] - predicted[n]) / size
        rows.append((len(y), y.sum(), (y * y).sum(), (error * error).sum()))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


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


def _squared(sums: Array) -> float | None:
    """R2 after the best shift and scale of at least 0: a constant, or one that runs the wrong way, explains nothing.

    None where the measured side is constant.
    """
    n, _, y, _, yy, _ = (float(part) for part in sums)
    if n < 2 or yy - y * y / n <= 1e-12 * yy + 1e-24 * n:
        return None
    return max(0.0, _pearson(sums) or 0.0) ** 2


def _explained(sums: Array) -> float | None:
    n, y, yy, errors = (float(part) for part in sums)
    spread = yy - y * y / n if n else 0.0
    return 1.0 - errors / spread if spread > 1e-12 * yy + 1e-24 * n else None


def _gain(sums: Array) -> float | None:
    first, second = _pearson(sums[:6]), _pearson(sums[6:])
    return None if first is None or second is None else first - second
