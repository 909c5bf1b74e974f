"""The last two nodes: the explanation; then what the unit writes, and every score of both.

1. The mind explains, in a step of its own: whoever dies later does not explain again.
2. The rule is scored on pages no agent has seen; every record of the run counts as seen.
3. A judge, where there is one (judging.py).
4. The output side of the unit (tools/effects).
5. Texts written from the rule (agents/scorer/generation.py), measured here; they are records of the run like any other.

Steps 4 and 5 need ENDING passes; with fewer left they are unscored, and say so. A page that an agent has seen makes
the scores on it unscored by name: the explanation stands, its figures do not.
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

ENDING = 3000  # passes that the output side and the written texts may cost


def explainer(bench: Bench, state: Inquiry) -> Outcome:
    """The explanation."""
    with span("mind.explain") as told:
        explanation = bench.mind.explain(bench.evidence(state["run_id"]), bench.means.step_seed(state))
        told(verdict=explanation.verdict, text=explanation.text, clauses=len(explanation.rule.clauses))
    return Outcome({}, explanation=explanation)


def scoring(bench: Bench, state: Inquiry) -> Outcome:
    """The scores of the explanation; what a judge was asked for them; records of the texts written."""
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
    side, written = _beside(bench, explanation, evidence, writing, left=left)
    peaks = [value for value in (state.get("best"), *(record.peak for record in writing.records)) if value is not None]
    update = {"finished": True, "best": max(peaks, default=None), "effects": plain(side)} | heard.update
    return Outcome(
        update,
        records=tuple(writing.records),
        candidates=tuple(writing.candidates),
        scores=(*found, *heard.scores, *written, *side.scores()),
        calls=heard.calls,
    )


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


def _beside(
    bench: Bench, explanation: Explanation, evidence: Evidence, writing: Writing, *, left: int
) -> tuple[Effects, list[Score]]:
    """The output side, and the generative test; both with the reason where there are not the passes for them."""
    if left < ENDING:
        reason = f"{max(0, left):,} forward passes were left, {ENDING:,} may be needed"
        unscored = [Score.unscored(name, WRITTEN_SPLIT, reason) for name in WRITTEN]
        return Effects(bench.target.name, lens_reason=reason, reason=reason), unscored
    seed = bench.means.seed
    with span("scorer.generated") as told:
        written = scorer.generated(explanation, writing, evidence, seed=seed)
        told(texts=len(writing.records))
    with span("effects", "tool"):
        return effects(bench.subject, bench.target, evidence.pages, seed=seed), written
