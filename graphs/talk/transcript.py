"""Everything that was said in one conversation, a line of JSON each, on disk before it is on the screen.

Knows a file, `HOME/chats/THREAD.jsonl`: who said what and when, and about which run. Every line is appended and synced,
so that a crash loses nothing; a line torn by one is skipped. Refuses to know what was measured: that is in the store.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphs.settings import SettingError

FOLDER = "chats"
PERSON, PROGRAM = "you", "neuronaut"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,159}")


@dataclass(frozen=True)
class Said:
    """One line of a conversation."""

    who: str
    text: str


def named(what: str, name: str) -> str:
    """`name` if it can name a run or a conversation (and a file); SettingError with one line otherwise."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise SettingError(f"{what} {name!r:.80} is no name: letters, digits, '.', '_' and '-' only")
    return name


def default_thread(run_id: str) -> str:
    """The conversation that belongs to a run."""
    return f"chat-{run_id}"


class Transcript:
    """The file of one conversation, made when something is first said."""

    def __init__(self, home: Path, thread: str) -> None:
        self.thread = named("--thread", thread)
        self.path = home / FOLDER / f"{self.thread}.jsonl"

    @property
    def run_id(self) -> str | None:
        """The run it was about last; None for a conversation that has not begun."""
        found = [str(row["run"]) for row in self._rows() if "run" in row]
        return found[-1] if found else None

    def begin(self, run_id: str) -> None:
        """Note which run the lines that follow are about, where that is new."""
        if self.run_id != run_id:
            self._append({"run": run_id})

    def keep(self, who: str, text: str) -> None:
        """Append one line; on disk when this returns."""
        self._append({"who": who, "text": text})

    def said(self, last: int | None = None) -> list[Said]:
        """The lines of the conversation, or the `last` of them."""
        rows = [Said(str(row["who"]), str(row["text"])) for row in self._rows() if {"who", "text"} <= row.keys()]
        return rows if last is None else rows[-last:]

    def _append(self, row: dict[str, str]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"time": round(time.time(), 3), **row}, ensure_ascii=True)
        with self.path.open("a+b") as file:
            torn = file.tell() > 0 and self._last_byte() != b"\n"
            file.write(b"\n" * torn + line.encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _last_byte(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1)

    def _rows(self) -> Iterator[dict[str, object]]:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # torn by a crash
            if isinstance(row, dict):
                yield row
