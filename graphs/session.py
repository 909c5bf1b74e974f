"""One inquiry from begin to end, or from where it was left: the graph, its checkpoints, and the run's bookkeeping.

Knows how a run is named, begun, resumed, stopped and finished. Whoever watches gets each step as it is committed.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agents.conversation import AGENT as TALKING
from agents.language import Language
from graphs import tracing
from graphs.bench import Bench
from graphs.findings import gather
from graphs.inquiry import build
from graphs.legality import most_steps
from graphs.report.findings import Findings, as_json
from graphs.state import CHECKPOINTS, FINISHED, RUNNING, STORE, Inquiry, Means
from graphs.steps import StepFailed
from memory.checkpoints import saver
from memory.records import Run
from memory.store import RunConflict, Store
from tools.subject import Subject
from tools.survey import Progress

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

LAST_STEPS = 5  # that may follow once the budget of steps is spent

Watcher = Callable[[str, dict[str, Any]], None]  # node, its update


class Stopped(RuntimeError):
    """Somebody asked for the run to stop; it is whole up to its last step."""


class Session:
    """An inquiry into one target. `run_search` does it, or goes on with it; `findings` and `summary` say what came out.

    run_id: a run to go on with. name: one to go on with where there is one, and else to begin. subject: the model,
    where it is loaded already. Raises what Bench raises when it is opened, UnknownRun for a run to resume that is not
    in the store, and RunConflict for one that was about another model than is found now.
    """

    def __init__(
        self,
        means: Means,
        *,
        run_id: str | None = None,
        name: str | None = None,
        progress: Progress | None = None,
        subject: Subject | None = None,
    ) -> None:
        self.bench = Bench(means, progress=progress, subject=subject)
        self.means = means
        tracing.start(tracing.unsent(means.shared))
        begun = name is not None and any(run.id == name for run in self.bench.store.runs())
        self.resumed = run_id is not None or begun
        self.run_id = run_id or name or _fresh_name(self.bench.target.name)
        self.trace = tracing.trace(self._keep_trace)
        try:
            self._announce()
            _ = self.bench.judge  # one that cannot be opened is told now, not at the end
        except BaseException:
            self.bench.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bench.close()

    def run_search(
        self,
        max_iterations: int | None = None,
        min_improvement_threshold: float | None = None,
        *,
        watch: Watcher | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Findings:
        """Run the graph to its end and return the findings. A finished run is only read.

        The two limits replace those of the means for this call. stop: asked after every step; Stopped is raised when it
        says so, and the run goes on from there another time.
        """
        changed = {"max_iterations": max_iterations, "min_improvement": min_improvement_threshold}
        self._limit({name: value for name, value in changed.items() if value is not None})
        if self.under_way():
            try:
                self._drive(watch or _unwatched, stop or _never)
            except StepFailed as error:
                self.bench.store.finish(self.run_id, f"failed({error})")
                raise
            self.finish()
        return self.findings()

    def under_way(self) -> bool:
        """Whether there is anything to go on with; if so the run is running, whatever became of it before."""
        state = self.bench.store.run(self.run_id).state
        if state not in (RUNNING, FINISHED):
            self.bench.store.finish(self.run_id, RUNNING)
        return state != FINISHED

    def finish(self) -> None:
        """The run is finished; its trace is told the scores."""
        self.bench.store.finish(self.run_id, FINISHED)
        self.trace.scored(self.bench.store.scores(self.run_id))

    def findings(self) -> Findings:
        """Everything a report shows of the run so far."""
        return gather(self.bench, self.run_id)

    def summary(self) -> dict[str, Any]:
        """The findings as plain data, with `top_10` and `bottom_10` in rank order."""
        data = as_json(self.findings())
        return data | {"top_10": data["top"], "bottom_10": data["bottom"]}

    def _announce(self) -> None:
        """Begin the run, or take it up again in the state it is in; a finished one is left as it is."""
        store, target = self.bench.store, self.bench.target
        known = store.run(self.run_id) if self.resumed else None
        if known is not None and known.target.model_hash != target.model_hash:
            raise RunConflict(f"run {self.run_id} is about other weights of {target.model} than are there now")
        if known is None or known.state != FINISHED:
            state = known.state if known is not None else RUNNING
            store.begin(Run(self.run_id, target, self.means.seed, asdict(self.means), state))
        if isinstance(self.bench.mind, Language):
            self.bench.mind.asked = sum(call.agent != TALKING for call in store.calls(self.run_id))

    def _keep_trace(self, trace: str, address: str | None) -> None:
        self.bench.store.keep_trace(self.run_id, trace, address)

    def _limit(self, changed: dict[str, Any]) -> None:
        if changed:
            self.means = self.bench.limited(changed)

    @contextmanager
    def compiled(self) -> "Iterator[tuple[CompiledStateGraph[Inquiry, Means, Any, Any], Any, Inquiry | None]]":
        """The graph on its checkpoints, the config of this run, and what to stream from: None goes on."""
        with saver(Path(self.means.home) / CHECKPOINTS) as kept:
            graph = build().compile(checkpointer=kept)
            config: Any = {
                "configurable": {"thread_id": self.run_id},
                "recursion_limit": most_steps(self.means) + LAST_STEPS,
                "run_name": self.bench.target.name,
                "tags": ["neuronaut", self.means.model],
                "metadata": {
                    "model": self.means.model,
                    "layer": self.bench.target.layer,
                    "neuron": self.bench.target.index,
                    "kind": self.bench.target.kind.value,
                    "run_id": self.run_id,
                },
            }
            begun = kept.get_tuple(config) is not None
            yield graph, config, None if begun else {"run_id": self.run_id}

    def _drive(self, watch: Watcher, stop: Callable[[], bool]) -> None:
        with self.compiled() as (graph, config, start):
            traced = config | self.trace.begin()
            steps: Any = graph.stream(start, traced, context=self.means, stream_mode="updates", durability="sync")
            try:
                for update in steps:
                    for node, values in update.items():
                        if not node.startswith("__"):  # what LangGraph says of its own, such as __metadata__
                            watch(node, values or {})
                    if stop():
                        raise Stopped(f"run {self.run_id} was stopped between two steps")
            finally:
                steps.close()  # which ends the trace's root, whatever it was that ended
                self.trace.end()


def resumable(home: Path, run_id: str) -> Means:
    """The means of a stored run, with what conversations noted; a finished one needs no language model.

    Raises UnknownRun for an unknown name, and RunConflict for a run that no inquiry made (tools.prune with --keep).
    """
    with Store.open(home / STORE) as store:
        run, noted = store.run(run_id), store.noted(run_id)
    settings: dict[str, Any] = run.settings | ({"llm": None, "judge": None} if run.state == FINISHED else {})
    if not settings.keys() <= {field.name for field in fields(Means)}:
        raise RunConflict(f"run {run_id} was made by another command: there is no inquiry to go on with")
    settings |= {"home": str(home), "surveys": None, "seed_prompts": tuple(settings.get("seed_prompts", ()))}
    means = Means(**settings)
    return replace(means, notes=with_notes(means.notes, noted))


def with_notes(notes: str, noted: Sequence[str]) -> str:
    """Notes with each of those that were `noted` on lines of its own behind them, once."""
    for note in noted:
        if f"\n{note}\n" not in f"\n{notes}\n":
            notes = f"{notes}\n{note}" if notes else note
    return notes


def _fresh_name(target: str) -> str:
    return f"{target}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _never() -> bool:
    """Nobody asks for a stop."""
    return False


def _unwatched(node: str, update: dict[str, Any]) -> None:
    """Nobody watches the steps."""
    del node, update
