"""The queue of an overnight run: one SQLite file in WAL mode, read and written by the owner and by every worker.

Knows the targets, in which state each is and why. Refuses to know what working on one means. Who holds a target holds a
lock on its file, which the system gives back when the process dies, however it dies: no lease runs out, no clock is
trusted, and a target is never held twice.

    waiting -> running -> finished -> kept
                 |           (the run is whole)  (it is in the store)
                 `-> waiting again, once -> set aside, with the reason
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from memory.checkpoints import sqlite_failure
from memory.database import StoreUnwritable

PATIENCE = 30.0  # seconds that a writer waits for another process
TRIES = 2  # a failure is tried once more
STUCK = 8  # times that a process may die on a target without a step in between

TABLE = """
CREATE TABLE IF NOT EXISTS targets (
    name TEXT PRIMARY KEY, place INTEGER, unit TEXT, run_id TEXT, state TEXT DEFAULT 'waiting', tries INTEGER DEFAULT 0,
    stuck INTEGER DEFAULT 0, mark INTEGER DEFAULT -1, pid INTEGER, step INTEGER DEFAULT 0, node TEXT DEFAULT '',
    since REAL DEFAULT 0, beaten REAL DEFAULT 0,
    rss_gb REAL DEFAULT 0, reason TEXT DEFAULT '', told TEXT DEFAULT '{}'
)
"""
SPENT = ("passes", "llm_calls")  # columns that came later


class State(StrEnum):
    """Where a target stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    KEPT = "kept"
    SET_ASIDE = "set aside"


OPEN = (State.WAITING, State.RUNNING)


@dataclass(frozen=True)
class Item:
    """One target. unit: what makes it differ from the others. told: what its run came to, once it is finished.

    passes, llm_calls: what its run has taken by its last step, whatever became of it.
    """

    name: str
    unit: dict[str, Any]
    run_id: str
    state: State
    tries: int
    step: int
    node: str
    pid: int | None
    since: float  # when it was taken, and when its last step was done, in seconds since the epoch
    beaten: float
    rss_gb: float
    reason: str
    told: dict[str, Any]
    passes: int
    llm_calls: int


class Queue:
    """The targets of one overnight run. Any number of processes may have it open; raises StoreErrors by name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "queue.sqlite"
        self._locks = folder / "locks"
        self._held: dict[str, Any] = {}
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnwritable(f"cannot make the folder {self._locks}: {error.strerror}") from error
        with self._writing() as connection:
            connection.execute(TABLE)
            there = {name for _, name, *_ in connection.execute("PRAGMA table_info(targets)")}
            for column in SPENT if not there.issuperset(SPENT) else ():
                connection.execute(f"ALTER TABLE targets ADD COLUMN {column} INTEGER DEFAULT 0")
                connection.execute(f"UPDATE targets SET {column} = coalesce(json_extract(told, '$.{column}'), 0)")

    def add(self, targets: Sequence[tuple[str, dict[str, Any], str]]) -> None:
        """Put (name, unit, run id) at the end; a name that is known already stays as it is."""
        with self._writing() as connection:
            (last,) = connection.execute("SELECT coalesce(max(place), -1) FROM targets").fetchone()
            rows = [(name, last + n, json.dumps(unit), run) for n, (name, unit, run) in enumerate(targets, 1)]
            connection.executemany(
                "INSERT OR IGNORE INTO targets (name, place, unit, run_id) VALUES (?, ?, ?, ?)", rows
            )

    def items(self) -> list[Item]:
        """All targets, in order."""
        with closing(self._connected()) as connection, _named(self.path):
            rows = connection.execute(
                "SELECT name, unit, run_id, state, tries, step, node, pid, since, beaten, rss_gb, reason, told, passes,"
                " llm_calls FROM targets ORDER BY place"
            ).fetchall()
        return [_item(row) for row in rows]

    def take(
        self, now: float, *, reached: Callable[[Item], int], pid: int | None = None, rss_gb: float = 0.0
    ) -> Item | None:
        """Hold the next target that nobody holds; None when there is none.

        Those whose holder has died come first. reached: the last step that is kept of a target's run, which says
        whether the one that died had got any further. One on which STUCK processes died in a row is set aside.
        pid: the process that will work on it, where that is not this one. rss_gb: its memory by now.
        """
        for item in sorted(self.items(), key=lambda each: (each.state is not State.RUNNING, each.tries)):
            if item.state not in OPEN or not self._hold(item.name):
                continue
            kept = self._claimed(item, reached, since=now, pid=pid or os.getpid(), rss_gb=rss_gb)
            if kept is not None:
                return kept
            self._let_go(item.name)
        return None

    def _claimed(self, item: Item, reached: Callable[[Item], int], **holder: Any) -> Item | None:
        """The item marked as running by its holder; None where it is not open any more, or has become hopeless.

        A death is counted before `reached` looks at the run: the looking may be what kills.
        """
        with self._writing() as connection:
            state, stuck, mark = connection.execute(
                "SELECT state, stuck, mark FROM targets WHERE name = ?", [item.name]
            ).fetchone()
            if state not in OPEN:
                return None
            died = stuck + 1 if state == State.RUNNING else 0
            _update(connection, item.name, state=State.RUNNING, stuck=died, **holder)
        step = reached(item) if died <= STUCK else mark
        died = died if step <= mark else 0
        self._set(item.name, stuck=died, mark=step)
        if died < STUCK:
            return item
        self.set_aside(item.name, f"the process died {died} times on it without finishing a step")
        return None

    def beat(self, name: str, *, step: int, node: str, passes: int, llm_calls: int, rss_gb: float) -> None:
        """Say how far a held target has got, and what that took."""
        spent = {"passes": passes, "llm_calls": llm_calls}
        self._set(name, step=step, node=node, **spent, rss_gb=rss_gb, beaten=time.time())

    def finish(self, name: str, told: dict[str, Any]) -> None:
        """The run of a held target is whole, and lies where the owner will find it."""
        self._set(name, state=State.FINISHED, reason="", told=json.dumps(told))
        self._let_go(name)

    def fail(self, name: str, reason: str) -> bool:
        """A held target's run failed: it is tried once more, then set aside. Whether it is set aside now."""
        with self._writing() as connection:
            (tries,) = connection.execute("SELECT tries + 1 FROM targets WHERE name = ?", [name]).fetchone()
            aside = tries >= TRIES
            state = State.SET_ASIDE if aside else State.WAITING
            _update(connection, name, tries=tries, state=state, reason=reason, mark=-1)
        self._let_go(name)
        return aside

    def release(self, name: str) -> None:
        """Give a held target back as it is, for whoever goes on with it."""
        self._set(name, state=State.WAITING)
        self._let_go(name)

    def abandon(self, name: str) -> None:
        """Whoever worked on a held target for this process has died: as if this process had."""
        self._let_go(name)

    def set_aside(self, name: str, reason: str) -> None:
        """A target has no whole run and will have none."""
        self._set(name, state=State.SET_ASIDE, reason=reason, told="{}")

    def keep(self, name: str) -> None:
        """The records of a finished target are in the store."""
        self._set(name, state=State.KEPT)

    def _set(self, name: str, **values: Any) -> None:
        with self._writing() as connection:
            _update(connection, name, **values)

    def _hold(self, name: str) -> bool:
        from filelock import FileLock, Timeout

        lock = FileLock(self._locks / f"{name}.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._held[name] = lock
        return True

    def _let_go(self, name: str) -> None:
        lock = self._held.pop(name, None)
        if lock is not None:
            lock.release()

    def _connected(self) -> sqlite3.Connection:
        with _named(self.path):
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connected()) as connection, _named(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has undone it already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _update(connection: sqlite3.Connection, name: str, **values: Any) -> None:
    columns = ", ".join(f"{column} = ?" for column in values)
    connection.execute(f"UPDATE targets SET {columns} WHERE name = ?", [*values.values(), name])


def _item(row: Sequence[Any]) -> Item:
    name, unit, run_id, state, tries, step, node, pid, since, beaten, rss_gb, reason, told, *spent = row
    where = (State(state), tries, step, node, pid, since, beaten, rss_gb)
    return Item(name, json.loads(unit), run_id, *where, reason, json.loads(told), *spent)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn SQLite's words about locks, space, rights and damage into a StoreError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise sqlite_failure(path, str(error)) from error
