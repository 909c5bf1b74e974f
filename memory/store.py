"""The store: every activation record and what was made of it, in one DuckDB file owned by one process.

Knows how steps of runs are written, once each and whole, and how they are read back. Refuses to know what a step means,
and keeps no figure that can be counted from the rows. A step is one transaction keyed by its run and number: what
`commit` acknowledged survives kill -9, and committing it again changes nothing. Any thread may use it: each call takes
a cursor of its own, and writers queue. Failures are the StoreErrors of memory/database.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from memory import rows
from memory.database import (
    RunConflict,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnwritable,
    UnknownRun,
    connect,
    named_failures,
)
from memory.queries import Queries
from memory.records import Run, Step, plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

__all__ = [
    "RunConflict",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreUnwritable",
    "UnknownRun",
]


MOST_TRACES = 20  # of a run, the newest; a conversation makes one a turn
OF_A_RUN = ("runs", "steps", "records", "candidates", "hypotheses", "triggers", "explanations", "scores", "llm_calls")


class Store(Queries):
    """One open DuckDB file. Use `Store.open`, and close it or leave its `with` block to let other processes in."""

    def __init__(self, path: Path, connection: DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        self._writing = threading.Lock()
        self._schemas: dict[str, pa.Schema] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """The store at `path`, made where missing; raises StoreLocked, StoreFull, StoreUnwritable or StoreDamaged."""
        return cls(path, connect(path))

    def close(self) -> None:
        """Write everything into the one file and give up its lock."""
        with self._writing, named_failures(self.path):
            self._connection.close()

    def checkpoint(self) -> None:
        """Write everything into the one file."""
        with self._writing, self._cursor() as cursor:
            cursor.execute("CHECKPOINT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, run: Run) -> None:
        """Announce a run, or take it up again with new settings; RunConflict when the id names another inquiry."""
        with self._transaction() as cursor:
            found = cursor.execute(f"SELECT {rows.RUN_COLUMNS} FROM runs WHERE id = ?", [run.id]).fetchone()
            if found is None:
                self._insert(cursor, "runs", [rows.run_row(run)])
                return
            known = rows.run(found)
            if (known.target, known.seed) != (run.target, run.seed):
                raise RunConflict(f"run {run.id} is about {known.target.name} with seed {known.seed}; take another id")
            row = rows.run_row(run)
            cursor.execute("UPDATE runs SET settings = ?, state = ? WHERE id = ?", [row["settings"], run.state, run.id])

    def finish(self, run_id: str, state: str) -> None:
        """Set the state of a run."""
        self.run(run_id)
        with self._transaction() as cursor:
            cursor.execute("UPDATE runs SET state = ? WHERE id = ?", [state, run_id])

    def keep_trace(self, run_id: str, trace: str, address: str | None) -> None:
        """Keep under a run where it is traced: the trace's id, and its address as soon as that is known."""
        traces = self.run(run_id).traces | {trace: address}
        newest = dict(list(traces.items())[-MOST_TRACES:])
        with self._transaction() as cursor:
            cursor.execute("UPDATE runs SET traces = ? WHERE id = ?", [json.dumps(newest), run_id])

    def commit(self, step: Step) -> bool:
        """Write all of a step, or nothing and False when that step of the run is already there.

        Text that UTF-8 cannot carry (a lone surrogate) raises UnicodeEncodeError and writes nothing.
        """
        claim = (
            'INSERT OR IGNORE INTO steps (run_id, number, node, seconds, "update")'
            " SELECT id, ?, ?, ?, ? FROM runs WHERE id = ?"
        )
        cells = [step.number, step.node, step.seconds, json.dumps(plain(step.update)), step.run_id]
        with self._transaction() as cursor:
            if cursor.execute(claim, cells).fetchall() == [(0,)]:
                self.run(step.run_id)  # raises when that is the reason
                return False
            for table, new in rows.step_rows(step).items():
                self._insert(cursor, table, new)
        return True

    def take_in(self, path: Path) -> list[str]:
        """Copy every run of another store, which nobody has open, whole and once; returns the runs that were new.

        One transaction: a run that is here already was taken in with all its rows.
        """
        import duckdb

        source = str(path).replace("'", "''")
        with self._writing, self._cursor() as cursor:
            cursor.execute(f"ATTACH '{source}' AS shard (READ_ONLY)")
            try:
                cursor.execute("BEGIN")
                sql = "SELECT id FROM shard.runs WHERE id NOT IN (SELECT id FROM runs) ORDER BY id"
                new = [run_id for (run_id,) in cursor.execute(sql).fetchall()]
                for table in OF_A_RUN:
                    key = "id" if table == "runs" else "run_id"
                    chosen = f"SELECT * FROM shard.{table} WHERE list_contains(?::VARCHAR[], {key})"
                    cursor.execute(f"INSERT INTO {table} BY NAME {chosen}", [new])
                cursor.execute("INSERT OR IGNORE INTO embeddings SELECT * FROM shard.embeddings")
                cursor.execute("COMMIT")
            except BaseException:
                for undone in ("ROLLBACK", "DETACH shard"):
                    with suppress(duckdb.Error):  # a COMMIT that failed has ended it already
                        cursor.execute(undone)
                raise
            cursor.execute("DETACH shard")
        return new

    def embeddings(self, keys: Collection[str]) -> dict[str, np.ndarray]:
        """The kept sentence embeddings among `keys` (text keys), float32 [384] each."""
        sql = "SELECT text_key, vector FROM embeddings WHERE text_key IN (SELECT unnest(?::VARCHAR[]))"
        with self._cursor() as cursor:
            found = cursor.execute(sql, [list(keys)]).fetchnumpy()
        return dict(zip(found["text_key"], found["vector"], strict=True))

    def keep_embeddings(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep sentence embeddings, float32 [384] by text key; a key that is there keeps what it has."""
        new = [{"text_key": key, "vector": vector} for key, vector in vectors.items()]
        with self._transaction() as cursor:
            self._insert(cursor, "embeddings", new, conflict="OR IGNORE")

    def _fetch(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            return cursor.execute(sql, parameters).fetchall()

    @contextmanager
    def _cursor(self) -> Iterator[DuckDBPyConnection]:
        with named_failures(self.path), self._connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBPyConnection]:
        """A cursor in a transaction: committed, and on disk, at the end of the block; undone when the block raises."""
        with self._writing, self._cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("COMMIT")

    def _insert(self, cursor: DuckDBPyConnection, table: str, new: list[rows.Row], *, conflict: str = "") -> None:
        """Insert rows through Arrow: one row costs what it costs anyway, hundreds a fraction of executemany."""
        if not new:
            return
        import pyarrow as pa

        if table not in self._schemas:
            self._schemas[table] = cursor.sql(f"SELECT * FROM {table} LIMIT 0").to_arrow_table().schema
        schema = pa.schema([field for field in self._schemas[table] if field.name in new[0]])
        cursor.register("new_rows", pa.Table.from_pylist(new, schema=schema))
        cursor.execute(f"INSERT {conflict} INTO {table} BY NAME SELECT * FROM new_rows")
