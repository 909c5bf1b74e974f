"""What a night has left is held against what it acknowledged: whatever is wrong is found, and named."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from evals.faults import siege
from evals.faults.__main__ import main, parsed, table
from evals.faults.audit import Audit, audited
from evals.faults.siege import Acknowledged, Again, Night, Siege
from graphs.state import STORE
from memory.queue import Queue, State
from memory.records import Explanation, Origin, Prompt, Record, Rule, Run, Score, Step, Target, Verdict
from memory.store import Store

TARGET = Target("tiny", "0f3a", "blocks.0.mlp.hook_post", 0, 1)
KEPT: Acknowledged = {1: ("one", 1.0), 2: ("two", 2.0)}


def record(number: int, text: str) -> Record:
    return Record(number, number, Prompt(text, Origin.SEED), (text,), (1,), (float(number),), float(number), 0)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A night of one neuron that ended as it should: two steps of a record each, explained, scored, reported."""
    folder = tmp_path / "overnight" / "night-1"
    queue = Queue(folder)
    queue.add([("L0N1", {"layer": 0, "neuron": 1}, "L0N1-night-1")])
    queue.keep("L0N1")
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("L0N1-night-1", TARGET, 0, {}))
        store.commit(Step("L0N1-night-1", 1, "survey", {}, 2.0, records=(record(1, "one"),)))
        said = Explanation(Verdict.SINGLE_TOKEN, "Fires on ‘two’.", Rule(0.0))
        score = Score("simulation", "held-out", 0.9, 10)
        store.commit(
            Step("L0N1-night-1", 2, "explainer", {}, 3.0, (record(2, "two"),), explanation=said, scores=(score,))
        )
        store.finish("L0N1-night-1", "finished")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "L0N1-night-1.html").write_text("<html></html>\n")
    return Night(folder, {"L0N1-night-1": (2, KEPT)}, statuses=[-9, 0])


def home(night: Night) -> Path:
    return night.folder.parent.parent


def wrong(found: Audit) -> dict[str, list[str]]:
    named = {name: getattr(found, name) for name in ("lost", "duplicates", "torn", "unnamed")}
    return {name: lines for name, lines in named.items() if lines}


def sql(*statements: str) -> Callable[[Night], None]:
    def damage(night: Night) -> None:
        with duckdb.connect(home(night) / STORE) as connection:
            for statement in statements:
                connection.execute(statement)

    return damage


def queue(**values: object) -> Callable[[Night], None]:
    return lambda night: Queue(night.folder)._set("L0N1", **values)


def file(path: str, text: str) -> Callable[[Night], None]:
    def write(night: Night) -> None:
        (home(night) / path).parent.mkdir(parents=True, exist_ok=True)
        (home(night) / path).write_text(text)

    return write


def test_a_night_that_lost_nothing_has_nothing_wrong(night: Night) -> None:
    found = audited(home(night), [night])
    assert wrong(found) == {}
    assert (found.kept, found.set_aside, found.seconds) == (1, 0, {"L0N1-night-1": {1: 2.0, 2: 3.0}})


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (sql("DELETE FROM records WHERE id = 2"), "lost"),
        (sql("UPDATE records SET peak = 3.0 WHERE id = 1"), "lost"),
        (sql("UPDATE records SET text = 'eno' WHERE id = 1"), "lost"),
        (sql("DELETE FROM steps WHERE number = 1"), "lost"),
        (sql("DELETE FROM steps WHERE number = 2"), "lost"),
        (sql("DELETE FROM runs"), "lost"),
        (sql("INSERT INTO records SELECT * FROM records WHERE id = 2"), "duplicates"),
        (sql("DELETE FROM explanations"), "torn"),
        (sql("DELETE FROM scores"), "torn"),
        (sql("UPDATE records SET step = 7 WHERE id = 2"), "torn"),
        (sql("UPDATE runs SET state = 'running'"), "unnamed"),
        (sql("UPDATE runs SET state = ''"), "unnamed"),
        (queue(state="running"), "unnamed"),
        (queue(state="finished"), "unnamed"),
        (queue(state="set aside", reason=""), "unnamed"),
        (file("reports/L0N1-night-1.html", "<html><p>half of"), "torn"),
        (file("overnight/night-1/shards/L0N1.damaged", ""), "torn"),
        (file("overnight/night-1/shards/L0N1.duckdb", ""), "unnamed"),
    ],
)
def test_whatever_is_wrong_is_found_under_its_name(night: Night, damage: Callable[[Night], None], kind: str) -> None:
    damage(night)
    assert kind in wrong(audited(home(night), [night]))


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"redone": ["L0N1"]}, "duplicates"),
        ({"unreadable": 1}, "torn"),
        ({"hung": True}, "unnamed"),
        ({"statuses": [-9, 3]}, "unnamed"),
    ],
)
def test_what_was_seen_from_outside_counts(night: Night, changed: dict[str, object], kind: str) -> None:
    assert list(wrong(audited(home(night), [replace(night, **changed)]))) == [kind]


def test_a_target_set_aside_with_its_reason_is_named(night: Night) -> None:
    queue(state="set aside", reason="no such neuron")(night)
    found = audited(home(night), [night])
    assert wrong(found) == {}
    assert (found.kept, found.set_aside) == (0, 1)


def test_only_what_was_no_step_is_opening() -> None:
    again = Again("L0N1-night-1", since=100.0, step=1, reached=3, seconds=9.0)
    assert again.opening({1: 5.0, 2: 1.5, 3: 2.5, 4: 7.0}) == pytest.approx(5.0)
    assert Again("L0N1-night-1", since=100.0, step=1).opening({2: 1.5}) == 0.0, "it was killed before it went on"


def test_the_table_shows_what_is_wrong_and_what_was_repeated() -> None:
    lines = table(
        {
            "kills": 3, "killed": {"owner": 1, "worker": 2}, "lost": 1, "duplicates": 0, "torn": 0, "unnamed": 0,
            "wrong": {"lost": ["step 4 of L0N1"]}, "acknowledged_records": 40, "targets": {"kept": 2, "set_aside": 1},
            "repeated_share": 0.031, "llm_faults": {"hang": {"named": False, "told": "it hung"}},
        }
    )  # fmt: skip
    told = "\n".join(lines)
    assert "3 kills (owner 1, workers 2)" in told
    assert "step 4 of L0N1" in told
    assert "3.1%" in told
    assert "✗ llm" in told


def test_numbers_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--kills", "0"])
    assert "positive" in capsys.readouterr().err


def test_nights_that_cannot_begin_are_not_begun_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEURONAUT_HOME")
    with pytest.raises(SystemExit, match=r"no night begins: .*/no/such/model"):
        main(["--only", "kills", "--model", "/no/such/model", "--json", str(tmp_path / "figures.json")])
    assert not list(tmp_path.iterdir())


def test_a_real_night_is_killed_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real command under kills of its owner and of a worker, on a tiny model."""
    from tests.graphs.small_runs import write_corpus
    from tests.tiny_models import write_gpt2

    monkeypatch.delenv("NEURONAUT_HOME")
    folder = tmp_path / "model"
    folder.mkdir()
    small = ["--model", str(write_gpt2(folder)), "--corpus", str(write_corpus(tmp_path / "corpus"))]
    small += ["--survey-tokens", "6000", "--rounds", "1", "--targets", "1", "--workers", "1"]
    kill = Siege._kill

    def once_begun(self: Siege, night: Night, owner: "subprocess.Popen[bytes]") -> bool:
        """First a worker that has acknowledged something, then the owner of one that has."""
        held = {item.pid for item in Queue(night.folder).items() if item.state is State.RUNNING and item.step}
        if not held & set(siege._workers(owner.pid)):
            return False
        place = 0 if self.kills else -1  # the owner is the first of those who can be killed
        self._random.choice = lambda pids: pids[place]  # type: ignore[method-assign]
        return kill(self, night, owner)

    monkeypatch.setattr(Siege, "_kill", once_begun)
    found = tmp_path / "found.json"
    status = main(["--only", "kills", "--kills", "2", "--every", "0.3", "--seed", "1", *small, "--json", str(found)])
    assert status == 0, capsys.readouterr().out
    told = json.loads(found.read_text(encoding="utf-8"))
    assert told["killed"] == {"owner": 1, "worker": 1}
    assert told["acknowledged_records"] > 0
    assert (told["lost"], told["duplicates"], told["torn"], told["unnamed"]) == (0, 0, 0, 0)
