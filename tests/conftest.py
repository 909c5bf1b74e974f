"""Every test: no network beyond loopback, no tracing, a data folder of its own."""

import os
import sys
import time
from pathlib import Path

import pytest

if sys.dont_write_bytecode:  # then every process of a test would compile all of torch again, which takes longest of all
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ.update(
    OMP_NUM_THREADS="1",  # one a worker; and sums are only equal to the last bit for an equal number of threads
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    TOKENIZERS_PARALLELISM="false",
    WANDB_MODE="disabled",
    LANGSMITH_TRACING="false",
    LANGGRAPH_STRICT_MSGPACK="true",
)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    """Whatever a test keeps, it keeps in its own temporary folder."""
    monkeypatch.setenv("NEURONAUT_HOME", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def pace() -> float:
    """How many times as long computing takes here and now as where seconds were promised; at least 1.

    There a loop of a million steps takes 0.06 s. Bounds of what computes are multiplied by it, so that they tell
    slow code from a slow machine; bounds of what waits are not.
    """
    loops = []
    for _ in range(5):
        began = time.perf_counter()
        step = 0
        while step < 1_000_000:
            step += 1
        loops.append(time.perf_counter() - began)
    return max(1.0, sorted(loops)[2] / 0.06)
