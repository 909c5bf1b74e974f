"""What an agent is asked and what it answers, whichever mind answers: a language model's or the built-in one.

Knows the jobs (route, hypothesise, propose prompts, rewrite, explain) and the evidence every job is given. Refuses to
know how a job is done. Evidence holds only what agents may see: records of the evidence half and of their own prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from memory.records import Candidate, Explanation, Hypothesis, LlmCall, Prompt, Record, Target, Trigger
from tools.pages import Distribution, Page


@dataclass(frozen=True)
class Evidence:
    """What an agent may see of one target, in rank order where there is a rank."""

    target: Target
    distribution: Distribution
    pages: tuple[Page, ...]  # random text of the evidence half, then the rows of its strongest examples
    top: tuple[Record, ...]
    bottom: tuple[Record, ...]
    hypotheses: tuple[Hypothesis, ...]
    triggers: tuple[Trigger, ...]
    variants: tuple[Record, ...]  # single-token swaps of triggers, with their parents in `top`
    notes: str = ""
    asked: tuple[Record, ...] = ()  # every natural text the agents had measured, with the value at each token


@dataclass(frozen=True)
class View:
    """What the supervisor weighs: where the inquiry stands, in numbers."""

    iteration: int
    best: float
    corpus_max: float
    open_hypotheses: int
    waiting_prompts: int
    since_improvement: int
    budget_left: float  # share of the scarcest budget, 0 to 1
    visits: dict[str, int]  # times each node has run
    last: str


@dataclass(frozen=True)
class Decision:
    """Which node runs next, and why."""

    node: str
    why: str


class Mind(Protocol):
    """Five jobs, and `drain`: the LLM calls made since the last drain. The built-in mind is deterministic by `seed`."""

    name: str

    def route(self, view: View, legal: Sequence[str], seed: int) -> Decision: ...

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]: ...

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]: ...

    def rewrite(self, text: str, wanted: int, seed: int) -> list[str]: ...

    def explain(self, evidence: Evidence, seed: int) -> Explanation: ...

    def drain(self) -> tuple[LlmCall, ...]: ...
