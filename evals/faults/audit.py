"""What an overnight run has left, held against what was acknowledged: nothing lost, doubled, torn or without a name.

lost        steps and records that were acknowledged and are not there, or not as they were
duplicates  records, steps or runs that are there twice, and targets worked on again after they were finished
torn        finished runs without an explanation, a score or a whole report; rows of steps that are not there; gaps in
            the numbers of records; damaged files; heartbeats that were half a file
unnamed     targets that ended in no named state, and runs that say neither finished nor failed(why)

Knows stores and queues. Refuses to know how they came about.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from evals.faults.siege import Acknowledged, Night
from graphs.state import STORE
from memory.queue import Item, Queue, State
from memory.records import Run
from memory.store import Store

FINISHED = "finished"


@dataclass
class Audit:
    """What was found wrong, a line each; and by run, the seconds of its steps by their number."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    kept: int = 0
    set_aside: int = 0


def audited(home: Path, nights: list[Night]) -> Audit:
    """Everything that nights have left in a data folder."""
    found = Audit()
    with Store.open(home / STORE) as store:
        runs = {run.id: run for run in store.runs()}
        for night in nights:
            _night(found, night)
            for item in Queue(night.folder).items():
                _target(found, item, runs)
                if item.run_id in runs:
                    _rows(found, store, item.run_id, *night.acknowledged.get(item.run_id, (0, {})))
                    if runs[item.run_id].state == FINISHED:
                        _whole(found, store, home, item.run_id)
    return found


def _night(found: Audit, night: Night) -> None:
    found.duplicates += [f"{name} was finished and worked on again" for name in night.redone]
    found.torn += [f"{night.unreadable} looks at half a heartbeat of {night.folder.name}"] * bool(night.unreadable)
    found.torn += [f"{path} is damaged" for path in sorted(night.folder.rglob("*.damaged"))]
    if night.hung:
        found.unnamed.append(f"{night.folder.name} hung")
    if not night.hung and night.statuses[-1:] != [0]:
        found.unnamed.append(f"{night.folder.name} ended with status {night.statuses[-1:]}")
    left = [path for place in ("work", "shards") for path in (night.folder / place).glob("*")]
    found.unnamed += [f"{path} was left behind" for path in left]


def _target(found: Audit, item: Item, runs: dict[str, Run]) -> None:
    run = runs.get(item.run_id)
    found.kept += item.state is State.KEPT
    found.set_aside += item.state is State.SET_ASIDE
    if item.state not in (State.KEPT, State.SET_ASIDE) or (item.state is State.SET_ASIDE and not item.reason):
        found.unnamed.append(f"{item.name} is {item.state.value} {item.reason}".rstrip())
    if item.state is State.KEPT and run is None:
        found.lost.append(f"{item.run_id} is kept, and not in the store")
    if run is not None and run.state != FINISHED and not run.state.startswith("failed("):
        found.unnamed.append(f"{item.run_id} is {run.state}")


def _rows(found: Audit, store: Store, run_id: str, step: int, acknowledged: Acknowledged) -> None:
    steps, records = store.steps(run_id), store.records(run_id)
    found.seconds[run_id] = {each.number: each.seconds for each in steps}
    numbers = [each.number for each in steps]
    found.lost += [f"step {n} of {run_id}" for n in range(1, max([step, *numbers]) + 1) if n not in set(numbers)]
    now = {record.id: (record.prompt.text, record.peak) for record in records}
    found.lost += [f"record {n} of {run_id}" for n, was in acknowledged.items() if now.get(n) != was]
    for what, ids in (("step", numbers), ("record", [record.id for record in records])):
        found.duplicates += [f"{what} {n} of {run_id}, {times} times" for n, times in Counter(ids).items() if times > 1]
    found.torn += [f"record {n} of {run_id} is missing" for n in range(1, max(now, default=0) + 1) if n not in now]
    orphans = {record.step for record in records} - set(numbers)
    found.torn += [f"records of {run_id} without their step {n}" for n in sorted(orphans)]


def _whole(found: Audit, store: Store, home: Path, run_id: str) -> None:
    """A finished run has its explanation, its scores and its report."""
    for what, there in (("explanation", store.explanation(run_id)), ("scores", store.scores(run_id))):
        if not there:
            found.torn.append(f"{run_id} has no {what}")
    report = home / "reports" / f"{run_id}.html"
    if not report.exists() or not report.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        found.torn.append(f"{run_id} has no whole report")
