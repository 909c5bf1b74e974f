"""Figures over time, kept as files: what was tried under which settings, every metric, and how it ended.

    with track_experiment("sweep", {"rate": 0.1}, home=home) as tracked:
        tracked.log(loss=0.5)
    kept = reload(tracked.folder)

<home>/experiments/<name>/<when>/experiment.json   name, config, status (running, finished, failed(reason)), times
                                 metrics.jsonl     a line a call of `log`: step, time (since the epoch), metrics
                                 tables/NAME.jsonl  figures/NAME  artifacts/NAME

A number that is not finite is null in the files, and named beside it; whoever is killed leaves `running` and every
whole line. Refuses names that could be taken for a path, and to know what a figure means. W&B may be told as well
(memory/mirror.py); nothing that it does stops an experiment.

    StoreError
    `-- ExperimentError   a name that is none, a file that is not there, a folder that holds no experiment
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memory.database import StoreError
from memory.mirror import Mirror
from memory.notes import safe
from memory.records import plain

FOLDER, SHEET, METRICS = "experiments", "experiment.json", "metrics.jsonl"
TABLES, FIGURES, ARTIFACTS = "tables", "figures", "artifacts"
TAKEN = ("step", "time", "not_finite")  # of a line of metrics
LONGEST_REASON = 300


class ExperimentError(StoreError):
    """Something that cannot be kept or read. The message is one line."""


@dataclass(frozen=True)
class Kept:
    """An experiment read back. `broken` counts lines of metrics that could not be read."""

    name: str
    config: dict[str, Any]
    status: str
    started: float
    ended: float | None
    metrics: tuple[dict[str, Any], ...] = ()
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    figures: dict[str, Path] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    broken: int = 0

    def series(self, metric: str) -> list[tuple[int, float]]:
        """(step, value) of every finite value of a metric, in order."""
        return [(line["step"], line[metric]) for line in self.metrics if isinstance(line.get(metric), int | float)]


class Experiment:
    """One experiment that is going on. Raises ExperimentError for names, OSError for what cannot be written."""

    def __init__(self, name: str, config: Mapping[str, Any], folder: Path, *, mirror: Mirror | None = None) -> None:
        self.folder, self._mirror = folder, mirror
        self._step = 0
        self._sheet = {"name": name, "config": _plain(config), "status": "running", "started": time.time()}
        folder.mkdir(parents=True)
        self._write_sheet()

    def log(self, *, step: int | None = None, **metrics: Any) -> None:
        """Keep metrics of a step; by default the one after the last."""
        if taken := metrics.keys() & set(TAKEN):
            raise ExperimentError(f"no metric is called {sorted(taken)[0]}")
        self._step = self._step + 1 if step is None else step
        values = {name: _plain(value) for name, value in metrics.items()}
        lost = [name for name, value in metrics.items() if value is not None and values[name] is None]
        strange = {"not_finite": {name: str(float(metrics[name])) for name in lost}} if lost else {}
        line = {"step": self._step, "time": round(time.time(), 3)} | values | strange
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        if self._mirror is not None:
            self._mirror.log(self._step, {name: value for name, value in values.items() if value is not None})

    def table(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Keep rows under a name, in place of what was kept under it."""
        lines = [json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
        return _whole(self._place(TABLES, f"{name}.jsonl"), "".join(lines).encode())

    def figure(self, name: str, drawn: Any) -> Path:
        """Keep a figure under a file's name: its bytes or text, or anything with `savefig` or `write_html`."""
        path = self._place(FIGURES, name)
        if isinstance(drawn, bytes | str):
            return _whole(path, drawn.encode() if isinstance(drawn, str) else drawn)
        write = getattr(drawn, "savefig", None) or getattr(drawn, "write_html", None)
        if write is None:
            raise ExperimentError(f"no figure can be made of a {type(drawn).__name__}")
        write(path)
        return path

    def artifact(self, source: Path, name: str | None = None) -> Path:
        """Keep a copy of a file, under its own name or another."""
        if not source.is_file():
            raise ExperimentError(f"no file to keep: {source}")
        path = self._place(ARTIFACTS, name or source.name)
        shutil.copyfile(source, path)
        return path

    def end(self, status: str) -> None:
        """Say how it ended."""
        self._sheet |= {"status": status, "ended": time.time()}
        self._write_sheet()
        if self._mirror is not None:  # who may be waited for
            self._sheet["wandb"] = self._mirror.end(failed=status != "finished")
            self._write_sheet()

    def _write_sheet(self) -> None:
        _whole(self.folder / SHEET, json.dumps(self._sheet, ensure_ascii=False, indent=1, allow_nan=False).encode())

    def _place(self, kind: str, name: str) -> Path:
        return _named(self.folder / kind, name)


@contextmanager
def track_experiment(
    name: str, config: Mapping[str, Any], *, home: Path | str = "runs", wandb: bool = False
) -> Iterator[Experiment]:
    """An experiment of this name in a folder of its own. An exception in the block is its status, and goes on.

    wandb: also tell W&B, where it is installed; what it does wrong is a line in experiment.json.
    """
    when = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    folder = _named(Path(home) / FOLDER, name) / when
    tracked = Experiment(name, config, folder, mirror=Mirror(name, _plain(config)) if wandb else None)
    try:
        yield tracked
    except BaseException as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        tracked.end(f"failed({type(error).__name__}{f': {reason}' if reason else ''})")
        raise
    tracked.end("finished")


def reload(folder: Path) -> Kept:
    """The experiment of a folder, whether it has ended or not. Raises ExperimentError where there is none."""
    try:
        sheet = json.loads((folder / SHEET).read_bytes())
        head = {name: sheet[name] for name in ("name", "config", "status", "started")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExperimentError(f"no experiment can be read in {folder}: {type(error).__name__}") from error
    metrics, broken = _lines(folder / METRICS)
    tables = {name.removesuffix(".jsonl"): _lines(path)[0] for name, path in _files(folder / TABLES).items()}
    figures, artifacts = _files(folder / FIGURES), _files(folder / ARTIFACTS)
    return Kept(**head, ended=sheet.get("ended"), metrics=tuple(metrics), tables=tables, figures=figures,
                artifacts=artifacts, broken=broken)  # fmt: skip


def experiments(home: Path, name: str) -> list[Path]:
    """The folders of all experiments of a name, oldest first."""
    return sorted(path.parent for path in _named(home / FOLDER, name, make=False).glob(f"*/{SHEET}"))


def _named(folder: Path, name: str, *, make: bool = True) -> Path:
    """The place of a name in a folder, which is made. Raises ExperimentError for a name that leads elsewhere."""
    if not safe(name):
        raise ExperimentError(f"{name!r:.80} is no name: letters, digits, points, dashes and underscores")
    path = folder / name
    if path.is_symlink():
        raise ExperimentError(f"{path} leads elsewhere")
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    return path


def _whole(path: Path, content: bytes) -> Path:
    """Write a file whole: who reads it never sees half of one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _files(folder: Path) -> dict[str, Path]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in found if path.is_file() and not path.is_symlink() and path.name[0] != "."}


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The JSON objects of a file, a line each, and how many lines are none."""
    found, broken = [], 0
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict):
            found.append(data)
        else:
            broken += 1
    return found, broken


def _plain(value: Any) -> Any:
    """What JSON can carry of a value: nouns as plain data, arrays as lists, null for what is not finite."""
    data = plain(value)
    if isinstance(data, Mapping):
        return {str(key): _plain(item) for key, item in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [_plain(item) for item in data]
    if data is None or isinstance(data, bool | int | str):
        return data
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if callable(listed := getattr(data, "tolist", None)):  # numpy and torch, whatever their shape
        return _plain(listed())
    return str(data)
