"""An overnight run: every target ends in a named state, nothing is lost, and whoever died is gone on from."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphs import overnight
from graphs.bench import subject_of
from graphs.night import asking
from graphs.night.ahead import read_pages
from graphs.night.folder import Night, night
from graphs.night.owner import Owner
from graphs.night.report import gathered, line, render
from graphs.night.worker import Worker
from graphs.settings import SettingError
from graphs.state import STORE
from memory.queue import Queue, State
from memory.store import Store
from tests.graphs.nights import NEURONS, Stopping, owned, somebody_has, states, worked
from tests.tiny_dictionaries import saved, tiny_sae
from tools.survey import take

BEAT = {
    "name": "n", "state": "running", "time": 100.0, "done": 3, "failed": 0, "set_aside": 1, "left": 6, "total": 10,
    "hours": 0.5, "eta_seconds": 3600, "waits": "", "why": "", "workers": [{"target": "L0N1", "node": "experiment"}],
}  # fmt: skip


def test_every_run_ends_in_the_store_and_nothing_is_left_beside_it(done: Night) -> None:
    assert {item.state for item in Queue(done.folder).items()} == {State.FINISHED}
    assert owned(done) == "every target has met its end"
    assert set(states(done)) == {State.KEPT}
    with Store.open(done.home / STORE) as store:
        runs = {run.id: run.state for run in store.runs()}
        assert runs == {f"L0N{n}-one": "finished" for n in NEURONS}
        assert all(store.records(run) and store.explanation(run) and store.scores(run) for run in runs)
    assert not list((done.folder / "work").iterdir())
    assert not list(done.shards.iterdir())
    beat = json.loads(done.heartbeat.read_text(encoding="utf-8"))
    assert (beat["state"], beat["done"], beat["left"], beat["total"]) == ("finished", 3, 0, 3)
    assert len(list((done.home / "reports").glob("*.html"))) == 3


def test_a_neuron_that_fails_is_one_row_with_its_reason_and_the_others_go_on(done: Night) -> None:
    Queue(done.folder).add([("L0N999999", {"layer": 0, "neuron": 999999}, "bad")])
    items = {item.name: item for item in worked(done).items()}
    assert items["L0N999999"].state is State.SET_ASIDE
    assert items["L0N999999"].tries == 2
    assert "999999" in items["L0N999999"].reason
    assert sum(item.state is State.FINISHED for item in items.values()) == 3
    owned(done)
    assert "L0N999999" in render(gathered(done))


def test_a_stopped_worker_gives_its_target_back_and_the_next_one_goes_on_from_there(asked: Night) -> None:
    worker = Worker(asked, os.getppid())
    worker.stop()
    worker.work()
    assert states(asked) == [State.WAITING] * 3
    halfway = Stopping(asked, after=4)
    halfway.work()
    first = Queue(asked.folder).items()[0]
    assert (first.state, first.tries) == (State.WAITING, 0)
    assert first.step >= 4
    with Store.open(asked.work(first) / STORE) as store:
        before = store.records(first.run_id)
    assert before
    for other in Queue(asked.folder).items()[1:] * 2:
        Queue(asked.folder).fail(other.name, "not today")
    worked(asked)
    owned(asked)
    assert states(asked) == [State.KEPT, State.SET_ASIDE, State.SET_ASIDE]
    with Store.open(asked.home / STORE) as store:
        assert store.records(first.run_id)[: len(before)] == before


def test_a_worker_without_its_owner_stops(asked: Night) -> None:
    Worker(asked, owner=1).work()
    assert states(asked) == [State.WAITING] * 3


def test_a_run_killed_between_the_move_and_the_row_is_not_done_again(done: Night) -> None:
    queue = Queue(done.folder)
    first = queue.items()[0]
    queue._set(first.name, state=State.RUNNING, told="{}")
    worked(done)
    again = queue.items()[0]
    assert (again.state, again.told) == (State.FINISHED, first.told)
    owned(done)
    with Store.open(done.home / STORE) as store:
        ids = [record.id for record in store.records(first.run_id)]
        assert ids == list(range(1, len(ids) + 1))


def test_a_run_taken_in_twice_is_there_once(done: Night) -> None:
    queue = Queue(done.folder)
    first = queue.items()[0]
    kept = done.shard(first).read_bytes()
    owned(done)
    done.shards.mkdir(exist_ok=True)
    done.shard(first).write_bytes(kept)
    queue._set(first.name, state=State.FINISHED)
    with Store.open(done.home / STORE) as store:
        before = store.counts(first.run_id)
    owned(done)
    with Store.open(done.home / STORE) as store:
        assert store.counts(first.run_id) == before


def test_finished_runs_wait_while_somebody_else_has_the_store_open(done: Night) -> None:
    Store.open(done.home / STORE).close()
    with somebody_has(done.home / STORE):
        owned(done)
        assert set(states(done)) == {State.FINISHED}
        assert "in use" in json.loads(done.heartbeat.read_text(encoding="utf-8"))["waits"]
    owned(done)
    assert set(states(done)) == {State.KEPT}


def test_an_owner_that_goes_on_and_its_reports_load_no_model_code(done: Night) -> None:
    for last in (["--resume", "one"], ["--status"], ["--report"]):
        words = ["--home", str(done.home), *last]
        program = f"import sys\nfrom graphs.overnight import main\nassert main({words!r}) == 0\nprint(*sys.modules)"
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        assert not {"torch", "transformer_lens", "langgraph"} & set(told.splitlines()[-1].split())
    assert set(states(done)) == {State.KEPT}


def test_an_overnight_run_has_one_owner(asked: Night) -> None:
    holder = Owner(asked, say=lambda _: None)
    with pytest.raises(SettingError, match="going on already"):
        Owner(asked, say=lambda _: None)
    del holder


@pytest.fixture
def command(gpt2_folder: Path, corpus_folder: Path, home: Path, warm: None) -> Callable[..., list[str]]:
    """The words of a command that would name targets of a tiny model, and stop before it begins."""
    del warm

    def words(*more: str) -> list[str]:
        fixed = ["--model", str(gpt2_folder), "--corpus", str(corpus_folder), "--home", str(home)]
        return [*fixed, "--survey-tokens", "6000", "--llm", "built-in", "--dry-run", *more]

    return words


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "say which neurons"),
        (("--sample", "2", "--interesting", "2"), "in one way"),
        (("--sample", "0"), "--sample must be above zero"),
        (("--hours", "nan", "--sample", "1"), "--hours must be above zero"),
        (("--layer", "77"), "layers 0 to"),
        (("--layer", "0", "--neurons", "9-3"), "--neurons is A-B"),
        (("--layer", "0", "--neurons", "0-99999"), "--neurons is A-B"),
        (("--neurons", "0-3"), "say which neurons"),
        (("--name", "../up", "--sample", "1"), "--name may hold"),
        (("--targets", "/nowhere/at/all"), "cannot read"),
        (("--resume", "nobody"), "no overnight run 'nobody'"),
        (("--resume", "../../etc"), "no overnight run"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_status_2(
    command: Callable[..., list[str]], more: tuple[str, ...], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert overnight.main(command(*more)) == 2
    (words,) = capfd.readouterr().err.strip().splitlines()
    assert told in words


def test_a_dry_run_says_what_it_would_do_and_begins_nothing(
    command: Callable[..., list[str]], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert overnight.main(command("--interesting", "5", "--workers", "2")) == 0
    said = capfd.readouterr().out
    assert "5 targets, 2 workers" in said
    assert "forward passes" in said
    assert "GB of disk until targets are done" in said
    assert not (home / "overnight").exists()


def test_targets_are_read_from_a_file_in_any_of_their_spellings(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text("9.652\nL3N4  # the same again\nl3n4\n\n 0 7 \nF12\n", encoding="utf-8")
    assert [name for name, _ in asking._listed(path, "pocket")] == ["L9N652", "L3N4", "L3N4", "L0N7", "F12"]
    with pytest.raises(SettingError, match="say which dictionary"):
        asking._listed(path, None)
    path.write_text("9.652\n<script>\n", encoding="utf-8")
    with pytest.raises(SettingError, match="line 2"):
        asking._listed(path, None)


def test_a_target_that_cannot_be_had_does_not_keep_the_pages_of_the_others_from_being_read(
    asked: Night, corpus_folder: Path, home: Path, tmp_path: Path
) -> None:
    dictionary = saved(tmp_path / "sae", tiny_sae("jumprelu"))
    features = [(f"F{n}", {"layer": -1, "neuron": -1, "sae": dictionary, "feature": n}) for n in (7, 10**6)]
    missing = ("F1", {"layer": -1, "neuron": -1, "sae": "nowhere", "feature": 1})
    Queue(asked.folder).add([(name, unit, f"{name}-one") for name, unit in [missing, *features]])
    subject = subject_of(asked.means)
    read_pages(asked, subject, take(subject, str(corpus_folder), home, tokens=6000))
    read = {path.parent.parent.name for path in (asked.folder / "work").glob("*/pages/*.npz")}
    assert read == {item.name for item in Queue(asked.folder).items()} - {"F1", "F1000000"}


def test_what_a_model_wrote_reaches_the_morning_report_quoted(done: Night) -> None:
    queue = Queue(done.folder)
    first = queue.items()[0]
    hostile = "<script>alert(1)</script>\x1b[31m\u202e"
    queue._set(first.name, told=json.dumps(first.told | {"prose": hostile, "verdict": hostile, "mind": hostile}))
    page = render(gathered(done))
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_the_line_of_status_says_how_it_stands_and_when_the_heart_has_stopped() -> None:
    assert line(BEAT, now=101.0) == "n: running · 3 of 10 done · 1 set aside · 1.0 h left · 6 an hour · L0N1 experiment"
    assert "NO HEARTBEAT for 10 min" in line(BEAT, now=700.0)


def test_a_folder_that_is_no_overnight_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no overnight run can be read"):
        night(tmp_path)
    (tmp_path / "night.json").write_text('{"means": []}', encoding="utf-8")
    with pytest.raises(SettingError, match="no overnight run can be read"):
        night(tmp_path)
