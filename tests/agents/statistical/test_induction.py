"""Planted units are recovered: held-out text is predicted, the compact rule is small, and noise stays unexplained."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from agents.mind import Evidence
from agents.scorer import scores
from agents.statistical import compact, induction
from agents.statistical.mind import Statistical
from agents.statistical.reading import read
from agents.statistical.readings import reading_of
from memory.records import Explanation, Rule, Score, Verdict
from tests.agents.statistical.planted import UNITS, evidence, pages
from tools.pages import Page
from tools.rules import check, predict, size

EXACT = ("single token", "token set", "graded tokens", "bigram", "digits", "line", "inside", "token but not after")
CONTEXTUAL = ("bigram", "digits", "line", "inside", "token but not after", "position", "dense")
VERDICTS = {
    "single token": Verdict.SINGLE_TOKEN,
    "noisy token": Verdict.SINGLE_TOKEN,
    "token set": Verdict.TOKEN_SET,
    "bigram": Verdict.N_GRAM,
    "digits": Verdict.TOKEN_SET,
    "line": Verdict.CONTEXT,
    "inside": Verdict.CONTEXT,
    "position": Verdict.POSITIONAL,
    "dense": Verdict.DENSE,
    "dead": Verdict.DEAD,
    "noise": Verdict.UNEXPLAINED,
    "rare noise": Verdict.UNEXPLAINED,
}

Explained = Callable[[str], tuple[Evidence, Explanation, dict[str, Score]]]


@pytest.fixture(scope="module")
def errors() -> dict[str, tuple[float, float]]:
    """By unit, what its full and its compact rule leave on the checking pages: `explained` tells it."""
    return {}


@pytest.fixture(scope="module")
def explained(errors: dict[str, tuple[float, float]]) -> Explained:
    """What the built-in mind says of a planted unit, and its scores on other pages; each unit once."""
    known: dict[str, tuple[Evidence, Explanation, dict[str, Score]]] = {}

    def of(unit: str) -> tuple[Evidence, Explanation, dict[str, Score]]:
        if unit not in known:
            shown = evidence(pages(unit, seed=1, number=120))
            found = Statistical().explain(shown, 0)
            reading = reading_of(shown.pages)  # which was made for that
            full, small = (
                reading.error(reading.measured - reading.predicted(rule))
                for rule in (found.full or found.rule, found.rule)
            )
            errors[unit] = full, small
            scored = scores(found, shown, pages(unit, seed=2, number=60), seed=0)
            known[unit] = shown, found, {score.metric.rpartition(", ")[2]: score for score in scored}
        return known[unit]

    return of


@pytest.mark.parametrize("unit", EXACT)
def test_what_the_language_can_say_is_found_and_holds_on_other_text(explained: Explained, unit: str) -> None:
    _, _, scored = explained(unit)
    assert (scored["full rule"].value or 0) > 0.99
    assert (scored["compact rule"].value or 0) > 0.99


def test_what_it_can_say_only_coarsely_comes_close(explained: Explained) -> None:
    _, _, scored = explained("position")
    assert (scored["compact rule"].value or 0) > 0.95
    _, _, noisy = explained("noisy token")
    assert (noisy["compact rule"].value or 0) > 0.95  # the noise itself is a twentieth of the variance


@pytest.mark.parametrize("unit", list(UNITS))
def test_the_compact_rule_is_small_and_can_be_run(explained: Explained, unit: str) -> None:
    _, found, _ = explained(unit)
    assert size(found.rule) <= compact.VALUES
    assert len(found.rule.clauses) <= compact.CLAUSES
    assert check(found.rule) is found.rule
    assert found.full is None or check(found.full)


@pytest.mark.parametrize(
    ("unit", "values"),
    [("single token", 1), ("token set", 4), ("bigram", 2), ("digits", 1), ("line", 1), ("inside", 2), ("dense", 1)],
)
def test_a_plain_truth_has_a_plain_rule(explained: Explained, unit: str, values: int) -> None:
    _, found, _ = explained(unit)
    assert size(found.rule) == values


@pytest.mark.parametrize("unit", list(VERDICTS))
def test_the_verdict_is_the_planted_one(explained: Explained, unit: str) -> None:
    _, found, _ = explained(unit)
    assert found.verdict is VERDICTS[unit]


@pytest.mark.parametrize("unit", CONTEXTUAL)
def test_a_unit_of_its_context_beats_the_token_tables(explained: Explained, unit: str) -> None:
    _, _, scored = explained(unit)
    compact = scored["compact rule"]
    assert compact.low is not None
    assert compact.floor is None or compact.low > compact.floor


@pytest.mark.parametrize("unit", ["single token", "noisy token", "token set"])
def test_a_unit_of_its_token_does_not_beat_the_token_table(explained: Explained, unit: str) -> None:
    _, _, scored = explained(unit)
    full = scored["full rule"]
    assert full.low is not None
    assert full.low <= (full.floor or 0) + 1e-4


@pytest.mark.parametrize("unit", ["noise", "rare noise"])
@pytest.mark.parametrize("seed", range(3, 5))
def test_noise_is_unexplained_and_its_rule_next_to_empty(unit: str, seed: int) -> None:
    shown = evidence(pages(unit, seed=seed, number=80))
    found = Statistical().explain(shown, 0)
    assert found.verdict is Verdict.UNEXPLAINED
    assert size(found.rule) <= 6
    for score in scores(found, shown, pages(unit, seed=seed + 100, number=40), seed=0)[:2]:
        assert score.value is None or abs(score.value) < 0.06
        assert score.low is None or score.low < (score.floor or 0) + 0.03


def test_the_fast_columns_predict_what_the_rule_does(explained: Explained) -> None:
    shown, found, _ = explained("token but not after")
    reading = read(shown.pages)
    order = [p for n, p in enumerate(shown.pages) if n % 4] + [p for n, p in enumerate(shown.pages) if not n % 4]
    for rule in (found.rule, found.full or Rule(0.0), induction.table_rule(reading)):
        slow = np.concatenate([predict(rule, page.tokens) for page in order])
        assert reading.predicted(rule) == pytest.approx(slow, abs=1e-6)


@pytest.mark.parametrize("unit", list(UNITS))
def test_the_full_rule_never_checks_worse_than_the_compact_one(
    explained: Explained, errors: dict[str, tuple[float, float]], unit: str
) -> None:
    explained(unit)
    full, small = errors[unit]
    assert full <= small * 1.05 + 1e-9


def test_the_same_pages_give_the_same_rules(explained: Explained) -> None:
    shown, found, _ = explained("graded tokens")
    again = read(tuple(Page(page.tokens, page.values, page.source) for page in shown.pages))
    assert compact.compact_rule(again).clauses == tuple(replace(clause, prose="") for clause in found.rule.clauses)


def test_the_token_tables_of_the_floor_have_the_size_asked_for() -> None:
    reading = read(pages("digits", seed=1, number=40))
    whole, small = induction.table_rule(reading), induction.table_rule(reading, 3)
    assert {clause.feature for clause in (*whole.clauses, *small.clauses)} == {"token"}
    assert size(small) == 3
    assert size(whole) > 10


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_handful_of_pages_is_enough_to_run(number: int) -> None:
    reading = read(pages("single token", seed=1, number=number))
    assert size(compact.compact_rule(reading)) <= 40
    assert np.isfinite(reading.predicted(induction.full_rule(reading))).all()


def test_pages_of_a_single_token_and_of_one_value_are_no_trouble() -> None:
    for tokens, value in ((("a",), 1.0), (("a", "b", "a"), 0.0)):
        reading = read([Page(tokens, np.full(len(tokens), value, np.float32), f"x:{n}") for n in range(6)])
        assert compact.compact_rule(reading).clauses == ()
        assert reading.predicted(induction.full_rule(reading)) == pytest.approx(value)


def test_without_pages_a_unit_is_unexplained_and_not_dead() -> None:
    shown = replace(evidence(pages("single token", seed=1, number=8)), pages=())
    assert Statistical().explain(shown, 0).verdict is Verdict.UNEXPLAINED


def test_a_hundred_thousand_tokens_are_explained_in_ten_seconds(pace: float) -> None:
    shown = evidence(pages("graded tokens", seed=1, number=420))
    assert shown.distribution.tokens > 100_000
    started = time.process_time()
    Statistical().explain(shown, 0)
    assert time.process_time() - started < 10.0 * pace
