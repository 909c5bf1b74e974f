"""An overnight run when something breaks: what all targets share is no target's failure, and what is said is true."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from graphs import overnight
from graphs.night import ahead, asking, attempt, owner
from graphs.night.asking import parser, resumed
from graphs.night.crew import LONGEST, PATIENT, Processes, pause
from graphs.night.folder import Night, night
from graphs.night.owner import Owner
from graphs.night.report import blocks, gathered, line, opening, render
from graphs.night.worker import Worker
from graphs.report.visible import counted
from graphs.settings import SettingError
from graphs.state import CHECKPOINTS, STORE
from memory.database import StoreFull
from memory.queue import Queue, State
from memory.records import Run, Target
from memory.store import Store
from tests.graphs.nights import Stopping, owned, somebody_has, states, worked
from tools.corpus import CorpusError


def test_a_corpus_that_is_gone_for_a_while_sets_nothing_aside(asked: Night, tmp_path: Path) -> None:
    missing = replace(asked, means=replace(asked.means, corpus=str(tmp_path / "gone")))
    for _ in range(3):
        with pytest.raises(CorpusError):
            Worker(missing, os.getppid()).work()
    assert [(item.state, item.tries) for item in Queue(asked.folder).items()] == [(State.WAITING, 0)] * 3


def test_a_report_page_that_cannot_be_written_gives_the_target_back(
    asked: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(attempt, "write", full)
    with pytest.raises(OSError, match="No space"):
        worked(asked)
    assert states(asked) == [State.WAITING] * 3
    monkeypatch.undo()
    first = Queue(asked.folder).items()[0]
    with Store.open(asked.work(first) / STORE) as store:
        assert store.run(first.run_id).state == "finished"


def test_the_damaged_store_of_a_target_that_was_set_aside_holds_up_nothing(done: Night) -> None:
    first = Queue(done.folder).items()[0]
    Queue(done.folder).set_aside(first.name, "it broke twice")
    done.shard(first).unlink()
    done.work(first).mkdir(parents=True, exist_ok=True)
    for name in (STORE, f"{STORE}.wal"):
        (done.work(first) / name).write_bytes(b"no store" * 4000)
    assert owned(done) == "every target has met its end"
    assert states(done) == [State.SET_ASIDE, State.KEPT, State.KEPT]
    assert done.shard(first).with_suffix(".damaged").exists()


def test_a_finished_run_whose_records_cannot_be_read_is_a_failure_with_its_reason(done: Night) -> None:
    first = Queue(done.folder).items()[0]
    done.shard(first).write_bytes(b"no store" * 4000)
    owned(done)
    assert states(done) == [State.SET_ASIDE, State.KEPT, State.KEPT]
    again = Queue(done.folder).items()[0]
    assert ".damaged" in again.reason
    assert "the store of its run cannot be read" in render(gathered(done))
    assert len(gathered(done).ended) == 2


def test_it_works_for_the_data_folder_it_is_found_in(done: Night) -> None:
    moved = done.home / "elsewhere"
    moved.mkdir()
    for each in ("overnight", "surveys", "reports"):
        (done.home / each).rename(moved / each)
    found = night(moved / "overnight" / "one")
    assert found.home == moved
    owned(found)
    assert set(states(found)) == {State.KEPT}
    assert (moved / STORE).exists()
    assert not (done.home / STORE).exists()


def test_a_copy_for_readers_that_cannot_be_made_stops_nothing(done: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Store) -> None:
        raise StoreFull("no space left")

    monkeypatch.setattr(owner, "publish_open", full)
    assert owned(done) == "every target has met its end"
    assert set(states(done)) == {State.KEPT}
    assert "no copy for readers: no space left" in json.loads(done.heartbeat.read_text(encoding="utf-8"))["waits"]


def test_what_is_finished_and_not_in_the_store_is_not_called_over(done: Night) -> None:
    with somebody_has(done.home / STORE):
        words = [sys.executable, "-m", "graphs.overnight", "--home", str(done.home), "--resume", "one"]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert "3 runs to be taken into the store" in ended.stdout
    assert f"go on with: python -m graphs.overnight --resume one --home {done.home}" in ended.stdout


def test_hours_are_those_of_all_its_owners_and_the_rate_is_this_owners(done: Night) -> None:
    def hours() -> float:
        return json.loads(done.heartbeat.read_text(encoding="utf-8"))["hours_in_all"]

    owned(done)
    beat = json.loads(done.heartbeat.read_text(encoding="utf-8"))
    done.heartbeat.write_text(json.dumps(beat | {"hours_in_all": 7.0}), encoding="utf-8")
    owned(done)
    assert 7.0 <= hours() < 7.1
    going = beat | {"state": "running", "done": 150, "ended": 1, "hours": 0.5, "time": 0.0, "left": 2}
    assert "2 an hour" in line(going, now=1.0)
    assert "0.1 an hour" in line(going | {"hours": 10.0}, now=1.0)
    assert "NO HEARTBEAT" in line(going | {"state": "draining"}, now=100.0)


def test_a_score_without_a_floor_is_not_ranked(done: Night) -> None:
    queue = Queue(done.folder)
    first = queue.items()[0]
    told = first.told | {"score": 0.9, "floor": None, "reason": ""}
    queue._set(first.name, told=json.dumps(told))
    morning = gathered(done)
    assert first.name not in [item.name for item in morning.scored]
    assert (first.name, "its score has no floor") in [(item.name, why) for item, why in morning.unscored]
    assert "its score has no floor" in render(morning)
    assert list(blocks(morning))


def test_one_of_anything_is_singular(done: Night) -> None:
    queue = Queue(done.folder)
    first = queue.items()[0]
    assert [counted(1, "hour"), counted(1.5, "hour")] == ["1 hour", "1.5 hours"]
    assert counted(1_234_567, "target") == "1,234,567 targets"
    queue._set(first.name, state=State.WAITING, told="{}")
    assert opening(gathered(done))[-1].startswith("1 target is left: ")


def test_limits_can_be_changed_when_it_goes_on_and_nothing_else(done: Night) -> None:
    asked = replace(done, workers=4, forward_passes=10)
    words = ["--resume", "one", "--workers", "1", "--all-forward-passes", "99", "--hours", "2"]
    new = resumed(parser().parse_args(words), asked)
    assert (new.workers, new.forward_passes, new.hours, new.llm_calls) == (1, 99, 2.0, None)
    assert resumed(parser().parse_args(["--resume", "one"]), asked) == asked
    with pytest.raises(SettingError, match="leave out --dry-run, --sample"):
        resumed(parser().parse_args(["--resume", "one", "--dry-run", "--sample", "3"]), asked)
    with pytest.raises(SettingError, match="--hours must be above zero"):
        resumed(parser().parse_args(["--resume", "one", "--hours", "0"]), asked)


def test_what_failed_has_cost_something_too(asked: Night) -> None:
    halfway = Stopping(asked, after=4)
    halfway.work()
    first = Queue(asked.folder).items()[0]
    assert first.passes > 0
    Queue(asked.folder).set_aside(first.name, "it broke")
    spent = owned(replace(asked, forward_passes=first.passes))
    assert spent == f"the forward passes of the whole night are spent: {first.passes:,} of {first.passes:,}"
    assert gathered(asked).cost["passes"] == first.passes


def test_a_name_whose_runs_are_in_the_store_is_refused(
    asked: Night, gpt2_folder: Path, corpus_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert asked.home == tmp_path
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("L0N5-again", Target("m", "0", "blocks.0.mlp.out.hook_in", 0, 5), 0, {}))
    listed = tmp_path / "listed"
    listed.write_text("0.4\n0.5\n", encoding="utf-8-sig")
    words = ["--model", str(gpt2_folder), "--corpus", str(corpus_folder), "--home", str(tmp_path)]
    words += ["--survey-tokens", "6000", "--llm", "built-in", "--targets", str(listed), "--name", "again"]
    assert overnight.main(words) == 2
    assert "the store has run L0N5-again of an earlier one" in capfd.readouterr().err
    assert not (tmp_path / "overnight" / "again" / "night.json").exists()


def test_a_run_that_is_stopped_while_it_reads_ahead_says_how_to_go_on(
    asked: Night,
    gpt2_folder: Path,
    corpus_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ahead, "read_pages", stopped)
    words = ["--model", str(gpt2_folder), "--corpus", str(corpus_folder), "--home", str(asked.home), "--name", "two"]
    assert overnight.main([*words, "--survey-tokens", "6000", "--llm", "built-in", "--sample", "1"]) == 130
    assert f"go on with: python -m graphs.overnight --resume two --home {asked.home}" in capfd.readouterr().out
    assert states(night(asked.folder.parent / "two")) == [State.WAITING]


def test_a_file_of_targets_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text("# mine\r\n9.652\r\n", encoding="utf-8-sig")
    assert [name for name, _ in asking._listed(path, None)] == ["L9N652"]


@pytest.mark.parametrize("name", ["a..b", "..", ".a", "a/b", ""])
def test_a_name_that_cannot_be_a_files_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--name may hold"):
        asking.fresh_folder(parser().parse_args(["--name", name, "--home", str(tmp_path)]))


def test_the_first_wish_to_stop_is_kind_whatever_else_has_stopped_it(done: Night) -> None:
    class Watched(Processes):
        killed = 0

        def kill(self) -> None:
            self.killed += 1

    hands = Watched(done)
    own = Owner(done, say=lambda _: None, crew=hands)
    own._stop("its time is over: 2 hours")
    own.stop()
    assert hands.killed == 0
    own.stop()
    assert hands.killed == 1


def test_pauses_grow_while_workers_die_in_vain_and_end_before_long() -> None:
    pauses = [pause(died) for died in range(PATIENT)]
    assert pauses == sorted(pauses)
    assert pauses[:3] == [0.0] * 3
    assert pauses[-1] <= LONGEST
    assert 60 < sum(pauses) < 600


CRASH = """
import os, sqlite3, sys
from pathlib import Path
from memory.records import Run, Target
from memory.store import Store
store = Store.open(Path(sys.argv[1]))
store.begin(Run("one", Target("m", "0", "h", 0, 5), 0, {}))
kept = sqlite3.connect(sys.argv[2])
kept.execute("PRAGMA journal_mode = WAL")
kept.execute("CREATE TABLE t (n)")
kept.execute("INSERT INTO t VALUES (7)")
kept.commit()
os._exit(9)
"""


def test_what_a_killed_process_left_is_in_the_files_before_they_go_elsewhere(asked: Night) -> None:
    import sqlite3

    first = Queue(asked.folder).items()[0]
    folder = asked.work(first)
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", CRASH, folder / STORE, folder / CHECKPOINTS], check=False)
    assert (folder / f"{STORE}.wal").exists()
    asked.closed(first)
    assert {path.name for path in folder.iterdir()} == {STORE, CHECKPOINTS}
    with Store.open(folder / STORE) as store:
        assert [run.id for run in store.runs()] == ["one"]
    assert sqlite3.connect(folder / CHECKPOINTS).execute("SELECT n FROM t").fetchall() == [(7,)]
