"""Every way a server can misbehave ends in a named status, in time."""

import json
import logging
import time
from pathlib import Path

import pytest

from agents.chat_model import ANSWER_CHARACTERS, ChatModelError, open_chat_model
from evals.ollama_stub import REFUSAL, Body, OllamaStub
from tests.agents.scene import Verse, opened

TIMEOUT = 0.3


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("normal", "ok"),
        ("slow", "ok"),
        ("fenced", "ok"),
        ("malformed-then-good", "repaired"),
        ("malformed", "malformed"),
        ("wrong-keys", "malformed"),
        ("injection", "malformed"),
        ("huge", "malformed"),
        ("refusal", "refused"),
        ("empty", "empty"),
        ("silent", "empty"),
        ("html", "protocol"),
        ("404", "http-404"),
        ("429", "http-429"),
        ("500", "http-500"),
        ("error-in-stream", "cut-stream"),
        ("cut", "cut-stream"),
        ("cut-chunk", "cut-stream"),
    ],
)
def test_every_behaviour_ends_in_its_status(behaviour: str, status: str) -> None:
    with OllamaStub(behaviour) as stub:
        answer, call = opened(stub).ask("Write a verse.", Verse, agent="poet")
    assert call.status == status
    assert (answer is not None) == (status in ("ok", "repaired"))
    assert (call.agent, call.model) == ("poet", "ollama:llama3.2")
    assert call.prompt.startswith("Write a verse.")
    assert len(call.answer) <= ANSWER_CHARACTERS
    assert bool(call.detail) == (status != "ok")


@pytest.mark.parametrize("behaviour", ["hang", "drip-tokens", "drip-bytes", "drip-headers"])
def test_the_clock_ends_every_wait(behaviour: str) -> None:
    with OllamaStub(behaviour) as stub:
        chat = opened(stub, timeout_seconds=TIMEOUT)
        started = time.monotonic()
        answer, call = chat.ask("Write a verse.", Verse, agent="poet")
    assert (answer, call.status) == (None, "timeout")
    assert TIMEOUT <= call.seconds < time.monotonic() - started + 0.01 < TIMEOUT + 1.0


def test_the_clock_runs_over_both_turns() -> None:
    def first_turn_only(body: Body) -> str:
        if len(body["messages"]) > 1:
            time.sleep(1.0)
        return "not JSON"

    with OllamaStub(answer=first_turn_only) as stub:
        _, call = opened(stub, timeout_seconds=TIMEOUT).ask("Write a verse.", Verse, agent="poet")
    assert (call.status, call.answer) == ("timeout", "not JSON")


def test_a_server_that_has_gone_is_unreachable() -> None:
    with OllamaStub() as stub:
        chat = opened(stub)
    answer, call = chat.ask("Write a verse.", Verse, agent="poet")
    assert (answer, call.status) == (None, "unreachable")


def test_the_request_carries_schema_seed_and_limits() -> None:
    with OllamaStub() as stub:
        chat = opened(stub)
        chat.ask("One.", Verse, agent="poet")
        chat.ask("Two.", Verse, agent="poet", seed=8)
    first, second = stub.chats
    assert first["format"] == Verse.model_json_schema()
    assert (first["options"]["seed"], second["options"]["seed"]) == (3, 8)
    assert first["options"]["num_ctx"] > first["options"]["num_predict"] > 0
    assert json.dumps(Verse.model_json_schema()) in first["messages"][0]["content"]


def test_the_repair_turn_shows_the_answer_and_its_fault() -> None:
    with OllamaStub("wrong-keys") as stub:
        opened(stub).ask("One.", Verse, agent="poet")
    question, answer, complaint = stub.chats[1]["messages"]
    assert [question["role"], answer["role"], complaint["role"]] == ["user", "assistant", "user"]
    assert answer["content"] == '{"unexpected": 1}'
    assert "lines: Field required" in complaint["content"]
    assert len(stub.chats) == 2


def test_half_an_answer_is_never_completed() -> None:
    with OllamaStub(answer=lambda _: '{"lines": 1, "text": "half an ans') as stub:
        answer, call = opened(stub).ask("One.", Verse, agent="poet")
    assert (answer, call.status) == (None, "malformed")


def test_a_refusal_inside_a_good_answer_is_an_answer() -> None:
    with OllamaStub(answer=lambda _: json.dumps({"text": REFUSAL, "lines": 1})) as stub:
        answer, call = opened(stub).ask("One.", Verse, agent="poet")
    assert call.status == "ok"
    assert answer is not None


def test_thoughts_are_not_the_answer() -> None:
    text = '<think>maybe {"text": "no", "lines": 0}</think>{"text": "yes", "lines": 2}'
    with OllamaStub(answer=lambda _: text) as stub:
        answer, _ = opened(stub).ask("One.", Verse, agent="poet")
    assert answer == Verse(text="yes", lines=2)


def test_asking_says_nothing_on_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with OllamaStub("500") as stub, caplog.at_level(logging.WARNING):
        opened(stub).ask("One.", Verse, agent="poet")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("llama3.2", "PROVIDER:MODEL"),
        ("ollama:mistral", "ollama pull mistral"),
        ("ollama:nomic-embed-text", "cannot chat"),
        ("openai:gpt-5", "langchain-openai"),
        ("nobody:model", "nobody"),
        ("scripted:no-such-file.jsonl", "no-such-file.jsonl"),
    ],
)
def test_what_keeps_a_model_from_being_used_is_one_clear_line(name: str, words: str) -> None:
    models = ("llama3.2:latest", "nomic-embed-text:latest")
    with (
        OllamaStub(models=models, capabilities={models[1]: ["embedding"]}) as stub,
        pytest.raises(ChatModelError, match=words) as caught,
    ):
        open_chat_model(name, base_url=stub.url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "words"),
    [("127.0.0.1:9", "ollama serve"), ("http://127.0.0.1:port", "not the address"), ("ftp://127.0.0.1", "No Ollama")],
)
def test_a_server_that_is_not_there_is_named(base_url: str, words: str) -> None:
    with pytest.raises(ChatModelError, match=words):
        open_chat_model("ollama:llama3.2", base_url=base_url)


@pytest.mark.parametrize("line", ["not JSON", "[1, 2]"])
def test_a_bad_script_is_named(tmp_path: Path, line: str) -> None:
    script = tmp_path / "answers.jsonl"
    script.write_text(line)
    with pytest.raises(ChatModelError, match=r"answers\.jsonl"):
        open_chat_model(f"scripted:{script}")


def test_a_script_answers_each_agent_in_order_and_then_repeats(tmp_path: Path) -> None:
    lines = [
        {"agent": "poet", "answer": {"text": "one", "lines": 1}},
        {"agent": "critic", "answer": REFUSAL},
        {"agent": "poet", "answer": '{"text": "two", "lines": 2}'},
    ]
    script = tmp_path / "answers.jsonl"
    script.write_text("\n".join(map(json.dumps, lines)))
    chat = open_chat_model(f"scripted:{script}")
    answers = [chat.ask("Write.", Verse, agent="poet", seed=n)[0] for n in range(3)]
    assert [answer.text for answer in answers if answer] == ["one", "two", "two"]
    assert chat.ask("Judge.", Verse, agent="critic")[1].status == "refused"
    assert chat.ask("Sing.", Verse, agent="singer")[1].status == "empty"


def test_log_probabilities_are_asked_for_only_where_they_are_wanted_and_may_be_missing() -> None:
    with OllamaStub() as stub:
        chat = opened(stub)
        chat.ask("One.", Verse, agent="poet")
        answer, call, spoken = chat.ask_weighed("Two.", Verse, agent="poet", alternatives=5)
    assert (call.status, spoken) == ("ok", ())
    assert answer is not None
    assert [(chat.get("logprobs"), chat.get("top_logprobs")) for chat in stub.chats] == [(None, None), (True, 5)]


def test_a_model_without_log_probabilities_is_asked_all_the_same(tmp_path: Path) -> None:
    script = tmp_path / "answers.jsonl"
    script.write_text(json.dumps({"answer": {"text": "one", "lines": 1}}))
    answer, _, spoken = open_chat_model(f"scripted:{script}").ask_weighed("One.", Verse, agent="poet", alternatives=5)
    assert (answer, spoken) == (Verse(text="one", lines=1), ())


def test_an_answer_is_heard_while_it_is_said() -> None:
    told: list[str] = []
    with OllamaStub("drip-answer") as stub:
        answer, call = opened(stub).ask("Say a verse.", Verse, agent="poet", hear=told.append)
    assert answer is not None
    assert call.status == "ok"
    assert len(told) > 1
    assert all(later.startswith(earlier) for earlier, later in zip(told, [*told[1:], call.answer], strict=True))


def test_an_answer_that_is_said_again_is_heard_from_its_beginning() -> None:
    told: list[str] = []
    with OllamaStub("drip-answer") as stub:
        good, bad = stub.answer, '{"half": "an answer, which goes on for a while and then'
        stub.answer = lambda body: good(body) if len(body["messages"]) > 1 else bad
        _, call = opened(stub).ask("Say a verse.", Verse, agent="poet", hear=told.append)
    assert call.status == "repaired"
    assert any(bad.startswith(said) for said in told)
    assert call.answer.startswith(told[-1])
