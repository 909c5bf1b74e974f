"""A small overnight run, and who does it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from graphs.night.folder import Night
from graphs.night.owner import Owner
from graphs.night.worker import Worker
from memory.queue import Queue, State
from tests.tiny_models import DEAD, PAIR, SPLIT

Begun = Callable[[Path], Night]
NEURONS = (PAIR, SPLIT, DEAD)  # planted: what they do is found quickly


class Stopping(Worker):
    """A worker that is asked to stop after so many looks."""

    def __init__(self, asked: Night, *, after: int) -> None:
        super().__init__(asked, os.getppid())
        self._looks = after + 1

    def stopping(self) -> bool:
        self._looks -= 1
        return self._looks < 0


def worked(asked: Night) -> Queue:
    """Everything done by one worker in this process."""
    Worker(asked, os.getppid()).work()
    return Queue(asked.folder)


def owned(asked: Night) -> str:
    """Everything that is finished taken in, and why its owner ended."""
    return Owner(asked, say=lambda _: None).run()


def states(asked: Night) -> list[State]:
    """How its targets stand, in order."""
    return [item.state for item in Queue(asked.folder).items()]


@contextmanager
def somebody_has(store: Path) -> Iterator[None]:
    """Another process has a store open."""
    code = f"from pathlib import Path; from memory.store import Store; s = Store.open(Path({str(store)!r}))"
    command = [sys.executable, "-c", f"{code}; print('open', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield
        other.kill()
