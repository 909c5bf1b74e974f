"""Who owns an overnight run: starts workers, takes in what they finish, and says how it stands.

One owner a run, held by a lock on owner.lock. Nothing is lost when it dies: workers stop at their next step when their
owner is gone, finished runs lie in shards/, and the next owner goes on from the queue. The store of the data folder is
opened only for the moment in which a run is taken in; where somebody else has it open, shards wait.
"""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphs.night.crew import PATIENT, UNPAUSED, Crew, Processes
from graphs.night.folder import Night, written
from graphs.night.footprint import resident_gb
from graphs.report.visible import counted
from graphs.settings import SettingError
from graphs.state import STORE
from memory.database import StoreDamaged, StoreError, StoreLocked, UnknownRun
from memory.queue import OPEN, Item, Queue, State
from memory.snapshot import publish_open
from memory.store import Store

TICK = 0.5  # seconds between looks
BEAT, PUBLISH = 2.0, 60.0  # seconds between heartbeats, and between copies for readers
REST = 20  # times as long as runs were being taken in, none is: workers need the processor more
RANKED = 10


class Owner:
    """Runs an overnight run to its end, or until it is stopped. Raises SettingError when it has an owner already."""

    def __init__(self, asked: Night, *, say: Callable[[dict[str, Any]], None], crew: Crew | None = None) -> None:
        from filelock import FileLock, Timeout

        asked.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(asked.folder / "owner.lock", blocking=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise SettingError(f"overnight run {asked.name} is going on already; see it with --status") from None
        self.night, self.queue, self._say = asked, Queue(asked.folder), say
        self._crew: Crew = crew or Processes(asked)
        self._began, self._stopping, self._why = time.monotonic(), False, ""
        self._published = self._told = -PUBLISH
        self._rests_until = 0.0
        self._state = ""
        self._waits = self._uncopied = ""
        self._asked_to_stop = False
        self._open_at_start, self._hours_before = 0, _hours(asked)

    def stop(self, *_: object) -> None:
        """Stop: workers end at their next step. Asked again, they are ended at once."""
        if self._asked_to_stop:
            self._crew.kill()
        self._asked_to_stop = True
        self._stop("it was stopped")

    def run(self) -> str:
        """Work until no target is open, a limit is reached or it is stopped; returns why it ended."""
        self._open_at_start = sum(item.state in OPEN for item in self.queue.items())
        try:
            while True:
                items = self.queue.items()
                self._taken_in(items)
                self._crew.reap(sum(item.step for item in items))
                left = sum(item.state in OPEN for item in items)
                self._mind_limits(items)
                if not left or self._stopping:
                    break
                self._crew.fill(min(self.night.workers, left))
                self._tell(items, "running")
                time.sleep(TICK)
            self._tell(items, "draining")
        finally:
            self._crew.stop()
            self._crew.wait(lambda: self._tell(self.queue.items(), "draining"))
            self._end()
        return self._why or "every target has met its end"

    def _stop(self, why: str) -> None:
        self._why, self._stopping = self._why or why, True

    def _mind_limits(self, items: list[Item]) -> None:
        night = self.night
        if night.hours is not None and time.monotonic() - self._began > 3600 * night.hours:
            self._stop(f"its time is over: {counted(night.hours, 'hour')}")
        for most, name, spent in (
            (night.llm_calls, "exchanges with language models", sum(item.llm_calls for item in items)),
            (night.forward_passes, "forward passes", sum(item.passes for item in items)),
        ):
            if most is not None and spent >= most:
                self._stop(f"the {name} of the whole night are spent: {spent:,} of {most:,}")
        if self._crew.in_vain >= PATIENT:
            self._stop(self._complaint)

    @property
    def _complaint(self) -> str:
        return f"workers cannot go on: {self._crew.complaint or 'they end without a word'}"

    def _taken_in(self, items: list[Item], *, at_once: bool = False) -> None:
        """Take finished runs into the store, or let them wait where somebody else has it open.

        DuckDB writes much of a store anew when it is closed, so that in a large one runs are taken in several together.
        """
        if time.monotonic() < self._rests_until and not at_once:
            return
        self._waits = ""
        for item in filter(self._kept_back, items):
            self._handed_over(item)
        ready = [item for item in items if self._pending(item) and not self._kept_back(item)]
        if not ready:
            return
        began = time.monotonic()
        try:
            with Store.open(self.night.home / STORE) as store:
                for item in ready:
                    self._take(store, item)
                if time.monotonic() - self._published > PUBLISH:
                    self._publish(store)
        except StoreLocked as error:
            self._waits = str(error)
        else:
            self._rests_until = time.monotonic() + REST * (time.monotonic() - began)

    def _pending(self, item: Item) -> bool:
        """Whether there is something of a target that the store lacks."""
        if item.state is State.SET_ASIDE:
            return self.night.shard(item).exists() or (self.night.work(item) / STORE).exists()
        return item.state is State.FINISHED

    def _kept_back(self, item: Item) -> bool:
        """Whether what was kept of a target that was set aside is no shard yet."""
        return item.state is State.SET_ASIDE and not self.night.shard(item).exists()

    def _handed_over(self, item: Item) -> None:
        """What was kept of a target that was set aside is a shard too, where it can be read."""
        try:
            self.night.handed_over(item)
        except StoreDamaged:
            self.night.damaged(item, self.night.work(item) / STORE)
        except StoreError as error:
            self._waits = str(error)

    def _take(self, store: Store, item: Item) -> None:
        """One run into the store, and what is left of it removed; a shard that cannot be read is kept beside."""
        shard = self.night.shard(item)
        try:
            if shard.exists():
                store.take_in(shard)
            if item.state is State.FINISHED:
                store.run(item.run_id)
                self.queue.keep(item.name)
        except StoreDamaged:
            if self._readable(shard):
                raise  # then it is the store of all that is damaged
            kept = self.night.damaged(item, shard)
            self.queue.set_aside(item.name, f"the store of its run cannot be read; it is kept as {kept}")
        except UnknownRun:
            self.queue.set_aside(item.name, "its run was finished, and its store is gone")
        self.night.cleared(item)

    def _readable(self, shard: Path) -> bool:
        """Whether a shard can be read to its end: an empty store takes it in."""
        with tempfile.TemporaryDirectory(dir=self.night.folder) as folder:
            try:
                with Store.open(Path(folder) / STORE) as empty:
                    empty.take_in(shard)
            except StoreDamaged:
                return False
        return True

    def _publish(self, store: Store) -> None:
        """Copy the store for readers; that it cannot be copied stops nothing."""
        self._published, self._uncopied = time.monotonic(), ""
        try:
            publish_open(store)
        except StoreError as error:
            self._uncopied = f"no copy for readers: {error}"

    def _tell(self, items: list[Item], state: str) -> None:
        if time.monotonic() - self._told < BEAT and state == self._state:
            return
        self._told, self._state = time.monotonic(), state
        beat = self._beat(items, state)
        written(self.night.heartbeat, beat)
        self._say(beat)

    def _beat(self, items: list[Item], state: str) -> dict[str, Any]:
        counts = Counter(item.state for item in items)
        done, left = counts[State.FINISHED] + counts[State.KEPT], sum(counts[each] for each in OPEN)
        hours = (time.monotonic() - self._began) / 3600
        ended = self._open_at_start - left
        living = self._crew.pids()
        paused = self._complaint if self._crew.in_vain > UNPAUSED else ""
        scored = [item for item in items if None not in (item.told.get("score"), item.told.get("floor"))]
        scored.sort(key=lambda item: -(item.told["score"] - item.told["floor"]))
        return {
            "name": self.night.name,
            "state": state,
            "pid": os.getpid(),
            "time": time.time(),
            "done": done,
            "failed": sum(item.tries > 0 for item in items),
            "set_aside": counts[State.SET_ASIDE],
            "left": left,
            "ended": ended,
            "waiting": sum(map(self._pending, items)),
            "total": len(items),
            "hours": round(hours, 4),
            "hours_in_all": round(self._hours_before + hours, 4),
            "eta_seconds": round(3600 * hours / ended * left) if ended else None,
            "rss_gb": round(resident_gb(), 3),
            "waits": "; ".join(filter(None, (self._waits, self._uncopied, paused, self._crew.waits))),
            "why": self._why,
            "workers": [_standing(item) for item in items if item.state is State.RUNNING and item.pid in living],
            "best": [
                {"target": item.name, "run_id": item.run_id}
                | {key: item.told.get(key) for key in ("score", "floor", "verdict", "prose")}
                for item in scored[:RANKED]
            ],
        }

    def _end(self) -> None:
        """Take in what the last steps brought, publish, and say that it is over."""
        items = self.queue.items()
        self._published = -PUBLISH
        try:
            self._taken_in(items, at_once=True)
        except StoreError as error:
            self._waits = str(error)
        items = self.queue.items()
        whole = not any(item.state in OPEN or self._pending(item) for item in items)
        self._tell(items, "finished" if whole else "stopped")
        self._lock.release()


def _hours(asked: Night) -> float:
    """How long its owners have worked on it before."""
    try:
        return float(json.loads(asked.heartbeat.read_text(encoding="utf-8"))["hours_in_all"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _standing(item: Item) -> dict[str, Any]:
    names = ("pid", "run_id", "step", "node", "since", "rss_gb")
    return {"target": item.name} | {name: getattr(item, name) for name in names}
