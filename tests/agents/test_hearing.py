"""Held-out windows before a judge: what it is shown, and what becomes of its answers."""

from dataclasses import replace

import numpy as np
import pytest

from agents.examination.puzzles import puzzles, wrong_explanations
from agents.examination.result import Examination, Mark
from agents.hearing import exhibits, fuzzed, heard
from agents.judge import Judge
from agents.mind import Evidence, Page
from agents.scorer.leaks import LeakError
from agents.simulator import Simulator
from evals.ollama_stub import OllamaStub
from memory.records import Clause, Explanation, Rule, Score, Verdict
from tests.agents import scene
from tests.agents.sitters import asked, honest

COLOURS = puzzles()[0]
RULE = Rule(0.0, (Clause("token", {" red": 5.0}),))
EXPLANATION = Explanation(Verdict.SINGLE_TOKEN, COLOURS.truth, RULE)
PASSED = Examination(
    "ollama:llama3.2",
    tuple(Mark(job, True, Score("accuracy", "puzzles", 1.0)) for job in ("detect", "fuzz", "simulate")),
    "paper",
)


def page(number: int, *, red: int | None, name: str = "book") -> Page:
    """One window of 32 tokens; 5 at ` red`, else 0."""
    tokens = [f" w{number}x{place}" for place in range(32)]
    values = np.zeros(32, np.float32)
    if red is not None:
        tokens[red], values[red] = " red", 5.0
    return Page(tuple(tokens), values, f"{name}:{number}")


def seen() -> Evidence:
    pages = tuple(page(n, red=3 if n % 2 else None) for n in range(1000, 1020))
    return replace(scene.evidence(), pages=pages)


HELD_OUT = [page(n, red=n % 30 if n < 20 else None) for n in range(60)]


def test_the_windows_are_half_firing_and_as_many_as_asked() -> None:
    found = exhibits(EXPLANATION, seen(), HELD_OUT, most=24, seed=1)
    assert [each.fires for each in found].count(True) == [each.fires for each in found].count(False) == 12
    for each in found:
        assert (each.values.max() >= 3.0) == each.fires
        assert len(each.tokens) == len(each.values) == len(each.floor) == 32
    assert any(each.floor.max() > 1 for each in found)


def test_fuzzed_windows_come_with_right_and_with_wrong_marks() -> None:
    trials = fuzzed(exhibits(EXPLANATION, seen(), HELD_OUT, most=12, seed=1), firing=3.0, quiet=1.5, seed=1)
    assert [trial.truth for trial in trials] == [True, False] * 6
    for trial in trials:
        assert [trial.tokens[place] == " red" for place in trial.marks] == [trial.truth]


def test_an_honest_model_scores_a_true_explanation_above_every_floor() -> None:
    with OllamaStub(answer=honest) as stub:
        chat = scene.opened(stub)
        scores = heard(
            EXPLANATION,
            seen(),
            HELD_OUT,
            judge=Judge(chat, PASSED),
            simulator=Simulator(chat, PASSED),
            wrong=wrong_explanations(2, seed=5),
            seed=1,
        )
    assert [score.metric.split()[0] for score in scores] == ["detection", "fuzzing", "simulation"]
    for score in scores:
        assert score.value == pytest.approx(1.0)
        assert score.split == "held-out windows: 12 that fire, 12 silent"
        assert score.floor_name
        assert score.low is not None
    for score in scores[:2]:
        assert score.floor == 0.5
    assert len(stub.chats) == 3 * 5 + 3 * 5 + 12
    shown = {key for chat in stub.chats for text in asked(chat)[1] for key in text}
    assert shown == {"text", "content", "tokens"}


def test_where_nothing_fires_everything_is_unscored_for_no_call() -> None:
    silent = [page(n, red=None) for n in range(40)]
    with OllamaStub(answer=honest) as stub:
        chat = scene.opened(stub)
        means = {"judge": Judge(chat, PASSED), "simulator": Simulator(chat, PASSED)}
        scores = heard(EXPLANATION, seen(), silent, wrong=(), seed=1, **means)
    assert [score.value for score in scores] == [None] * 3
    assert all(score.reason for score in scores)
    assert not stub.chats


def test_a_page_that_an_agent_has_seen_is_refused() -> None:
    with pytest.raises(LeakError):
        exhibits(EXPLANATION, seen(), [*HELD_OUT, seen().pages[0]], most=12, seed=1)
