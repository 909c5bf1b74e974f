"""Pure arithmetic: predicted and measured numbers in, a Score out.

correlations.py: simulation correlation, R2, and the paired difference of two predictors. rankings.py: threshold-free
AUC and average precision. decisions.py: balanced accuracy at a threshold chosen elsewhere, and forced choices.
floors.py: what scores without understanding. ceilings.py: what nothing can exceed. resampling.py: intervals over texts.

Refuses to know where the numbers come from; what cannot be computed is `unscored` with its reason, never zero.
"""

from tools.scoring.ceilings import EXACT, noise_ceiling, reliability
from tools.scoring.correlations import correlation, determination, difference, simulation
from tools.scoring.decisions import balanced, choice, threshold
from tools.scoring.floors import best_of, constant_floor, previous_floor, random_tables, token_floor
from tools.scoring.rankings import auc, average_precision, detection, ranking
from tools.scoring.resampling import CONSTANT, FEWEST_TEXTS, RESAMPLES, Array, Mask

__all__ = [
    "CONSTANT",
    "EXACT",
    "FEWEST_TEXTS",
    "RESAMPLES",
    "Array",
    "Mask",
    "auc",
    "average_precision",
    "balanced",
    "best_of",
    "choice",
    "constant_floor",
    "correlation",
    "detection",
    "determination",
    "difference",
    "noise_ceiling",
    "previous_floor",
    "random_tables",
    "ranking",
    "reliability",
    "simulation",
    "threshold",
    "token_floor",
]
