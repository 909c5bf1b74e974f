"""What people note about runs: one line of JSON a note, only ever added to, in <home>/notes/<run id>.jsonl.

Knows the file. A note is appended under a lock and is either whole or not there. Refuses run ids that could be taken
for a path, and to change or remove a note. A line that cannot be read is left out and counted.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from memory.database import StoreError, StoreFull, StoreUnwritable

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
LONGEST = 4000  # characters of a note
NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


class NoteError(StoreError):
    """A note that cannot be kept. The message is one line."""


@dataclass(frozen=True)
class Note:
    """What somebody noted about a run, and when, in seconds since the epoch."""

    time: float
    text: str


def safe(run_id: str) -> bool:
    """Whether a run id can be part of a file's name."""
    return SAFE.fullmatch(run_id) is not None and ".." not in run_id


def add(home: Path, run_id: str, text: str) -> Note:
    """Keep a note. Raises NoteError for one that is empty or too long, StoreFull and StoreUnwritable."""
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > LONGEST:
        raise NoteError(f"a note has 1 to {LONGEST:,} characters, not {len(text):,}")
    note = Note(time.time(), text)
    path = _path(home, run_id)
    line = json.dumps({"time": note.time, "run_id": run_id, "text": text}).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, line)
    except OSError as error:
        kind = StoreFull if error.errno in NO_SPACE else StoreUnwritable
        raise kind(f"cannot keep the note in {path}: {error.strerror}") from error
    return note


def read(home: Path, run_id: str) -> tuple[list[Note], int]:
    """The notes about a run, oldest first, and how many lines could not be read."""
    notes: list[Note] = []
    broken = 0
    try:
        lines = _path(home, run_id).read_bytes().splitlines()
    except (OSError, NoteError):
        return [], 0
    for line in lines:
        note = _note(line)
        if note is None:
            broken += 1
        else:
            notes.append(note)
    return notes, broken


def _note(line: bytes) -> Note | None:
    try:
        data = json.loads(line)
        return Note(float(data["time"]), str(data["text"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _path(home: Path, run_id: str) -> Path:
    if not safe(run_id):
        raise NoteError(f"no note can be kept about {run_id!r:.80}: its id is not a file's name")
    return home / "notes" / f"{run_id}.jsonl"


def _append(path: Path, line: bytes) -> None:
    """Add a line to a file, whole or not at all, and wait until it is on disk."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(path, flags, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = os.fstat(handle).st_size
        try:
            if os.write(handle, line) != len(line):
                raise OSError(28, "No space left on device", str(path))
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)
