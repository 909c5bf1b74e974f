"""With a key and the flag, a run is one trace; without a key nothing leaves the machine and nothing warns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphs import tracing
from graphs.interpret import main
from tests.graphs.hub_stub import Visits, server
from tests.tiny_models import PAIR

WORDS = ["--layer=0", f"--neuron={PAIR}", "--survey-tokens=6000", "--max-iterations=1", "--llm=built-in"]


@pytest.fixture
def langsmith(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    """A server that speaks as much of LangSmith's protocol as a run needs; nothing of it is kept for other tests."""
    from langsmith import run_trees

    for name in (*tracing.SWITCHES, *tracing.KEYS):
        monkeypatch.delenv(name, raising=False)
    with server(202) as visits:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", visits.url)
        monkeypatch.setattr(run_trees, "_CLIENT", None)
        _forget()
        yield visits
        if run_trees._CLIENT is not None:
            run_trees._CLIENT.cleanup()
    _forget()


def _forget() -> None:
    """LangSmith reads each variable once a process."""
    from langsmith import utils

    forget: Any = utils.get_env_var
    forget.cache_clear()


@pytest.fixture
def words(gpt2_folder: Path, corpus_folder: Path, home: Path) -> list[str]:
    return [*WORDS, f"--model={gpt2_folder}", f"--corpus={corpus_folder}", f"--home={home}"]


@pytest.mark.parametrize("switch", tracing.SWITCHES)
def test_without_a_key_nothing_is_sent_and_one_line_says_so(
    langsmith: Visits, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], switch: str
) -> None:
    monkeypatch.setenv(switch, "true")
    assert main(words) == 0
    shown = capfd.readouterr()
    assert [line for line in shown.out.splitlines() if "LANGSMITH" in line] == [
        f"not traced: {switch} is set and LANGSMITH_API_KEY is not"
    ]
    assert shown.err == ""
    assert langsmith.requests == []


def test_a_key_alone_traces_nothing(
    langsmith: Visits, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "for-the-test")
    assert main(words) == 0
    assert "traced" not in capfd.readouterr().out
    assert langsmith.requests == []


def test_with_a_key_a_run_is_one_trace_that_names_its_nodes_and_itself(
    langsmith: Visits, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "for-the-test")
    assert main(words) == 0
    shown = capfd.readouterr()
    run_id = Path(shown.out.splitlines()[-1]).stem
    assert shown.err == ""
    sent = b"".join(body for path, body in langsmith.requests if path.startswith("POST"))
    assert run_id.encode() in sent
    for name in (f"L0N{PAIR}", "survey", "supervisor", "hypothesis", "experiment", "explainer"):
        assert f'"name":"{name}"'.encode() in sent, name
