"""Who may judge: the honest pass, the hopeless fail by name, and the paper itself is sound."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from agents.examination.examination import BAR, BUDGET, COST, JOBS, examine, paper
from agents.examination.puzzles import ACTIVE, Puzzle, puzzles, wrong_explanations
from agents.examination.result import Examination
from agents.simulator import MOST_TOKENS
from evals.ollama_stub import Body, OllamaStub
from memory.records import plain, revive
from tests.agents.scene import opened
from tests.agents.sitters import always, coin, deaf, fires, fires_within, honest
from tools.scoring import auc

EVERY_PUZZLE = pytest.mark.parametrize("puzzle", puzzles(), ids=lambda puzzle: puzzle.name)


def sat(answer: Callable[[Body], str], *jobs: str, behaviour: str = "normal", budget: int = BUDGET) -> Examination:
    patience = 30.0 if behaviour == "normal" else 2.0
    with OllamaStub(behaviour, answer=answer) as stub:
        return examine(opened(stub, timeout_seconds=patience), seed=1, budget=budget, jobs=jobs or JOBS)


@EVERY_PUZZLE
def test_the_true_explanation_gives_exactly_what_is_known(puzzle: Puzzle) -> None:
    for text in puzzle.texts:
        prefixes = ["".join(text.tokens[: place + 1]) for place in range(len(text.tokens))]
        found = {place for place, prefix in enumerate(prefixes) if fires(puzzle.truth, prefix)}
        assert set(text.active) <= found
        assert found <= {place for place, value in enumerate(text.activations) if value or place in text.active}
        assert fires_within(puzzle.truth, "".join(text.tokens)) == bool(text.active)


@EVERY_PUZZLE
def test_a_false_explanation_does_no_better_than_chance_and_is_true_of_no_active_token_alone(puzzle: Puzzle) -> None:
    for claim in puzzle.decoys:
        known = np.array([bool(text.active) for text in puzzle.texts])
        said = np.array([fires_within(claim, "".join(text.tokens)) for text in puzzle.texts], float)
        assert auc(said, known) <= 0.5
        tokens = [
            (fires(claim, "".join(text.tokens[: place + 1])), value >= ACTIVE)
            for text in puzzle.texts
            for place, value in enumerate(text.activations)
        ]
        assert auc(np.array([pair[0] for pair in tokens], float), np.array([pair[1] for pair in tokens])) <= 0.6


def test_the_paper_has_what_it_promises() -> None:
    assert len(puzzles()) >= 12
    assert {"word set", "suffix", "position", "context", "negation", "code"} <= {it.family for it in puzzles()}
    for puzzle in puzzles():
        assert len(puzzle.decoys) == 2
        assert [bool(text.active) for text in puzzle.texts] == [True] * 4 + [False] * 4
        assert sum(len(text.tokens) for text in puzzle.texts) <= MOST_TOKENS
        assert all(len(text.tokens) == len(text.activations) for text in puzzle.texts)
        assert all(0 <= value <= 10 for text in puzzle.texts for value in text.activations)
    assert sum(COST.values()) * 2 * len(puzzles()) == BUDGET


def test_an_honest_judge_passes_every_job_within_the_budget() -> None:
    with OllamaStub(answer=honest) as stub:
        calls = []
        result = examine(opened(stub), seed=1, calls=calls)
    assert result.passed
    assert [mark.job for mark in result.marks] == list(JOBS)
    for mark in result.marks:
        assert (mark.score.value, mark.coverage, mark.n, mark.reason) == (1.0, 1.0, len(puzzles()), "")
        assert mark.score.floor is not None
        assert mark.score.floor <= 0.5
        assert mark.low is not None
        assert mark.low > 0.3
    assert result.calls == len(calls) == len(stub.chats) <= BUDGET
    assert {call.agent for call in calls} == {"judge", "simulator"}


def test_a_large_budget_sits_both_false_explanations() -> None:
    with OllamaStub(answer=honest) as stub:
        result = examine(opened(stub), budget=3 * 2 * len(puzzles()), jobs=("detect",))
    assert result.passed
    assert len(stub.chats) == 3 * 2 * len(puzzles())


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (always(True), "says yes to everything|every token the value 10"),
        (always(False), "says no to everything|every token the value 0"),
        (coin(3), f"below {BAR}"),
        (deaf, "does not tell true explanations from false ones"),
    ],
    ids=["always-all", "always-none", "random", "deaf"],
)
def test_the_hopeless_fail_by_name(answer: Callable[[Body], str], name: str, job: str) -> None:
    result = sat(answer, job)
    (mark,) = result.marks
    assert not result.passed
    assert mark.score.value is not None
    assert mark.coverage == 1.0
    assert re.search(name, str(result.refusal(job, result.model)))


@pytest.mark.parametrize(
    ("behaviour", "name"),
    [
        ("malformed", "malformed"),
        ("refusal", "refused"),
        ("empty", "empty"),
        ("500", "http-500"),
        ("injection", "malf"),
    ],
)
def test_who_does_not_answer_fails_by_name_and_is_not_asked_for_long(behaviour: str, name: str) -> None:
    result = sat(honest, behaviour=behaviour)
    assert not result.passed
    assert result.calls <= 8
    for mark in result.marks:
        assert mark.score.value is None
        assert mark.coverage == 0.0
        assert "answered 0% of the examination" in mark.reason
    assert name in result.marks[0].reason


def test_a_server_that_hangs_is_given_up_after_three_waits() -> None:
    with OllamaStub("hang") as stub:
        result = examine(opened(stub, timeout_seconds=0.1))
    assert result.calls == 3
    assert "timeout" in result.marks[0].reason
    assert not result.passed


def test_garbage_of_the_right_form_fails() -> None:
    def shifted(body: Body) -> str:
        said = json.loads(honest(body))
        for item in said.get("answers", []):
            item["text"] = chr(ord(item["text"]) + 1)
        for item in said.get("values", []):
            item["token"] += 1
        return json.dumps(said)

    result = sat(shifted, budget=160)
    assert not result.passed
    assert "unusable" in result.marks[0].reason
    assert all(mark.score.value is None for mark in result.marks)


def test_a_judge_may_pass_one_job_and_fail_another() -> None:
    def half(body: Body) -> str:
        return honest(body) if "answers" in body["format"]["properties"] else always(False)(body)

    result = sat(half)
    assert [mark.passed for mark in result.marks] == [True, True, False]
    assert result.refusal("detect", result.model) is None
    assert "every token the value 0" in str(result.refusal("simulate", result.model))
    assert not result.passed


def test_too_small_a_budget_is_no_examination() -> None:
    with OllamaStub(answer=honest) as stub:
        result = examine(opened(stub), budget=30)
    assert not result.passed
    assert not stub.chats
    assert "too small" in result.marks[0].reason


def test_a_smaller_budget_sits_fewer_puzzles_by_the_seed() -> None:
    result = sat(honest, "detect", budget=48)
    assert result.passed
    assert result.marks[0].n == 12


def test_a_passed_examination_can_be_kept_and_counts_for_its_model_and_jobs_only() -> None:
    result = sat(honest, "detect")
    kept = revive(Examination, json.loads(json.dumps(plain(result))))
    assert kept == result
    assert kept.paper == paper()
    assert kept.refusal("detect", kept.model) is None
    assert "was not examined" in str(kept.refusal("simulate", kept.model))
    assert "was not examined" in str(kept.refusal("detect", "ollama:other"))
    assert not replace(kept, marks=()).passed


def test_wrong_explanations_are_different_and_repeatable() -> None:
    found = wrong_explanations(4, seed=2)
    assert len(set(found)) == 4
    assert found == wrong_explanations(4, seed=2)
