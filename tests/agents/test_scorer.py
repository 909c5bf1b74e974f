"""Scores stand on text no agent has seen, each beside a floor of its own size."""

from dataclasses import replace

import pytest

from agents.scorer import scores
from agents.statistical.mind import Statistical, floor_rules
from memory.records import Explanation, Rule, Verdict
from tests.agents.statistical.planted import evidence, pages
from tools.rules import size


def test_three_scores_each_with_value_interval_floor_and_ceiling() -> None:
    shown, held = evidence(pages("line", seed=1, number=60)), pages("line", seed=2, number=30)
    found = Statistical().explain(shown, 0)
    full, compact, detection = scores(found, shown, held, seed=0)
    assert [full.metric, compact.metric] == ["simulation, full rule", "simulation, compact rule"]
    assert "detection" in detection.metric
    for score in (full, compact, detection):
        assert score.split == "held-out text"
        assert score.n == sum(len(page.tokens) for page in held)
        assert score.value is not None
        assert score.floor is not None
        assert score.value > score.floor
        assert score.ceiling == 1.0
    assert (full.floor_name, compact.floor_name) == ("token table", "table of 1 tokens")
    assert scores(found, shown, held, seed=0) == [full, compact, detection]


def test_the_floors_are_token_tables_of_the_evidence_pages() -> None:
    shown = evidence(pages("token set", seed=1, number=40))
    table, small = floor_rules(shown.pages, 2)
    assert [clause.feature for clause in (*table.clauses, *small.clauses)] == ["token", "token"]
    assert size(small) == 2
    assert set(small.clauses[0].levels) <= {" self", " path", " key", " node"}


def test_an_empty_rule_is_unscored_and_never_zero() -> None:
    shown, held = evidence(pages("noise", seed=1, number=40)), pages("noise", seed=2, number=20)
    silent = Explanation(Verdict.UNEXPLAINED, "Nothing.", Rule(0.4))
    for score in scores(silent, shown, held, seed=0):
        assert score.value is None
        assert "constant" in score.reason


@pytest.mark.parametrize("missing", ["evidence", "held out"])
def test_without_text_there_is_no_score_and_a_reason(missing: str) -> None:
    shown, held = evidence(pages("line", seed=1, number=20)), pages("line", seed=2, number=10)
    found = Statistical().explain(shown, 0)
    scored = (
        scores(found, replace(shown, pages=()), held, seed=0)
        if missing == "evidence"
        else scores(found, shown, (), seed=0)
    )
    assert scored
    for score in scored:
        assert score.value is None
        assert score.reason == "there is no text to score on"
