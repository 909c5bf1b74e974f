"""The scores of an explanation, each beside a floor of its own size, on text that no agent has seen.

measuring.py: both forms of the rule run at every token of the held-out pages. windows.py: windows that fire and hard
ones that do not. leaks.py: what makes a page unfit to be scored. generation.py: the generative test, on texts that are
written for it. Nothing here asks a language model.
"""

from agents.scorer.generation import generated
from agents.scorer.leaks import LeakError, assert_unseen
from agents.scorer.measuring import SPLIT, scores

__all__ = ["SPLIT", "LeakError", "assert_unseen", "generated", "scores"]
