"""One worker of an overnight run: a process that takes target after target until none is left.

`python -m graphs.night.worker FOLDER OWNER_PID`. A target's run has a data folder of its own, so that whoever takes it
up after a kill goes on from its last step. A run that is whole is handed over as one file; a run that fails is one row
with its reason. SIGTERM, and the owner's death, stop it between two steps.

Exit status: 0 nothing is left to take, or it was asked to stop; 2 for what a person has to put right first.
"""

import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from graphs import tracing
from graphs.bench import ready
from graphs.command import say
from graphs.failures import expected_failures, told
from graphs.night.attempt import Done, attempted, settled
from graphs.night.folder import Night, night
from graphs.night.footprint import resident_gb
from graphs.state import STORE
from memory.database import StoreError
from memory.queue import Item, Queue
from memory.store import Store
from tools.subject import Subject


class Worker:
    """Takes targets of one overnight run until none is left or somebody says stop."""

    def __init__(self, asked: Night, owner: int) -> None:
        self._night, self._owner = asked, owner
        self._queue = Queue(asked.folder)
        self._stopping = False

    def stop(self, *_: object) -> None:
        """Stop between two steps."""
        self._stopping = True

    def stopping(self) -> bool:
        """Whether it is to stop, or nobody is left to take in what it finishes."""
        return self._stopping or os.getppid() != self._owner

    def work(self) -> None:
        """Take targets until none is left."""
        subject = ready(self._night.means)
        while not self.stopping():
            item = self._queue.take(time.time(), reached=self._reached, rss_gb=resident_gb())
            if item is None:
                return
            self._one(item, subject)

    def _one(self, item: Item, subject: Subject) -> None:
        def beat(done: Done) -> None:
            self._queue.beat(item.name, **asdict(done), rss_gb=resident_gb())

        try:
            outcome = attempted(self._night, item, subject, beat=beat, stop=self.stopping)
        except expected_failures():  # not the target's: it waits until a person, or time, has put that right
            self._queue.release(item.name)
            raise
        settled(self._queue, item, outcome)

    def _reached(self, item: Item) -> int:
        """The last step that is kept of a target's run."""
        for path in (self._night.work(item) / STORE, self._night.shard(item)):
            if path.exists():
                try:
                    with Store.open(path) as store:
                        return store.last_step(item.run_id)
                except StoreError:
                    return 0
        return 0


def main() -> int:
    """Run one worker; returns the exit status."""
    folder, owner = Path(sys.argv[1]), int(sys.argv[2])
    try:
        worker = Worker(night(folder), owner)
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the owner, who says stop
        try:
            worker.work()
        finally:
            tracing.flush()
    except expected_failures() as error:
        say(told(error), error=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
