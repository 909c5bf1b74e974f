"""Inquiries in forked children, to be killed at any instant: everything heavy is imported, and loaded, before.

A child says on a pipe what it has acknowledged. Spots are where it kills itself:

    before, after   around a step's commit; `after` is the moment between the store's commit and the checkpoint
    within          inside the transaction, when the step is claimed and its rows are not yet written
    watch           once the step is told to whoever watches
    written         when LangGraph has kept what the node returned, and not yet that the node is over
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from langgraph.checkpoint.sqlite import SqliteSaver

from graphs.session import Session
from graphs.state import Means
from memory import rows
from memory.records import Step
from memory.store import Store

SPOTS = ("before", "within", "after", "watch")


@dataclass(frozen=True)
class Testament:
    """What a child had acknowledged, and how it ended: an exit status, or minus the number of a signal."""

    run_id: str | None
    steps: tuple[int, ...]
    status: int


def inquire(
    means: Means, *, run_id: str | None = None, spot: tuple[str, int] | None = None, seconds: float | None = None
) -> Testament:
    """Run an inquiry in a child that dies at `spot` (a spot and a step) or after `seconds`."""

    def work(say: Callable[[str], None]) -> None:
        _prepare(say, spot)
        with Session(means, run_id=run_id) as session:
            say(f"run {session.run_id}")
            session.run_search(watch=lambda _, update: _die_at(spot, "watch", update["step"]))

    return _told(*fork(work), seconds=seconds)


def fork(work: Callable[[Callable[[str], None]], Any]) -> tuple[int, int]:
    """Start `work` in a child; returns its id and the reading end of the pipe that `work`'s argument writes to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 70
    try:
        os.close(reading)
        torch.set_num_threads(1)  # the threads of a pool do not survive a fork
        status = work(lambda line: _write(writing, line)) or 0
    finally:
        os._exit(status)


def _write(pipe: int, line: str) -> None:
    os.write(pipe, f"{line}\n".encode())


def _told(child: int, pipe: int, *, seconds: float | None) -> Testament:
    executioner = threading.Timer(seconds or 0.0, os.kill, (child, signal.SIGKILL))
    if seconds is not None:
        executioner.start()
    with os.fdopen(pipe) as lines:
        words = [line.split() for line in lines if line.endswith("\n")]
    executioner.cancel()
    _, status = os.waitpid(child, 0)
    runs = [name for kind, name in words if kind == "run"]
    steps = tuple(int(number) for kind, number in words if kind == "step")
    return Testament(runs[0] if runs else None, steps, os.waitstatus_to_exitcode(status))


def _prepare(say: Callable[[str], None], spot: tuple[str, int] | None) -> None:
    """In a child: tell of every committed step, and die where it was said to."""
    commit, step_rows, put_writes = Store.commit, rows.step_rows, SqliteSaver.put_writes
    committed: list[int] = []

    def told(self: Store, step: Step) -> bool:
        _die_at(spot, "before", step.number)
        new = commit(self, step)
        say(f"step {step.number}")
        committed.append(step.number)
        _die_at(spot, "after", step.number)
        return new

    def torn(step: Step) -> dict[str, list[rows.Row]]:
        _die_at(spot, "within", step.number)
        return step_rows(step)

    def kept(self: SqliteSaver, *writes: Any) -> None:
        put_writes(self, *writes)
        _die_at(spot, "written", committed[-1] if committed else 0)

    Store.commit, rows.step_rows, SqliteSaver.put_writes = told, torn, kept  # type: ignore[method-assign]


def _die_at(spot: tuple[str, int] | None, place: str, number: int) -> None:
    if spot == (place, number):
        _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody outlives SIGKILL")
