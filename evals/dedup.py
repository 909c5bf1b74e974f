"""What it costs to ask of one prompt whether something like it was tried: beside 1,000, 10,000 and 100,000 stored.

The encoder is left out, since it costs the same either way. The question is the product's own (`Recall.screen` of
memory/recall.py): the nearest mediocre prompt, exact. The naive way is the published one: walk through all records,
take each one's cosine, and the percentiles of all values for each, to know which bucket it is in.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memory.recall import WIDTH, Recall
from memory.records import text_key
from memory.standing import Bucket
from memory.store import Store

SIZES = (1_000, 10_000, 100_000)
ASKED, NAIVELY_ASKED = 64, 2


class Drawn:
    """An encoder that gives every text a direction of its own, drawn by the text."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], every row of length one."""
        drawn = np.stack([np.random.default_rng(int(text_key(text)[:12], 16)).normal(size=WIDTH) for text in texts])
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def costs(folder: Path) -> dict[int, float]:
    """Milliseconds a prompt by stored prompts."""
    found = {}
    for size in SIZES:
        with Store.open(folder / f"{size}.duckdb") as store:
            recall = Recall(Drawn(), store, run_id="none")
            recall.add([f"stored {n}" for n in range(size)])
            recall.screen(["warm"], lambda _: Bucket.MID)
            asked = [f"asked {n}" for n in range(ASKED)]
            Drawn().encode(asked)
            encoding = _seconds(lambda asked=asked: Drawn().encode(asked))
            whole = _seconds(lambda recall=recall, asked=asked: recall.screen(asked, lambda _: Bucket.MID))
            found[size] = max(whole - encoding, 1e-9) / ASKED * 1000
    return found


def naive(size: int) -> float:
    """Milliseconds a prompt of the published loop."""
    stored = list(Drawn().encode([f"stored {n}" for n in range(size)]))
    values = list(np.random.default_rng(0).normal(size=size))
    asked = Drawn().encode([f"asked {n}" for n in range(NAIVELY_ASKED)])

    def ask() -> None:
        for one in asked:
            for other, value in zip(stored, values, strict=True):
                low, high = np.percentile(values, 15), np.percentile(values, 85)
                near = float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))
                if low < value < high and near > 0.999:
                    return

    return _seconds(ask) / NAIVELY_ASKED * 1000


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
