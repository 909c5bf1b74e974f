"""What a worker process of `python -m evals.planted` holds, and the one job it does again and again.

It lives beside the command, since a started process cannot find what a command's own module defines.
"""

from typing import Any

from agents.statistical.mind import Statistical
from evals.planted.ground import ground_of
from evals.planted.neuron import Vocabulary
from evals.planted.specs import Spec
from evals.planted.trial import Outcome, attempt
from tools.corpus import Rows

_held: dict[str, Any] = {}


def begin(rows: Rows, seed: int, rounds: int, prompts: int) -> None:
    """Once a process: the text and the tokenizer."""
    budget = {"seed": seed, "rounds": rounds, "prompts_a_round": prompts}
    _held.update(ground=ground_of(rows), vocabulary=Vocabulary(), budget=budget)


def work(spec: Spec) -> Outcome:
    """Explain one neuron and score it."""
    return attempt(spec, _held["ground"], _held["vocabulary"], Statistical(), **_held["budget"])
