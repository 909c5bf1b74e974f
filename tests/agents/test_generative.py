"""Rewrites by a language model: what is dropped, what is measured, and what a failed exchange comes to."""

import json
from pathlib import Path

import pytest

from agents.chat_model import ChatModel, ChatModelError, open_chat_model
from agents.generative import generative_augment, rewrite_and_measure
from evals.ollama_stub import OllamaStub
from memory.records import Origin, Target
from tests.agents.scene import opened
from tests.tiny_models import PAIR, write_gpt2
from tools.augment import Effect, Side
from tools.loading import load
from tools.subject import Subject

ORIGINAL = "the apple on the mat far over the river"
FIRES, KILLS = "near the blue river an apple ran under the river", "the cat sat on the mat"
INSTRUCTION = "Keep it about fruit."


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return load("tiny", write_gpt2(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def target(subject: Subject) -> Target:
    return subject.neuron(0, PAIR)


def scripted(folder: Path, *answers: object) -> ChatModel:
    """A chat model that gives these answers in order."""
    script = folder / "script.jsonl"
    script.write_text("".join(json.dumps({"agent": "rewriter", "answer": answer}) + "\n" for answer in answers))
    return open_chat_model(f"scripted:{script}")


def test_rewrites_are_measured_and_sorted(subject: Subject, target: Target, tmp_path: Path) -> None:
    chat = scripted(tmp_path, {"texts": [KILLS, f'1. "{FIRES}"']})
    positive, negative = generative_augment(subject, target, chat, ORIGINAL)
    assert [each.text for each in positive] == [FIRES]
    assert [each.text for each in negative] == [KILLS]
    start = subject.measure([ORIGINAL], target)[0].peak
    assert start is not None
    for each in (*positive, *negative):
        peak = subject.measure([each.text], target)[0].peak
        assert each.activation == pytest.approx(peak, abs=1e-4)
        assert each.change == pytest.approx(((peak or 0.0) - start) / start, abs=1e-4)
    assert (negative[0].side, negative[0].effect) == (Side.NEGATIVE, Effect.DECREASED)
    record = negative[0].record(8, step=2, parent=7)
    assert (record.id, record.prompt.origin, record.prompt.parent) == (8, Origin.REWRITE, 7)
    assert record.peak == negative[0].activation


def test_what_is_no_rewrite_is_dropped(subject: Subject, target: Target, tmp_path: Path) -> None:
    texts = ["", "  ", ORIGINAL.upper(), KILLS, KILLS, f"{INSTRUCTION} {FIRES}", "keep it", "Task: rewrite one text"]
    chat = scripted(tmp_path, {"texts": [*texts, FIRES]})
    found = rewrite_and_measure(subject, target, chat, ORIGINAL, instruction=INSTRUCTION)
    assert [each.text for each in found.texts] == [KILLS, FIRES]


def test_no_more_than_wanted_are_measured(subject: Subject, target: Target, tmp_path: Path) -> None:
    chat = scripted(tmp_path, {"texts": [f"{word} apple by the river" for word in ("one", "two", "red", "old")]})
    before = subject.passes
    assert len(rewrite_and_measure(subject, target, chat, ORIGINAL, 2).texts) == 2
    assert subject.passes == before + 3


def test_instruction_and_seed_reach_the_model(subject: Subject, target: Target) -> None:
    with OllamaStub(answer=lambda _: json.dumps({"texts": [FIRES]})) as stub:
        generative_augment(subject, target, opened(stub), ORIGINAL, instruction=f"  {INSTRUCTION}\n", seed=41)
    [body] = stub.chats
    assert body["messages"][0]["content"].startswith(f"{INSTRUCTION}\n\nTask: rewrite one text in 4 different ways")
    assert body["options"]["seed"] == 41


def test_the_same_seed_asks_the_same(subject: Subject, target: Target) -> None:
    with OllamaStub(answer=lambda _: json.dumps({"texts": [FIRES]})) as stub:
        first, second = (generative_augment(subject, target, opened(stub), ORIGINAL, seed=7) for _ in range(2))
    assert stub.chats[0]["messages"] == stub.chats[1]["messages"]
    assert [each.text for each in first[0]] == [each.text for each in second[0]]


def test_a_failed_exchange_has_a_name(subject: Subject, target: Target) -> None:
    with OllamaStub("500") as stub:
        found = rewrite_and_measure(subject, target, opened(stub), ORIGINAL)
        assert found.call is not None
        assert (found.call.status, found.texts) == ("http-500", ())
        with pytest.raises(ChatModelError, match="gave no rewrites: http-500"):
            generative_augment(subject, target, opened(stub), ORIGINAL)


def test_a_silent_original_is_not_asked_about(subject: Subject, target: Target, tmp_path: Path) -> None:
    chat = scripted(tmp_path, {"texts": [FIRES]})
    found = rewrite_and_measure(subject, target, chat, "the cat sat")
    assert (found.status, found.call) == (Effect.BELOW_FLOOR, None)
    assert rewrite_and_measure(subject, target, chat, "").status is Effect.FAILED
    assert generative_augment(subject, target, chat, "the cat sat") == ([], [])


def test_sides_that_overlap_are_refused(subject: Subject, target: Target, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must not be below"):
        generative_augment(subject, target, scripted(tmp_path), ORIGINAL, inclusion=-0.9, exclusion=-0.8)
