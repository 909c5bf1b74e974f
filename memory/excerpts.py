"""Excerpts: what pages ask about one run, a page at a time, from a copy of the store that is renewed as it goes.

Knows questions whose answers are cut to what one page shows, so that they cost the same in a large store. Reads a copy
of the store (memory/snapshot.py). Any thread may ask; who asks while the copy is being renewed is answered from the one
before. Refuses to write, and to know how an answer is drawn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory import rows
from memory.database import StoreError
from memory.queries import ORDERS, Order
from memory.records import Candidate, Explanation, LlmCall, Record
from memory.snapshot import Snapshot

EVERY = 2.0  # seconds between two looks whether the store has changed
PATIENCE = 0.2  # seconds that whoever asks waits for a newer copy


@dataclass(frozen=True)
class Tally:
    """What one step measured, its highest peak, and how many proposals were turned down in it, by reason."""

    measured: int
    best: float | None
    rejected: dict[str, int]


class Excerpts(Snapshot):
    """A copy of the store with questions about one run. Raises StoreLocked when there is no copy and it is owned."""

    def __init__(self, path: Path) -> None:
        self._renewing = threading.Lock()
        self._refreshing = False
        self._looked = 0.0
        super().__init__(path)

    def refresh(self) -> bool:
        """Publish and read anew where the store has changed; a question under way keeps the copy that it reads."""
        self._refreshing = True
        try:
            return super().refresh()
        finally:
            self._refreshing = False

    def close(self) -> None:
        """Let the copy go; a refresh only puts the new one in its place."""
        if not self._refreshing:
            super().close()

    def renew(self) -> None:
        """Look for a newer copy, at most every two seconds, and wait no longer for it than a page can."""
        if time.monotonic() - self._looked < EVERY or not self._renewing.acquire(blocking=False):
            return
        self._looked = time.monotonic()
        looking = threading.Thread(target=self._look, daemon=True)
        looking.start()
        looking.join(PATIENCE)

    def _look(self) -> None:
        try:
            self.refresh()
        except (StoreError, OSError):
            pass  # the copy from before is still good, and says how old it is
        finally:
            self._renewing.release()

    def concluded(self, run_id: str) -> Explanation | None:
        """The latest explanation without its full rule, which is long and lies beside everybody else's."""
        columns = rows.columns(Explanation).replace('"full"', 'NULL AS "full"')
        sql = f"SELECT {columns} FROM explanations WHERE run_id = ? ORDER BY step DESC, seq DESC LIMIT 1"
        found = self._fetch(sql, [run_id])
        return rows.noun(Explanation, found[0]) if found else None

    def record(self, run_id: str, number: int) -> Record | None:
        """One record."""
        return next(iter(self.records(run_id, ids=[number], limit=1)), None)

    def record_page(
        self,
        run_id: str,
        *,
        order: Order = "id",
        limit: int,
        offset: int = 0,
        origin: str | None = None,
        step: int | None = None,
        hypothesis: str | None = None,
        words: str | None = None,
    ) -> tuple[list[Record], int]:
        """A page of a run's records, and how many there are: of an origin, a step, a claim, or with these words."""
        where = (
            "run_id = $run AND ($origin IS NULL OR origin = $origin) AND ($step IS NULL OR step = $step)"
            " AND ($hypothesis IS NULL OR hypothesis = $hypothesis)"
            " AND ($words IS NULL OR contains(lower(text), $words))"
        )
        wanted = {"run": run_id, "origin": origin, "step": step, "hypothesis": hypothesis}
        wanted["words"] = words.lower() if words else None
        (total,) = self._fetch(f"SELECT count(*) FROM records WHERE {where}", wanted)[0]
        sql = f"SELECT {rows.RECORD_COLUMNS} FROM records WHERE {where} ORDER BY {ORDERS[order]}"
        found = self._fetch(f"{sql} LIMIT $limit OFFSET $offset", wanted | {"limit": limit, "offset": offset})
        return [rows.record(row) for row in found], total

    def origins(self, run_id: str) -> dict[str, int]:
        """How many records of a run are of each origin."""
        sql = "SELECT origin, count(*) FROM records WHERE run_id = ? GROUP BY 1 ORDER BY 2 DESC, 1"
        return dict(self._fetch(sql, [run_id]))

    def fluent(self, run_id: str, *, limit: int) -> list[Record]:
        """Records whose cross-entropy is known, highest first."""
        sql = f"SELECT {rows.RECORD_COLUMNS} FROM records WHERE run_id = ? AND isfinite(surprise) AND isfinite(peak)"
        return [
            rows.record(row) for row in self._fetch(f"{sql} ORDER BY peak DESC, surprise, id LIMIT ?", [run_id, limit])
        ]

    def gains(self, run_id: str) -> list[tuple[int, float, str]]:
        """Where the best so far rose: how many texts had been measured, the peak, and its origin."""
        sql = (
            "WITH tried AS (SELECT row_number() OVER (ORDER BY id) AS n, peak, origin,"
            " max(peak) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
            " FROM records WHERE run_id = ?)"
            " SELECT n, peak, origin FROM tried WHERE peak > coalesce(before, '-infinity'::DOUBLE) ORDER BY n"
        )
        return self._fetch(sql, [run_id])

    def said(self, run_id: str, name: str) -> Any:
        """What the last step that said something under this name said, as plain data; None when none did."""
        sql = 'SELECT number FROM steps WHERE run_id = ? AND contains("update", ?) ORDER BY number DESC'
        for (number,) in self._fetch(sql, [run_id, f'"{name}"']):
            update = self.step(run_id, number) or {}
            if name in update:
                return update[name]
        return None

    def tallies(self, run_id: str) -> dict[int, Tally]:
        """What every step of a run measured and turned down."""
        measured = "SELECT step, count(*), max(peak) FROM records WHERE run_id = ? GROUP BY 1"
        found = {step: (number, best) for step, number, best in self._fetch(measured, [run_id])}
        rejected: dict[int, dict[str, int]] = {}
        turned = "SELECT step, reason, count(*) FROM candidates WHERE run_id = ? AND reason IS NOT NULL GROUP BY 1, 2"
        for step, reason, number in self._fetch(f"{turned} ORDER BY 1, 3 DESC, 2", [run_id]):
            rejected.setdefault(step, {})[reason] = number
        return {
            step: Tally(*found.get(step, (0, None)), rejected.get(step, {})) for step in found.keys() | rejected.keys()
        }

    def turned_down(self, run_id: str, *, steps: Collection[int], limit: int) -> list[Candidate]:
        """Proposals that were rejected in these steps."""
        sql = (
            f"SELECT {rows.CANDIDATE_COLUMNS} FROM candidates WHERE run_id = ?"
            " AND list_contains(?::BIGINT[], step) AND reason IS NOT NULL ORDER BY step, seq LIMIT ?"
        )
        return [rows.candidate(row) for row in self._fetch(sql, [run_id, sorted(steps), limit])]

    def calls_by_step(self, run_id: str, *, first: int, last: int) -> dict[int, list[LlmCall]]:
        """The exchanges with language models in the steps from `first` to `last`, by step."""
        sql = f"SELECT step, {rows.columns(LlmCall)} FROM llm_calls WHERE run_id = ? AND step BETWEEN ? AND ?"
        calls: dict[int, list[LlmCall]] = {}
        for step, *row in self._fetch(f"{sql} ORDER BY step, seq", [run_id, first, last]):
            calls.setdefault(step, []).append(rows.noun(LlmCall, tuple(row)))
        return calls
