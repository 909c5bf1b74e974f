"""A copy of the store is read while another process owns it, and is renewed when the store has changed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from memory import schema
from memory.database import StoreLocked
from memory.records import Run, Target
from memory.snapshot import Snapshot, _opened, newest, publish
from memory.store import Store

TARGET = Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "neuronaut.duckdb"
    with Store.open(found) as store:
        store.begin(Run("one", TARGET, 0, {}))
    return found


OWNER = """
import sys
from pathlib import Path
from memory.records import Run, Target
from memory.store import Store
from memory.snapshot import publish_open
with Store.open(Path(sys.argv[1])) as owner:
    owner.begin(Run("two", Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652), 0, {}))
    print("owned", flush=True)
    sys.stdin.readline()
    publish_open(owner)
    print("published", flush=True)
    sys.stdin.readline()
"""


def test_it_reads_what_the_owner_published_while_the_owner_writes_on(path: Path) -> None:
    with Snapshot(path) as read, _owner(path) as owner:
        assert not read.refresh()
        assert [run.id for run in read.runs()] == ["one"]
        _next(owner)
        assert read.refresh()
        assert {run.id for run in read.runs()} == {"one", "two"}


def test_without_a_copy_an_owned_store_cannot_be_read(path: Path) -> None:
    with _owner(path), pytest.raises(StoreLocked):
        Snapshot(path)


@contextmanager
def _owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the store until it is told to publish, and then until the end of the block."""
    command = [sys.executable, "-c", OWNER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "owned\n"
        yield process
        process.kill()


def _next(owner: "subprocess.Popen[str]") -> None:
    assert owner.stdin is not None
    assert owner.stdout is not None
    owner.stdin.write("\n")
    owner.stdin.flush()
    assert owner.stdout.readline() == "published\n"


def test_it_publishes_by_itself_once_nobody_owns_the_store(path: Path) -> None:
    with Snapshot(path) as read:
        with Store.open(path) as owner:
            owner.begin(Run("two", TARGET, 0, {}))
        assert read.refresh()
        assert not read.refresh()
        assert len(read.runs()) == 2


def test_an_older_file_that_is_put_in_the_stores_place_is_what_is_read(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    shutil.copy2(path, old)
    os.utime(old, (1e9, 1e9))
    with Store.open(path) as owner:
        owner.begin(Run("two", TARGET, 0, {}))
    with Snapshot(path) as read:
        assert len(read.runs()) == 2
        old.replace(path)
        assert read.refresh()
        assert [run.id for run in read.runs()] == ["one"]


def test_when_a_copy_was_made_is_known_though_it_is_gone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(path)

    def opened(copy: Path) -> Any:
        found = _opened(copy)
        copy.unlink()
        return found

    monkeypatch.setattr("memory.snapshot._opened", opened)
    with Snapshot(path) as read:
        assert time.time() - 60 < read.published <= time.time()


def test_an_empty_home_reads_as_an_empty_store(tmp_path: Path) -> None:
    with Snapshot(tmp_path / "neuronaut.duckdb") as read:
        assert read.runs() == []


def test_the_copy_is_whole_and_leaves_nothing_beside(path: Path) -> None:
    publish(path)
    first = newest(path)
    publish(path)
    last = newest(path)
    assert last is not None
    assert last != first
    assert {each.name for each in path.parent.iterdir()} == {path.name, last.name}


def test_a_copy_of_an_earlier_version_is_made_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.unlink()
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        Store.open(path).close()
        publish(path)
    with Snapshot(path) as read:
        assert read.runs() == []


def test_half_a_copy_of_somebody_who_was_killed_is_removed(path: Path) -> None:
    torn = path.with_name("neuronaut.12345.new")
    torn.write_bytes(b"half")
    publish(path)
    assert not torn.exists()
    assert newest(path) is not None
