"""Every test: no network beyond loopback, no tracing, a data folder of its own."""

import os

import pytest

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
