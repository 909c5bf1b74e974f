"""With a key and the flag, a run is one trace; without a key nothing leaves the machine and nothing warns."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evals.langsmith_stub import PROJECT, TENANT, LangSmithStub
from evals.ollama_stub import OllamaStub
from graphs import tracing
from graphs.interpret import main
from graphs.report.page import render
from graphs.session import Session, Stopped, resumable
from graphs.state import STORE
from graphs.talk.going import Going
from graphs.tracing import link
from graphs.tracing.__main__ import main as tracing_main
from graphs.tracing.delivery import TIMEOUT
from graphs.tracing.spans import keyed
from memory.records import Score
from memory.store import Store
from tests.graphs.sample_findings import sample
from tests.graphs.small_runs import Command, small_means
from tests.graphs.traces import asked_for, longest, roots, within
from tests.tiny_models import PAIR

NAME = f"L0N{PAIR}"
NODES = {"survey", "supervisor", "hypothesis", "experiment", "prune_augment", "explainer", "scoring", "output_side"}


@pytest.fixture
def stub() -> Iterator[LangSmithStub]:
    with LangSmithStub() as running:
        yield running


@pytest.fixture
def unsent(tmp_path: Path) -> Path:
    return tmp_path / "unsent"


@pytest.fixture
def words(command: Command) -> list[str]:
    return command(max_forward_passes=600)


def test_without_a_key_nothing_is_sent_and_one_line_says_so(
    stub: LangSmithStub, unsent: Path, command: Command, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with asked_for(monkeypatch, stub.url, unsent, LANGSMITH_API_KEY=None):
        assert main(command(max_iterations=1)) == 0
    shown = capfd.readouterr()
    assert [line for line in shown.out.splitlines() if "LANGSMITH" in line] == [
        "not traced: LANGSMITH_TRACING is set and LANGSMITH_API_KEY is not"
    ]
    assert (shown.err, stub.requests, unsent.exists()) == ("", [], False)


@pytest.mark.parametrize("switch", tracing.SWITCHES)
def test_every_switch_is_turned_off_without_a_key_and_none_is_left_that_langchain_refuses_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    for key, on in ((None, False), ("for-the-test", True)):
        changed = {"LANGSMITH_TRACING": None, "LANGSMITH_API_KEY": key, switch: "True"}
        with asked_for(monkeypatch, "http://127.0.0.1:9", tmp_path, **changed):
            said = tracing.settle()
            assert said == (None if on else f"not traced: {switch} is set and LANGSMITH_API_KEY is not")
            left = {name for name in tracing.SWITCHES if os.environ.get(name) == "true"}
            assert left == ({"LANGSMITH_TRACING"} if on else set())


def test_an_address_that_is_none_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked_for(monkeypatch, "langsmith.example", tmp_path):
        said = tracing.settle()
        assert said == "not traced: LANGSMITH_TRACING is set and LANGSMITH_ENDPOINT is no address: langsmith.example"


def test_a_key_alone_traces_nothing(stub: LangSmithStub, unsent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked_for(monkeypatch, stub.url, unsent, LANGSMITH_TRACING=None):
        tracing.start(unsent)
        assert tracing.trace(lambda *_: None).begin() == {}
        assert tracing.flush() is None
    assert (stub.requests, unsent.exists()) == ([], False)


def test_a_run_is_one_trace_that_names_its_nodes_agents_tools_and_itself(
    stub: LangSmithStub, unsent: Path, words: list[str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], home: Path,
) -> None:  # fmt: skip
    with asked_for(monkeypatch, stub.url, unsent, LANGSMITH_PROJECT="neurons"):
        assert main(words) == 0
    shown = capfd.readouterr()
    run_id = Path(shown.out.splitlines()[-1]).stem
    [root] = roots(stub.runs)
    assert (root["name"], root["run_type"]) == (NAME, "chain")
    assert set(root["tags"]) == {"neuronaut", str(words[2]).partition("=")[2]}
    told = root["extra"]["metadata"]
    assert (told["layer"], told["neuron"], told["run_id"]) == (0, PAIR, run_id)
    assert {(run["trace_id"], run["session_name"]) for run in stub.runs} == {(root["id"], "neurons")}
    assert all(run["end_time"] and not run.get("error") for run in stub.runs)
    assert within(stub.runs, NAME) >= NODES
    assert within(stub.runs, "supervisor") == {"mind.route"}
    assert within(stub.runs, "hypothesis") == {"mind.hypothesise", "screen"}
    assert within(stub.runs, "experiment") == {"measure", "weigh"}
    assert within(stub.runs, "prune_augment") >= {"prune", "screen", "measure", "swap", "mind.rewrite", "edit"}
    assert {run["run_type"] for run in stub.runs if run["name"] in ("prune", "measure", "screen")} == {"tool"}

    address = f"{stub.url}/o/{TENANT}/projects/p/{PROJECT}/r/{root['id']}?poll=true"
    assert f"trace: {address}" in shown.out.splitlines()
    with Store.open(home / STORE) as store:
        assert store.run(run_id).traces == {root["id"]: address}
        scores = store.scores(run_id)
    assert f'href="{address}"' in (home / "reports" / f"{run_id}.html").read_text(encoding="utf-8")
    assert (shown.err, list(unsent.iterdir())) == ("", [])

    posted = {each["key"]: each for each in stub.feedback}
    assert len(posted) == len(stub.feedback) == len(scores)
    assert {each["trace_id"] for each in stub.feedback} == {root["id"]}
    main_score = next(score for score in scores if score.metric == "simulation, full rule")
    assert posted["simulation_full_rule"]["score"] == pytest.approx(main_score.value, abs=1e-4)
    assert f"floor {main_score.floor:.3f} (token table)" in posted["simulation_full_rule"]["comment"]
    missing = [score for score in scores if score.value is None]
    assert missing, "with so few passes something is unscored"
    words_only = [each for each in stub.feedback if each["value"] == "unscored"]
    assert len(words_only) == len(missing)
    assert all(each["score"] is None and each["comment"] for each in words_only)

    payloads = [run.get(part) for run in stub.runs for part in ("inputs", "outputs")]
    assert max(map(longest, payloads)) <= 6
    assert max(len(json.dumps(payload)) for payload in payloads) < 8_000
    assert len(json.dumps(payloads)) < 120_000


def test_what_a_language_model_is_asked_stands_within_the_agent_that_asked(
    stub: LangSmithStub, unsent: Path, gpt2_folder: Path, corpus_folder: Path, home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with OllamaStub() as ollama, asked_for(monkeypatch, stub.url, unsent):
        means = small_means(
            gpt2_folder, corpus_folder, home, max_iterations=1, max_llm_calls=3, llm="ollama:llama3.2",
            ollama_url=ollama.url,
        )  # fmt: skip
        with Session(means) as session:
            session.run_search()
    assert len(roots(stub.runs)) == 1
    asked = [run for run in stub.runs if run["run_type"] == "llm"]
    assert len(asked) == 3
    named = {run["id"]: run for run in stub.runs}
    for run in asked:
        above = []
        while (parent := run.get("parent_run_id")) is not None:
            run = named[parent]
            above.append(run["name"])
        assert any(name.startswith("mind.") for name in above), above


def test_a_stopped_run_ends_its_trace_and_goes_on_in_another_of_the_same_run(
    stub: LangSmithStub, unsent: Path, gpt2_folder: Path, corpus_folder: Path, home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with asked_for(monkeypatch, stub.url, unsent):
        with Session(small_means(gpt2_folder, corpus_folder, home, max_iterations=1)) as session:
            with pytest.raises(Stopped):
                session.run_search(stop=lambda: True)
            run_id = session.run_id
        with Session(resumable(home, run_id), run_id=run_id) as session:
            assert list(session.run_search().run.traces) == [root["id"] for root in roots(stub.runs)]
    both = roots(stub.runs)
    assert [root["name"] for root in both] == [NAME, NAME]
    assert {root["extra"]["metadata"]["run_id"] for root in both} == {run_id}
    assert all(root["end_time"] for root in both)
    assert {each["trace_id"] for each in stub.feedback} == {both[1]["id"]}


def test_every_turn_of_a_conversation_is_a_trace_of_its_run(
    stub: LangSmithStub, unsent: Path, gpt2_folder: Path, corpus_folder: Path, home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    going = Going()
    with asked_for(monkeypatch, stub.url, unsent):
        with Session(small_means(gpt2_folder, corpus_folder, home, max_iterations=1)) as session:
            for _ in range(2):
                list(going.advance(session))
            kept = session.bench.store.run(session.run_id).traces
        assert str(tracing.flush()).endswith("(the last of 2)")
    assert list(kept) == [root["id"] for root in roots(stub.runs)]
    assert {root["extra"]["metadata"]["run_id"] for root in roots(stub.runs)} == {session.run_id}
    assert all(root["end_time"] for root in roots(stub.runs))


def test_a_service_that_hangs_costs_a_run_one_line_and_three_seconds_and_gets_it_all_later(
    unsent: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with LangSmithStub("hang") as stub, asked_for(monkeypatch, stub.url, unsent):
        flushing = []

        def timed() -> str | None:
            began = time.monotonic()
            line = flush()
            flushing.append(time.monotonic() - began)
            return line

        flush = tracing.flush
        with monkeypatch.context() as changed:
            changed.setattr(tracing, "flush", timed)
            began = time.monotonic()
            assert main(words) == 0
            lasted = time.monotonic() - began
        shown = capfd.readouterr()
        assert max(flushing) < link.SECONDS + 2.0
        [line] = shown.err.splitlines()
        assert line.startswith("not traced: LangSmith ")
        assert str(unsent) in line
        assert shown.out.splitlines()[-2].endswith("whose address LangSmith did not tell")
        assert not stub.runs
        assert 1 <= len(stub.requests) <= 1 + lasted // TIMEOUT[1]
        stub.mode = "ok"
        batches = len(list(unsent.iterdir()))
        assert batches > 1
        assert tracing_main(["--replay", str(unsent)]) == 0
        assert f"sent {batches} of {batches} batches" in capfd.readouterr().out
    assert [root["name"] for root in roots(stub.runs)] == [NAME]
    assert within(stub.runs, NAME) >= NODES
    assert stub.feedback
    assert list(unsent.iterdir()) == []


def test_only_an_address_of_the_web_is_a_link_on_the_page() -> None:
    traces = {"one": 'https://traces/?a=1&b="><script>', "two": "javascript:alert(1)", "three": None}
    found = sample()
    page = render(replace(found, run=replace(found.run, traces=traces)))
    assert page.count("<dt>trace</dt>") == 3
    assert 'href="https://traces/?a=1&amp;b=&#34;&gt;&lt;script&gt;"' in page
    assert "javascript:" not in page


def test_scores_have_keys_of_their_own() -> None:
    scores = [Score("simulation, full rule", "held-out text", 0.5), Score("a", "x", 1.0), Score("a", "y", 2.0)]
    assert list(keyed(scores)) == ["simulation_full_rule", "a_x", "a_y"]
