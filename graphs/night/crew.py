"""The workers of one owner, as processes of its machine.

`Crew` is what an owner knows of them, wherever they are; cluster.py has another.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from graphs.night.folder import Night

PATIENT = 12  # workers that die or complain in a row, with no step finished in between, before no more are started
ENDING = 60.0  # seconds that a worker is given to stop between two steps, once asked a second time


class Crew(Protocol):
    """Workers. in_vain: how many died or complained since a step was finished. complaint: the last one's words."""

    in_vain: int
    complaint: str

    def open(self) -> None:
        """Get ready, before any is started. Raises SettingError."""

    def fill(self, wanted: int) -> None:
        """Start workers until so many run, and see that they have something to do."""

    def reap(self, beaten: float) -> None:
        """Hear what became of them. beaten: when any of them last finished a step."""

    def stop(self) -> None:
        """Ask all to stop between two steps."""

    def kill(self) -> None:
        """End all at once. May be called from a signal's handler."""

    def wait(self) -> None:
        """Until all have ended; those that do not end in time are killed, which loses nothing."""


@dataclass
class Processes:
    """The worker processes of one owner."""

    night: Night
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    in_vain: int = 0
    beaten: float = 0.0
    complaint: str = ""

    def open(self) -> None:
        """There is nothing to get ready."""

    def fill(self, wanted: int) -> None:
        """Start workers until so many run."""
        environment = os.environ | {"OMP_NUM_THREADS": str(threads(self.night))}
        while len(self.processes) < wanted and self.in_vain < PATIENT:
            command = [sys.executable, "-m", "graphs.night.worker", str(self.night.folder), str(os.getpid())]
            with (self.night.folder / "workers.log").open("ab") as log:
                self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    def reap(self, beaten: float) -> None:
        """Forget those that have ended. beaten: when any of them last finished a step."""
        if beaten != self.beaten:
            self.in_vain, self.beaten = 0, beaten
        for process in list(self.processes):
            status = process.poll()
            if status is not None:
                self.processes.remove(process)
                self.in_vain += status != 0
                if status > 0:
                    self.complaint = _last_line(self.night.folder / "workers.log")

    def stop(self) -> None:
        """Ask all to stop between two steps."""
        for process in self.processes:
            process.terminate()

    def kill(self) -> None:
        """End all at once."""
        for process in self.processes:
            process.kill()

    def wait(self) -> None:
        """Until all have ended; those that do not end in time are killed, which loses nothing."""
        until = time.monotonic() + ENDING
        for process in self.processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


def threads(night: Night) -> int:
    """How many threads each worker of this machine may compute with."""
    return max(1, (os.cpu_count() or 1) // night.workers)


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
