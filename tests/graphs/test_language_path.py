"""A whole inquiry with a language model behind real HTTP: whatever it does, the run ends, and every call is named."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.language import Language
from evals.ollama_stub import BEHAVIOURS, INJECTION, Body, OllamaStub, example
from graphs.session import Session
from graphs.state import SPOKEN, Means
from memory.records import Fate, LlmCall, Step
from tests.graphs.small_runs import mark, nodes, remains, small_means
from tools.corpus import documents

AGENTS = {"supervisor", "hypothesis", "prompt_generator", "rewriter", "explainer"}


@pytest.fixture(scope="module")
def means(gpt2_folder: Path, corpus_folder: Path, home: Path) -> Means:
    return small_means(gpt2_folder, corpus_folder, home, llm_timeout=5.0, max_llm_calls=25, max_forward_passes=1200)


@pytest.fixture(scope="module")
def built_in(means: Means) -> dict[str, Any]:
    """What the built-in mind leaves alone."""
    return inquired(means)[0]


def inquired(means: Means, stub: OllamaStub | None = None, **changed: Any) -> tuple[dict[str, Any], list[LlmCall]]:
    """What a run leaves, and its calls."""
    if stub is not None:
        changed |= {"llm": "ollama:llama3.2", "ollama_url": stub.url}
    with Session(replace(means, **changed)) as session:
        findings = session.run_search()
        assert findings.verdict
        assert findings.counts.balanced
        store = session.bench.store
        steps, calls = store.steps(session.run_id), store.calls(session.run_id)
        assert steps[-1].update["llm_calls"] == len(calls)
        assert nodes(steps)[-3:] == ["explainer", "scoring", "output_side"]
        return without_counter(remains(store, session.run_id)), calls


def without_counter(left: dict[str, Any]) -> dict[str, Any]:
    """What a run leaves, but for how often a language model was asked."""
    steps = [(number, node, {**update, "llm_calls": None}) for number, node, update in left["steps"]]
    return left | {"steps": steps}


def questions(stub: OllamaStub) -> str:
    return "\n".join(message["content"] for chat in stub.chats for message in chat["messages"])


def test_a_language_model_does_every_job(means: Means, corpus_folder: Path) -> None:
    with OllamaStub(answer=Varied()) as stub:
        left, calls = inquired(
            means, stub, notes="The analyst suspects fruit.", max_llm_calls=60, max_forward_passes=900
        )
    assert {call.agent for call in calls} == AGENTS
    assert {call.status for call in calls} <= {"ok", "unusable"}
    assert len(stub.chats) == len(calls)
    assert left["explanation"].author == "ollama:llama3.2"
    assert any(claim.author == "ollama:llama3.2" for claim in left["hypotheses"])
    assert all(call.prompt and call.answer and call.seconds > 0 for call in calls)
    told = questions(stub)
    assert told.count("The analyst suspects fruit.") >= 3
    held_out = [document for document in documents(str(corpus_folder)) if document.held_out]
    assert not [document for document in held_out if mark(int(Path(document.source).name[:2])) in told]


FAULTS = {"malformed": "malformed", "refusal": "refused", "500": "http-500", "404": "http-404", "cut": "cut-stream"}


def test_whatever_fails_is_named_and_the_built_in_mind_does_the_job(
    means: Means, built_in: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each exchange fails in another way; a repair turn as the question it repairs."""

    def in_turn(handler: Any, body: Body) -> None:
        number = sum(len(chat["messages"]) == 1 for chat in handler.stub.chats) - 1
        BEHAVIOURS[list(FAULTS)[number % len(FAULTS)]](handler, body)

    monkeypatch.setitem(BEHAVIOURS, "in turn", in_turn)
    with OllamaStub("in turn") as stub:
        left, calls = inquired(means, stub)
    assert {call.agent for call in calls} >= AGENTS - {"rewriter"}
    told = list(FAULTS.values())
    assert len(calls) >= len(told)
    assert [call.status for call in calls] == [told[n % len(told)] for n in range(len(calls))]
    assert left == built_in


def test_a_server_that_hangs_costs_its_timeouts_and_nothing_else(
    means: Means, built_in: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing at all, or goes on saying a little."""
    slow = ("hang", "drip-tokens")

    def by_turns(handler: Any, body: Body) -> None:
        BEHAVIOURS[slow[len(handler.stub.chats) % 2]](handler, body)

    monkeypatch.setitem(BEHAVIOURS, "by turns", by_turns)
    with OllamaStub("by turns") as stub:
        left, calls = inquired(means, stub, llm_timeout=0.2, max_llm_calls=3)
    assert [call.status for call in calls] == ["timeout"] * 3
    assert left == built_in


def test_a_server_that_goes_away_in_mid_run_is_unreachable_from_then_on(means: Means) -> None:
    with OllamaStub() as stub, Session(with_stub(means, stub)) as session:

        def leave(node: str, update: dict[str, Any]) -> None:
            del update
            if node == "hypothesis":
                stub.vanish()

        findings = session.run_search(watch=leave)
        statuses = [call.status for call in session.bench.store.calls(session.run_id)]
    assert findings.verdict
    assert statuses[0] == "ok"
    assert statuses[-1] == "unreachable"


def test_a_repaired_answer_is_used_and_said_to_be_repaired(means: Means) -> None:
    with OllamaStub("malformed-then-good") as stub:
        _, calls = inquired(means, stub)
    assert {call.status for call in calls} <= {"repaired", "unusable"}
    assert len(stub.chats) == 2 * len(calls)


def test_the_budget_of_calls_is_kept(means: Means) -> None:
    with OllamaStub() as stub:
        _, calls = inquired(means, stub, max_llm_calls=5)
        assert len(calls) == len(stub.chats) == 5
        _, none = inquired(means, stub, max_llm_calls=0)
    assert none == []


def test_the_budget_of_calls_is_kept_across_a_resume(means: Means) -> None:
    def stop(node: str, update: dict[str, Any]) -> None:
        del node
        if update["llm_calls"] >= 4:
            raise KeyboardInterrupt

    with OllamaStub() as stub:
        limited = replace(with_stub(means, stub), max_llm_calls=7)
        with Session(limited) as session, pytest.raises(KeyboardInterrupt):
            session.run_search(watch=stop)
        asked = len(stub.chats)
        assert 4 <= asked < 7
        with Session(limited, run_id=session.run_id) as again:
            again.run_search()
            assert len(again.bench.store.calls(again.run_id)) == len(stub.chats) == 7


def test_the_generator_repeats_why_texts_were_rejected(means: Means) -> None:
    with OllamaStub(answer=Varied(text="The same text.")) as stub:
        inquired(means, stub)
    asked = [chat["messages"][0]["content"] for chat in stub.chats if "<rejected>" in chat["messages"][0]["content"]]
    assert any('"reason": "duplicate"' in question and "The same text." in question for question in asked)


def test_no_answer_can_break_the_store_or_the_screen(means: Means) -> None:
    varied = Varied()

    def hostile(body: Body) -> str:
        return json.dumps(dressed(json.loads(varied(body)))) + "\x00\x1b[2J"

    def dressed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: dressed(item) for name, item in value.items()}
        if isinstance(value, list):
            return [dressed(item) for item in value]
        return f"{value} \x00\x1b[31m\u202e{INJECTION}" if isinstance(value, str) and " " in value else value

    with OllamaStub(answer=hostile) as stub:
        left, calls = inquired(means, stub, max_llm_calls=60, max_forward_passes=900)
    assert {call.agent for call in calls} == AGENTS
    said = left["explanation"].text + "".join(claim.statement for claim in left["hypotheses"])
    assert "An answer about" in said
    assert not set(said) & set("\x00\x1b\u202e\ud800")


def test_a_lone_surrogate_in_a_bad_answer_is_kept_out_of_the_store(means: Means, built_in: dict[str, Any]) -> None:
    with OllamaStub(answer=lambda _: "no \ud83d JSON \x00 at all") as stub:
        left, calls = inquired(means, stub)
    assert {call.status for call in calls} <= {"malformed", "protocol"}
    assert left == built_in


def test_a_script_stands_in_for_a_language_model(means: Means, tmp_path: Path) -> None:
    claim = {"statement": "It fires on fruit.", "triggers": ["an apple", "a river"], "non_triggers": ["a dog", "a cat"]}
    script = tmp_path / "script.jsonl"
    lines = [
        {"agent": "hypothesis", "answer": {"hypotheses": [claim]}},
        {"agent": "explainer", "answer": {"verdict": "unexplained", "text": "Fruit, said the script.", "evidence": []}},
    ]
    script.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    told = [inquired(means, llm=f"scripted:{script}") for _ in range(2)]
    assert told[0][0] == told[1][0]
    left, calls = told[0]
    assert left["explanation"].text == "Fruit, said the script."
    (mine,) = [claim for claim in left["hypotheses"] if claim.statement == "It fires on fruit."]
    assert mine.fate is not Fate.UNTESTED
    assert {call.status for call in calls if call.agent == "supervisor"} == {"empty"}


def with_stub(means: Means, stub: OllamaStub) -> Means:
    return replace(means, llm="ollama:llama3.2", ollama_url=stub.url)


class Varied:
    """The smallest answers, but a supervisor that gives every node its turn, the search last: it spends the budget."""

    def __init__(self, *, text: str = "") -> None:
        self.text = text
        self.turns: Counter[str] = Counter()

    def __call__(self, body: Body) -> str:
        answer = example(body["format"])
        if "node" in answer:
            legal = body["format"]["properties"]["node"]["enum"]
            answer["node"] = min(legal, key=lambda node: (node in ("sae_optimizer", "explainer"), self.turns[node]))
            self.turns[answer["node"]] += 1
        if "prompts" in answer and self.text:
            answer["prompts"] = [{"text": self.text, "hypothesis": "", "prediction": "unknown"}]
        return json.dumps(answer)


def test_what_a_person_asks_in_a_conversation_costs_the_inquiry_nothing(means: Means) -> None:
    with OllamaStub() as stub:
        spoken = replace(means, llm="ollama:llama3.2", ollama_url=stub.url)
        with Session(spoken, name="spoken") as session:
            calls = [LlmCall(agent, "llama3.2", "ok", 0.1) for agent in ("conversation", "hypothesis", "conversation")]
            session.bench.store.commit(Step("spoken", 1, "conversation", {SPOKEN: "asked"}, calls=tuple(calls)))
        with Session(spoken, name="spoken") as session:
            assert isinstance(session.bench.mind, Language)
            assert session.bench.mind.asked == 1
            assert [call.agent for call in session.findings().calls] == ["hypothesis"]
