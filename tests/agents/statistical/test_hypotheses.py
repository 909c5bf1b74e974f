"""Claims are minimal pairs on silent contexts: on planted units the true ones are supported, the others refuted."""

import random
from dataclasses import replace

import numpy as np
import pytest

from agents.mind import Evidence
from agents.statistical import hypotheses
from agents.statistical.hypotheses import PAIRS, claims, ordinary_context
from agents.statistical.prompts import proposals, random_prompts
from agents.weighing import weighed
from memory.records import Fate, Hypothesis, Origin, Prompt
from tests.agents.statistical.planted import evidence, measured, pages, split
from tools.pages import Page


def shown(unit: str, *, known: tuple[Hypothesis, ...] = ()) -> Evidence:
    return replace(evidence(pages(unit, seed=1, number=60)), hypotheses=known)


def fates(unit: str, *, rounds: int = 3) -> dict[str, Fate]:
    """What becomes of every claim about a unit after a few rounds of experiments."""
    scene = shown(unit)
    made = claims(scene, 20, random.Random(0))
    records = measured(unit, [prompt for claim in made for prompt in starters(claim)])
    for number in range(rounds):
        scene = replace(scene, hypotheses=tuple(made))
        fresh = hypotheses.tests(scene, 8 * len(made), random.Random(number))
        records += measured(unit, fresh, first=10_000 * (number + 1))
    firing = scene.distribution.firing
    return {claim.id: weighed(claim, records, firing=firing).fate for claim in made}


def starters(claim: Hypothesis) -> list[Prompt]:
    sides = ((True, claim.triggers), (False, claim.non_triggers))
    return [Prompt(text, Origin.PAIR, hypothesis=claim.id, predicted=side) for side, texts in sides for text in texts]


def test_a_unit_of_one_token_supports_the_token_and_no_narrower_claim() -> None:
    found = fates("single token")
    assert found["token ' self'"] is Fate.SUPPORTED
    assert found["context ' self'"] is Fate.REFUTED
    assert Fate.SUPPORTED not in {fate for claim, fate in found.items() if claim.startswith("pair")}


def test_a_unit_of_a_set_of_tokens_supports_the_set() -> None:
    found = fates("token set")
    assert found["set [' key', ' node', ' path', ' self']"] is Fate.SUPPORTED


def test_a_unit_of_two_tokens_in_a_row_supports_the_pair_and_refutes_the_token() -> None:
    found = fates("bigram")
    supported = {claim for claim, fate in found.items() if fate is Fate.SUPPORTED}
    assert {"pair '.', 'self'", "pair '(', 'key'"} & supported
    assert found["token 'self'"] is Fate.REFUTED


def test_a_unit_of_a_class_supports_the_class() -> None:
    found = fates("digits")
    assert found["class 'digits'"] is Fate.SUPPORTED
    assert Fate.SUPPORTED not in {fate for claim, fate in found.items() if claim.startswith("token")}


def test_no_claim_about_noise_is_supported() -> None:
    assert Fate.SUPPORTED not in fates("rare noise").values()


def test_a_graded_unit_supports_its_strong_tokens_and_never_its_weak_ones() -> None:
    found = fates("graded tokens")
    assert found["token ' self'"] is Fate.SUPPORTED
    assert "token ' key'" not in found  # it rises there, and never fires


@pytest.mark.parametrize("unit", ["single token", "bigram", "digits", "line"])
def test_a_pair_differs_in_one_token_and_is_spliced_as_meant(unit: str) -> None:
    scene = shown(unit)
    for claim in claims(scene, 20, random.Random(1)):
        for fires, silent in zip(claim.triggers, claim.non_triggers, strict=True):
            assert fires != silent
            if claim.id.startswith(("token", "set", "class")):
                assert split(fires)[:-1] == split(silent)[:-1]
            if claim.id.startswith("pair"):
                assert [a == b for a, b in zip(split(fires), split(silent), strict=True)].count(False) == 1


@pytest.mark.parametrize("unit", ["single token", "digits", "token set"])
def test_contexts_leave_the_unit_silent_by_themselves(unit: str) -> None:
    """Else a control would fire for what stands in its context, and refute what is true."""
    scene = shown(unit)
    for claim in claims(scene, 20, random.Random(2)):
        if claim.id.startswith(("token", "set", "class")):
            contexts = [Prompt("".join(split(text)[:-1]), Origin.PAIR) for text in claim.triggers]
            assert all((record.peak or 0) < scene.distribution.firing for record in measured(unit, contexts))


def test_claims_are_new_as_many_as_wanted_and_the_same_for_a_seed() -> None:
    scene = shown("token set")
    first = claims(scene, 3, random.Random(3))
    assert len(first) == 3
    assert first == claims(scene, 3, random.Random(3))
    more = claims(replace(scene, hypotheses=tuple(first)), 50, random.Random(3))
    assert not {claim.id for claim in first} & {claim.id for claim in more}
    assert not claims(replace(scene, hypotheses=(*first, *more)), 50, random.Random(3))
    for claim in (*first, *more):
        assert len(claim.triggers) == len(claim.non_triggers) == PAIRS
        assert claim.fate is Fate.PROPOSED


def test_an_open_claim_is_tested_even_when_the_records_have_moved_on() -> None:
    made = claims(shown("single token"), 9, random.Random(4))
    later = shown("digits", known=tuple(made))
    tested = {prompt.hypothesis for prompt in hypotheses.tests(later, 200, random.Random(5))}
    assert tested == {claim.id for claim in made if not claim.id.startswith("context")}


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
    assert [prompt.hypothesis for prompt in prompts[::2]] == [claim.id for claim in made] * 2


def test_without_pages_or_anything_that_fires_there_is_no_claim() -> None:
    scene = shown("single token")
    assert claims(replace(scene, pages=()), 5, random.Random(0)) == []
    assert claims(replace(scene, top=()), 5, random.Random(0)) == []
    quiet = replace(scene.distribution, firing=100.0)
    assert claims(replace(scene, distribution=quiet), 5, random.Random(0)) == []


def test_a_class_without_another_to_compare_with_makes_no_claim() -> None:
    """Instead of running out of pairs in the middle of a step."""
    tokens = ("1", " 2", " 3", " 4", " 5", " 6")
    draw = np.random.default_rng(0)
    made_up = [Page(tokens * 5, draw.random(30).astype(np.float32), f"x:{n}") for n in range(20)]
    made = claims(evidence(made_up), 30, random.Random(0))
    assert not [claim for claim in made if claim.id.startswith("class")]


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
