"""Everything that is asked of the store: questions in terms of runs, answers in nouns.

Knows the questions. Refuses to write, and to know who owns the file: it needs one method that fetches rows. A question
about a run that does not exist has an empty answer, except `run` itself.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar

from memory import rows
from memory.database import UnknownRun
from memory.records import (
    Candidate,
    Explanation,
    Hypothesis,
    LlmCall,
    Origin,
    Record,
    Run,
    Score,
    Status,
    Step,
    Trigger,
)

Noun = TypeVar("Noun")
Order = Literal["id", "peak_desc", "peak_asc"]

ORDERS: dict[Order, str] = {"id": "id", "peak_desc": "peak DESC NULLS LAST, id", "peak_asc": "peak NULLS LAST, id"}
LATEST = (  # explanation of every run that has one
    "SELECT run_id, verdict, text FROM explanations"
    " QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY step DESC, seq DESC) = 1"
)
GROUPS: dict[Origin, str] = {
    Origin.HYPOTHESIS: "guided",
    Origin.PRUNE: "variant",
    Origin.SWAP: "variant",
    Origin.EDIT: "variant",
    Origin.REWRITE: "variant",
}  # any other origin is its own group


class Pair(NamedTuple):
    """A text measured in two runs, and its peak in each."""

    text: str
    first: float
    second: float


class Counts(TypedDict):
    """What became of every proposed prompt of a run, counted from the rows; generated = accepted + rejected."""

    generated: int
    accepted: int
    rejected: int
    generated_by: dict[str, int]  # group of origins: guided, variant, random, seed, corpus, user, optimiser
    accepted_by: dict[str, int]  # group of origins
    rejected_by: dict[str, int]  # reason
    records: int
    unique: int  # texts among the records
    errors: int  # records without a measurement


class Queries(ABC):
    """The readable half of the store."""

    @abstractmethod
    def _fetch(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""

    def run(self, run_id: str) -> Run:
        """The run of this id; raises UnknownRun, which lists the newest ones."""
        found = self._fetch(f"SELECT {rows.RUN_COLUMNS} FROM runs WHERE id = ?", [run_id])
        if not found:
            newest = ", ".join(run.id for run in self.runs()[:5]) or "none: the store is empty"
            raise UnknownRun(f"no run {run_id!r:.80}; the newest are {newest}")
        return rows.run(found[0])

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return [rows.run(row) for row in self._fetch(f"SELECT {rows.RUN_COLUMNS} FROM runs ORDER BY started DESC, id")]

    def step(self, run_id: str, number: int) -> dict[str, Any] | None:
        """The update stored with a step, or None when the step was never committed."""
        found = self._fetch('SELECT "update" FROM steps WHERE run_id = ? AND number = ?', [run_id, number])
        return json.loads(found[0][0]) if found else None

    def steps(self, run_id: str) -> list[Step]:
        """The steps of a run in order: node, update and seconds, without the rows they wrote."""
        sql = 'SELECT run_id, number, node, "update", seconds FROM steps WHERE run_id = ? ORDER BY number'
        found = self._fetch(sql, [run_id])
        return [Step(run, number, node, json.loads(update), seconds) for run, number, node, update, seconds in found]

    def noted(self, run_id: str) -> list[str]:
        """What was noted about a run in conversations, in order."""
        sql = 'SELECT "update" FROM steps WHERE run_id = ? AND contains("update", \'"note"\') ORDER BY number'
        updates = [json.loads(update) for (update,) in self._fetch(sql, [run_id])]
        return [str(update["note"]) for update in updates if "note" in update]

    def last_step(self, run_id: str) -> int:
        """The highest committed step number, 0 before the first."""
        return self._fetch("SELECT coalesce(max(number), 0) FROM steps WHERE run_id = ?", [run_id])[0][0]

    def next_record_id(self, run_id: str) -> int:
        """The id after the highest in the run, from 1."""
        return self._fetch("SELECT coalesce(max(id), 0) + 1 FROM records WHERE run_id = ?", [run_id])[0][0]

    def records(
        self,
        run_id: str,
        *,
        limit: int | None = None,
        order: Order = "id",
        origins: Collection[Origin] | None = None,
        ids: Collection[int] | None = None,
    ) -> list[Record]:
        """Records of a run; by peak, equal peaks stand in order of id and those without one come last."""
        sql = (
            f"SELECT {rows.RECORD_COLUMNS} FROM records WHERE run_id = $run"
            " AND ($origins IS NULL OR list_contains($origins::VARCHAR[], origin))"
            " AND ($ids IS NULL OR list_contains($ids::INTEGER[], id))"
            f" ORDER BY {ORDERS[order]} LIMIT $limit"
        )
        wanted = {
            "run": run_id,
            "limit": limit,
            "origins": None if origins is None else [origin.value for origin in origins],
            "ids": None if ids is None else list(ids),
        }
        return [rows.record(row) for row in self._fetch(sql, wanted)]

    def candidates(self, run_id: str) -> list[Candidate]:
        """Every proposed prompt of a run, in order."""
        sql = f"SELECT {rows.CANDIDATE_COLUMNS} FROM candidates WHERE run_id = ? ORDER BY step, seq"
        return [rows.candidate(row) for row in self._fetch(sql, [run_id])]

    def hypotheses(self, run_id: str) -> list[Hypothesis]:
        """The latest version of each hypothesis, in order of first appearance."""
        return list({each.id: each for each in self._nouns(Hypothesis, "hypotheses", run_id)}.values())

    def triggers(self, run_id: str) -> list[Trigger]:
        """All triggers of a run, in order."""
        return self._nouns(Trigger, "triggers", run_id)

    def explanation(self, run_id: str) -> Explanation | None:
        """The latest explanation."""
        found = self._nouns(Explanation, "explanations", run_id)
        return found[-1] if found else None

    def texts_by_run(self) -> dict[str, str]:
        """The latest explanation of every run that has one, in words."""
        return dict(self._fetch(f"SELECT run_id, text FROM ({LATEST}) WHERE text <> ''"))

    def scores(self, run_id: str) -> list[Score]:
        """The latest score of each metric and split, in order of first appearance."""
        return list({(each.metric, each.split): each for each in self._nouns(Score, "scores", run_id)}.values())

    def calls(self, run_id: str) -> list[LlmCall]:
        """All exchanges with language models, in order."""
        return self._nouns(LlmCall, "llm_calls", run_id)

    def texts(self, run_id: str, *, origins: Collection[Origin] | None = None) -> dict[str, str]:
        """The text behind every key of `peaks`, of some origins only when they are given."""
        sql = (
            "SELECT text_key, text FROM records WHERE run_id = $run AND peak IS NOT NULL"
            " AND ($origins IS NULL OR list_contains($origins::VARCHAR[], origin)) ORDER BY id"
        )
        chosen = None if origins is None else [origin.value for origin in origins]
        return dict(self._fetch(sql, {"run": run_id, "origins": chosen}))

    def seen(self, run_id: str) -> set[str]:
        """The keys of all texts a run tried to measure, failed ones too."""
        return {key for (key,) in self._fetch("SELECT DISTINCT text_key FROM records WHERE run_id = ?", [run_id])}

    def peaks(self, run_id: str) -> dict[str, float]:
        """The peak of every measured text by its key, in order; the latest where there are several."""
        sql = "SELECT text_key, peak FROM records WHERE run_id = ? AND peak IS NOT NULL ORDER BY id"
        return dict(self._fetch(sql, [run_id]))

    def counts(self, run_id: str) -> Counts:
        """What became of the candidates and records of a run."""
        fates = self._fetch("SELECT origin, reason, count(*) FROM candidates WHERE run_id = ? GROUP BY ALL", [run_id])
        by_group = [(GROUPS.get(Origin(origin), origin), reason, number) for origin, reason, number in fates]
        accepted = [(group, number) for group, reason, number in by_group if reason is None]
        rejected = [(reason, number) for _, reason, number in by_group if reason is not None]
        good = [Status.MEASURED.value, Status.TRUNCATED.value]
        sql = (
            "SELECT count(*), count(DISTINCT text_key), count(*) FILTER (NOT list_contains(?, status))"
            " FROM records WHERE run_id = ?"
        )
        records, unique, errors = self._fetch(sql, [good, run_id])[0]
        return Counts(
            generated=sum(number for *_, number in by_group),
            accepted=sum(number for _, number in accepted),
            rejected=sum(number for _, number in rejected),
            generated_by=_sums((group, number) for group, _, number in by_group),
            accepted_by=_sums(accepted),
            rejected_by=_sums(rejected),
            records=records,
            unique=unique,
            errors=errors,
        )

    def compare(self, run_a: str, run_b: str) -> list[Pair]:
        """The texts measured in both runs with both peaks, in the order of the first run."""
        sql = (
            "SELECT any_value(a.text), max(a.peak), max(b.peak) FROM records a JOIN records b USING (text_key)"
            " WHERE a.run_id = ? AND b.run_id = ? AND a.peak IS NOT NULL AND b.peak IS NOT NULL"
            " GROUP BY text_key ORDER BY min(a.id)"
        )
        return [Pair(*row) for row in self._fetch(sql, [run_a, run_b])]

    def _nouns(self, kind: type[Noun], table: str, run_id: str) -> list[Noun]:
        sql = f"SELECT {rows.columns(kind)} FROM {table} WHERE run_id = ? ORDER BY step, seq"
        return [rows.noun(kind, row) for row in self._fetch(sql, [run_id])]


def _sums(pairs: Iterable[tuple[Any, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, number in pairs:
        sums[name] = sums.get(name, 0) + number
    return sums
