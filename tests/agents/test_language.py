"""The language mind does every job, and the built-in one does it whenever the model does not."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agents.chat_model import open_chat_model
from agents.language import Language
from agents.mind import Mind
from evals.ollama_stub import INJECTION, Body, OllamaStub
from memory.records import Candidate, Origin, Prompt, Verdict
from tests.agents.scene import LEGAL, VIEW, SteadyMind, evidence, opened

SEED = 5
JOBS: dict[str, Callable[[Mind], Any]] = {
    "supervisor": lambda mind: mind.route(VIEW, LEGAL, SEED),
    "hypothesis": lambda mind: mind.hypothesise(evidence(), 2, SEED),
    "prompt_generator": lambda mind: mind.propose(evidence(), 2, (), SEED),
    "rewriter": lambda mind: mind.rewrite("The harbour master", 2, SEED),
    "explainer": lambda mind: mind.explain(evidence(), SEED),
}


def language(stub: OllamaStub, *, timeout_seconds: float = 5.0, max_calls: int | None = None) -> Language:
    return Language(opened(stub, timeout_seconds=timeout_seconds), SteadyMind(), max_calls=max_calls)


def answering(*answers: Any) -> Callable[[Body], str]:
    """The answers in order, as JSON."""
    waiting = list(answers)
    return lambda _: json.dumps(waiting.pop(0))


@pytest.mark.parametrize("job", JOBS)
def test_a_good_answer_is_used(job: str) -> None:
    with OllamaStub() as stub:
        mind = language(stub)
        result = JOBS[job](mind)
    (call,) = mind.drain()
    assert (call.agent, call.status, call.model) == (job, "ok", mind.name)
    assert result != JOBS[job](SteadyMind())


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("refusal", "refused"), ("malformed", "malformed"), ("500", "http-500"), ("cut", "cut-stream")],
)
def test_a_failed_call_leaves_the_job_to_the_fallback(job: str, behaviour: str, status: str) -> None:
    with OllamaStub(behaviour) as stub:
        mind = language(stub)
        assert JOBS[job](mind) == JOBS[job](SteadyMind())
    assert [(call.agent, call.status) for call in mind.drain()] == [(job, status)]


@pytest.mark.parametrize("behaviour", ["hang", "drip-bytes"])
def test_a_slow_server_leaves_the_job_to_the_fallback(behaviour: str) -> None:
    with OllamaStub(behaviour) as stub:
        mind = language(stub, timeout_seconds=0.3)
        assert mind.rewrite("The harbour", 2, SEED) == SteadyMind().rewrite("The harbour", 2, SEED)
    assert [call.status for call in mind.drain()] == ["timeout"]


@pytest.mark.parametrize("behaviour", ["injection", "huge", "html", "empty", "silent", "429", "404"])
def test_no_answer_of_any_server_gets_through(behaviour: str) -> None:
    with OllamaStub(behaviour) as stub:
        mind = language(stub)
        assert mind.explain(evidence(), SEED) == SteadyMind().explain(evidence(), SEED)


@pytest.mark.parametrize(
    ("job", "answer"),
    [
        ("supervisor", {"node": "rm -rf", "why": "because"}),
        ("hypothesis", {"hypotheses": [{"statement": "", "triggers": ["a"], "non_triggers": []}]}),
        ("hypothesis", {"hypotheses": [{"statement": "It fires.", "triggers": [], "non_triggers": [" "]}]}),
        ("prompt_generator", {"prompts": []}),
        ("rewriter", {"texts": ["", "the HARBOUR master ", '"The harbour master"', "Task: rewrite one text"]}),
        ("explainer", {"verdict": "context", "text": "\x1b[0m \n", "evidence": [11]}),
    ],
)
def test_an_answer_without_content_is_unusable(job: str, answer: Body) -> None:
    with OllamaStub(answer=answering(answer)) as stub:
        mind = language(stub)
        assert JOBS[job](mind) == JOBS[job](SteadyMind())
    assert [call.status for call in mind.drain()] == ["unusable"]


def test_the_supervisor_may_only_say_legal_nodes() -> None:
    with OllamaStub(answer=answering({"node": "explain", "why": "The budget is nearly spent. Really."})) as stub:
        decision = language(stub).route(VIEW, LEGAL, SEED)
    assert (decision.node, decision.why) == ("explain", "The budget is nearly spent.")
    assert stub.chats[0]["format"]["properties"]["node"]["enum"] == list(LEGAL)


def test_a_single_legal_node_needs_no_call() -> None:
    with OllamaStub() as stub:
        mind = language(stub)
        assert mind.route(VIEW, LEGAL[:1], SEED).node == LEGAL[0]
    assert (mind.drain(), mind.asked) == ((), 0)


def test_hypotheses_are_new_signed_and_testable() -> None:
    claim = {"statement": "It fires on ports.", "triggers": ['1. "A port"', "A port"], "non_triggers": ["A fort"]}
    with OllamaStub(answer=answering({"hypotheses": [claim, claim]})) as stub:
        mind = language(stub)
        (found,) = mind.hypothesise(evidence(), 3, SEED)
    assert (found.statement, found.triggers, found.non_triggers) == ("It fires on ports.", ("A port",), ("A fort",))
    assert found.author == mind.name
    assert found.id.startswith("h-")


def test_proposals_are_cleaned_and_tied_to_known_hypotheses_only() -> None:
    proposals = [
        {"text": 'Prompt: "A port at dawn"\nExplanation: ports.', "hypothesis": "h-port", "prediction": "fires"},
        {"text": "A fort", "hypothesis": "h-port", "prediction": "silent"},
        {"text": "Anything", "hypothesis": "h-unknown", "prediction": "fires"},
        {"text": '""', "hypothesis": "", "prediction": "unknown"},
        {"text": "One too many", "hypothesis": "", "prediction": "unknown"},
    ]
    with OllamaStub(answer=answering({"prompts": proposals})) as stub:
        prompts = language(stub).propose(evidence(), 4, (), SEED)
    assert prompts == [
        Prompt("A port at dawn", Origin.HYPOTHESIS, hypothesis="h-port", predicted=True),
        Prompt("A fort", Origin.HYPOTHESIS, hypothesis="h-port", predicted=False),
        Prompt("Anything", Origin.HYPOTHESIS),
        Prompt("", Origin.HYPOTHESIS),
    ]


def test_the_reasons_of_the_last_rejections_are_in_the_next_question() -> None:
    rejected = [Candidate(2, Prompt("A dull text", Origin.HYPOTHESIS), "near-mediocre", "0.91 to record 3")]
    with OllamaStub() as stub:
        language(stub).propose(evidence(), 1, rejected, SEED)
    question = stub.chats[0]["messages"][0]["content"]
    assert all(
        words in question for words in ("A dull text", "near-mediocre", "0.91 to record 3", "Compare with ports")
    )


def test_rewrites_are_neither_empty_nor_the_original() -> None:
    texts = ["Rewrite 1: Master of the port", "The harbour master", "", "master of the port", "He runs the docks"]
    with OllamaStub(answer=answering({"texts": texts})) as stub:
        assert language(stub).rewrite("The harbour master", 5, SEED) == ["Master of the port", "He runs the docks"]


def test_an_explanation_has_the_models_prose_and_the_measured_rule() -> None:
    answer = {"verdict": "context", "text": "One. Two. Three. Four.", "evidence": [999, 14, 11, 14, -1]}
    with OllamaStub(answer=answering(answer)) as stub:
        mind = language(stub)
        explained = mind.explain(evidence(), SEED)
    measured = SteadyMind().explain(evidence(), SEED)
    assert (explained.rule, explained.full) == (measured.rule, measured.full)
    assert (explained.verdict, explained.text) == (Verdict.CONTEXT, "One. Two. Three.")
    assert explained.evidence == (14, 11)
    assert explained.author == mind.name


def test_an_injected_explanation_cannot_forge_what_is_measured() -> None:
    answer = {"verdict": "dead", "text": INJECTION, "evidence": [999]}
    with OllamaStub(answer=answering(answer)) as stub:
        explained = language(stub).explain(evidence(), SEED)
    assert explained.verdict == Verdict.SINGLE_TOKEN
    assert explained.evidence == (11,)
    assert "\x1b" not in explained.text


def test_when_the_budget_is_spent_nobody_is_asked() -> None:
    with OllamaStub() as stub:
        mind = language(stub, max_calls=2)
        states = []
        for _ in range(4):
            mind.rewrite("The harbour", 1, SEED)
            states.append(mind.spent)
        assert mind.rewrite("The harbour", 1, SEED) == SteadyMind().rewrite("The harbour", 1, SEED)
    assert states == [False, True, True, True]
    assert (mind.asked, len(stub.chats), len(mind.drain())) == (2, 2, 2)


def test_a_drain_empties_the_record() -> None:
    with OllamaStub() as stub:
        mind = language(stub)
        mind.rewrite("The harbour", 1, SEED)
    assert len(mind.drain()) == 1
    assert mind.drain() == ()


def test_different_seeds_reach_the_server() -> None:
    with OllamaStub() as stub:
        mind = language(stub)
        seeds: Sequence[int] = (1, 2)
        for seed in seeds:
            mind.rewrite("The harbour", 1, seed)
    assert [chat["options"]["seed"] for chat in stub.chats] == [1, 2]


def test_a_script_replays_what_a_server_said(tmp_path: Any) -> None:
    with OllamaStub() as stub:
        mind = language(stub)
        lived = [job(mind) for job in JOBS.values()]
    script = tmp_path / "calls.jsonl"
    script.write_text("\n".join(json.dumps({"agent": it.agent, "answer": it.answer}) for it in mind.drain()))
    replayed = Language(open_chat_model(f"scripted:{script}"), SteadyMind())
    replayed.name = mind.name
    assert [job(replayed) for job in JOBS.values()] == lived


def test_a_model_that_stays_silent_three_times_is_not_asked_again() -> None:
    with OllamaStub("hang") as stub:
        mind = language(stub, timeout_seconds=0.2)
        for _ in range(5):
            assert JOBS["supervisor"](mind) == JOBS["supervisor"](SteadyMind())
    assert [call.status for call in mind.drain()] == ["timeout"] * 3
    assert mind.spent
