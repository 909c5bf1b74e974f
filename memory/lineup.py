"""The lineup: the targets of an overnight run as somebody sees them who only looks.

Knows how to read the queue's file (memory/queue.py) without writing to it, locking it, or waiting long for whoever
does. Refuses to change a target's state.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from memory.database import StoreDamaged

PATIENCE = 0.2  # seconds


@dataclass(frozen=True)
class Trouble:
    """A target with something that went wrong: after how many tries, and why."""

    name: str
    state: str
    run_id: str
    tries: int
    reason: str


def look(folder: Path, *, limit: int) -> tuple[dict[str, int], list[Trouble]]:
    """How many targets are in each state, and up to `limit` of those that something went wrong with, the latest first.

    Nothing where there is no queue. Raises StoreDamaged when it cannot be read.
    """
    path = folder / "queue.sqlite"
    if not path.is_file():
        return {}, []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
            states = connection.execute("SELECT state, count(*) FROM targets GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()
            troubles = connection.execute(
                "SELECT name, state, coalesce(run_id, ''), tries, reason FROM targets"
                " WHERE coalesce(reason, '') <> '' ORDER BY rowid DESC LIMIT ?",
                [limit],
            ).fetchall()
    except sqlite3.Error as error:
        raise StoreDamaged(f"the queue {path} cannot be read just now: {error}") from error
    return {str(state): number for state, number in states}, [Trouble(*row) for row in troubles]
