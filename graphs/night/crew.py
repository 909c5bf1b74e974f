"""The workers of one owner, as processes of its machine.

`Crew` is what an owner knows of them, wherever they are; cluster.py has another.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from graphs.night.folder import Night

PATIENT = 12  # workers that die or complain in a row, with no step finished in between, before no more are started
UNPAUSED, LONGEST = 4, 60.0  # of these, those that are followed at once; and the longest pause after one, in seconds
LOOK = 0.1  # seconds between looks at the end
ENDING = 60.0  # seconds that a worker is given to stop between two steps


class Crew(Protocol):
    """Workers. in_vain: how many died or complained since a step was finished. complaint: what the last of them said.

    waits: what keeps all of them from beginning, if anything.
    """

    in_vain: int
    complaint: str
    waits: str

    def open(self) -> None:
        """Get ready, before any is started. Raises SettingError."""

    def fill(self, wanted: int) -> None:
        """Start workers until so many run, and see that they have something to do."""

    def pids(self) -> set[int]:
        """The processes of those that live."""
        ...

    def reap(self, steps: int) -> None:
        """Hear what became of them. steps: how many are done; while that changes, nobody died in vain."""

    def stop(self) -> None:
        """Ask all to stop between two steps."""

    def kill(self) -> None:
        """End all at once. May be called from a signal's handler."""

    def wait(self, meanwhile: Callable[[], None]) -> None:
        """Until all have ended; those that do not end in time are killed, which loses nothing."""


@dataclass
class Processes:
    """The worker processes of one owner."""

    night: Night
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    in_vain: int = 0
    steps: int = 0
    complaint: str = ""
    waits: str = ""
    since: float = 0.0  # when one last ended badly

    def open(self) -> None:
        """There is nothing to get ready."""

    def fill(self, wanted: int) -> None:
        """Start workers until so many run."""
        if time.monotonic() - self.since < pause(self.in_vain):
            return
        environment = os.environ | {"OMP_NUM_THREADS": str(threads(self.night))}
        while len(self.processes) < wanted and self.in_vain < PATIENT:
            command = [sys.executable, "-m", "graphs.night.worker", str(self.night.folder), str(os.getpid())]
            with (self.night.folder / "workers.log").open("ab") as log:
                self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    def pids(self) -> set[int]:
        """The processes that live."""
        return {process.pid for process in self.processes if process.poll() is None}

    def reap(self, steps: int) -> None:
        """Forget those that have ended. steps: how many are done; while that changes, nobody died in vain."""
        if steps != self.steps:
            self.in_vain, self.steps, self.complaint = 0, steps, ""
        for process in list(self.processes):
            status = process.poll()
            if status is not None:
                self.processes.remove(process)
                if status != 0:
                    self.in_vain, self.since = self.in_vain + 1, time.monotonic()
                if status > 0:
                    self.complaint = last_line(self.night.folder / "workers.log")
                elif status < 0:
                    self.complaint = f"one was ended by signal {-status}" + " (often: no memory left)" * (status == -9)

    def stop(self) -> None:
        """Ask all to stop between two steps."""
        for process in self.processes:
            process.terminate()

    def kill(self) -> None:
        """End all at once."""
        for process in self.processes:
            process.kill()

    def wait(self, meanwhile: Callable[[], None]) -> None:
        """Until all have ended; those that do not end in time are killed, which loses nothing."""
        until = time.monotonic() + ENDING
        while any(process.poll() is None for process in self.processes) and time.monotonic() < until:
            meanwhile()
            time.sleep(LOOK)
        for process in self.processes:
            process.kill()  # which one that has ended does not mind
            process.wait()
        self.processes.clear()


def pause(in_vain: int) -> float:
    """Seconds before another is started, when so many died in vain: what they all need may come back by itself."""
    return min(LONGEST, 2.0 ** (in_vain - UNPAUSED)) if in_vain > UNPAUSED else 0.0


def threads(night: Night) -> int:
    """How many threads each worker of this machine may compute with."""
    return max(1, (os.cpu_count() or 1) // night.workers)


def last_line(path: Path) -> str:
    """The last words of a log, cut; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
