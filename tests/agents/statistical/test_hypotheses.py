"""Claims are conditions with minimal pairs: on planted units the true ones are supported, too wide ones are not."""

import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from agents.mind import Evidence
from agents.statistical import hypotheses
from agents.statistical.certificates import borne_out, certified
from agents.statistical.hypotheses import PAIRS, claims
from agents.statistical.mind import Statistical
from agents.statistical.prompts import proposals, random_prompts
from agents.statistical.variants import ordinary_context
from agents.weighing import predictions, weighed
from memory.records import Fate, Hypothesis, Origin, Predicate, Prompt, Rule
from tests.agents.statistical.planted import evidence, measured, pages, split
from tools.pages import Page
from tools.rules import Text, holds, where


@cache
def scene(unit: str) -> Evidence:
    """One, because what is read of pages is kept by them."""
    return evidence(pages(unit, seed=1, number=60))


def shown(unit: str, *, known: tuple[Hypothesis, ...] = ()) -> Evidence:
    return replace(scene(unit), hypotheses=known)


def fates(unit: str, *, rounds: int = 3) -> dict[str, Fate]:
    """What becomes of every claim about a unit after a few rounds of experiments, by its statement."""
    scene = shown(unit)
    made = claims(scene, 20, random.Random(0))
    records = measured(unit, [prompt for claim in made for prompt in predictions(claim)])
    for number in range(rounds):
        scene = replace(scene, hypotheses=tuple(made))
        fresh = hypotheses.tests(scene, 8 * len(made), random.Random(number))
        records += measured(unit, fresh, first=10_000 * (number + 1))
    firing = scene.distribution.firing
    return {claim.statement: weighed(claim, records, firing=firing).fate for claim in made}


@pytest.mark.parametrize(
    ("unit", "statement"),
    [
        ("single token", "It fires on ‘self’."),
        ("digits", "It fires on numbers."),
        ("line", "It fires in lines that begin with ‘assert’."),
    ],
)
def test_the_true_claim_is_made_and_supported(unit: str, statement: str) -> None:
    assert fates(unit)[statement] is Fate.SUPPORTED


def test_a_unit_of_a_set_of_tokens_supports_its_members() -> None:
    supported = " ".join(claim for claim, fate in fates("token set").items() if fate is Fate.SUPPORTED)
    assert sum(name in supported for name in ("self", "path", "key", "node")) >= 2
    assert not any(name in supported for name in ("item", "value", "count"))


def test_a_claim_that_is_too_wide_is_refuted() -> None:
    """A bigram's second token fires in one context only."""
    found = fates("bigram")
    assert Fate.SUPPORTED in found.values()
    assert found.get("It fires on ‘self’.") is not Fate.SUPPORTED


def test_no_claim_about_noise_is_supported() -> None:
    assert Fate.SUPPORTED not in fates("rare noise").values()


@pytest.mark.parametrize("unit", ["single token", "digits", "line"])
def test_the_condition_holds_at_the_end_of_one_side_of_a_pair_only(unit: str) -> None:
    for claim in claims(shown(unit), 20, random.Random(1)):
        assert claim.rule is not None
        condition = claim.rule.clauses[0].when
        assert condition is not None
        for fires, silent in zip(claim.triggers, claim.non_triggers, strict=True):
            assert holds(condition, Text(split(fires)))[-1]
            assert not holds(condition, Text(split(silent)))[-1]


@pytest.mark.parametrize("unit", ["single token", "bigram", "line"])
def test_clauses_are_certified_by_pairs_that_were_measured(unit: str) -> None:
    scene = shown(unit)
    made = claims(scene, 6, random.Random(0))
    records = measured(unit, [prompt for claim in made for prompt in predictions(claim)])
    found = Statistical().explain(replace(scene, asked=tuple(records)), 0)
    ids = {record.id: record for record in records}
    assert found.certificates
    for certificate in found.certificates:
        assert certificate.held == certificate.of > 0
        assert all(ids[one].values[-1] > ids[two].values[-1] for one, two in certificate.pairs)


def test_a_certificate_says_how_often_pairs_move_in_which_no_clause_changes() -> None:
    rule = Rule(0.0, (where(Predicate("token", (" self",)), 4.0),))

    def pair(word: str, name: str) -> list[Prompt]:
        sides = ((f"x = {word}", True), (f"x = {word} y", False))
        return [Prompt(text, Origin.PAIR, source=name, predicted=fires) for text, fires in sides]

    own, still = measured("single token", pair("self", "a")), measured("single token", pair("path", "b"), first=2000)
    restless = [replace(each, values=(*each.values[:-1], 4.0 * bool(each.prompt.predicted))) for each in still]
    for idle, base in ((still, 0), (restless, 1)):
        (found,) = certified(rule, [*own, *idle])
        assert (found.held, found.of, found.base, found.base_of) == (1, 1, base, 1)


def test_a_clause_that_no_pair_bears_out_is_dropped_from_the_prose() -> None:
    pair = [Prompt("x = self", Origin.PAIR, source="pair a", predicted=True),
            Prompt("x = self y", Origin.PAIR, source="pair a", predicted=False)]  # fmt: skip
    rule = Rule(0.0, (where(Predicate("token", (" self",)), 4.0), where(Predicate("line-opening", ("if",)), 1.0)))
    fired = measured("single token", pair)
    silent = [replace(record, values=(0.0,) * len(record.values)) for record in fired]
    assert [(each.clause, each.held, each.of) for each in certified(rule, fired)] == [(0, 1, 1)]
    assert [(each.clause, each.held, each.of) for each in certified(rule, silent)] == [(0, 0, 1)]
    assert borne_out(rule, certified(rule, fired)).clauses == rule.clauses[:1]
    assert borne_out(rule, certified(rule, silent)).clauses == ()


def test_claims_are_new_as_many_as_wanted_and_the_same_for_a_seed() -> None:
    scene = shown("token set")
    first = claims(scene, 3, random.Random(3))
    assert first
    assert first == claims(scene, 3, random.Random(3))
    more = claims(replace(scene, hypotheses=tuple(first)), 50, random.Random(3))
    assert not {claim.id for claim in first} & {claim.id for claim in more}
    assert not claims(replace(scene, hypotheses=(*first, *more)), 50, random.Random(3))
    for claim in (*first, *more):
        assert 0 < len(claim.triggers) == len(claim.non_triggers) <= PAIRS
        assert claim.fate is Fate.PROPOSED


def test_an_open_claim_is_tested_even_when_the_records_have_moved_on() -> None:
    made = claims(shown("single token"), 9, random.Random(4))
    later = shown("digits", known=tuple(made))
    tested = {prompt.hypothesis for prompt in hypotheses.tests(later, 200, random.Random(5))}
    assert tested
    assert tested <= {claim.id for claim in made}


def test_decided_claims_and_those_of_others_are_not_tested() -> None:
    made = claims(shown("single token"), 9, random.Random(6))
    decided = tuple(replace(claim, fate=Fate.SUPPORTED) for claim in made)
    other = Hypothesis("h-12ab", "It likes ports.", author="ollama:x")
    assert hypotheses.tests(shown("single token", known=(*decided, other)), 20, random.Random(7)) == []


def test_tests_come_in_pairs_in_turn_and_as_many_as_wanted() -> None:
    made = claims(shown("token set"), 3, random.Random(8))
    prompts = hypotheses.tests(shown("token set", known=tuple(made)), 12, random.Random(9))
    assert len(prompts) == 12
    assert [prompt.predicted for prompt in prompts] == [True, False] * 6
    assert {prompt.hypothesis for prompt in prompts} == {claim.id for claim in made}


def test_without_pages_or_anything_that_fires_there_is_no_claim() -> None:
    scene = shown("single token")
    assert claims(replace(scene, pages=()), 5, random.Random(0)) == []
    assert claims(replace(scene, top=()), 5, random.Random(0)) == []
    quiet = replace(scene.distribution, firing=100.0)
    assert claims(replace(scene, distribution=quiet), 5, random.Random(0)) == []


def test_half_characters_are_never_spliced() -> None:
    tokens = ("\ufffd", " a", "\ufffd", " b", " c", " d")
    values = np.array([9.0, 0, 8.0, 5.0, 0, 0] * 5, np.float32)
    scene = evidence([Page(tokens * 5, values, f"x:{n}") for n in range(12)])
    prompts = hypotheses.tests(
        replace(scene, hypotheses=tuple(claims(scene, 9, random.Random(0)))), 30, random.Random(0)
    )
    prompts += proposals(scene, 20, random.Random(1)) + random_prompts(scene.pages, 20, random.Random(2))
    assert prompts
    assert not [prompt for prompt in prompts if "\ufffd" in prompt.text]


def test_proposals_test_what_is_open_and_cross_strong_texts() -> None:
    made = claims(shown("bigram"), 4, random.Random(1))
    scene = shown("bigram", known=tuple(made))
    prompts = proposals(scene, 20, random.Random(2))
    assert len(prompts) == 20
    assert sum(prompt.origin is Origin.PAIR for prompt in prompts) == 14
    ids = {record.id for record in scene.top}
    assert all(prompt.parent in ids for prompt in prompts if prompt.origin is Origin.HYPOTHESIS)
    assert prompts == proposals(scene, 20, random.Random(2))


def test_ordinary_text_is_a_stretch_of_a_page() -> None:
    scene = shown("noise")
    everything = ["".join(page.tokens) for page in scene.pages]
    for seed in range(20):
        text = ordinary_context(scene.pages, random.Random(seed))
        assert any(text in page for page in everything)
