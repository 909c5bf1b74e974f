"""Two runs side by side, and the line of statistics, from the rows of the store."""

from pathlib import Path

import pytest

from graphs import compare, statistics
from graphs.state import STORE
from memory.records import Candidate, Origin, Prompt, Record, Run, Step, Target
from memory.store import Store
from tests.graphs.small_runs import unprintable

TEXTS = ("import os", "def f(x):", "return x", "x = 1\x1b[31m")


def kept(home: Path, run_id: str, peaks: dict[str, float]) -> None:
    """A run that measured these texts at these peaks, and had one proposal refused."""
    target = Target("tiny", "hash", "blocks.1.mlp.out.hook_in", 1, len(run_id))
    prompts = [Prompt(text, Origin.SEED) for text in peaks]
    records = tuple(
        Record(n, 1, prompt, ("x",), (1,), (peak,), peak, 0)
        for n, (prompt, peak) in enumerate(zip(prompts, peaks.values(), strict=True), 1)
    )
    candidates = (*(Candidate(1, prompt) for prompt in prompts), Candidate(1, prompts[0], "duplicate"))
    with Store.open(home / STORE) as store:
        store.begin(Run(run_id, target, 0, {}))
        store.commit(Step(run_id, 1, "survey", {}, records=records, candidates=candidates))


def test_only_texts_measured_in_both_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, "a", dict(zip(TEXTS, (1.0, 2.0, 3.0, 4.0), strict=True)))
    kept(tmp_path, "bb", dict(zip(TEXTS[1:], (-2.0, -3.0, -4.0), strict=True)))
    assert compare.main(["a", "bb", "--home", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "3 texts measured in both" in shown
    assert "correlation of the peaks -1.00" in shown
    assert "import os" not in shown
    assert "\x1b[31m" not in shown


def test_a_run_nobody_knows_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, "a", {"x": 1.0})
    assert compare.main(["a", "nobody", "--home", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_failure_cannot_reach_the_terminal_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no_folder = tmp_path / "file\x1b[31m"
    no_folder.write_text("")
    assert compare.main(["a", "b", "--home", str(no_folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "file" in line
    assert not unprintable(line)


def test_a_home_that_is_not_utf8_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["a", "b", "--home", "caf\udce9"]) == 2
    assert capsys.readouterr().err == "--home is not UTF-8: 'caf\\udce9'\n"


def test_the_statistics_line_adds_up(tmp_path: Path) -> None:
    kept(tmp_path, "a", dict(zip(TEXTS, (1.0, 2.0, 3.0, 4.0), strict=True)))
    with Store.open(tmp_path / STORE) as store:
        line = statistics.line(store, "a", seconds=2.0)
    assert line.startswith("5 generated = 4 accepted (seed 4) + 1 rejected (duplicate 1); 4 unique texts")
    assert "high 1, mid 2, low 1" in line
    assert line.endswith("0 LLM calls; 0.500 s a prompt")
