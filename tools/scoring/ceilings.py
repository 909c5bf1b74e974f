"""What no prediction can exceed.

An activation is a deterministic function of the tokens up to it, so a perfect prediction from the text exists, however
large it may be: its ceiling is exactly 1. What is measured with noise (the mean of several judgements by a language
model) can be predicted no better than it predicts itself: `reliability` is its split-half correlation, stepped up to
all judges by Spearman and Brown's formula (1910), and `noise_ceiling` its square root, the highest expected correlation
of anything with that mean.
"""

import numpy as np

from tools.scoring.resampling import Array

EXACT = 1.0
SPLITS = 100


def reliability(judgements: Array, *, seed: int = 0) -> float | None:
    """Split-half reliability of the mean judgement, 0 to 1; judgements [judges, items].

    None with fewer than two judges or three items, or when a half never varies.
    """
    judges = len(judgements)
    if judges < 2 or judgements.shape[1] < 3:
        return None
    rng, found = np.random.default_rng(seed), []
    for _ in range(SPLITS):
        order = rng.permutation(judges)
        halves = judgements[order[: judges // 2]].mean(0), judgements[order[judges // 2 : judges // 2 * 2]].mean(0)
        if min(np.ptp(half) for half in halves) > 0:
            found.append(float(np.corrcoef(*halves)[0, 1]))
    if not found:
        return None
    single = max(0.0, float(np.mean(found)))
    longer = judges / (judges // 2)
    return min(1.0, longer * single / (1 + (longer - 1) * single))


def noise_ceiling(judgements: Array, *, seed: int = 0) -> float | None:
    """The highest correlation that anything can be expected to have with the mean judgement; None as `reliability`."""
    known = reliability(judgements, seed=seed)
    return None if known is None else known**0.5
