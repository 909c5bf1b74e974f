"""The DuckDB file: opening it, and saying in one line why it cannot be read or written.

Knows paths, locks and DuckDB's own messages. Refuses to know what is kept in the file.

    StoreError
    |-- StoreLocked       another process owns the file; the message names it
    |-- StoreFull         no space left; nothing of the transaction was written
    |-- StoreUnwritable   a folder or file that may not be written
    |-- StoreDamaged      not a store, or one that can no longer be read
    |-- UnknownRun        no run has this id
    `-- RunConflict       another inquiry already has this id
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from memory.schema import migrate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HOLDER = re.compile(r"held in (?P<command>.+?) \(PID (?P<pid>\d+)\)")
UNWRITABLE = ("Permission denied", "Read-only file system", "Operation not permitted", "Is a directory")
DAMAGED = ("not a valid DuckDB", "Corrupt", "read enough bytes", "replaying WAL", "version number", "been invalidated")
INTERRUPTED = ("Query interrupted", "INTERRUPT Error", "KeyboardInterrupt")
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class StoreError(Exception):
    """Something about the store that a person has to put right. The message is one line."""


class StoreLocked(StoreError):
    """Another process owns the file."""


class StoreFull(StoreError):
    """No space is left; what was being written is not there, what was acknowledged before is."""


class StoreUnwritable(StoreError):
    """The folder or the file may not be written."""


class StoreDamaged(StoreError):
    """The file is not a store, or can no longer be read."""


class UnknownRun(StoreError):
    """No run has this id."""


class RunConflict(StoreError):
    """The id already names an inquiry into another target or with another seed."""


def connect(path: Path) -> DuckDBPyConnection:
    """Open the file, made with its folder where missing and migrated; raises a StoreError that says what is wrong."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnwritable(f"cannot make the folder {path.parent}: {error.strerror}") from error
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise StoreUnwritable(f"cannot write {path}: no right to write {place}, or its disk is read-only")
    import duckdb

    with named_failures(path):
        if not path.exists():
            _make(path)
        connection = duckdb.connect(str(path), config=OFFLINE)
        try:
            migrate(connection)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            connection.close()
            line = str(error).partition("\n")[0]
            raise StoreDamaged(f"{path} holds something else than a store: {line}") from error
    return connection


def _make(path: Path) -> None:
    """Put a whole, empty store at `path`, made beside it: a kill or a full disk leaves none rather than half of one."""
    import duckdb

    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with duckdb.connect(str(beside), config=OFFLINE) as connection:
            migrate(connection)
        try:
            path.hardlink_to(beside)  # unlike a rename, never over a store another process has made meanwhile
        except FileExistsError:
            return
        except OSError:
            beside.replace(path)  # a file system without links
    finally:
        for left in (beside, beside.with_name(f"{beside.name}.wal")):
            left.unlink(missing_ok=True)


@contextmanager
def named_failures(path: Path) -> Iterator[None]:
    """Turn DuckDB's words about locks, space, rights and damage into a StoreError, and those about Ctrl-C back into it.

    All its other errors go through.
    """
    import duckdb

    try:
        yield
    except (RuntimeError, duckdb.Error) as error:
        if any(words in str(error) for words in INTERRUPTED):
            raise KeyboardInterrupt from error
        failure = _failure(path, str(error)) if isinstance(error, duckdb.Error) else None
        if failure is None:
            raise
        raise failure from error


def _failure(path: Path, message: str) -> StoreError | None:
    line = message.strip().partition("\n")[0]
    if "Could not set lock" in message:
        holder = HOLDER.search(message)
        who = f"process {holder['pid']} ({holder['command']})" if holder else line
        return StoreLocked(f"{path} is in use by {who}; wait for it or stop it")
    if "No space left" in message or "Disk quota exceeded" in message:
        return StoreFull(f"no space left to write {path}; free some and resume, nothing acknowledged is lost")
    if any(words in message for words in UNWRITABLE):
        return StoreUnwritable(f"cannot write {path}: {line}")
    if any(words in message for words in DAMAGED):
        return StoreDamaged(f"{path} is damaged or no store: {line}")
    return None
