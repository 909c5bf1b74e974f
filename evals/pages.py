"""`python -m evals.pages`: how long a page takes over a large store.

Makes a store of `--records` records in `--runs` runs, every one a copy of a small made-up run under another name, then
starts `python -m graphs.review` over it and asks for every page `--repeats` times, first in turn and then several at a
time. Told are the milliseconds of the first answer, the median and the slowest of the others. Times depend on the
machine; the rows of a store do not: they are multiplied inside the database.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import duckdb

from graphs.state import STORE
from memory.records import (
    Candidate,
    Clause,
    Explanation,
    Fate,
    Hypothesis,
    Origin,
    Prompt,
    Record,
    Rule,
    Run,
    Score,
    Step,
    Target,
    Trigger,
    Verdict,
)
from memory.store import Store

SEED = "seed"
TOKENS, STEPS, CLAIMS, LEVELS = 24, 50, 60, 300
TABLES = ("steps", "records", "candidates", "hypotheses", "triggers", "explanations", "scores")
AT_ONCE = 4
LIMIT = 300.0  # milliseconds that a page may take


def build(home: Path, *, runs: int, records: int) -> int:
    """Fill a data folder with `runs` runs that have `records` records together; returns how many there are."""
    each = max(STEPS, -(-records // runs))
    target = Target("pocket", "48c92f0f232b00bb", "blocks.4.mlp.out.hook_in", 4, 0)
    with Store.open(home / STORE) as store:
        store.begin(Run(SEED, target, 0, {"corpus": "stdlib"}, "finished"))
        for number in range(1, STEPS + 1):
            store.commit(_step(number, each // STEPS + (number <= each % STEPS), (number - 1) * (each // STEPS + 1)))
    with duckdb.connect(str(home / STORE)) as connection:
        for table in TABLES:
            _multiply(connection, table, "run_id", {"run_id": "printf('run-%06d', i)"}, runs)
        names = {"id": "printf('run-%06d', i)", "layer": "(i % 12)::INTEGER", "index": "i::INTEGER"}
        _multiply(connection, "runs", "id", names, runs)
        found = connection.execute("SELECT count(*) FROM records").fetchone()
    return found[0] if found else 0


def _multiply(connection: duckdb.DuckDBPyConnection, table: str, key: str, changed: dict[str, str], times: int) -> None:
    """Add copies of the seed's rows, the rows of a copy together, with some columns changed."""
    rows = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall()
    cells = ", ".join(f'{changed.get(name, f"seed.{chr(34)}{name}{chr(34)}")} AS "{name}"' for (name,) in rows)
    source = f"range({times - 1}) AS copies(i), (SELECT * FROM {table} WHERE {key} = '{SEED}') AS seed"
    connection.execute(f"INSERT INTO {table} BY NAME SELECT {cells} FROM {source} ORDER BY i")


def _step(number: int, size: int, before: int) -> Step:
    records = tuple(_record(before + place, number) for place in range(1, size + 1))
    last = number == STEPS
    return Step(
        SEED,
        number,
        "explainer" if last else "experiment",
        {"best": 1.0, "why": "40 prompts wait to be measured", "passes": number * 40},
        0.2,
        records=records,
        candidates=tuple(Candidate(number, record.prompt) for record in records),
        hypotheses=_claims() if last else (),
        triggers=(Trigger(" import os", 1.5, 0.8, 1, (" import", " os"), (1.0, 0.4), 90),) if last else (),
        explanation=_explanation() if last else None,
        scores=_scores() if last else (),
    )


def _record(number: int, step: int) -> Record:
    tokens = tuple(f" word{(number * 7 + place) % 997}" for place in range(TOKENS))
    values = tuple(((number * 31 + place * 17) % 211) / 100 - 0.3 for place in range(TOKENS))
    origin = (Origin.CORPUS, Origin.PAIR, Origin.SWAP, Origin.OPTIMISER)[number % 4]
    prompt = Prompt("".join(tokens), origin, parent=1 if origin is Origin.SWAP else None, source=f"file.py:{number}")
    surprise = 3.0 + number % 5 if origin is Origin.OPTIMISER else None
    peak = max(values)
    return Record(
        number, step, prompt, tokens, tuple(range(TOKENS)), values, peak, values.index(peak), surprise=surprise
    )


def _claims() -> tuple[Hypothesis, ...]:
    fates = tuple(Fate)
    return tuple(Hypothesis(f"h{n}", f"it fires on word{n}", ("a",), ("b",), fates[n % 4]) for n in range(CLAIMS))


def _explanation() -> Explanation:
    clause = Clause("token", {f" word{place}": place / LEVELS for place in range(LEVELS)})
    text = "Fires on words with numbers in them, most of all on those that end in seven."
    return Explanation(Verdict.TOKEN_SET, text, Rule(0.1, (clause,)), (1, 2, 3), full=Rule(0.1, (clause,) * 9))


def _scores() -> tuple[Score, ...]:
    return tuple(Score(f"metric {n}", "held-out text", 0.5 + n / 30, 900, 0.45, 0.6, 0.3, "floor") for n in range(12))


def pages(runs: int) -> dict[str, str]:
    """The addresses that are asked for, by what they show."""
    one, other = f"run-{runs // 2:06d}", f"run-{runs // 3:06d}"
    return {
        "list": "/",
        "list by score": "/?sort=score&page=3",
        "search": "/?q=seven&layer=4",
        "neuron": f"/run/{one}",
        "trace": f"/run/{one}/trace",
        "records": f"/run/{one}/records?page=2",
        "words in records": f"/run/{one}/records?words=word96",
        "record": f"/run/{one}/record/7",
        "compare": f"/compare?a={one}&b={other}",
        "night": "/night",
    }


def measure(home: Path, *, runs: int, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of every page: the first answer, the median and slowest in turn, the slowest of several at once."""
    command = [sys.executable, "-m", "graphs.review", "--port=0", f"--home={home}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip().rstrip("/")
        try:
            return {name: _asked(f"{address}{page}", repeats) for name, page in pages(runs).items()}
        finally:
            server.terminate()


def _asked(address: str, repeats: int) -> dict[str, float]:
    first = _seconds(address)
    others = [_seconds(address) for _ in range(repeats)]
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        together = list(crowd.map(_seconds, [address] * max(repeats, AT_ONCE)))
    told = {"first": first, "median": statistics.median(others), "slowest": max(others), "together": max(together)}
    return {name: round(1000 * seconds, 1) for name, seconds in told.items()}


def _seconds(address: str) -> float:
    began = time.monotonic()
    with build_opener(ProxyHandler({})).open(address, timeout=60) as answer:
        answer.read()
    return time.monotonic() - began


def main(words: list[str] | None = None) -> int:
    """Run the measurement; status 1 when a page, asked for alone, took longer than it may."""
    parser = argparse.ArgumentParser(prog="python -m evals.pages", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        records = build(Path(folder), runs=arguments.runs, records=arguments.records)
        print(f"{records:,} records in {arguments.runs:,} runs, made in {time.monotonic() - began:.0f} s", flush=True)
        found = measure(Path(folder), runs=arguments.runs, repeats=arguments.repeats)
    for name, told in found.items():
        print(f"{name:<18}" + "  ".join(f"{part} {told[part]:6.0f} ms" for part in told))
    slowest = max(told["slowest"] for told in found.values())
    data: dict[str, Any] = {"records": records, "runs": arguments.runs, "slowest_ms": slowest, "pages": found}
    if arguments.json:
        arguments.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return int(slowest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
