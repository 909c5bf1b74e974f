"""Intervals by resampling texts (Efron 1979), because tokens of one text are not independent.

A statistic is computed from sums per text, so that a resample is a weighing of rows: 400 of them, from a seed, and the
2.5 % and 97.5 % quantiles of what they give. Fewer than five texts have no interval. Knows numbers only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from memory.records import Score

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
RESAMPLES = 400
FEWEST_TEXTS = 5  # fewer have no interval
MOST_EMPTY = 1 / 40  # share of the resamples that may give nothing
CONSTANT = "the activation or the prediction is constant on the held-out text"


def weights(texts: int, seed: int) -> Array:
    """How often each text occurs in each resample: [resamples, texts]; no resample when there are too few texts."""
    draws = np.random.default_rng(seed).integers(texts or 1, size=(RESAMPLES if texts >= FEWEST_TEXTS else 0, texts))
    rows = np.arange(len(draws))[:, None] * texts
    return np.bincount((draws + rows).ravel(), minlength=draws.size).reshape(len(draws), texts).astype(np.float64)


def ordered(sums: Array) -> Array:
    """Rows in an order of their own, so that the order of texts changes nothing."""
    return sums[np.lexsort(np.round(sums, 9).T)]  # rounding alone decides nothing


def interval(found: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The middle 95 % of what the resamples gave.

    None where more than one in forty gave nothing: what is scored happens in three texts or fewer, and what is left
    would be an interval over those resamples that happen to hold them.
    """
    told = [value for value in found if value is not None]
    if not told or len(found) - len(told) > MOST_EMPTY * len(found):
        return None, None
    return float(np.quantile(told, 0.025)), float(np.quantile(told, 0.975))


def scored(
    sums: Array,
    statistic: Callable[[Array], float | None],
    *,
    metric: str,
    split: str,
    n: int,
    floor: float | None,
    floor_name: str,
    ceiling: float | None,
    seed: int,
) -> Score:
    """The statistic of the sums over all texts, with its interval. sums: [texts, parts]; unscored where it is None."""
    value = statistic(sums.sum(0))
    if value is None:
        return Score.unscored(metric, split, CONSTANT)
    low, high = interval([statistic(row) for row in weights(len(sums), seed) @ ordered(sums)])
    return Score(
        metric, split, rounded(value), n, rounded(low), rounded(high), rounded(floor), floor_name, rounded(ceiling)
    )  # fmt: skip


def rounded(value: float | None) -> float | None:
    """Six digits after the point, which hides what the order of adding changes."""
    return None if value is None else round(float(value), 6) + 0.0  # no minus zero


def check_lengths(predicted: Sequence[NDArray], measured: Sequence[NDArray]) -> None:
    """Raises ValueError unless both sides have the same number of entries in every text."""
    if [len(text) for text in predicted] != [len(text) for text in measured]:
        raise ValueError("every text needs as many predictions as tokens")
