"""An experiment is kept as files that can be read again, however it ended, and whatever W&B does."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from memory import mirror
from memory.experiments import ExperimentError, experiments, reload, track_experiment
from memory.records import Target

TARGET = Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652)
HOSTILE = ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "a..b", "~", "-x", "a b", "a\n", "\x00", "x" * 200]


class Figure:
    def savefig(self, path: Path) -> None:
        path.write_bytes(b"drawn")


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with track_experiment("sweep", {"rate": 0.1, "target": TARGET, "home": tmp_path}, home=tmp_path) as tracked:
        tracked.log(loss=0.5, words="ö")
        tracked.log(step=10, loss=np.float32(0.25), hits=np.int64(3), shares=np.array([0.5, 1.0]))
        tracked.log(loss=0.125)
        tracked.table("neurons", [{"name": "L9N652", "score": 0.9}, {"name": "L9N1", "score": math.nan}])
        tracked.figure("curve.svg", "<svg/>")
        tracked.figure("curve.png", Figure())
        tracked.artifact(tmp_path / "model.bin")
        assert reload(tracked.folder).status == "running"
    kept = reload(tracked.folder)
    assert (kept.name, kept.status, kept.broken) == ("sweep", "finished", 0)
    assert kept.config == {"rate": 0.1, "target": {**vars(TARGET), "kind": "mlp_neuron"}, "home": str(tmp_path)}
    assert kept.ended is not None
    assert kept.started <= kept.metrics[0]["time"] + 0.001 <= kept.ended + 0.002
    assert kept.series("loss") == [(1, 0.5), (10, 0.25), (11, 0.125)]
    assert (kept.metrics[0]["words"], kept.metrics[1]["hits"], kept.metrics[1]["shares"]) == ("ö", 3, [0.5, 1.0])
    assert kept.tables == {"neurons": [{"name": "L9N652", "score": 0.9}, {"name": "L9N1", "score": None}]}
    assert {name: path.read_bytes() for name, path in kept.figures.items()} == {
        "curve.svg": b"<svg/>",
        "curve.png": b"drawn",
    }
    assert kept.artifacts["model.bin"].read_bytes() == b"weights"
    assert experiments(tmp_path, "sweep") == [tracked.folder]
    assert experiments(tmp_path, "another") == []


def test_a_number_that_is_not_finite_is_null_and_named(tmp_path: Path) -> None:
    with track_experiment("sweep", {"rate": math.inf}, home=tmp_path) as tracked:
        tracked.log(loss=math.nan, best=-math.inf, gain=np.float64("inf"), none=None, good=1.0)
    kept = reload(tracked.folder)
    [line] = kept.metrics
    assert (line["loss"], line["best"], line["gain"], line["none"], line["good"]) == (None, None, None, None, 1.0)
    assert line["not_finite"] == {"loss": "nan", "best": "-inf", "gain": "inf"}
    assert kept.series("loss") == []
    assert kept.config == {"rate": None}
    assert "NaN" not in (tracked.folder / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("two\nlines"), "failed(ValueError: two lines)"),
        (KeyboardInterrupt(), "failed(KeyboardInterrupt)"),
        (RuntimeError("x" * 5000), f"failed(RuntimeError: {'x' * 300})"),
    ],
)
def test_an_exception_is_the_status_and_goes_on(tmp_path: Path, error: BaseException, status: str) -> None:
    def failing() -> None:
        with track_experiment("sweep", {}, home=tmp_path) as tracked:
            tracked.log(loss=1.0)
            raise error

    with pytest.raises(type(error)):
        failing()
    kept = reload(*experiments(tmp_path, "sweep"))
    assert (kept.status, kept.series("loss")) == (status, [(1, 1.0)])


def test_who_is_killed_leaves_every_whole_line(tmp_path: Path) -> None:
    program = (
        "import os, sys\nfrom memory.experiments import track_experiment\n"
        "with track_experiment('sweep', {}, home=sys.argv[1]) as tracked:\n"
        "    tracked.log(loss=1.0)\n    print(tracked.folder, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    folder = Path(subprocess.run(command, cwd=Path(__file__).parents[2], stdout=-1, text=True).stdout.strip())
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    kept = reload(folder)
    assert (kept.status, kept.ended, kept.series("loss"), kept.broken) == ("running", None, [(1, 1.0)], 1)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_elsewhere(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    with pytest.raises(ExperimentError), track_experiment(name, {}, home=home):
        pass
    with track_experiment("good", {}, home=home) as tracked:
        for attempt in (
            lambda: tracked.table(name, []),
            lambda: tracked.figure(name, b""),
            lambda: tracked.artifact(Path(__file__), name or "../x"),
            lambda: experiments(home, name),
        ):
            with pytest.raises(ExperimentError) as raised:
                attempt()
            assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_link_is_neither_written_through_nor_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with track_experiment("sweep", {}, home=tmp_path) as tracked:
        tracked.figure("good.svg", "<svg/>")
        (tracked.folder / "figures" / "bad.svg").symlink_to(tmp_path / "secret")
        with pytest.raises(ExperimentError, match="leads elsewhere"):
            tracked.figure("bad.svg", "x")
    assert list(reload(tracked.folder).figures) == ["good.svg"]
    assert (tmp_path / "secret").read_text() == "secret"


def test_what_cannot_be_kept_or_read_has_a_name(tmp_path: Path) -> None:
    with track_experiment("sweep", {}, home=tmp_path) as tracked:
        for attempt in (
            lambda: tracked.log(time=3),
            lambda: tracked.figure("a.svg", 3),
            lambda: tracked.artifact(tmp_path / "nothing"),
            lambda: reload(tmp_path),
        ):
            with pytest.raises(ExperimentError):
                attempt()
    (tracked.folder / "experiment.json").write_text("{")
    with pytest.raises(ExperimentError, match="no experiment can be read"):
        reload(tracked.folder)


class Wandb:
    """As much of W&B as a mirror asks for; `fails` is the call that does not work."""

    def __init__(self, fails: str = "", *, hangs: float = 0.0) -> None:
        self.fails, self.hangs, self.told = fails, hangs, []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            time.sleep(self.hangs)
            self.told.append((name, args, kwargs))
            if name == self.fails:
                raise type("CommError", (Exception,), {})("no\nnetwork")
            return SimpleNamespace(log=self.log, finish=self.finish)

        return call


@pytest.mark.parametrize("fails", ["", "init", "log", "finish"])
def test_wandb_is_told_too_and_never_stops_an_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    told = Wandb(fails)
    monkeypatch.setitem(sys.modules, "wandb", told)
    with track_experiment("sweep", {"rate": 0.1}, home=tmp_path, wandb=True) as tracked:
        tracked.log(loss=0.5, worst=math.nan)
    kept = reload(tracked.folder)
    assert (kept.status, kept.series("loss")) == ("finished", [(1, 0.5)])
    said = json.loads((tracked.folder / "experiment.json").read_text())["wandb"]
    if fails:
        assert said == "not told: CommError: no network"
    else:
        assert said == "told"
        assert told.told == [
            ("init", (), {"project": "sweep", "config": {"rate": 0.1}, "settings": mirror.SETTINGS}),
            ("log", ({"loss": 0.5},), {"step": 1}),
            ("finish", (), {"exit_code": 0}),
        ]


def test_wandb_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with track_experiment("sweep", {}, home=tmp_path, wandb=True) as tracked:
        pass
    assert "not told: ModuleNotFoundError" in (tracked.folder / "experiment.json").read_text()


def test_wandb_that_hangs_is_not_waited_for_at_the_end_of_the_process_either(tmp_path: Path) -> None:
    program = (
        "import sys, time, types\nfrom memory import mirror\nfrom memory.experiments import track_experiment\n"
        "mirror.ENDING = 0.2\n"
        "sys.modules['wandb'] = types.SimpleNamespace(init=lambda **_: time.sleep(60))\n"
        "with track_experiment('sweep', {}, home=sys.argv[1], wandb=True) as tracked:\n    tracked.log(loss=1.0)\n"
        "print(tracked.folder)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert "did not end within 0.2 seconds" in (Path(done.stdout.strip()) / "experiment.json").read_text()


def test_nobody_asks_for_wandb_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "ThreadPool", None)
    with track_experiment("sweep", {}, home=tmp_path) as tracked:
        tracked.log(loss=1.0)
    assert reload(tracked.folder).status == "finished"
