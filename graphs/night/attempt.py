"""One attempt at a target of an overnight run, whoever makes it: a process (worker.py) or an actor of Ray (actor.py).

Knows the run of a target, which has a data folder of its own, and the ways in which an attempt ends. Refuses to know
the queue: `settled` tells it, on the machine where it lies.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agents.chat_model import ChatModelError
from agents.scorer.measuring import ABOVE, SIMULATIONS
from graphs.command import say
from graphs.failures import told
from graphs.night.folder import Night
from graphs.night.footprint import give_back
from graphs.report.findings import Findings
from graphs.report.page import write
from graphs.session import Session, Stopped
from graphs.state import STORE
from graphs.steps import StepFailed
from memory.database import RunConflict, StoreDamaged
from memory.queue import Item, Queue
from tools.subject import Subject, SubjectError

MAIN, SHOWN = SIMULATIONS  # the score that neurons are ranked by, and that of the rule that people read
OWN = (StepFailed, SubjectError, StoreDamaged, RunConflict)  # failures that say nothing of the next target

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Done:
    """The last step that was done of a run, its node, and what the run has taken by then."""

    step: int = 0
    node: str = ""
    passes: int = 0
    llm_calls: int = 0


Beat = Callable[[Done], None]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: with what a whole run came to, or with why it failed, or stopped, with neither."""

    came_to: dict[str, Any] | None = None
    reason: str = ""


def attempted(night: Night, item: Item, subject: Subject, *, beat: Beat, stop: Stop) -> Outcome:
    """Work on a target until its run is whole and handed over, has failed, or is stopped.

    Raises the failures of graphs/failures.py that are not the target's own: what all targets share has gone.
    """
    give_back()  # what the target before it has left
    try:
        findings, passes = _findings(night, item, subject, beat=beat, stop=stop)
    except Stopped:
        return Outcome()
    except OWN as error:
        return Outcome(reason=told(error))
    write(findings, night.home / "reports" / f"{item.run_id}.html")
    night.handed_over(item)
    return Outcome(summary(findings) | {"passes": passes})


def settled(queue: Queue, item: Item, outcome: Outcome) -> None:
    """Tell the queue how an attempt at a target that this process holds has ended."""
    if outcome.came_to is not None:
        queue.finish(item.name, outcome.came_to)
    elif outcome.reason:
        queue.fail(item.name, outcome.reason)
    else:
        queue.release(item.name)


def _findings(night: Night, item: Item, subject: Subject, *, beat: Beat, stop: Stop) -> tuple[Findings, int]:
    """The findings of a target's run, whose store is closed then, and the forward passes it took."""
    if night.shard(item).exists():  # killed between the move and the row: take it back
        night.work(item).mkdir(parents=True, exist_ok=True)
        night.shard(item).replace(night.work(item) / STORE)
    with _opened(night, item, subject) as session:

        def watch(node: str, update: dict[str, Any]) -> None:
            beat(Done(update.get("step", 0), node, update.get("passes", 0), update.get("llm_calls", 0)))

        findings = session.run_search(watch=watch, stop=stop)
        steps = session.bench.store.steps(item.run_id)
        return findings, max((step.update.get("passes", 0) for step in steps), default=0)


def _opened(night: Night, item: Item, subject: Subject) -> Session:
    """The session of a target; by the built-in mind when the language model has gone, as its run then says."""
    means = night.means_of(item)
    try:
        return Session(means, name=item.run_id, subject=subject)
    except ChatModelError as error:
        say(f"{item.name}: {told(error)}; going on with the built-in mind", error=True)
        return Session(replace(means, llm=None, judge=None), name=item.run_id, subject=subject)


def summary(findings: Findings) -> dict[str, Any]:
    """What a run came to, as plain data for the queue: its row of the morning report.

    shown: the score of the compact rule, which the prose tells. beyond_low: by how much the full rule is above the best
    of all floors, at the low end of the paired interval.
    """
    score, shown, beyond = (
        next((score for score in findings.scores if score.metric == metric), None) for metric in (MAIN, SHOWN, ABOVE)
    )
    explanation = findings.explanation
    return {
        "mind": findings.mind,
        "verdict": explanation.verdict.value if explanation else "",
        "prose": explanation.text if explanation else "",
        "score": score.value if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "floor": score.floor if score else None,
        "shown": shown.value if shown else None,
        "shown_floor": shown.floor if shown else None,
        "beyond_low": beyond.low if beyond else None,
        "reason": (score.reason or "") if score else "",
        "best": findings.best.peak if findings.best else None,
        "corpus_max": findings.corpus_max,
        "seconds": round(sum(move.seconds for move in findings.steps), 1),
        "records": findings.counts.generated,
        "llm_calls": len(findings.calls),
        "supported": sum(claim.fate.value == "supported" for claim in findings.hypotheses),
        "refuted": sum(claim.fate.value == "refuted" for claim in findings.hypotheses),
    }
