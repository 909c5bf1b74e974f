"""An overnight run whose owner and workers are killed with -9 at random moments, and started again by `--resume`.

1. A kill comes after a time drawn from an exponential distribution, on the owner or one of its workers, each as likely.
2. Right after it, what the store of the killed worker's target holds is read from a copy: the records it had
   acknowledged (memory/store.py: a step is acknowledged once its transaction is committed).
3. When a night ends before all kills are done, another one begins on other neurons.

Work repeated is counted in seconds: from the last acknowledged step of a killed worker to its death; and whenever a run
that had begun is taken up again, also after its owner's death, what opening it took: the time to its first new steps
less the seconds of those steps. It is held against the seconds of all steps. What every process needs once, whatever
it works on, is no target's work and is not counted: starting, loading what graphs/bench.py calls ready, and turning the
pages that all targets share into columns, which makes the first steps of a process longer.

Knows processes and how they are killed. Refuses to judge what they left (audit.py).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graphs.night.crew import last_line
from graphs.state import STORE
from memory.database import StoreError
from memory.queue import OPEN, Item, Queue, State
from memory.store import Store

LOOK = 0.1  # seconds between looks
STILL = 900.0  # seconds without a step after which a night counts as hung
DONE = (State.FINISHED, State.KEPT)
Acknowledged = dict[int, tuple[str, float | None]]  # of a run: the text and the peak of each record


@dataclass
class Night:
    """What was seen of one overnight run from outside."""

    folder: Path
    acknowledged: dict[str, tuple[int, Acknowledged]] = field(default_factory=dict)  # by run: last step, records
    redone: list[str] = field(default_factory=list)  # targets that were finished and are worked on again
    unreadable: int = 0  # heartbeats that were no whole file
    hung: bool = False
    statuses: list[int] = field(default_factory=list)  # of its owners
    began: float = 0.0  # when its targets were written down


@dataclass
class Kill:
    """One kill: whom, and the seconds of work since the last acknowledged step that went with it."""

    who: str
    lost: float


@dataclass
class Again:
    """A run that had begun is taken up at some time after some step.

    Until it is seen to have gone on, `reached` is 0; then the step it had reached, after so many seconds.
    """

    run_id: str
    since: float
    step: int
    reached: int = 0
    seconds: float = 0.0

    def opening(self, seconds: Mapping[int, float]) -> float:
        """Seconds that were no step's. seconds: of the run's steps, by their number."""
        return max(0.0, self.seconds - sum(seconds.get(n, 0.0) for n in range(self.step + 1, self.reached + 1)))


class Siege:
    """Runs nights and kills their processes. words: those of graphs.overnight that all nights share."""

    def __init__(
        self,
        home: Path,
        words: list[str],
        *,
        targets: int,
        kills: int,
        every: float,
        seed: int,
        told: Callable[[int], None],
    ) -> None:
        self.home, self._words, self._targets, self._every = home, words, targets, every
        self.nights: list[Night] = []
        self.kills: list[Kill] = []
        self.again: list[Again] = []
        self._taken: dict[str, Again] = {}  # by run: when it was last taken up
        self._wanted, self._told, self._seed = kills, told, seed
        self._random = random.Random(seed)

    def run(self) -> None:
        """Nights, until all kills are done and the last one has ended."""
        while len(self.kills) < self._wanted:
            name = f"night-{len(self.nights) + 1}"
            self.nights.append(Night(self.home / "overnight" / name))
            drawn = ["--sample", str(self._targets), "--seed", str(self._seed + len(self.nights)), "--name", name]
            if not self._one(self.nights[-1], [*self._words, *drawn]):
                self.nights.pop()
                return

    def _one(self, night: Night, drawn: list[str]) -> bool:
        """One night; whether it began. Raises SystemExit where not even the first does."""
        words, seen, due = drawn, dict[str, Item](), self._due()
        while True:
            with self._owner(words) as owner:
                while owner.poll() is None:
                    time.sleep(LOOK)
                    seen = self._look(night, seen)
                    if night.hung:
                        os.killpg(owner.pid, signal.SIGKILL)
                    if seen and len(self.kills) < self._wanted and time.monotonic() >= due:
                        if self._kill(night, owner):
                            self._told(len(self.kills))
                        due = self._due()
                night.statuses.append(owner.returncode)
            seen = self._look(night, seen)
            if not seen and owner.returncode == 2:
                if len(self.nights) == 1:
                    raise SystemExit(f"no night begins: {last_line(self.home / 'owners.log')}")
                return False
            over = bool(seen) and not any(item.state in OPEN for item in seen.values())
            if night.hung or (over and owner.returncode == 0) or owner.returncode == 2:
                return True
            words = ["--resume", night.folder.name]

    def _due(self) -> float:
        return time.monotonic() + self._random.expovariate(1 / self._every)

    def _owner(self, words: list[str]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "graphs.overnight", "--home", str(self.home), *words]
        with (self.home / "owners.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _look(self, night: Night, before: dict[str, Item]) -> dict[str, Item]:
        """The targets now; what became of them since the last look is noted."""
        if not (night.folder / "night.json").exists():
            return before
        night.began = night.began or time.time()
        seen = {item.name: item for item in Queue(night.folder).items()}
        for name, item in seen.items():
            earlier = before.get(name)
            if earlier is not None and earlier.state in DONE and item.state not in DONE:
                night.redone.append(name)
            self._followed(item)
        last = max((max(item.since, item.beaten) for item in seen.values()), default=0.0)
        night.hung = time.time() - max(last, night.began) > STILL and any(item.state in OPEN for item in seen.values())
        _listen(night)
        return seen

    def _followed(self, item: Item) -> None:
        """Whether a run that had begun has been taken up, or has new steps since."""
        last = self._taken.get(item.run_id)
        if item.state is State.RUNNING and (last is None or last.since != item.since):
            last = self._taken[item.run_id] = Again(item.run_id, item.since, item.step)
            self.again += [last] if item.step else []
        if last is not None and not last.reached and item.since == last.since and item.step > last.step:
            last.reached, last.seconds = item.step, max(0.0, item.beaten - item.since)

    def _kill(self, night: Night, owner: "subprocess.Popen[bytes]") -> bool:
        """Kill one of the living; whether there was one."""
        victim = self._random.choice([owner.pid, *_workers(owner.pid)])
        holding = [item for item in Queue(night.folder).items() if item.pid == victim and item.state is State.RUNNING]
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return False
        now = time.time()
        for item in holding:
            earlier = night.acknowledged.get(item.run_id, (0, {}))[1]
            copied = _copied(night.folder / "work" / item.name / STORE, item.run_id)
            night.acknowledged[item.run_id] = item.step, earlier | copied
        held = holding[0] if holding else None
        lost = now - max(held.since, held.beaten) if held else 0.0
        who = "owner" if victim == owner.pid else "worker"
        self.kills.append(Kill(who, lost))
        return True


def _listen(night: Night) -> None:
    """Read the heartbeat of a night; one that is no whole file is noted."""
    try:
        json.loads((night.folder / "heartbeat.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except ValueError:
        night.unreadable += 1


def _workers(owner: int) -> list[int]:
    """The worker processes of an owner that run."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    return [
        int(pid)
        for pid, parent, state, words in (row for row in rows if len(row) == 4)
        if int(parent) == owner and "graphs.night.worker" in words and not state.startswith("Z")
    ]


def _copied(store: Path, run_id: str) -> Acknowledged:
    """The records in a store nobody has open any more, read from a copy; empty where it is taken up already."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for path in (store, store.with_name(f"{store.name}.wal")):
                if path.exists():
                    shutil.copy2(path, folder)
            with Store.open(Path(folder) / store.name) as kept:
                return {record.id: (record.prompt.text, record.peak) for record in kept.records(run_id)}
        except (StoreError, OSError):
            return {}
