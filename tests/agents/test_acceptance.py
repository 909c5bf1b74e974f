"""What a language model proposes joins the rule, signed, when text that nobody fitted bears it out; or is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.acceptance import Proposal, accept
from agents.chat_model import open_chat_model
from agents.language import Language
from evals.ollama_stub import Body
from memory.records import (
    Clause,
    Explanation,
    Fate,
    Hypothesis,
    Origin,
    Predicate,
    Prompt,
    Record,
    Rule,
    Verdict,
)
from tests.agents.scene import SteadyMind
from tests.agents.statistical import planted
from tests.agents.statistical.planted import pages
from tools.rules import size, where

SEED = 5
ASSERT = Proposal(Predicate("line-opening", ("assert",)), "In assert lines.", "a model")
DIGITS = Proposal(Predicate("class", ("digits",)), "", "another")
EMPTY = Explanation(Verdict.CONTEXT, "", Rule(0.0), full=Rule(0.0))


def test_a_clause_that_predicts_is_accepted_signed_and_has_its_own_level() -> None:
    accepted, refusals = accept(EMPTY, [ASSERT, ASSERT], pages("line", seed=1, number=40))
    assert accepted.full is not None
    (clause,) = accepted.full.clauses
    assert clause == accepted.rule.clauses[0]
    assert clause.levels == {"": pytest.approx(4.0)}
    assert clause.prose == "In assert lines (proposed by a model, accepted on evidence)"
    assert clause.when == ASSERT.when
    assert refusals == ()


def test_a_clause_that_predicts_nothing_is_refused_with_the_figures() -> None:
    accepted, (refused,) = accept(EMPTY, [DIGITS, ASSERT], pages("line", seed=1, number=40))
    assert [clause.when for clause in accepted.rule.clauses] == [ASSERT.when]
    assert "‘digits’" in refused
    assert "squared error on the checking pages goes from" in refused


@pytest.mark.parametrize("of", [Predicate("token", ("never",)), Predicate("tokens", low=0)])
def test_a_clause_that_never_or_always_holds_is_refused(of: Predicate) -> None:
    accepted, (refused,) = accept(EMPTY, [Proposal(of, "", "a model")], pages("line", seed=1, number=8))
    assert accepted is EMPTY
    assert "at no token, or at every token" in refused


def test_what_the_rule_says_already_is_refused() -> None:
    known = Rule(0.0, (Clause("line-opening", {"assert": 4.0}),))
    accepted, refusals = accept(replace(EMPTY, full=known), [ASSERT], pages("line", seed=1, number=40))
    assert accepted.full == known
    assert len(refusals) == 1


def test_a_compact_rule_without_room_stays_as_it_is() -> None:
    full_house = Rule(0.0, tuple(Clause("token", {f" {letter}": 0.001}) for letter in "abcdefgh"))
    listed = Rule(0.0, (Clause("token", {str(n): 0.001 for n in range(40)}),))
    for compact in (full_house, listed):
        accepted, _ = accept(replace(EMPTY, rule=compact), [ASSERT], pages("line", seed=1, number=40))
        assert accepted.rule == compact
        assert accepted.full is not None
        assert len(accepted.full.clauses) == 1
        assert size(accepted.rule) <= 40


def test_chance_is_not_taken_for_evidence() -> None:
    draw = np.random.default_rng(7)
    fixed = pages("line", seed=3, number=24)
    words = sorted({token for page in fixed for token in page.tokens})
    wrong = 0
    for _ in range(40):
        noise = [replace(page, values=draw.normal(size=len(page.tokens)).astype(np.float32))
                 for page in fixed]  # fmt: skip
        guesses = [Proposal(Predicate("token", (str(word),)), "", "a guess") for word in draw.choice(words, 8, False)]
        wrong += len(accept(EMPTY, guesses, noise)[0].rule.clauses)
    assert wrong <= 2  # of 320


def test_no_pages_no_clauses() -> None:
    assert accept(EMPTY, [ASSERT], ()) == (EMPTY, ())


GOOD = {"prose": "In assert lines.", "tests": [{"name": "line-opening", "values": ["assert"]}], "level": "weak"}
BAD = {"prose": "On digits.", "tests": [{"name": "class", "values": ["digits"]}], "level": "strong"}
BOMB = {"prose": "A bomb.", "tests": [{"name": "matches", "values": ["(a+)+$"]}], "level": "strong"}
CODE = {"prose": "Code.", "tests": [{"name": "__import__('os').system('ls')", "values": ["a"]}], "level": "strong"}
FIRES_ON_ASSERT = planted.evidence(planted.pages("line", seed=1, number=40))


def scripted(folder: Path, agent: str, answer: Body) -> Language:
    """A mind whose model gives one answer, over a fallback whose rule knows nothing of the evidence."""
    script = folder / "script.jsonl"
    script.write_text(json.dumps({"agent": agent, "answer": json.dumps(answer, separators=(",", ":"))}))
    return Language(open_chat_model(f"scripted:{script}"), SteadyMind())


def reading(*rule: Any, text: str = "It fires in assert lines.") -> Body:
    """An answer of the explainer with a rule."""
    return {"verdict": "context", "text": text, "evidence": [1], "rule": list(rule)}


def test_a_proposed_clause_that_predicts_is_accepted_and_says_who_wrote_it(tmp_path: Path) -> None:
    mind = scripted(tmp_path, "explainer", reading(GOOD))
    explained, measured = mind.explain(FIRES_ON_ASSERT, SEED), SteadyMind().explain(FIRES_ON_ASSERT, SEED)
    (call,) = mind.drain()
    assert explained.full is not None
    assert explained.full.clauses[:-1] == (measured.full or Rule(0.0)).clauses
    for clause in (explained.full.clauses[-1], explained.rule.clauses[-1]):
        assert clause.when == Predicate("line-opening", ("assert",))
        assert clause.levels[""] > 2
        assert clause.prose == f"In assert lines (proposed by {mind.name}, accepted on evidence)"
    assert (call.status, call.detail) == ("ok", "")


@pytest.mark.parametrize(
    ("rule", "reasons"),
    [
        ([BAD], ["‘digits’", "squared error on the checking pages goes from"]),
        ([BOMB], ["clause 1: the pattern '(a+)+$' repeats a repetition"]),
        ([CODE], ["clause 1: nothing is called '__import__('os').system('ls')'"]),
        ([{}] * 10_000, ["the rule has 10000 clauses; 8 is the most"]),
        (["def rule(): ..."], ["clause 1: it: Input should be a valid dictionary"]),
        ([BOMB, CODE, BAD], ["clause 1", "clause 2", "‘digits’"]),
    ],
)
def test_a_proposal_that_cannot_be_run_or_proven_is_refused_by_name(
    tmp_path: Path, rule: list[Any], reasons: list[str]
) -> None:
    mind = scripted(tmp_path, "explainer", reading(*rule))
    explained, measured = mind.explain(FIRES_ON_ASSERT, SEED), SteadyMind().explain(FIRES_ON_ASSERT, SEED)
    (call,) = mind.drain()
    assert (explained.rule, explained.full) == (measured.rule, measured.full)
    assert (explained.text, explained.author) == ("It fires in assert lines.", mind.name)
    assert call.status == "ok"
    assert call.detail.startswith("refused of the rule: ")
    assert all(reason in call.detail for reason in reasons)


def test_good_clauses_stay_beside_refused_ones(tmp_path: Path) -> None:
    mind = scripted(tmp_path, "explainer", reading(BOMB, GOOD, CODE, BAD))
    explained = mind.explain(FIRES_ON_ASSERT, SEED)
    assert [clause.when for clause in explained.rule.clauses[1:]] == [Predicate("line-opening", ("assert",))]
    assert mind.drain()[0].detail.count("; ") >= 2


def test_an_answer_too_long_to_be_read_leaves_the_explanation_to_the_fallback(tmp_path: Path) -> None:
    mind = scripted(tmp_path, "explainer", reading(*[GOOD] * 10_000))
    assert mind.explain(FIRES_ON_ASSERT, SEED) == SteadyMind().explain(FIRES_ON_ASSERT, SEED)
    (call,) = mind.drain()
    assert call.status == "malformed"
    assert "at most 40000 are read" in call.detail


def test_a_hypothesis_may_carry_a_rule_in_the_units_own_size(tmp_path: Path) -> None:
    claim = {"statement": "It fires in assert lines.", "triggers": ["assert x"], "non_triggers": ["if x"]}
    mind = scripted(tmp_path, "hypothesis", {"hypotheses": [{**claim, "rule": [GOOD, BOMB]}]})
    (found,) = mind.hypothesise(FIRES_ON_ASSERT, 2, SEED)
    spread = FIRES_ON_ASSERT.distribution
    assert found.rule is not None
    assert found.rule.base == spread.floor
    (clause,) = found.rule.clauses
    assert clause.levels == {"": pytest.approx(0.35 * (spread.highest - spread.floor))}
    assert "repeats a repetition" in found.reason
    assert "repeats a repetition" in mind.drain()[0].detail


@pytest.mark.parametrize(("fate", "clauses"), [(Fate.SUPPORTED, 2), (Fate.PROPOSED, 2), (Fate.REFUTED, 1)])
def test_the_rules_of_hypotheses_that_stand_are_tried_too(tmp_path: Path, fate: Fate, clauses: int) -> None:
    rule = Rule(0.0, (where(Predicate("line-opening", ("assert",)), 1.0, "In assert lines"),))
    claim = Hypothesis("h-1", "It fires in assert lines.", fate=fate, rule=rule, author="another model")
    mind = scripted(tmp_path, "explainer", reading())
    explained = mind.explain(replace(FIRES_ON_ASSERT, hypotheses=(claim,)), SEED)
    assert len(explained.rule.clauses) == clauses
    assert all("another model" in clause.prose for clause in explained.rule.clauses[1:])


def test_an_accepted_clause_has_the_certificate_of_its_minimal_pairs(tmp_path: Path) -> None:
    sides = [(Prompt(f"{word} x", Origin.PAIR, predicted=fires, source="pair:1"), (word, " x"), (0.0, peak))
             for word, fires, peak in (("assert", True, 4.0), ("if", False, 0.0))]  # fmt: skip
    pair = tuple(
        Record(id, 1, prompt, tokens, (0, 1), values, values[1], 1)
        for id, (prompt, tokens, values) in enumerate(sides, 901)
    )
    mind = scripted(tmp_path, "explainer", reading(GOOD))
    explained = mind.explain(replace(FIRES_ON_ASSERT, asked=pair), SEED)
    (certificate,) = explained.certificates
    assert explained.rule.clauses[certificate.clause].when == Predicate("line-opening", ("assert",))
    assert certificate.pairs == ((901, 902),)
