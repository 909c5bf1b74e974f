"""A store that only reads: a copy of the file as it stood at its last publishing, open beside whoever owns the file.

DuckDB gives a file to one process. Whoever reads a store while something else may write it (pages, a conversation)
reads a copy, which is published whole: checkpoint, copy beside, rename. `open` publishes one itself where nobody owns
the file and it has changed; where it is owned, the last copy is read, and `published` says how old it is.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from memory.database import OFFLINE, StoreFull, StoreLocked, StoreUnwritable, named_failures
from memory.queries import Queries
from memory.schema import is_current
from memory.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def newest(path: Path) -> Path | None:
    """The last copy of a store; each has a name of its own, since a process never opens one name twice."""
    return max(_copies(path), default=None, key=lambda copy: copy.name)


def _copies(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.stem}.snapshot-{'[0-9]' * 20}{path.suffix}"))


def publish(path: Path) -> None:
    """Copy a store that no process has open; raises StoreLocked where one has, StoreFull and StoreUnwritable."""
    with Store.open(path) as store:
        publish_open(store)


def publish_open(store: Store) -> None:
    """Copy a store that this process has open."""
    store.checkpoint()
    path = store.path
    earlier, copied = _copies(path), path.with_suffix(f".{os.getpid()}.new")
    for torn in path.parent.glob(f"{path.stem}.[0-9]*.new"):  # by one that was killed: the store is open here
        torn.unlink(missing_ok=True)
    command = ["cp", "--", path, copied]
    try:  # by another process, since closing the file here would drop DuckDB's lock; Ctrl-C is not for that process
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, start_new_session=True)
        if done.returncode:
            full = "No space left" in done.stderr
            raise (StoreFull if full else StoreUnwritable)(f"cannot copy {path}: {done.stderr.strip()[-200:]}")
        copied.replace(path.with_name(f"{path.stem}.snapshot-{time.time_ns():020d}{path.suffix}"))
        for old in earlier:
            old.unlink(missing_ok=True)  # who reads it keeps it
    finally:
        copied.unlink(missing_ok=True)


class Snapshot(Queries):
    """The readable half of a store, from its copy. Raises StoreLocked when there is none and the store is owned."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: DuckDBPyConnection | None = None
        self._shown: Path | None = None
        self._since = 0.0
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the copy go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def published(self) -> float:
        """When the copy that is read was made, in seconds since the epoch."""
        return self._since

    def refresh(self) -> bool:
        """Publish and read anew where the store has changed; whether what is read now is new."""
        import duckdb

        copy = newest(self.path)
        if copy is None or (self.path.exists() and _changed(self.path) > _made(copy)):
            try:
                publish(self.path)
            except StoreLocked:
                if copy is None:
                    raise
            copy = newest(self.path)
        if copy is None or copy == self._shown:
            return False
        try:
            fresh = _opened(copy)
        except duckdb.IOException:
            if copy.exists() or (copy := newest(self.path)) is None:
                raise
            fresh = _opened(copy)  # the store's owner has just put another in its place
        if not is_current(fresh):  # a copy that an earlier version of the program made
            fresh.close()
            publish(self.path)
            copy = newest(self.path) or copy
            fresh = _opened(copy)
        self.close()
        self._connection, self._shown, self._since = fresh, copy, _made(copy) / 1e9
        return True

    def _fetch(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        assert self._connection is not None, "the snapshot is closed"
        with named_failures(self.path), self._connection.cursor() as cursor:
            return cursor.execute(sql, parameters).fetchall()


def _opened(copy: Path) -> DuckDBPyConnection:
    import duckdb

    with named_failures(copy):
        return duckdb.connect(str(copy), read_only=True, config=OFFLINE)


def _made(copy: Path) -> int:
    """When a copy was made, in nanoseconds: its name says so, when its owner has removed it too."""
    return int(copy.stem.rpartition("-")[2])


def _changed(path: Path) -> int:
    """When a store was last written to or put there, in nanoseconds; its log counts."""
    log = path.with_name(f"{path.name}.wal")
    known = [each.stat() for each in (path, log) if each.exists()]
    return max(max(each.st_mtime_ns, each.st_ctime_ns) for each in known)
