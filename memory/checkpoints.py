"""LangGraph's own memory of where a graph stands: one SQLite file in WAL mode, readable while the run goes on.

Knows which of our types a checkpoint may hold: the nouns of memory/records.py and nothing else beyond plain data, also
under LANGGRAPH_STRICT_MSGPACK. Refuses to know what a graph does. A tuple comes back as a list, inside nouns too: state
that must come back equal holds `plain(noun)`.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from memory import records
from memory.database import StoreDamaged, StoreError, StoreFull, StoreLocked, StoreUnwritable

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite import SqliteSaver

ADVICE = "; a run goes on from the records alone once it is deleted"
LITTLE = 1_000_000  # bytes that are free on a disk without room for SQLite's shared memory, of which it only says I/O
PATIENCE = 30.0  # seconds a writer waits for another process


@contextmanager
def saver(path: Path) -> Iterator[SqliteSaver]:
    """The saver that keeps its checkpoints at `path`, made with its folder where missing; closed with the block."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite import SqliteSaver

    nouns = [each for each in vars(records).values() if isinstance(each, type) and each.__module__ == records.__name__]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)) as connection:
            yield SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=nouns))
    except sqlite3.DatabaseError as error:
        raise sqlite_failure(path, str(error), advice=ADVICE) from error


def sqlite_failure(path: Path, message: str, *, advice: str = "") -> StoreError:
    """What SQLite said of a file, by name."""
    if "full" in message or ("disk I/O" in message and shutil.disk_usage(path.parent).free < LITTLE):
        return StoreFull(f"no space left to write {path}; free some and resume, nothing acknowledged is lost")
    if "locked" in message:
        return StoreLocked(f"{path} is in use by another process; wait for it or stop it")
    if "readonly" in message or "unable to open" in message or "disk I/O" in message:
        return StoreUnwritable(f"cannot write {path}: {message}")
    return StoreDamaged(f"{path} cannot be used: {message}{advice}")
