"""A disk that is full or may not be written: one line, and what was acknowledged is there when there is room again."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from graphs.interpret import main
from graphs.night.folder import folded
from graphs.session import CHECKPOINTS, STORE
from memory.store import Store, StoreFull
from tests.graphs.small_runs import Command, Refused
from tests.memory.test_durability import RUN, acknowledged, step_of, writer


@contextmanager
def full_disk(folder: Path, *, bytes_left: int) -> Iterator[None]:
    """A small file system of its own at `folder`, with so much room."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={bytes_left}", "none", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kibibytes", [4, 64, 1024])
def test_a_full_disk_is_one_line_and_loses_nothing(
    command: Command, refused: Refused, tmp_path: Path, kibibytes: int
) -> None:
    small = tmp_path / "small"
    with full_disk(small, bytes_left=kibibytes * 1024):
        assert "space" in refused(command(home=small / "home"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        with Store.open(small / "home" / STORE) as store:
            begun = [run.id for run in store.runs()]
        resume = ["--resume", begun[0]] if begun else command()
        assert main([*resume, "--home", str(small / "home")]) == 0
        with Store.open(small / "home" / STORE) as store:
            assert [run.state for run in store.runs()] == ["finished"]
            assert store.explanation(store.runs()[0].id) is not None


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` mounted read-only."""
    with full_disk(folder, bytes_left=1_000_000):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield


def test_a_read_only_home_is_one_line(command: Command, refused: Refused, tmp_path: Path) -> None:
    with read_only(tmp_path / "fixed"):
        assert str(tmp_path / "fixed") in refused(command(home=tmp_path / "fixed" / "home"))
        assert str(tmp_path / "fixed") in refused(command(home=tmp_path / "fixed"))


def test_damaged_checkpoints_are_one_line_that_says_what_to_do(
    command: Command, refused: Refused, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / CHECKPOINTS).write_bytes(b"not a database " * 1000)
    line = refused(command(home=home))
    assert str(home / CHECKPOINTS) in line
    assert "deleted" in line
    (home / CHECKPOINTS).unlink()
    with Store.open(home / STORE) as store:
        (begun,) = store.runs()
    assert main(["--resume", begun.id, "--home", str(home)]) == 0


def test_a_run_for_which_there_is_no_room_is_taken_in_once_there_is(tmp_path: Path) -> None:
    shard = tmp_path / "shard.duckdb"
    with Store.open(shard) as store:
        store.begin(RUN)
        for number in range(1, 61):
            store.commit(step_of(number))
    for room in range(1_000_000, 5_000_000, 500_000):  # so that it ends within a statement, and at the commit
        small = tmp_path / str(room)
        with full_disk(small, bytes_left=room):
            with suppress(StoreFull), Store.open(small / STORE) as store:
                store.take_in(shard)
            subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
            with Store.open(small / STORE) as store:
                store.take_in(shard)
                assert [step.number for step in store.steps("r1")] == list(range(1, 61))


def test_a_log_for_which_there_is_no_room_is_not_left_behind(tmp_path: Path) -> None:
    small = tmp_path / "small"
    with full_disk(small, bytes_left=64_000_000):
        with writer(small / STORE) as process:
            told = acknowledged(process, 20)
        with suppress(OSError), (small / "other").open("wb", buffering=0) as other:
            while True:
                other.write(bytes(4096))
        with pytest.raises(StoreFull):
            folded(small / STORE)
        (small / "other").unlink()
        folded(small / STORE)
        moved = (small / STORE).rename(small / "moved.duckdb")
        with Store.open(moved) as store:
            assert store.last_step("r1") >= told
