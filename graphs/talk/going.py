"""Going on with the inquiry from within a conversation: one decision of the supervisor at a time.

`advance` streams the steps of the graph as they are committed, and stops before the next worker. With --ask it stops
inside the supervisor (graphs/approval.py) with a question, and goes on from the answer. The thread of the graph is the
run's id: a conversation goes on with what `python -m graphs.interpret` began, and the other way round.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from langgraph.types import Command

from graphs.approval import Question
from graphs.inquiry import WORKERS
from graphs.report.visible import number
from graphs.session import Session
from graphs.steps import StepFailed
from graphs.talk.drawing import words

if TYPE_CHECKING:
    from rich.text import Text

BEFORE = (*WORKERS, "explainer")
ATTEMPTS = 2  # a graph that stands before a worker already says nothing the first time


class Going:
    """Where the inquiry of a session stands: `question` waits for a person's answer, `done` after the last node."""

    def __init__(self) -> None:
        self.question: Question | None = None
        self.done = False

    def advance(self, session: Session, answer: str | None = None) -> "Iterator[Text]":
        """Run to the next decision or question, a line for each step. `answer` is taken for the open question."""
        self.question, moved = None, False
        try:
            for _ in range(ATTEMPTS):
                for node, update in self._steps(session, answer):
                    moved = True
                    yield from _told(node, update)
                if moved or self.question or self.done:
                    break
        except StepFailed as error:
            session.bench.store.finish(session.run_id, f"failed({error})")
            yield words(f"{error}; what was measured is kept, next tries again", "red")
            return
        if self.done:
            session.finish()
            yield words("the inquiry is finished: explain, scores", "bold")
        elif self.question is not None:
            yield words(asked(self.question), "bold yellow")

    def _steps(self, session: Session, answer: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        with session.compiled() as (graph, config, start):
            before = graph.get_state(config)
            if session.means.ask and answer is None and not before.interrupts and before.next and _decided(before.next):
                why = str(before.values.get("why", "the supervisor sent it here"))
                self.question = Question(node=before.next[0], why=why, allowed=[before.next[0]], fault="")
                return
            session.under_way()
            begin: Any = Command(resume=answer) if answer is not None and before.interrupts else start
            stops = () if session.means.ask else BEFORE
            traced = config | session.trace.begin()
            how: Any = {"stream_mode": "updates", "durability": "sync", "interrupt_before": stops}
            try:
                for part in graph.stream(begin, traced, context=session.means, **how):
                    for node, update in cast("dict[str, Any]", part).items():
                        if not node.startswith("__"):
                            yield node, update or {}
                        elif node == "__interrupt__" and update:
                            self.question = cast("Question", update[0].value)
            finally:
                session.trace.end()
            self.done = not graph.get_state(config).next


def _decided(following: tuple[str, ...]) -> bool:
    """Whether a worker comes next: the supervisor has spoken, and nobody was asked."""
    return following[0] in BEFORE


def asked(question: Question) -> str:
    """The question in one line."""
    others = ", ".join(node for node in question["allowed"] if node != question["node"])
    fault = f"{question['fault']}. " if question["fault"] else ""
    return (
        f"{fault}next is {question['node']}: {question['why']}. yes, no, edit h-N: CLAIM, or {others or 'nothing else'}"
    )


def _told(node: str, update: dict[str, Any]) -> "Iterator[Text]":
    if node == "supervisor":
        yield words(f"  → {update['goto']}: {update['why']}", "bold")
        return
    best = "" if update.get("best") is None else f", best {number(update['best'])}"
    why = f", {update['why']}" if update.get("why") else ""
    rounds = update.get("visits", {}).get("experiment", 0)
    yield words(f"  {node}: step {update['step']}, round {rounds}, {update['passes']:,} passes{best}{why}")
