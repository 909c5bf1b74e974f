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


SLOWEST = (  # files, those that take longest first: two processes share them, and end together
    "evals/test_faults", "agents/statistical/test_induction", "graphs/test_cluster", "graphs/test_language_path",
    "graphs/test_studio", "graphs/test_inquiry", "graphs/test_chat_terminal", "graphs/test_resume",
    "graphs/test_judging", "graphs/test_chat", "agents/test_examination", "agents/statistical/test_agreement",
    "graphs/test_interpret_command", "tools/test_predicates", "evals/test_planted", "graphs/test_overnight",
    "graphs/test_other_units",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files begin first; the others stay in their order."""
    places = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


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
