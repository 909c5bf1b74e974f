"""An overnight run's accounts: whose failure it was, what is not in the store yet, and who works on what."""

import json
import subprocess
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from graphs.night import asking
from graphs.night.actor import Standing
from graphs.night.cluster import UNUSUAL, Cluster, Hand
from graphs.night.crew import Processes
from graphs.night.estimate import Cost, told
from graphs.night.folder import Night
from graphs.night.owner import Owner
from graphs.settings import SettingError
from graphs.state import STORE
from memory import checkpoints
from memory.database import StoreDamaged, StoreFull, StoreUnwritable
from memory.queue import Queue, State
from memory.store import Store
from tests.graphs.nights import owned, somebody_has, states, worked


def beat(of: Night) -> dict[str, object]:
    """The last sign of its owner."""
    return json.loads(of.heartbeat.read_text(encoding="utf-8"))


def unkeepable(*_: object) -> bool:
    raise UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed")


@pytest.mark.parametrize(
    ("commit", "words"),
    [(unkeepable, "surrogates not allowed"), (lambda *_: False, "somebody else has written step 1 of this run")],
)
def test_a_step_that_cannot_be_kept_is_its_targets_failure(
    asked: Night, monkeypatch: pytest.MonkeyPatch, commit: Callable[..., bool], words: str
) -> None:
    monkeypatch.setattr(Store, "commit", commit)
    queue = Queue(asked.folder)
    first, *others = queue.items()
    for other in others:
        queue.set_aside(other.name, "not tonight")
    worked(asked)
    first = queue.items()[0]
    assert (first.state, first.tries) == (State.SET_ASIDE, 2)
    assert words in first.reason


def test_what_was_set_aside_and_is_not_in_the_store_is_not_called_over(done: Night) -> None:
    first = Queue(done.folder).items()[0]
    Queue(done.folder).set_aside(first.name, "it broke twice")
    with somebody_has(done.home / STORE):
        owned(done)
        assert (beat(done)["state"], beat(done)["waiting"]) == ("stopped", 3)
    owned(done)
    assert (beat(done)["state"], beat(done)["waiting"]) == ("finished", 0)
    with Store.open(done.home / STORE) as store:
        assert store.records(first.run_id)


def test_the_damaged_store_of_all_is_not_blamed_on_the_runs(done: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    take_in = Store.take_in

    def damaged(store: Store, path: Path) -> list[str]:
        if store.path == done.home / STORE:
            raise StoreDamaged(f"{store.path} is damaged")
        return take_in(store, path)

    monkeypatch.setattr(Store, "take_in", damaged)
    with pytest.raises(StoreDamaged, match=str(done.home / STORE)):
        owned(done)
    assert states(done) == [State.FINISHED] * 3
    monkeypatch.undo()
    owned(done)
    assert states(done) == [State.KEPT] * 3


def test_a_finished_run_whose_store_is_gone_is_not_kept(done: Night) -> None:
    first = Queue(done.folder).items()[0]
    done.shard(first).unlink()
    owned(done)
    assert states(done) == [State.SET_ASIDE, State.KEPT, State.KEPT]
    assert Queue(done.folder).items()[0].reason == "its run was finished, and its store is gone"


def test_only_those_that_live_are_at_work(asked: Night) -> None:
    Queue(asked.folder).take(time.time(), reached=lambda _: 0, pid=2**22 + 1, rss_gb=3.0)
    with subprocess.Popen(["sleep", "60"]) as living:
        Queue(asked.folder).take(time.time(), reached=lambda _: 0, pid=living.pid, rss_gb=2.0)
        crew = Processes(asked, [living])
        owner = Owner(asked, say=lambda _: None, crew=crew)
        assert [each["rss_gb"] for each in owner._beat(owner.queue.items(), "running")["workers"]] == [2.0]
        living.kill()
    assert owner._beat(owner.queue.items(), "running")["workers"] == []


def test_why_workers_cannot_go_on_is_the_reason_of_now(asked: Night) -> None:
    with subprocess.Popen(["sleep", "60"]) as killed:
        crew = Processes(asked, [killed], complaint="the store is in use", in_vain=3)
        crew.reap(7)
        assert (crew.in_vain, crew.complaint) == (0, "")
        killed.kill()
        killed.wait()
    crew.reap(7)
    assert (crew.in_vain, crew.complaint) == (1, "one was ended by signal 9 (often: no memory left)")


def test_a_cluster_without_room_says_so(asked: Night) -> None:
    crew, now = Cluster(asked, "local"), time.monotonic()
    crew._hands = [Hand(None, None, now - UNUSUAL + 9), Hand(None, None, now)]
    crew._mind_room()
    assert crew.waits == ""
    crew._hands[0].since = now - 3600
    crew._mind_room()
    assert crew.waits.startswith("no actor has begun for 60 minutes")
    crew._hands[1].standing = Standing(7, 1.0, away=True)
    crew._mind_room()
    assert crew.waits == ""


def test_of_two_commands_with_one_name_the_second_changes_nothing(asked: Night) -> None:
    made = replace(asked, folder=asked.folder.with_name("two"))
    asking.written_down(made, [("L0N1", {"layer": 0, "neuron": 1}, "L0N1-two")])
    with pytest.raises(SettingError, match="there is an overnight run two already"):
        asking.written_down(made, [("L0N2", {"layer": 0, "neuron": 2}, "L0N2-two")])
    assert [item.name for item in Queue(made.folder).items()] == ["L0N1"]


def test_more_workers_than_targets_do_not_make_a_target_shorter(asked: Night) -> None:
    lines = list(told(replace(asked, workers=32), 2, Cost(3, 7200.0, 10.0, 0.0), bytes_a_run=None))
    assert any(line.startswith("time: about 2.00 hours") for line in lines), lines


def test_a_full_disk_is_told_from_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk SQLite finds no room for its shared memory, and says that reading or writing failed."""
    usage = namedtuple("usage", "free")
    for free, failure in ((0, StoreFull), (10**9, StoreUnwritable)):
        monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _, free=free: usage(free))
        assert type(checkpoints.sqlite_failure(tmp_path / "queue.sqlite", "disk I/O error")) is failure


def test_while_taking_in_takes_long_runs_wait_for_one_another_but_not_for_ever(
    done: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, take = Owner(done, say=lambda _: None), Store.take_in

    def slow(store: Store, path: Path) -> list[str]:
        time.sleep(0.2)
        return take(store, path)

    monkeypatch.setattr(Store, "take_in", slow)
    items = owner.queue.items()
    owner._taken_in(items[:1])
    owner._taken_in(items[1:])
    assert states(done) == [State.KEPT, State.FINISHED, State.FINISHED]
    owner._taken_in(items[1:], at_once=True)
    assert states(done) == [State.KEPT] * 3


def test_while_somebody_has_the_store_the_reason_stands_at_every_look(done: Night) -> None:
    owner = Owner(done, say=lambda _: None)
    with somebody_has(done.home / STORE):
        for _ in range(3):
            owner._taken_in(owner.queue.items())
            assert "in use" in owner._waits
    owner._taken_in(owner.queue.items())
    assert not owner._waits
