"""The trigger of a text: the shortest part of it that keeps a unit firing. `python -m tools.prune --help`.

pruning.py is the contract; parts.py measures parts of one text; searching.py looks for the shortest. On top of it,
studies.py prunes snippets and walks from what was kept to texts that still fire or no longer do; snippets.py says where
snippets come from. Nothing here loads a model, and importing it loads no torch.
"""

from tools.prune.pruned import Outcome, Pruned
from tools.prune.pruning import prune, prune_text
from tools.prune.studies import Study, run_iterative_multi_token_on_snippets

__all__ = ["Outcome", "Pruned", "Study", "prune", "prune_text", "run_iterative_multi_token_on_snippets"]
