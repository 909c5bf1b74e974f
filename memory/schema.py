"""The tables of the store, as numbered migrations, and the way from an older file to the present one.

Knows what stands on disk. Refuses to know what a row means (memory/rows.py) and who writes it (memory/store.py).
A migration, once released, is never edited: whatever changes is added below it. Activations are FLOAT, as the subject
computes them; peaks and other figures read off them are DOUBLE. `seq` is the place within the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "what a run is and what it writes",
        """
        CREATE TABLE runs (
            id VARCHAR PRIMARY KEY, model VARCHAR, model_hash VARCHAR, hook VARCHAR, layer INTEGER, "index" INTEGER,
            kind VARCHAR, sign INTEGER, seed BIGINT, settings VARCHAR, state VARCHAR, started TIMESTAMPTZ DEFAULT now()
        );
        CREATE TABLE steps (
            run_id VARCHAR, number INTEGER, node VARCHAR, seconds DOUBLE, "update" VARCHAR,
            written TIMESTAMPTZ DEFAULT now(), PRIMARY KEY (run_id, number)
        );
        CREATE TABLE records (
            run_id VARCHAR, id INTEGER, step INTEGER, text_key VARCHAR, text VARCHAR, origin VARCHAR, parent INTEGER,
            hypothesis VARCHAR, predicted BOOLEAN, source VARCHAR, tokens VARCHAR[], token_ids INTEGER[],
            "values" FLOAT[], peak DOUBLE, "position" INTEGER, status VARCHAR
        );
        CREATE TABLE candidates (
            run_id VARCHAR, step INTEGER, seq INTEGER, text_key VARCHAR, text VARCHAR, origin VARCHAR, parent INTEGER,
            hypothesis VARCHAR, predicted BOOLEAN, source VARCHAR, reason VARCHAR, detail VARCHAR
        );
        CREATE TABLE hypotheses (
            run_id VARCHAR, step INTEGER, seq INTEGER, id VARCHAR, statement VARCHAR, triggers VARCHAR[],
            non_triggers VARCHAR[], fate VARCHAR, rule VARCHAR, hits INTEGER, misses INTEGER, reason VARCHAR,
            author VARCHAR
        );
        CREATE TABLE triggers (
            run_id VARCHAR, step INTEGER, seq INTEGER, text VARCHAR, activation DOUBLE, kept DOUBLE, parent INTEGER,
            tokens VARCHAR[], importance DOUBLE[], passes INTEGER, token VARCHAR
        );
        CREATE TABLE explanations (
            run_id VARCHAR, step INTEGER, seq INTEGER, verdict VARCHAR, text VARCHAR, rule VARCHAR, evidence INTEGER[],
            author VARCHAR, "full" VARCHAR
        );
        CREATE TABLE scores (
            run_id VARCHAR, step INTEGER, seq INTEGER, metric VARCHAR, split VARCHAR, value DOUBLE, n INTEGER,
            low DOUBLE, high DOUBLE, floor DOUBLE, floor_name VARCHAR, ceiling DOUBLE, reason VARCHAR
        );
        CREATE TABLE llm_calls (
            run_id VARCHAR, step INTEGER, seq INTEGER, agent VARCHAR, model VARCHAR, status VARCHAR, seconds DOUBLE,
            prompt VARCHAR, answer VARCHAR, detail VARCHAR
        );
        CREATE TABLE embeddings (text_key VARCHAR PRIMARY KEY, vector FLOAT[384] NOT NULL);
        """,
    ),
    (
        "features of a dictionary, cross-entropy of a text, importance by substitution",
        """
        ALTER TABLE runs ADD COLUMN dictionary VARCHAR;
        ALTER TABLE records ADD COLUMN surprise DOUBLE;
        ALTER TABLE triggers ADD COLUMN substitution DOUBLE[];
        """,
    ),
    (
        "certificates of an explanation's clauses",
        """
        ALTER TABLE explanations ADD COLUMN certificates VARCHAR DEFAULT '[]';
        """,
    ),
    (
        "where a run is traced",
        """
        ALTER TABLE runs ADD COLUMN traces VARCHAR;
        """,
    ),
    (
        "one explanation is read without those of all other runs: a full rule is close to a megabyte",
        """
        CREATE INDEX explanations_by_run ON explanations (run_id);
        """,
    ),
)


ASKABLE = 4  # migrations; those after it only make answers quicker


def migrate(connection: DuckDBPyConnection) -> None:
    """Bring the file up to date, one transaction a migration: a kill in between leaves a whole number of them."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name VARCHAR)")
    done = {number for (number,) in connection.execute("SELECT number FROM migrations").fetchall()}
    for number, (name, sql) in enumerate(MIGRATIONS, start=1):
        if number not in done:
            connection.execute("BEGIN")
            connection.execute(sql)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [number, name])
            connection.execute("COMMIT")


def is_current(connection: DuckDBPyConnection) -> bool:
    """Whether a store that is open can be asked everything."""
    [(done,)] = connection.execute("SELECT count(*) FROM migrations").fetchall()
    return done >= ASKABLE
