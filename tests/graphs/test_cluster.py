"""An overnight run on Ray: an actor that dies is followed by another, nothing is lost, and nobody else can reach it."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphs import overnight
from graphs.night import actor, address
from graphs.night.actor import Actor, packed, surveys, unpack
from graphs.night.attempt import Outcome, settled
from graphs.night.folder import Night
from graphs.night.owner import Owner
from graphs.night.worker import Worker
from graphs.settings import SettingError
from graphs.state import STORE
from memory.queue import Item, Queue, State
from memory.store import Store
from tests.graphs.small_runs import small_means
from tests.tiny_models import PAIR, SPLIT

ray_is_there = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra 'cluster' is not installed"
)
NEURONS = (PAIR, SPLIT)


@pytest.fixture
def asked(gpt2_folder: Path, corpus_folder: Path, tmp_path: Path, home: Path, warm: None) -> Night:
    """An overnight run of three neurons over a survey that was taken before."""
    del warm
    (tmp_path / "surveys").symlink_to(home / "surveys")
    means = small_means(gpt2_folder, corpus_folder, tmp_path, max_iterations=1, max_forward_passes=200)
    made = Night(tmp_path / "overnight" / "one", means, workers=2)
    made.save()
    Queue(made.folder).add([(f"L0N{n}", {"layer": 0, "neuron": n}, f"L0N{n}-one") for n in NEURONS])
    return made


@ray_is_there
def test_an_actor_is_killed_its_owner_is_stopped_and_everything_is_kept_once(asked: Night) -> None:
    """The real command; what it leaves is gone on with by a worker of the other kind."""
    queue = Queue(asked.folder)
    words = [sys.executable, "-m", "graphs.overnight", "--home", str(asked.home), "--resume", "one", "--ray", "local"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as owner:
        try:
            dead = _until(lambda: _running(queue, least=3), owner)
            assert dead.pid is not None
            listening = _listening(owner.pid)
            os.kill(dead.pid, signal.SIGKILL)
            _until(lambda: _named(queue, dead.name).state in (State.FINISHED, State.KEPT), owner)
        finally:
            owner.terminate()
        assert owner.wait(60) in (0, 3)
    assert listening
    assert all(address.startswith(("127.", "::1", "::ffff:127.")) for address in listening)
    items = queue.items()
    assert {item.state for item in items} <= {State.KEPT, State.WAITING}
    assert all(item.tries == 0 for item in items)
    Worker(asked, os.getppid()).work()
    Owner(asked, say=lambda _: None).run()
    assert {item.state for item in queue.items()} == {State.KEPT}
    with Store.open(asked.home / STORE) as store:
        assert [run.state for run in store.runs()] == ["finished"] * len(NEURONS)
        for item in items:
            numbers = [step.number for step in store.steps(item.run_id)]
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) >= item.step
            ids = [record.id for record in store.records(item.run_id)]
            assert ids == list(range(1, len(ids) + 1))
    assert not list((asked.folder / "work").iterdir())


def _running(queue: Queue, *, least: int) -> Item | None:
    """A target that somebody works on, of which so many steps are done."""
    return next((item for item in queue.items() if item.state is State.RUNNING and item.step >= least), None)


def _named(queue: Queue, name: str) -> Item:
    return next(item for item in queue.items() if item.name == name)


def _until(found: Callable[[], Any], process: "subprocess.Popen[bytes]", *, seconds: float = 300.0) -> Any:
    end = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < end, "it took too long"
        assert process.poll() is None, "the owner has ended"
        time.sleep(0.1)
    return what


def _listening(owner: int) -> list[str]:
    """The addresses at which a process and all that it started wait for somebody."""
    import psutil

    found = [owner, *(child.pid for child in psutil.Process(owner).children(recursive=True))]
    ports = [port for pid in found for port in psutil.Process(pid).net_connections(kind="inet")]
    return [port.laddr.ip for port in ports if port.status == psutil.CONN_LISTEN]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("somewhere", "--ray is local or HOST:PORT"),
        ("host:port", "--ray is local or HOST:PORT"),
        ("ray://127.0.0.1:10001", "--ray is local or HOST:PORT"),
        ("127.0.0.1:{closed}", "nobody answers there"),
    ],
)
@ray_is_there
def test_an_address_that_cannot_be_used_is_one_line_and_status_2(
    where: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        words = ["--sample", "1", "--ray", where.format(closed=closed.getsockname()[1])]
        assert overnight.main(words) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert told in line


def test_without_ray_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(address.importlib.util, "find_spec", lambda _: None)
    assert overnight.main(["--sample", "1", "--ray", "local"]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "uv sync --extra cluster" in line


@ray_is_there
def test_what_listens_and_is_no_ray_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "ANSWER", 1.0)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(SettingError, match="is no Ray, or not well"):
            address.check(f"127.0.0.1:{silent.getsockname()[1]}")


@pytest.fixture
def far(asked: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], Actor]]:
    """Actors on a machine that sees nothing of the owner's disk but the model and the corpus."""
    monkeypatch.setattr(actor, "machine", lambda: "another")
    monkeypatch.setattr(actor.tempfile, "tempdir", str(tmp_path))
    unseen = Path("/nowhere")
    sent = replace(asked, folder=unseen / "overnight" / "one", means=replace(asked.means, home=str(unseen)))
    opened: list[Actor] = []

    def open_one() -> Actor:
        one = Actor(sent, "the owner's", str(unseen))
        opened.append(one)
        standing = one.open()
        assert standing.away
        lacking = [path for folder in surveys(asked.home, standing.lacks) for path in folder.iterdir()]
        one.fetch({str(path.relative_to(asked.home)): path.read_bytes() for path in lacking})
        return one

    yield open_one
    for one in opened:
        one.leave()
        assert not one._night.home.exists()


class Looks:
    """An event that is set after so many looks at it."""

    def __init__(self, most: int) -> None:
        self._left = most

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_a_target_travels_to_another_machine_and_back_whole_or_stopped(
    asked: Night, far: Callable[[], Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(asked.folder)
    item = queue.take(time.time(), reached=lambda each: each.step, pid=7)
    assert item is not None
    first = far()
    monkeypatch.setattr(first, "_stopping", Looks(4))
    outcome, files, last = first.work(item, {})
    assert outcome == Outcome()
    assert (last.target, last.done.step) == (item.name, 5)
    assert not list((first._night.folder / "work").iterdir())
    unpack(files, asked.home)
    assert packed(asked, item) == files
    with Store.open(asked.work(item) / STORE) as store:
        before = store.records(item.run_id)
    outcome, files, last = far().work(item, packed(asked, item))
    assert outcome.came_to is not None
    assert last.done.step > 5
    unpack(files, asked.home)
    settled(queue, item, outcome)
    kept = queue.items()[0]
    assert (kept.state, kept.pid, kept.told) == (State.FINISHED, 7, outcome.came_to)
    for each in queue.items()[1:]:
        queue.fail(each.name, "not today")
        queue.fail(each.name, "not today")
    Owner(asked, say=lambda _: None).run()
    with Store.open(asked.home / STORE) as store:
        assert before
        assert store.records(item.run_id)[: len(before)] == before
    assert (asked.home / "reports" / f"{item.run_id}.html").exists()


def test_surveys_that_a_machine_can_see_are_not_sent(asked: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "machine", lambda: "another")
    one = Actor(asked, "the owner's", str(Path.cwd()))
    standing = one.open()
    assert (standing.away, standing.lacks) == (True, "")
    assert {path.is_symlink() for path in (one._night.home / "surveys").iterdir()} == {True}
    one.leave()
    assert list(asked.home.glob("surveys/*/survey.safetensors"))


def test_a_target_whose_actor_died_is_the_next_to_be_taken(asked: Night) -> None:
    queue = Queue(asked.folder)

    def taken() -> str:
        item = queue.take(time.time(), reached=lambda each: each.step)
        assert item is not None
        return item.name

    first, second = taken(), taken()
    queue.abandon(second)
    assert taken() == second
    queue.abandon(first)
    assert taken() == first
