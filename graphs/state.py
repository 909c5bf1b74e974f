"""The state of an inquiry and the means it is given. Plain data both: this is what checkpoints carry.

State types are a file format: change them by adding.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict

STORE, CHECKPOINTS = "neuronaut.duckdb", "checkpoints.sqlite"  # in the data folder
RUNNING, FINISHED = "running", "finished"  # how a run stands; or failed(...)
SPOKEN = "spoken_of"  # in the update of a step that a conversation made: which command it was
EXAMINATION = 160  # calls of a judge's examination, which agents/examination holds it to
HEARING = 220  # calls that are kept for a judge: its examination, and one explanation


class Inquiry(TypedDict, total=False):
    """Where an inquiry stands between two steps. Everything heavy is in the store, under the run's id."""

    run_id: Required[str]
    step: int  # steps committed
    spoken: int  # those of them that a conversation made
    iteration: int  # rounds of measured prompts
    visits: dict[str, int]  # times each node has run
    waiting: list[dict[str, Any]]  # prompts accepted and not yet measured, as plain data
    rejected: list[dict[str, Any]]  # what the last proposals were turned down for
    best: float | None  # highest peak so far
    since_progress: int  # rounds without a better prompt or a decided claim
    barren: bool  # the last call for hypotheses brought nothing new
    dry: bool  # the last call for prompts brought nothing to measure
    passes: int  # prompts sent through the model
    llm_calls: int
    seconds: float
    optimised: dict[str, Any]  # what the optimiser found beside texts: typical cross-entropy, inversion, alignment
    effects: dict[str, Any]  # the output side of the unit (tools.effects.Effects), as plain data
    examination: dict[str, Any]  # the judge's (agents.examination.result.Examination), as plain data
    goto: str  # where the supervisor sent the run
    why: str
    finished: bool


@dataclass(frozen=True)
class Means:
    """What an inquiry may use: the question, the sources, the mind and the budgets.

    The unit is a neuron (layer, neuron), or a feature of the dictionary `sae`, or a channel (hook, index).
    """

    layer: int = -1
    neuron: int = -1
    model: str = "pocket"
    sign: int = 1
    corpus: str = "stdlib"
    survey_tokens: int | None = None  # None: by the model's size
    home: str = "runs"
    llm: str | None = None  # None: the built-in mind
    ollama_url: str | None = None
    temperature: float = 0.7
    llm_timeout: float = 60.0
    judge: str | None = None  # the language model that judges explanations
    seed: int = 0
    device: str = "cpu"
    position: str = "max"
    notes: str = ""
    seed_prompts: tuple[str, ...] = ()
    keep: int = 20
    prompts_a_round: int = 40
    min_improvement: float = 0.001
    stagnation: int = 3
    near_mid: float | None = 0.85  # cosines from which nearness to a prompt of a bucket rejects
    near_high: float | None = None
    near_low: float | None = None
    max_iterations: int = 12
    minutes: float | None = None
    max_llm_calls: int = 60
    max_forward_passes: int = 30_000
    sae: str | None = None
    feature: int | None = None
    hook: str | None = None
    index: int | None = None
    masked_lm: str | None = None
    ask: bool = False  # a person is asked before each worker (graphs/approval.py)
    surveys: str | None = None  # the data folder of what runs share; None: home

    def step_seed(self, state: Inquiry) -> int:
        """The seed of whatever is random in the step that follows this state."""
        return self.seed * 100_003 + state.get("step", 0) * 17

    @property
    def shared(self) -> Path:
        """The data folder of what runs share: surveys, examinations, traces that were not sent."""
        return Path(self.surveys or self.home)

    @property
    def unit(self) -> str:
        """The unit in words, before anything is loaded."""
        if self.feature is not None:
            return f"feature {self.feature} of dictionary {self.sae}"
        if self.hook is not None:
            return f"channel {self.index} of {self.hook}"
        return f"L{self.layer}N{self.neuron}"
