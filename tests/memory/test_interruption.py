"""Ctrl-C while the store is at work is Ctrl-C to whoever called it, whatever DuckDB makes of it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import duckdb
import pytest

from memory.database import named_failures
from memory.records import Origin, Prompt, Record, Run, Step, Target
from memory.store import Store

RUN = Run("r1", Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652), 0, {})


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Query interrupted"),
        duckdb.InterruptException("INTERRUPT Error: Interrupted!"),
        duckdb.InvalidInputException("counting the rows of the object 'new_rows' failed: KeyboardInterrupt: "),
    ],
)
def test_what_duckdb_makes_of_ctrl_c_becomes_it_again(error: Exception) -> None:
    with pytest.raises(KeyboardInterrupt), named_failures(Path("a.duckdb")):
        raise error


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="something else"), named_failures(Path("a.duckdb")):
        raise RuntimeError("something else")


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise KeyboardInterrupt as Ctrl-C does, after so much work."""
    before = signal.signal(signal.SIGVTALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def write_for_ever(store: Store) -> None:
    """Twenty records a step, their ids told by the step's number."""
    for number in count(store.last_step("r1") + 1):
        prompts = [Prompt(f"{number} {n}", Origin.RANDOM) for n in range(20)]
        records = [Record(20 * number + n, number, p, (), (), (), 0.5, 0) for n, p in enumerate(prompts)]
        store.commit(Step("r1", number, "measure", {}, records=tuple(records)))


def test_steps_stay_whole_however_often_they_are_interrupted(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.duckdb") as store:
        store.begin(RUN)
        for attempt in range(25):
            with pytest.raises(KeyboardInterrupt), interrupted_after(0.004 + 0.0007 * attempt):
                write_for_ever(store)
        last = store.last_step("r1")
        assert last > 0
        assert [record.id for record in store.records("r1")] == list(range(20, 20 * (last + 1)))
