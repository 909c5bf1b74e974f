"""An environment that asks for traces, and spans as trees of names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evals.langsmith_stub import Body
from graphs import tracing

OTHERS = ("LANGSMITH_ENDPOINT", "LANGSMITH_PROJECT", "LANGSMITH_WORKSPACE_ID", "LANGSMITH_FAILED_TRACES_DIR")


@contextmanager
def asked_for(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path, **changed: str | None) -> Iterator[None]:
    """Tracing is on, there is a key, and the service is at `url`; what stays unsent goes to `folder`."""
    given = {"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "for-the-test", "LANGSMITH_ENDPOINT": url}
    given |= {"LANGSMITH_FAILED_TRACES_DIR": str(folder)}
    with monkeypatch.context() as changes:
        for name in (*tracing.SWITCHES, *tracing.KEYS, *OTHERS):
            changes.delenv(name, raising=False)
        for name, value in (given | changed).items():
            if value is not None:
                changes.setenv(name, value)
        try:
            yield
        finally:
            tracing.flush()


def roots(runs: list[Body]) -> list[Body]:
    """The spans that are within no other."""
    return [run for run in runs if not run.get("parent_run_id")]


def within(runs: list[Body], name: str) -> set[str]:
    """The names of the spans right within those of this name."""
    parents = {run["id"] for run in runs if run["name"] == name}
    return {run["name"] for run in runs if run.get("parent_run_id") in parents}


def longest(value: Any) -> int:
    """The length of the longest list in plain data."""
    if isinstance(value, dict):
        return max(map(longest, value.values()), default=0)
    return max([len(value), *map(longest, value)]) if isinstance(value, list) else 0
