"""FADE: does a description fit a unit, on the input side and on the output side? Numbers in, Scores out.

"FADE: Why Bad Descriptions Happen to Good Features" (Puri et al. 2025, arXiv:2502.16994), four figures, each free of
the activation's scale and of any threshold on it:

1. Clarity: new texts written from the description alone excite the unit more than controls do. AUC.
2. Responsiveness: in natural text that a judge has rated, what shows the concept excites the unit more. AUC.
3. Purity: the unit's highest activations are all on the concept. Average precision; its floor is the share of concept.
4. Faithfulness: steering the unit brings the concept about. (highest share - share unsteered) / (1 - share unsteered),
   over the steered settings; 0 where none rises.

Three things differ from the paper. AUC is given and not |2 AUC - 1|, because a unit that fires on everything but the
concept is not described by it. Ratings between no concept (0) and the whole concept (1) are left out, as there, but a
judge's noise sets the ceiling, where several judges rated. And the best of several steered settings is compared with
the best of as many settings among which the same outputs were dealt out at random: a maximum is above its base by luck
alone.
Refuses to know who wrote, rated or steered.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from memory.records import Score
from tools.scoring import EXACT, Array, average_precision, ranking
from tools.scoring.resampling import CONSTANT, interval, rounded, weights

DEALS = 200  # random deals behind the floor of faithfulness
FEWEST = 5  # texts of either side
CHANCE = "chance"


def clarity(
    positives: Sequence[float],
    controls: Sequence[float],
    *,
    split: str,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> Score:
    """AUC of the activation (of a text: where it ends, or its highest; of all alike) for new positives over controls.

    groups: what each text is from, positives first; texts of one are resampled together, without it every text on its
    own. Unscored with fewer than five texts of either side.
    """
    if min(len(positives), len(controls)) < FEWEST:
        return Score.unscored("clarity (AUC)", split, _few(len(positives), len(controls)))
    return _ranked("clarity (AUC)", split, [*positives, *controls], [True] * len(positives), seed, EXACT, groups)


def responsiveness(
    activations: Sequence[float],
    ratings: Sequence[float],
    *,
    split: str,
    ceiling: float | None = None,
    seed: int = 0,
) -> Score:
    """AUC of the activation for texts rated 1 over those rated 0; one activation and one rating, 0 to 1, a text.

    `ceiling`: what the judge's own noise allows, where it is known.
    """
    shown, absent, reason = _sides(activations, ratings)
    if reason:
        return Score.unscored("responsiveness (AUC)", split, reason)
    return _ranked("responsiveness (AUC)", split, [*shown, *absent], [True] * len(shown), seed, ceiling)


def purity(
    activations: Sequence[float],
    ratings: Sequence[float],
    *,
    split: str,
    ceiling: float | None = None,
    seed: int = 0,
) -> Score:
    """Average precision of the activation for texts rated 1 among those rated 1 or 0."""
    metric = "purity (average precision)"
    shown, absent, reason = _sides(activations, ratings)
    if reason:
        return Score.unscored(metric, split, reason)
    values = np.array([*shown, *absent], dtype=np.float64)
    true = np.arange(len(values)) < len(shown)
    if not np.ptp(values):
        return Score.unscored(metric, split, CONSTANT)
    order = np.lexsort((true, values))
    values, true = values[order], true[order]
    found = []
    for row in weights(len(values), seed).astype(int):
        drawn = np.repeat(true, row)
        found.append(average_precision(np.repeat(values, row), drawn) if drawn.any() else None)
    low, high = interval(found)
    return Score(
        metric, split, rounded(average_precision(values, true)), len(values), rounded(low), rounded(high),
        rounded(len(shown) / len(values)), "share of the concept", ceiling,
    )  # fmt: skip


def faithfulness(base: Sequence[float], steered: Sequence[Sequence[float]], *, split: str, seed: int = 0) -> Score:
    """The largest rise of the concept's strength over its unsteered strength, as a share of what was left to rise.

    base: strength of the concept in each unsteered output, 0 to 1; steered: the same for each steered setting.
    Unscored without outputs, or where the concept is in every unsteered output. Raises ValueError outside 0 to 1.
    """
    metric, groups = "faithfulness", [np.array(group, dtype=np.float64) for group in (base, *steered)]
    if any(group.size and (group.min() < 0 or group.max() > 1) for group in groups):
        raise ValueError("the strength of a concept lies between 0 and 1")
    if len(groups) < 2 or min(group.size for group in groups) < FEWEST:
        return Score.unscored(metric, split, f"fewer than {FEWEST} outputs of a setting, or nothing was steered")
    value = _rise(groups)
    if value is None:
        return Score.unscored(metric, split, "the concept is in every output before anything is steered")
    rng, pooled = np.random.default_rng(seed), np.sort(np.concatenate(groups))
    cuts = np.cumsum([group.size for group in groups])[:-1]
    dealt = [_rise(np.split(rng.permutation(pooled), cuts)) for _ in range(DEALS)]
    found = [_rise([rng.choice(np.sort(group), group.size) for group in groups]) for _ in range(DEALS)]
    low, high = interval(found)
    known = [rise for rise in dealt if rise is not None]
    return Score(
        metric, split, rounded(value), int(pooled.size), rounded(low), rounded(high),
        rounded(float(np.mean(known)) if known else 0.0), "outputs dealt out at random", EXACT,
    )  # fmt: skip


def _ranked(
    metric: str,
    split: str,
    values: Sequence[float],
    true: Sequence[bool],
    seed: int,
    ceiling: float | None,
    groups: Sequence[Hashable] | None = None,
) -> Score:
    """AUC with every group of texts a unit of its own, or every text; `true` are the first ones."""
    members: dict[Hashable, list[int]] = {}
    for n in range(len(values)):
        members.setdefault(n if groups is None else groups[n], []).append(n)
    texts = [np.array([values[n] for n in group], dtype=np.float64) for group in members.values()]
    positive = [np.array([n < len(true) for n in group]) for group in members.values()]
    return ranking(
        texts, positive, floor=None, floor_name=CHANCE, metric=metric, split=split, seed=seed, ceiling=ceiling
    )


def _sides(activations: Sequence[float], ratings: Sequence[float]) -> tuple[Array, Array, str]:
    """Activations of texts rated 1 and of those rated 0, and why they cannot be compared."""
    if len(activations) != len(ratings):
        raise ValueError("every text needs an activation and a rating")
    values, rated = np.array(activations, dtype=np.float64), np.array(ratings, dtype=np.float64)
    if rated.size and (rated.min() < 0 or rated.max() > 1):
        raise ValueError("a rating lies between 0 and 1")
    shown, absent = values[rated == 1], values[rated == 0]
    few = min(len(shown), len(absent)) < FEWEST
    return shown, absent, _few(len(shown), len(absent)) if few else ""


def _few(shown: int, absent: int) -> str:
    return f"{shown} texts with the concept and {absent} without; {FEWEST} of each are the fewest"


def _rise(groups: Sequence[Array]) -> float | None:
    """How far the best setting is above the first, as a share of what was left; None where nothing was left."""
    base, best = float(groups[0].mean()), max(float(group.mean()) for group in groups[1:])
    return max(0.0, best - base) / (1.0 - base) if base < 1.0 else None
