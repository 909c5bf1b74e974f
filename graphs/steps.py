"""Exactly once: how a node's work becomes a step of the run.

A node's work returns an Outcome: what to remember, and the state's next values. Both are written in one transaction
under (run, step number), with the update itself. After a crash LangGraph runs the unfinished node again; when its step
is already in the store, the stored update is returned and nothing is done twice.

A conversation (graphs/talk) commits steps of its own in between, which say so under SPOKEN. The next node hears them
first: its step comes after them, and its update carries what they add to the state.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from langgraph.runtime import Runtime
from langgraph.types import Command

from graphs.approval import approved
from graphs.bench import Bench, bench_of
from graphs.state import SPOKEN, Inquiry, Means
from memory.database import StoreError
from memory.records import Candidate, Explanation, Hypothesis, LlmCall, Record, Score, Step, Trigger


@dataclass(frozen=True)
class Outcome:
    """What one node did: the state's next values (plain data), and rows for the store."""

    update: dict[str, Any] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    explanation: Explanation | None = None
    scores: tuple[Score, ...] = ()
    calls: tuple[LlmCall, ...] = ()  # beside those of the mind, which are drained after every step


class StepFailed(RuntimeError):
    """A node's work raised what nobody expected; the message names the node and the reason in one line."""


Work = Callable[[Bench, Inquiry], Outcome]


class Node(Protocol):
    """What LangGraph calls."""

    def __call__(self, state: Inquiry, *, runtime: Runtime[Means]) -> Any:
        """The state's next values, or a Command that says where to go as well."""
        ...


def committed(node: str, work: Work) -> Node:
    """The LangGraph node that does `work` exactly once a step."""

    def run(state: Inquiry, *, runtime: Runtime[Means]) -> dict[str, Any]:
        bench = bench_of(runtime.context)
        heard = _heard(bench, state)
        number = heard.get("step", state.get("step", 0)) + 1
        done = bench.store.step(state["run_id"], number)
        return done if done is not None else _do(bench, state, heard, number, node, work)

    return run


def routed(work: Work) -> Node:
    """As `committed`, for the supervisor: the step's `goto` says where to go."""
    node = committed("supervisor", work)

    def run(state: Inquiry, *, runtime: Runtime[Means]) -> Command:
        update = node(state, runtime=runtime)
        if runtime.context.ask:
            after: Any = {**state, **update}
            update = approved(bench_of(runtime.context), after, update)
        return Command(update=update, goto=update["goto"])

    return run


def _attempted(node: str, work: Work, bench: Bench, state: Inquiry) -> Outcome:
    """The one boundary: whatever a node's work raises has a name from here on; a store's failure has one already."""
    try:
        return work(bench, state)
    except StoreError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise StepFailed(f"{node} failed: {type(error).__name__}: {reason}") from error


def _heard(bench: Bench, state: Inquiry) -> dict[str, Any]:
    """What the conversation steps right after this state change in it; empty where there are none."""
    steps: list[dict[str, Any]] = []
    first = state.get("step", 0) + 1
    while (done := bench.store.step(state["run_id"], first + len(steps))) is not None and SPOKEN in done:
        steps.append(done)
    if not steps:
        return {}
    peaks = [best for best in (state.get("best"), *(step.get("best") for step in steps)) if best is not None]
    waiting = [prompt for step in steps for prompt in step.get("adds", [])]
    return {
        "step": state.get("step", 0) + len(steps),
        "spoken": state.get("spoken", 0) + len(steps),
        "best": max(peaks, default=None),
        "waiting": [*state.get("waiting", []), *waiting],
    }


def _do(bench: Bench, before: Inquiry, heard: dict[str, Any], number: int, node: str, work: Work) -> dict[str, Any]:
    state: Any = {**before, **heard}
    bench.read_pages()  # before passes are counted: a resumed run reads them anew
    passes, started = bench.subject.passes, time.monotonic()
    outcome = _attempted(node, work, bench, state)
    calls: tuple[LlmCall, ...] = (*outcome.calls, *bench.mind.drain())
    seconds = time.monotonic() - started
    visits = dict(state.get("visits", {}))
    visits[node] = visits.get(node, 0) + 1
    update = {
        **heard,
        **outcome.update,
        "step": number,
        "visits": visits,
        "passes": state.get("passes", 0) + bench.subject.passes - passes,
        "llm_calls": state.get("llm_calls", 0) + len(calls),
        "seconds": round(state.get("seconds", 0.0) + seconds, 3),
    }
    step = Step(
        run_id=state["run_id"],
        number=number,
        node=node,
        update=update,
        seconds=seconds,
        records=outcome.records,
        candidates=outcome.candidates,
        hypotheses=outcome.hypotheses,
        triggers=outcome.triggers,
        explanation=outcome.explanation,
        scores=outcome.scores,
        calls=calls,
    )
    _commit(bench, step)
    return update


def _commit(bench: Bench, step: Step) -> None:
    """Write a step. Raises StepFailed where somebody else has written one of its number, or no file can carry it."""
    try:
        alone = bench.store.commit(step)
    except UnicodeEncodeError as error:
        raise StepFailed(f"{step.node} failed: {error}") from error
    if not alone:
        raise StepFailed(f"{step.node} failed: somebody else has written step {step.number} of this run meanwhile")
