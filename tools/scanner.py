"""Which units are worth a look: figures of every unit's activations over a survey, and ranks by them.

What is computed, from the survey's uniform sample of evidence tokens (and its extremes for the range), streaming one
hook point at a time:
  mean, median, variance   of the activation
  range                    highest less lowest, over all evidence tokens
  active                   share of tokens above `silent` in size
  kurtosis                 fourth moment over squared variance, less 3 (excess); high for what is rarely and strongly on
Ranks: "weighted" (half min-max variance, half min-max range), "spread" (variance * log(1 + range)), "kurtosis" and
"sparsity" (share of silent tokens). A unit takes part when it is active on at least one share of tokens and silent on
at least another (both configurable, since a smooth activation function is hardly ever exactly zero).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tools.survey import Survey

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scanned:
    """One unit's figures. hook: the place of its hook point in the survey's bank, for neurons the layer."""

    hook: int
    index: int
    mean: float
    median: float
    variance: float
    range: float
    active: float
    kurtosis: float
    score: float = 0.0


RANKS: dict[str, Callable[[Sequence[Scanned]], Numbers]] = {
    "weighted": lambda units: 0.5 * _unit([u.variance for u in units]) + 0.5 * _unit([u.range for u in units]),
    "spread": lambda units: np.array([u.variance * np.log1p(max(0.0, u.range)) for u in units]),
    "kurtosis": lambda units: np.array([u.kurtosis for u in units]),
    "sparsity": lambda units: np.array([1.0 - u.active for u in units]),
}


def scan(
    survey: Survey,
    *,
    hooks: Sequence[int] | None = None,
    rank: str = "spread",
    silent: float = 0.0,
    least_active: float = 0.001,
    least_silent: float = 0.0,
) -> list[Scanned]:
    """The units of some hook points (all by default) that take part, best first; equal ones by hook and index.

    silent: the size up to which an activation counts as none, 0 for "not above zero". least_active, least_silent: the
    shares of tokens on which a unit must be active, and silent, to take part (0.3 and 0.3 for the 30/30 rule).
    """
    found: list[Scanned] = []
    for hook in range(survey.hooks) if hooks is None else hooks:
        found += [
            unit
            for unit in _figures(survey, hook, silent)
            if unit.active >= least_active and 1.0 - unit.active >= least_silent
        ]
    scores = RANKS[rank](found)
    ranked = [_scored(unit, float(score)) for unit, score in zip(found, scores, strict=True)]
    return sorted(ranked, key=lambda unit: (-unit.score, unit.hook, unit.index))


def _figures(survey: Survey, hook: int, silent: float) -> list[Scanned]:
    sample = survey.samples(hook).astype(np.float64)
    low, high = survey.ranges(hook)
    mean, median, variance = sample.mean(1), np.median(sample, axis=1), sample.var(1)
    fourth = ((sample - mean[:, None]) ** 4).mean(1)
    kurtosis = np.divide(fourth, variance**2, out=np.full_like(fourth, 3.0), where=variance > 1e-18) - 3.0
    active = (np.abs(sample) > silent).mean(1) if silent else (sample > 0).mean(1)
    columns = (mean, median, variance, high.astype(float) - low, active, kurtosis)
    return [
        Scanned(hook, index, *values)
        for index, values in enumerate(zip(*(column.tolist() for column in columns), strict=True))
    ]


def _unit(values: Sequence[float]) -> Numbers:
    """Values between 0 for the lowest and 1 for the highest."""
    array = np.asarray(values, float)
    width = float(array.max() - array.min()) if len(array) else 0.0
    return (array - array.min()) / width if width else np.zeros(len(array))


def _scored(unit: Scanned, score: float) -> Scanned:
    return replace(unit, score=score)
