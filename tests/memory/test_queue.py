"""The queue of an overnight run: each target is held by one process at most, and ends in a named state."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from memory.database import StoreDamaged
from memory.queue import STUCK, Item, Queue, State

THREE = [
    ("L0N1", {"layer": 0, "neuron": 1}, "a"),
    ("L0N2", {"layer": 0, "neuron": 2}, "b"),
    ("F3", {"feature": 3}, "c"),
]
TAKER = """
import sys
from pathlib import Path
from memory.queue import Queue
queue = Queue(Path(sys.argv[1]))
print(queue.take(0.0, reached=lambda item: int(sys.argv[2])).name, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    made = Queue(tmp_path)
    made.add(THREE)
    return made


def states(queue: Queue) -> list[str]:
    return [item.state.value for item in queue.items()]


def take(queue: Queue, step: int = 0) -> Item | None:
    return queue.take(0.0, reached=lambda _: step)


@contextmanager
def taker(queue: Queue, step: int = 0) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that holds a target until it is killed."""
    command = [sys.executable, "-c", TAKER, str(queue.path.parent), str(step)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_targets_are_taken_in_order_and_only_once(queue: Queue) -> None:
    other = Queue(queue.path.parent)
    taken = [take(queue), take(other), take(queue), take(other)]
    assert [item and item.name for item in taken] == ["L0N1", "L0N2", "F3", None]
    assert states(queue) == ["running"] * 3


def test_adding_again_changes_nothing(queue: Queue) -> None:
    item = take(queue)
    assert item is not None
    queue.finish(item.name, {"score": 0.5})
    queue.add(THREE)
    assert states(queue) == ["finished", "waiting", "waiting"]
    assert queue.items()[0].told == {"score": 0.5}


def test_what_a_living_process_holds_is_not_taken_and_what_a_dead_one_held_is_taken_first(queue: Queue) -> None:
    with taker(queue) as (process, name):
        assert name == "L0N1"
        second = take(queue)
        assert second is not None
        assert second.name == "L0N2"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        again = take(queue)
        assert again is not None
        assert again.name == "L0N1"


def test_a_failure_is_tried_once_more_after_the_others_and_then_set_aside(queue: Queue) -> None:
    first = take(queue)
    assert first is not None
    assert not queue.fail(first.name, "it broke")
    order = []
    while (item := take(queue)) is not None:
        order.append(item.name)
        if item.name == first.name:
            assert item.tries == 1
            assert queue.fail(item.name, "it broke again")
    assert order == ["L0N2", "F3", "L0N1"]
    aside = queue.items()[0]
    assert (aside.state, aside.reason) == (State.SET_ASIDE, "it broke again")


def test_a_target_on_which_processes_keep_dying_is_set_aside_by_name(queue: Queue) -> None:
    for _ in range(STUCK):
        with taker(queue) as (_, name):
            assert name == "L0N1"
    nothing_more = take(queue)
    assert nothing_more is not None
    assert nothing_more.name == "L0N2"
    assert queue.items()[0].state is State.SET_ASIDE
    assert "died" in queue.items()[0].reason


def test_a_target_whose_run_kills_whoever_looks_at_it_is_set_aside_too(queue: Queue) -> None:
    code = TAKER.replace("int(sys.argv[2])", "__import__('os')._exit(9)")
    for _ in range(STUCK + 2):
        subprocess.run([sys.executable, "-c", code, str(queue.path.parent), "0"], check=False)
    after = take(queue)
    assert after is not None
    assert after.name == "L0N2"
    assert queue.items()[0].state is State.SET_ASIDE
    assert "died" in queue.items()[0].reason


def test_one_that_gets_further_each_time_is_never_set_aside(queue: Queue) -> None:
    for step in range(STUCK + 3):
        with taker(queue, step) as (_, name):
            assert name == "L0N1"
    assert queue.items()[0].state is State.RUNNING


def test_a_target_has_its_holders_memory_from_the_beginning(queue: Queue) -> None:
    queue.take(0.0, reached=lambda _: 0, rss_gb=2.25)
    assert queue.items()[0].rss_gb == 2.25


def test_a_released_target_is_open_for_everybody(queue: Queue) -> None:
    item = take(queue)
    assert item is not None
    queue.beat(item.name, step=4, node="experiment", passes=90, llm_calls=2, rss_gb=1.5)
    queue.release(item.name)
    with taker(queue) as (_, name):
        assert name == "L0N1"
    assert (queue.items()[0].step, queue.items()[0].node) == (4, "experiment")


def test_a_file_that_is_no_queue_is_named(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_text("this is not a database at all, " * 50)
    with pytest.raises(StoreDamaged):
        Queue(tmp_path)


def test_a_queue_of_before_knows_what_its_whole_runs_took(queue: Queue) -> None:
    item = take(queue)
    assert item is not None
    queue.finish(item.name, {"passes": 70, "llm_calls": 3})
    with closing(sqlite3.connect(queue.path)) as connection:
        for column in ("passes", "llm_calls"):
            connection.execute(f"ALTER TABLE targets DROP COLUMN {column}")
    again = Queue(queue.path.parent).items()
    assert [(each.passes, each.llm_calls) for each in again] == [(70, 3), (0, 0), (0, 0)]
