"""The last three nodes: the explanation, its scores, and what the unit writes.

1. The mind explains.
2. The rule is scored on pages no agent has seen; every record of the run counts as seen. A judge, where there is one,
   is heard (judging.py). Texts written from the rule (agents/scorer/generation.py) are measured here; they are records
   of the run like any other.
3. The output side of the unit (tools/effects).

Each is a step of its own: whoever dies later does not do it again. Written texts need WRITING passes, the output side
EFFECTS; with fewer left they are unscored, and say so. A page that an agent has seen makes the scores on it unscored by
name: the explanation stands, its figures do not.
"""

from collections.abc import Sequence

from agents import scorer
from agents.mind import Evidence
from agents.scorer.generation import NAMES as WRITTEN
from agents.scorer.generation import SPLIT as WRITTEN_SPLIT
from agents.scorer.measuring import SIMULATIONS
from graphs.bench import Bench
from graphs.judging import Hearing, judged
from graphs.state import Inquiry
from graphs.steps import Outcome
from graphs.tracing import span
from memory.database import UnknownRun
from memory.records import Candidate, Explanation, Prompt, Record, Score, plain
from tools.effects import Effects, effects

WRITING, EFFECTS = 300, 3000  # passes that the written texts, and the output side, may cost


def explainer(bench: Bench, state: Inquiry) -> Outcome:
    """The explanation."""
    with span("mind.explain") as told:
        explanation = bench.mind.explain(bench.evidence(state["run_id"]), bench.means.step_seed(state))
        told(verdict=explanation.verdict, text=explanation.text, clauses=len(explanation.rule.clauses))
    return Outcome({}, explanation=explanation)


def scoring(bench: Bench, state: Inquiry) -> Outcome:
    """The scores of the explanation; what a judge was asked for them; records of the texts written from it."""
    explanation = bench.store.explanation(state["run_id"])
    if explanation is None:
        raise UnknownRun(f"run {state['run_id']} has no explanation to score")
    evidence, earlier = bench.evidence(state["run_id"]), bench.store.records(state["run_id"])
    began, spent = bench.subject.passes, state.get("passes", 0)
    try:
        with span("scorer.scores", pages=len(bench.pages.held_out)) as told:
            found = scorer.scores(explanation, evidence, bench.pages.held_out, seed=bench.means.seed, seen=earlier)
            told(scores=len(found))
        heard = judged(
            bench, explanation, evidence, earlier, calls_left=bench.means.max_llm_calls - state.get("llm_calls", 0)
        )
    except scorer.LeakError as error:
        found, heard = [Score.unscored(SIMULATIONS[0], scorer.SPLIT, str(error))], Hearing()
    left = bench.means.max_forward_passes - spent - (bench.subject.passes - began)
    writing = Writing(bench, state, earlier)
    written = _written(explanation, evidence, writing, seed=bench.means.seed, left=left)
    peaks = [value for value in (state.get("best"), *(record.peak for record in writing.records)) if value is not None]
    return Outcome(
        {"best": max(peaks, default=None)} | heard.update,
        records=tuple(writing.records),
        candidates=tuple(writing.candidates),
        scores=(*found, *heard.scores, *written),
        calls=heard.calls,
    )


def output_side(bench: Bench, state: Inquiry) -> Outcome:
    """What the unit writes, and its scores; both with the reason where there are not the passes for it."""
    left = bench.means.max_forward_passes - state.get("passes", 0)
    if left < EFFECTS:
        reason = _few(left, EFFECTS)
        side = Effects(bench.target.name, lens_reason=reason, reason=reason)
    else:
        with span("effects", "tool"):
            pages = bench.evidence(state["run_id"]).pages
            side = effects(bench.subject, bench.target, pages, seed=bench.means.seed)
    return Outcome({"finished": True, "effects": plain(side)}, scores=tuple(side.scores()))


def _written(
    explanation: Explanation, evidence: Evidence, writing: "Writing", *, seed: int, left: int
) -> Sequence[Score]:
    """The generative test."""
    if left < WRITING:
        return [Score.unscored(name, WRITTEN_SPLIT, _few(left, WRITING)) for name in WRITTEN]
    with span("scorer.generated") as told:
        written = scorer.generated(explanation, writing, evidence, seed=seed)
        told(texts=len(writing.records))
    return written


def _few(left: int, needed: int) -> str:
    return f"{max(0, left):,} forward passes were left, {needed:,} may be needed"


class Writing:
    """Measures prompts, each text once a run: one that was measured keeps its record; what is new is for the store."""

    def __init__(self, bench: Bench, state: Inquiry, earlier: Sequence[Record]) -> None:
        self.records: list[Record] = []
        self.candidates: list[Candidate] = []
        self._bench, self._step = bench, state.get("step", 0) + 1
        self._first = bench.store.next_record_id(state["run_id"])
        self._known = {record.prompt.key: record for record in earlier}

    def __call__(self, prompts: Sequence[Prompt]) -> list[Record]:
        """The records of the prompts, in order."""
        fresh: dict[str, Prompt] = {}
        for prompt in prompts:
            new = prompt.key not in self._known and prompt.key not in fresh
            reason, detail = (None, "") if new else ("duplicate", "measured already")
            self.candidates.append(Candidate(self._step, prompt, reason, detail))
            fresh |= {prompt.key: prompt} if new else {}
        first = self._first + len(self.records)
        self.records += self._bench.measured(list(fresh.values()), step=self._step, first_id=first, surprises={})
        self._known |= {record.prompt.key: record for record in self.records}
        return [self._known[prompt.key] for prompt in prompts]
