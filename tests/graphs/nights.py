"""A small overnight run, and who does it."""

import os
from collections.abc import Callable
from pathlib import Path

from graphs.night.folder import Night
from graphs.night.owner import Owner
from graphs.night.worker import Worker
from memory.queue import Queue, State

Begun = Callable[[Path], Night]


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
