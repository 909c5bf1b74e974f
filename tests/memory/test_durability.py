"""Whatever happens to the process or the disk: nothing acknowledged is lost or torn, and the reason is named."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from memory import schema
from memory.database import named_failures
from memory.records import Candidate, Explanation, Origin, Prompt, Record, Rule, Run, Step, Target, Verdict
from memory.store import Store, StoreDamaged, StoreError, StoreFull, StoreLocked, StoreUnwritable

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/memory")
from test_durability import RUN, step_of
from memory.store import Store

store = Store.open(Path(sys.argv[1]))
store.begin(RUN)
number = store.last_step("r1")
while True:
    number += 1
    assert store.commit(step_of(number))
    print(number, flush=True)
"""
RUN = Run("r1", Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652), 0, {})
EACH = 30  # records and candidates of a step


def step_of(number: int) -> Step:
    """A step whose rows can be told from its number alone."""
    prompts = [Prompt(f"step {number} text {n}", Origin.RANDOM) for n in range(EACH)]
    return Step(
        "r1",
        number,
        "measure",
        {"number": number},
        records=tuple(
            Record(number * EACH + n, number, prompt, ("t",) * 50, (1,) * 50, (0.5,) * 50, 0.5, 0)
            for n, prompt in enumerate(prompts)
        ),
        candidates=tuple(Candidate(number, prompt) for prompt in prompts),
    )


@contextmanager
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes steps without end, killed with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def acknowledged(process: subprocess.Popen[str], count: int) -> int:
    """The number of the last step after reading `count` acknowledgements."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)][-1]


def test_kill_9_loses_nothing_acknowledged_and_tears_no_step(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    for count in (1, 20):
        with writer(path) as process:
            told = acknowledged(process, count)
        with Store.open(path) as store:
            last = store.last_step("r1")
            assert last >= told
            assert [step.update["number"] for step in store.steps("r1")] == list(range(1, last + 1))
            assert store.records("r1") == [record for n in range(1, last + 1) for record in step_of(n).records]
            assert store.counts("r1")["generated"] == last * EACH
            assert not store.commit(step_of(last))


def test_a_store_in_use_names_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with writer(path) as process:
        acknowledged(process, 1)
        with pytest.raises(StoreLocked, match=rf"in use by process {process.pid} \(.*python") as raised:
            Store.open(path)
    assert "\n" not in str(raised.value)
    with Store.open(path) as store:
        assert store.last_step("r1") >= 1


def test_a_closed_store_lets_another_in_and_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    for number in (1, 2):
        with Store.open(path) as store:
            store.begin(RUN)
            assert store.commit(step_of(number))
    assert not path.with_name(path.name + ".wal").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.duckdb"):
        pass
    tmp_path.chmod(0o500)
    try:
        for name in ("store.duckdb", "another.duckdb"):
            with pytest.raises(StoreUnwritable, match=str(tmp_path)):
                Store.open(tmp_path / name)
    finally:
        tmp_path.chmod(0o700)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "store.duckdb", tmp_path):
        with pytest.raises(StoreUnwritable, match=str(tmp_path)) as raised:
            Store.open(path)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"not a database " * 1000])
def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"store\.duckdb"):
        Store.open(path)
    assert path.read_bytes() == content


def test_a_damaged_or_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as foreign:
        foreign.execute("CREATE TABLE runs (distance INTEGER)")
    with pytest.raises(StoreDamaged, match="something else"):
        Store.open(path)
    content = bytearray(path.read_bytes())
    content[4100:4200] = b"x" * 100
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match="damaged"):
        Store.open(path)


def test_a_store_with_a_damaged_block_is_not_taken_in_and_the_next_one_is(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "whole.duckdb", tmp_path / "damaged.duckdb"
    with Store.open(whole) as shard:
        shard.begin(RUN)
        for number in range(1, 40):
            shard.commit(step_of(number))
    content = bytearray(whole.read_bytes())
    for place in range(3 * 4096 + 9, len(content), 4096):  # in every block of rows
        content[place : place + 8] = b"\x00damage\xff"
    damaged.write_bytes(content)
    with Store.open(tmp_path / "store.duckdb") as store:
        for _ in range(2):
            with pytest.raises(StoreDamaged):
                store.take_in(damaged)
        assert not store.runs()
        assert store.take_in(whole) == ["r1"]
        assert store.last_step("r1") == 39


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ('Failed to commit: Could not write file "a.wal": No space left on device', StoreFull),
        ('Cannot open file "a.wal": Read-only file system', StoreUnwritable),
        ("database has been invalidated because of a previous fatal error\nmore", StoreDamaged),
    ],
)
def test_what_duckdb_says_in_mid_run_gets_its_name(words: str, failure: type[StoreError]) -> None:
    with pytest.raises(failure) as raised, named_failures(Path("a.duckdb")):
        raise duckdb.IOException(words)
    assert "\n" not in str(raised.value)


def test_a_store_of_before_that_is_killed_right_after_it_was_brought_up_to_date_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, said = tmp_path / "store.duckdb", Explanation(Verdict.SINGLE_TOKEN, "Fires on ‘two’.", Rule(0.0))
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:4])
        with Store.open(path) as store:
            store.begin(RUN)
            store.commit(replace(step_of(1), explanation=said))
    code = "import os, sys; from pathlib import Path; from memory.store import Store; s = Store.open(Path(sys.argv[1]))"
    died = subprocess.run([sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)", str(path)], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    with Store.open(path) as store:
        assert store.explanation("r1") == said
        store.commit(replace(step_of(2), explanation=replace(said, text="Fires on ‘three’.")))
        assert store.texts_by_run() == {"r1": "Fires on ‘three’."}
