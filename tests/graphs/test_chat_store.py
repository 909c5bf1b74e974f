"""A conversation beside others that write the store: what it says is of this run, dated where it is old, and kept."""

import argparse
from pathlib import Path

import pytest

from graphs import chat
from graphs.session import STORE
from graphs.talk.commands import Command
from graphs.talk.desk import Desk, Unable
from graphs.talk.doing import Talk
from memory.database import StoreLocked
from memory.records import Run, Target
from memory.snapshot import publish
from memory.store import Store
from tests.graphs.nights import somebody_has

UNIT = Target("tiny", "hash", "blocks.9.mlp.out.hook_in", 9, 652)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with one run, a copy for readers, and then another run."""
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("earlier", UNIT, 0, {}))
    publish(tmp_path / STORE)
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("later", UNIT, 1, {}))
    return tmp_path


def test_a_copy_is_dated_and_one_without_the_run_says_nothing_about_it(home: Path) -> None:
    with somebody_has(home / STORE):
        told = [line.plain for line in Talk(Desk(home, "earlier")).do(Command("scores"))]
        assert told[0].startswith("as it stood at 20")
        assert told[1].startswith("there is no score yet")
        for asked in ("scores", "explanation", "hypotheses", "top", "why"):
            with pytest.raises(StoreLocked, match=r"in its last copy, of 20.*no run 'later'"):
                list(Talk(Desk(home, "later")).do(Command(asked, number=5)))
        with pytest.raises(StoreLocked, match="another process is writing"):
            Desk(home, "later").run()
    assert "as it stood" not in "".join(line.plain for line in Talk(Desk(home, "later")).do(Command("scores")))


def test_tab_completes_no_names_where_no_store_can_be_read(home: Path) -> None:
    assert chat._names(Desk(home, "later")) == ["9.652", "L9N652", "earlier"]
    with somebody_has(home / STORE):
        assert chat._names(Desk(home, "later")) == []


def test_a_unit_is_not_set_beside_itself(home: Path) -> None:
    with Store.open(home / STORE) as store:
        store.begin(Run("other", Target("tiny", "hash", "blocks.1.mlp.out.hook_in", 1, 2), 0, {}))
    with pytest.raises(Unable, match="L1N2 is what this conversation is about"):
        list(Talk(Desk(home, "other")).do(Command("compare", "1.2")))


def test_the_newest_run_is_one_that_can_go_on(home: Path) -> None:
    with Store.open(home / STORE) as store:
        store.begin(Run("pruned", UNIT, 0, {"command": "tools.prune"}))
    assert chat._newest(argparse.Namespace(), home) == "later"


def test_a_step_that_somebody_else_has_written_is_no_step_of_ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "commit", lambda *_: False)
    with pytest.raises(Unable, match="somebody else has just added to this run"):
        Desk(home, "later").note("mine")
