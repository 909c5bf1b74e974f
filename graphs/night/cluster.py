"""The workers of an owner as actors of Ray: `--ray local` on this machine alone, `--ray HOST:PORT` on a cluster.

The owner keeps the queue to itself, because its file and its locks hold on one machine only: it takes a target for an
actor, says how far that has got, and settles how it ended. Ray restarts nothing by itself. An actor that dies is
followed by another, its target is open again, and memory/queue.py says when a target is hopeless, exactly as for
processes.
"""

import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from graphs.failures import expected_failures, told
from graphs.night import actor
from graphs.night.address import LOCAL, alone, check, joined, short_folder
from graphs.night.attempt import settled
from graphs.night.crew import ENDING, LOOK, PATIENT, pause, threads
from graphs.night.folder import Night
from graphs.settings import SettingError
from memory.database import StoreError
from memory.queue import Item, Queue

LEAVE = 5.0  # seconds for leaving
UNUSUAL = 120.0  # seconds in which no actor began, before that is said
NO_ROOM = "no actor has begun for {:.0f} minutes: the cluster may have no core, or no accelerator, to spare"


@dataclass
class Hand:
    """One actor, and since when there is one.

    asked: what it is to say about itself. standing: what it said last, once it can take targets.
    """

    handle: Any
    asked: Any
    since: float
    standing: actor.Standing | None = None
    item: Item | None = None
    outcome: Any = None
    step: int = 0


class Cluster:
    """The crew of one owner on Ray; graphs/night/crew.py says what each method promises."""

    def __init__(self, asked: Night, address: str) -> None:
        self.in_vain, self.complaint, self.waits = 0, "", ""
        means = replace(asked.means, home=str(asked.home.resolve()))
        self._night, self._address = replace(asked, folder=asked.folder.resolve(), means=means), address
        self._queue = Queue(asked.folder)
        self._hands: list[Hand] = []
        self._steps, self._killed, self._since = 0, False, 0.0
        self._surveys: dict[str, Any] = {}
        self._folder: str | None = None

    def open(self) -> None:
        """Start Ray on this machine, or join the cluster. That takes over SIGTERM: set handlers afterwards."""
        check(self._address)
        if self._address == LOCAL:
            self._folder = tempfile.mkdtemp(prefix="neuronaut-ray-", dir=short_folder())
            settings = alone(self._folder, cores=self._night.workers * threads(self._night))
        else:
            settings = joined(self._address)
        import ray
        from ray.exceptions import RayError

        try:
            ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except (RayError, OSError, RuntimeError, ValueError) as error:
            raise SettingError(f"--ray {self._address} cannot be used: {_line(error)}") from error

    def fill(self, wanted: int) -> None:
        """Start actors until there are so many, and give each that is free a target."""
        rested = time.monotonic() - self._since >= pause(self.in_vain)
        while rested and len(self._hands) < wanted and self.in_vain < PATIENT:
            self._hands.append(self._started())
        for hand in self._hands:
            if (at := hand.standing) is None or hand.item is not None:
                continue
            hand.item = self._queue.take(time.time(), reached=lambda item: item.step, pid=at.pid, rss_gb=at.rss_gb)
            if hand.item is not None:
                files = self._sent(hand.item) if at.away else {}
                hand.step, hand.outcome = 0, hand.handle.work.remote(hand.item, files)

    def _sent(self, item: Item) -> actor.Files:
        """What there is of a target, for an actor elsewhere; logs left beside would spoil what comes back."""
        with suppress(StoreError, sqlite3.DatabaseError):  # whoever works on it finds out, and says so
            self._night.closed(item)
        return actor.packed(self._night, item)

    def reap(self, steps: int) -> None:
        """Hear all; one that died, or cannot go on, is left out, and its target is open again."""
        from ray.exceptions import RayError

        if steps != self._steps:
            self.in_vain, self._steps, self.complaint = 0, steps, ""
        for hand in list(self._hands):
            try:
                self._hear(hand)
            except (RayError, *expected_failures()) as error:
                self._lose(hand, error)
        self._mind_room()

    def _mind_room(self) -> None:
        """Where no actor begins, the cluster may have no room: say so. It may have some later."""
        began = min((hand.since for hand in self._hands), default=time.monotonic())
        waited = 0.0 if any(hand.standing for hand in self._hands) else time.monotonic() - began
        self.waits = NO_ROOM.format(waited / 60) if waited > UNUSUAL else ""

    def pids(self) -> set[int]:
        """The processes of those that can take targets."""
        return {hand.standing.pid for hand in self._hands if hand.standing is not None}

    def stop(self) -> None:
        """Ask all to stop between two steps."""
        for hand in self._hands:
            hand.handle.stop.remote()

    def kill(self) -> None:
        """End all at once, at the next look."""
        self._killed = True

    def wait(self, meanwhile: Callable[[], None]) -> None:
        """Until nobody works any more, or the time is over; then Ray is left, or ended."""
        import ray

        until = time.monotonic() + ENDING
        while any(hand.item for hand in self._hands) and time.monotonic() < until and not self._killed:
            self.reap(self._steps)
            meanwhile()
            time.sleep(LOOK)
        leaving = [hand.handle.leave.remote() for hand in self._hands if hand.standing and hand.standing.away]
        if leaving:
            ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE)
        ray.shutdown()
        for hand in self._hands:
            if hand.item is not None:
                self._queue.abandon(hand.item.name)
        self._hands.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _started(self) -> Hand:
        import ray

        here = ray.get_runtime_context().get_node_id()
        local = self._address == LOCAL
        needs: dict[str, Any] = {"num_cpus": threads(self._night) if local else 1}
        if not local and self._night.means.device.startswith("cuda"):
            needs["num_gpus"] = 1
        made: Any = ray.remote(actor.Actor)
        made = made.options(**needs, max_concurrency=2, max_restarts=0, max_task_retries=0)
        handle = made.remote(self._night, here, str(Path.cwd()))
        return Hand(handle, handle.open.remote(), time.monotonic())

    def _hear(self, hand: Hand) -> None:
        """What has come of an actor since the last look. Raises what its methods raised, and RayError."""
        import ray

        if hand.item is not None and _ready(hand.outcome):
            outcome, files, last = ray.get(hand.outcome)
            self._beat(hand, last)
            actor.unpack(files, self._night.home)
            settled(self._queue, hand.item, outcome)
            hand.item = hand.outcome = None
        if not _ready(hand.asked):
            return
        standing: actor.Standing = ray.get(hand.asked)
        if standing.lacks:
            hand.asked, hand.since = hand.handle.fetch.remote(self._shipped(standing.lacks)), time.monotonic()
            return
        hand.standing, hand.asked = standing, hand.handle.standing.remote()
        self._beat(hand, standing)

    def _beat(self, hand: Hand, standing: actor.Standing) -> None:
        """Note a step that was done of an actor's target."""
        if hand.item is not None and standing.target == hand.item.name and standing.done.step > hand.step:
            hand.step = standing.done.step
            self._queue.beat(hand.item.name, **asdict(standing.done), rss_gb=standing.rss_gb)

    def _lose(self, hand: Hand, error: Exception) -> None:
        """Go on without an actor. Its target waits where a person has to put something right, and else has lost it."""
        import ray

        self._hands.remove(hand)
        ray.kill(hand.handle)
        cause = getattr(error, "cause", None) or error
        known = isinstance(cause, expected_failures())
        self.in_vain, self._since = self.in_vain + 1, time.monotonic()
        self.complaint = told(cause) if known else _line(cause)
        if hand.item is not None:
            (self._queue.release if known else self._queue.abandon)(hand.item.name)

    def _shipped(self, begins: str) -> Any:
        """The surveys whose names begin like this, in Ray's own memory. Raises SettingError where there is none."""
        import ray

        if begins not in self._surveys:
            home = self._night.home
            files = [path for folder in actor.surveys(home, begins) for path in sorted(folder.iterdir())]
            if not files:
                raise SettingError("a machine of the cluster has another model or corpus than its owner")
            self._surveys[begins] = ray.put({str(path.relative_to(home)): path.read_bytes() for path in files})
        return self._surveys[begins]


def _ready(answer: Any) -> bool:
    import ray

    return bool(ray.wait([answer], timeout=0)[0])


def _line(error: Exception) -> str:
    words = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
