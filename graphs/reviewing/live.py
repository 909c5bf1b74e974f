"""An overnight run as it goes: its heartbeat and its queue, read and never waited for.

Knows the heartbeat's file, and takes nothing in it on trust: what is missing or of another kind is None. Refuses to
know who writes it, and to touch either file.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphs.reviewing.drawing import moment
from memory.database import StoreError
from memory.lineup import Trouble, look
from memory.overview import Choice, Overview

SILENT = 30.0  # seconds without a beat after which a run that should be running is said to be silent
EVERY = 5  # seconds between two looks of the page
LARGEST = 1_000_000  # bytes of a heartbeat
TROUBLES, SHOWN = 50, 50
GOING = ("running", "draining")


@dataclass(frozen=True)
class Worker:
    """One process and what it is at."""

    pid: int | None
    target: str
    run_id: str
    node: str
    step: int | None
    since: float | None
    rss_gb: float | None


@dataclass(frozen=True)
class Found:
    """One of the best so far."""

    target: str
    run_id: str
    score: float | None
    floor: float | None
    verdict: str
    prose: str


@dataclass(frozen=True)
class Night:
    """An overnight run: counts of targets, hours spent and left, who works on what, and the best so far."""

    name: str
    state: str = "unknown"
    time: float | None = None
    done: int | None = None
    failed: int | None = None
    set_aside: int | None = None
    left: int | None = None
    total: int | None = None
    hours: float | None = None
    eta_seconds: float | None = None
    rss_gb: float | None = None
    workers: tuple[Worker, ...] = ()
    best: tuple[Found, ...] = ()
    states: dict[str, int] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    why: str = ""
    waits: str = ""
    problem: str = ""

    @property
    def going(self) -> bool:
        """Whether it says that it is still at work."""
        return self.state in GOING

    @property
    def memory_gb(self) -> float | None:
        """What the owner and its workers hold together."""
        held = [self.rss_gb, *(each.rss_gb for each in self.workers)]
        return sum(each or 0.0 for each in held) if any(held) else None

    @property
    def share(self) -> float | None:
        """The part of the targets that is dealt with."""
        if not self.total or self.left is None:
            return None
        return min(1.0, max(0.0, 1 - self.left / self.total))


def context(home: Path, overview: Overview | None, *, still: bool) -> dict[str, Any]:
    """Everything the page of the night shows; `still` keeps it from renewing itself."""
    night = read(home)
    now = time.time()
    age = None if night is None or night.time is None else max(0.0, now - night.time)
    return {
        "night": night,
        "age": age,
        "silent": night is not None and night.going and (age is None or age > SILENT),
        "now": moment(now),
        "clock": now,
        "every": EVERY if night is not None and night.going and not still else None,
        "still": still,
        "morning": morning(home) is not None,
        "known": _known(overview, night),
    }


def read(home: Path) -> Night | None:
    """The overnight run whose heart beat last, None where there was never one."""
    folder = _newest(home)
    if folder is None:
        return None
    problems = []
    beat, problem = _heartbeat(folder / "heartbeat.json")
    problems.append(problem)
    try:
        states, troubles = look(folder, limit=TROUBLES)
    except StoreError as error:
        states, troubles = {}, []
        problems.append(str(error))
    return _night(folder.name, beat, states, troubles, "; ".join(filter(None, problems)))


def morning(home: Path) -> Path | None:
    """The report of the overnight run whose heart beat last, None where there is none yet."""
    folder = _newest(home)
    path = None if folder is None else folder / "morning.html"
    return path if path is not None and path.is_file() and not path.is_symlink() else None


def _newest(home: Path) -> Path | None:
    folders = [folder for folder in (home / "overnight").glob("*") if folder.is_dir() and not folder.is_symlink()]
    return max(folders, key=_last_sign, default=None)


def _last_sign(folder: Path) -> float:
    """When anything was last heard of an overnight run, in seconds since the epoch."""
    signs = [folder, folder / "heartbeat.json", folder / "queue.sqlite"]
    times = []
    for sign in signs:
        try:
            times.append(sign.stat().st_mtime)
        except OSError:
            continue  # not written yet, or just being replaced
    return max(times, default=0.0)


def _heartbeat(path: Path) -> tuple[dict[str, Any], str]:
    """The heartbeat as plain data, and why there is none."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(LARGEST + 1)[: LARGEST + 1])
    except FileNotFoundError:
        return {}, "no heartbeat yet"
    except (OSError, ValueError, RecursionError):
        return {}, "the heartbeat cannot be read"
    return (data, "") if isinstance(data, dict) else ({}, "the heartbeat cannot be read")


def _night(name: str, beat: dict[str, Any], states: dict[str, int], troubles: list[Trouble], problem: str) -> Night:
    workers = [
        Worker(
            _whole(each, "pid"), _word(each, "target"), _word(each, "run_id"), _word(each, "node"),
            _whole(each, "step"), _number(each, "since"), _number(each, "rss_gb"),
        )
        for each in _rows(beat, "workers")
    ]  # fmt: skip
    best = [
        Found(
            _word(each, "target"), _word(each, "run_id"), _number(each, "score"), _number(each, "floor"),
            _word(each, "verdict"), _word(each, "prose", longest=600),
        )
        for each in _rows(beat, "best")
    ]  # fmt: skip
    return Night(
        name=_word(beat, "name") or name,
        state=_word(beat, "state") or "unknown",
        workers=tuple(workers),
        best=tuple(best),
        states=states,
        troubles=tuple(troubles),
        why=_word(beat, "why", longest=300),
        waits=_word(beat, "waits", longest=300),
        problem=problem,
        done=_whole(beat, "done"),
        failed=_whole(beat, "failed"),
        set_aside=_whole(beat, "set_aside"),
        left=_whole(beat, "left"),
        total=_whole(beat, "total"),
        time=_number(beat, "time"),
        hours=_number(beat, "hours_in_all") or _number(beat, "hours"),
        eta_seconds=_number(beat, "eta_seconds"),
        rss_gb=_number(beat, "rss_gb"),
    )


def _rows(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name)
    return [row for row in rows if isinstance(row, dict)][:SHOWN] if isinstance(rows, list) else []


def _number(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e15:
        return None  # NaN and infinity too
    return float(value)


def _whole(data: dict[str, Any], name: str) -> int | None:
    value = _number(data, name)
    return None if value is None else int(value)


def _word(data: dict[str, Any], name: str, *, longest: int = 120) -> str:
    value = data.get(name)
    return value[:longest] if isinstance(value, str) else ""


def _known(overview: Overview | None, night: Night | None) -> frozenset[str]:
    """Which of the runs that are named the store has, so that only those are links."""
    if overview is None or night is None:
        return frozenset()
    named = {each.run_id for each in (*night.workers, *night.best, *night.troubles) if each.run_id}
    lines = overview.lines(Choice(ids=tuple(named)), limit=len(named)) if named else []
    return frozenset(line.run_id for line in lines)
