"""A language model as judge: examined once, kept, refused by name, and held to the budget of calls."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agents.examination.examination import BUDGET
from agents.ollama_server import model_digest
from evals.ollama_stub import Body, OllamaStub
from graphs.report.findings import Findings
from graphs.session import Session, resumable
from graphs.settings import JUDGED_CALLS
from graphs.state import EXAMINATION, Means
from memory.records import LlmCall
from tests.agents.sitters import CLAIMS, always, asked, honest
from tests.graphs.small_runs import Command, Refused, run, small_means
from tests.tiny_models import DEAD

JUDGE = "ollama:llama3.2"


def knowing(body: Body) -> str:
    """Honest about what it knows; of any other claim it says that it is true of everything."""
    return honest(body) if asked(body)[0] in CLAIMS else always(True)(body)


@pytest.fixture(scope="module")
def judged(gpt2_folder: Path, corpus_folder: Path) -> Callable[[Path], Means]:
    """A short run of the built-in mind with a judge, in a data folder."""
    asked = {"max_iterations": 1, "judge": JUDGE, "max_llm_calls": JUDGED_CALLS, "llm_timeout": 5.0}
    return lambda home: small_means(gpt2_folder, corpus_folder, home, **asked)


@pytest.fixture
def means(judged: Callable[[Path], Means], tmp_path: Path) -> Means:
    """One in a data folder of its own, without examinations."""
    return judged(tmp_path)


@dataclass(frozen=True)
class Inquired:
    """A run that was made: its findings and its calls, and how often the stub was asked."""

    means: Means
    findings: Findings
    calls: list[LlmCall]
    chats: int


def inquired(means: Means, stub: OllamaStub) -> Inquired:
    with run(replace(means, ollama_url=stub.url)) as (session, findings):
        return Inquired(means, findings, session.bench.store.calls(session.run_id), len(stub.chats))


@pytest.fixture(scope="module")
def examined(judged: Callable[[Path], Means], tmp_path_factory: pytest.TempPathFactory) -> Inquired:
    """A run whose judge was examined first, and passed."""
    with OllamaStub(answer=knowing) as stub:
        return inquired(judged(tmp_path_factory.mktemp("examined")), stub)


@pytest.fixture(scope="module")
def credulous(judged: Callable[[Path], Means], tmp_path_factory: pytest.TempPathFactory) -> Inquired:
    """A run whose judge says yes to everything."""
    with OllamaStub(answer=always(True)) as stub:
        return inquired(judged(tmp_path_factory.mktemp("credulous")), stub)


def test_a_judge_is_examined_once_and_heard_every_time(examined: Inquired) -> None:
    with OllamaStub(answer=knowing) as stub:
        second = inquired(examined.means, stub)
    first, calls, later = examined.findings, examined.calls, second.calls
    assert len(calls) - len(later) == EXAMINATION == BUDGET
    assert 0 < len(later) <= JUDGED_CALLS - EXAMINATION
    assert {call.agent for call in calls} == {"judge", "simulator"}
    assert (examined.chats, second.chats) == (len(calls), len(later))
    assert first.examination == second.findings.examination
    assert all(mark["passed"] for mark in first.examination["marks"])
    heard = [score for score in first.scores if JUDGE in score.metric]
    assert [score.metric.split()[0] for score in heard] == ["detection", "fuzzing", "simulation"]
    assert all(score in first.held_out for score in heard)
    (kept,) = (Path(examined.means.home) / "examinations").iterdir()
    assert json.loads(kept.read_text())["model"] == JUDGE


def test_a_kept_examination_that_cannot_be_read_is_sat_again(examined: Inquired, means: Means, tmp_path: Path) -> None:
    shutil.copytree(Path(examined.means.home) / "examinations", tmp_path / "examinations")
    (kept,) = (tmp_path / "examinations").iterdir()
    good = kept.read_text()
    kept.write_text(good[: len(good) // 2])
    with OllamaStub(answer=knowing) as stub:
        calls = inquired(means, stub).calls
    assert Counter(call.agent for call in calls)["simulator"] > 0
    assert len(calls) > EXAMINATION
    assert kept.read_text() == good


def test_a_judge_that_says_yes_to_everything_is_refused_by_name_and_asked_nothing(credulous: Inquired) -> None:
    findings = credulous.findings
    assert len(credulous.calls) <= EXAMINATION
    heard = [score for score in findings.scores if JUDGE in score.metric]
    assert [score.value for score in heard] == [None] * 3
    assert all("refused" in score.reason for score in heard)
    assert not any(mark["passed"] for mark in findings.examination["marks"])


def test_an_examination_that_was_not_sat_to_its_end_is_not_kept(means: Means, tmp_path: Path) -> None:
    with OllamaStub("500") as stub:
        failed = inquired(means, stub)
        few = inquired(replace(means, max_llm_calls=30), stub)
    assert 0 < len(failed.calls) < EXAMINATION
    assert not (tmp_path / "examinations").exists()
    assert failed.findings.verdict
    assert few.calls == []
    assert any("too small" in score.reason for score in few.findings.scores)


def test_a_mind_leaves_a_judge_its_calls(means: Means) -> None:
    with OllamaStub(answer=lambda body: knowing(body) if "<claim>" in str(body["messages"]) else "{}") as stub:
        calls = inquired(replace(means, llm=JUDGE, max_llm_calls=200), stub).calls
    assert len(calls) <= 200
    assert Counter(call.agent for call in calls)["judge"] > 0


def test_of_a_dead_unit_nobody_is_asked(means: Means) -> None:
    with OllamaStub(answer=knowing) as stub:
        found = inquired(replace(means, neuron=DEAD), stub)
    assert found.findings.verdict == "dead"
    assert (found.calls, stub.chats) == ([], [])
    assert any("nothing to judge" in score.reason for score in found.findings.scores)


def test_a_finished_run_is_read_without_its_judge(credulous: Inquired) -> None:
    run_id = credulous.findings.run.id
    again = resumable(Path(credulous.means.home), run_id)
    assert again.judge is None
    with Session(again, run_id=run_id) as session:
        assert session.run_search().examination


def test_a_judge_that_cannot_be_had_is_one_line_at_once(command: Command, refused: Refused) -> None:
    assert "PROVIDER:MODEL" in refused(command(judge="llama3.2"))
    assert "127.0.0.1:9" in refused(command(judge=JUDGE, ollama_url="http://127.0.0.1:9"))


def test_a_server_tells_the_digest_of_a_model_or_nothing() -> None:
    with OllamaStub() as stub:
        assert model_digest(stub.url, "llama3.2") == "0"
        assert model_digest(stub.url, "mistral") is None
    with OllamaStub("html") as stub:
        assert model_digest(stub.url, "llama3.2") is None
    assert model_digest("127.0.0.1:9", "llama3.2") is None
