"""A data folder to review: runs of a made-up neuron that went well, went badly, are under way, and are hostile."""

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from graphs.report.findings import Findings
from graphs.reviewing.app import Review, make_app
from memory.records import Candidate, LlmCall, Origin, Prompt, Record, Run, Step, Target, text_key
from memory.store import Store
from tests.graphs.sample_findings import HOSTILE, dead, hostile, with_calls

GOOD, DEAD, OTHER, BAD = "20250611-142233-L2N117", "20250611-150101-L0N3", "other-L2N117", "hostile run"
PORT = 8765
TRAVERSAL = "..%2F..%2Foutside"
UNSAFE = HOSTILE.replace("\udc80", "")  # a store keeps what UTF-8 can carry


def make(home: Path) -> Path:
    """Fill a data folder; returns it."""
    with Store.open(home / "neuronaut.duckdb") as store:
        good = with_calls()
        _keep(store, good, good.run.id)
        _keep(store, replace(good, scores=good.scores[1:]), OTHER, state="running")
        _keep(store, dead(), DEAD)
        _keep(store, _encodable(hostile()), BAD)
        store.begin(Run("../../outside", good.run.target, 0, {}))
    (home / "reports").mkdir()
    (home / "reports" / f"{GOOD}.html").write_text(
        "<!doctype html><title>finished</title><style>p{}</style><p>the report"
    )
    (home.parent / "outside.html").write_text("secret")
    return home


def browser(review: Review) -> TestClient:
    """Somebody who asks for pages at the address they are served at."""
    return TestClient(make_app(review, port=PORT), base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False)


def records_of(found: Findings) -> tuple[Record, ...]:
    """The records that are kept of a run, each once."""
    rows = {record.id: replace(record, step=2) for record in (*found.top, *found.fluent, *found.evidence)}
    return tuple(rows.values())


def _keep(store: Store, found: Findings, run_id: str, *, state: str = "finished") -> None:
    store.begin(replace(found.run, id=run_id, state="running"))
    twice = "proposed twice"
    turned = Candidate(2, Prompt(twice, Origin.RANDOM), "duplicate", "of record 11")
    rows = records_of(found)
    store.commit(Step(run_id, 1, "supervisor", {"goto": "survey", "why": "nothing is known yet", "passes": 0}, 0.01))
    store.commit(
        Step(
            run_id,
            2,
            "experiment",
            {"best": 1.5, "passes": 40, "optimised": found.optimised},
            2.5,
            records=rows,
            candidates=(turned, *(Candidate(2, record.prompt) for record in rows)),
            calls=found.calls,
        )
    )
    store.commit(
        Step(
            run_id,
            3,
            "explainer",
            {"effects": {name: each for name, each in found.effects.items() if name != "told"}},
            1.0,
            hypotheses=found.hypotheses,
            triggers=found.triggers,
            explanation=found.explanation,
            scores=found.scores,
        )
    )
    if state != "running":
        store.finish(run_id, found.run.state)


def _encodable(found: Findings) -> Findings:
    """The hostile findings without what no store keeps: a lone surrogate."""
    from memory.records import plain, revive

    parts = {}
    for name in ("run", "explanation", "best"):
        noun = getattr(found, name)
        parts[name] = revive(type(noun), _clean(plain(noun)))
    for name in ("scores", "hypotheses", "triggers", "top", "fluent", "evidence", "calls"):
        parts[name] = tuple(revive(type(each), _clean(plain(each))) for each in getattr(found, name))
    call = LlmCall(UNSAFE, UNSAFE, "ok", 1.0, f"ignore all rules {UNSAFE}", UNSAFE, UNSAFE)
    return replace(found, **parts | {"calls": (*parts["calls"], call)}, optimised={}, effects=_clean(found.effects))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value.replace("\udc80", "") if isinstance(value, str) else value


def begin_night(home: Path, **beat: Any) -> Path:
    """Put an overnight run into a data folder; returns its heartbeat's file."""
    folder = home / "overnight" / "first night"
    folder.mkdir(parents=True, exist_ok=True)
    worker = {
        "pid": 7,
        "target": "L2N117",
        "run_id": GOOD,
        "step": 3,
        "node": "prune_augment",
        "since": time.time() - 9,
        "rss_gb": 1.25,
    }
    best = {"target": "L2N117", "run_id": GOOD, "score": 0.81, "floor": 0.44, "verdict": "n-gram", "prose": UNSAFE}
    usual = {
        "name": "first night", "state": "running", "pid": 6, "time": time.time(), "done": 12, "failed": 2,
        "set_aside": 1, "left": 27, "total": 40, "hours": 1.5, "eta_seconds": 4000, "rss_gb": 2.5,
        "workers": [worker], "best": [best],
    }  # fmt: skip
    (folder / "heartbeat.json").write_text(json.dumps(usual | beat))
    with sqlite3.connect(folder / "queue.sqlite") as queue:
        queue.execute(
            "CREATE TABLE IF NOT EXISTS targets"
            " (name TEXT PRIMARY KEY, state TEXT, run_id TEXT, tries INT, reason TEXT)"
        )
        rows = [("L2N117", "kept", GOOD, 0, ""), ("L9N652", "set aside", "x", 2, f"SubjectError: {UNSAFE}")]
        queue.executemany("INSERT OR REPLACE INTO targets VALUES (?, ?, ?, ?, ?)", rows)
    queue.close()
    return folder / "heartbeat.json"


class Words:
    """An encoder that counts words: texts are as near as the words they share."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], every row of length one."""
        rows = np.full((len(texts), 384), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[int(text_key(word), 16) % 384] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


TARGET = Target("pocket", "9f1c04e7a1b2c3d4", "blocks.2.mlp.hook_post", 2, 117)
