"""Texts near a text that show what keeps, kills and raises a unit's activation.

changes.py is the arithmetic and its names; swapping.py replaces single tokens by others of the subject's vocabulary;
contextual.py replaces whole words, as a masked language model (masked.py) or the subject itself (words.py) expects;
iterative.py walks on from there, several words away. Importing it loads no torch.
"""

from tools.augment.changes import NEUTRAL, Effect, Side, effect, relative_change, side
from tools.augment.contextual import ContextualAugmenter, Replacement
from tools.augment.iterative import Edit, IterativeMultiTokenAugmenter, Walk
from tools.augment.masked import MaskedModel, MaskedModelError, load_masked
from tools.augment.swapping import Variant, swaps

__all__ = [
    "NEUTRAL",
    "ContextualAugmenter",
    "Edit",
    "Effect",
    "IterativeMultiTokenAugmenter",
    "MaskedModel",
    "MaskedModelError",
    "Replacement",
    "Side",
    "Variant",
    "Walk",
    "effect",
    "load_masked",
    "relative_change",
    "side",
    "swaps",
]
