"""A handful of sentences becomes a rule that runs, says what the unit does, and learns nothing by heart."""

from collections.abc import Sequence

import numpy as np
import pytest

from agents.statistical.few import few_rule
from agents.statistical.few_conditions import learned
from agents.statistical.few_ground import Ground, Meanings
from memory.records import Predicate, Rule, plain, revive
from tools import rules
from tools.pages import Page
from tools.rules import likeness


def page(marked: str) -> Page:
    """A sentence of tokens between slashes; ! in front of a token means that it fires, one digit how strongly."""
    tokens, values = [], []
    for token in marked.split("/"):
        fires = token.startswith("!")
        tokens.append(token[1:] if fires else token)
        values.append(10.0 if fires else 0.0)
    return Page(tuple(tokens), np.array(values, np.float32), "test")


AFTER_OF = [
    page("A/ piece/ of/! cake/ fell"),
    page("Most/ of/! them/ left/ early"),
    page("The/ top/ of/! Everest/ is/ cold"),
    page("They/ left/ the/ cake/ outside"),
    page("It/ is/ cold/ there/ today"),
]
COLOURS = [
    page("The/! red/ car/ stopped/ here"),
    page("She/ likes/! blue/ and/! green/ paint"),
    page("A/! yellow/ house/ on/ the/ hill"),
    page("His/ coat/ was/! black/ and/ old"),
    page("The/ fast/ train/ left/ late"),
    page("We/ ate/ bread/ by/ the/ lake"),
]


def strongest(rule: Rule, tokens: Sequence[str]) -> str:
    return tokens[int(np.argmax(rules.predict(rule, tokens)))]


def test_the_token_after_a_word_is_found_whatever_it_is():
    told = rules.predict(few_rule(AFTER_OF), ("The", " end", " of", " Summer", " came"))
    assert told[3] > 4
    assert max(told[:3] + told[4:]) < 2


def test_a_colour_that_no_sentence_shows_is_found_by_its_meaning():
    assert strongest(few_rule(COLOURS), ("My", " orange", " hat", " fell", " down")) == " orange"


def test_a_meaning_that_counts_only_after_a_negation():
    rule = few_rule([
        page("He/ did/ not/! finish/ the/ work"),
        page("She/ never/! completed/ her/ form"),
        page("They/ have/ not/! ended/ the/ talks"),
        page("We/ do/ not/! conclude/ that/ yet"),
        page("He/ did/ finish/ the/ work"),
        page("She/ completed/ her/ form/ today"),
        page("They/ ended/ the/ talks/ at/ noon"),
        page("I/ do/ not/ like/ cheese"),
    ])  # fmt: skip
    denied = rules.predict(rule, ("I", " did", " not", " finish", " it"))
    said = rules.predict(rule, ("I", " must", " finish", " it", " now"))
    assert denied[3] > 1.5 * max(said)


def test_the_inside_of_brackets_is_a_stretch():
    rule = few_rule([
        page("The/ lake/ (/!big/! and/! deep/)/ froze"),
        page("Ann/ (/!my/! aunt/)/ sings"),
        page("Tea/ (/!green/)/ helps/ me"),
        page("The/ lake/ froze/ over/ twice"),
    ])  # fmt: skip
    told = rules.predict(rule, ("Rome", " (", "the", " capital", ")", " waits"))
    assert min(told[2], told[3]) > 2 * max(told[0], told[1], told[4], told[5])


def test_predictions_keep_the_unit_and_the_silence_of_the_values():
    lifted = [Page(each.tokens, each.values * 0.05 - 2.0, each.source) for each in AFTER_OF]
    rule, plainly = few_rule(lifted), few_rule(AFTER_OF)
    assert rule.base == -2.0
    tokens = (" of", " Rome", " is")
    expected = [told * 0.05 - 2.0 for told in rules.predict(plainly, tokens)]
    assert rules.predict(rule, tokens) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("pages", [[], [page("a/! b")], [page("a/ b"), page("c/ d")]])
def test_nothing_to_go_by_gives_a_constant(pages: list[Page]):
    assert few_rule(pages).clauses == ()


def test_the_rule_is_sound_survives_its_file_format_and_is_the_same_each_time():
    rule = few_rule(COLOURS)
    assert rules.check(rule) is rule
    assert revive(Rule, plain(rule)) == rule == few_rule(COLOURS)
    assert all(line.isprintable() for line in rules.lines(rule))


def asked(of: str, *values: str, low: int) -> list[bool]:
    text = rules.text_of(("A", " blue", " chair", " and", " a", " horse"))
    return rules.holds(Predicate(of, values, low=low), text).tolist()


def test_a_counter_example_takes_away_what_is_nearer_to_it():
    assert asked("word-like", "red", "sofa", low=55) == [False, True, True, False, False, False]
    assert asked("word-nearer", "red", "sofa", likeness.AGAINST, "bench", "a", "and", low=1)[1]
    assert not asked("word-nearer", "red", likeness.AGAINST, "sofa", low=1)[2]


def test_a_single_near_example_is_not_enough_where_two_are_asked():
    assert asked("word-like", "red", "theory", low=60)[1]
    assert not asked("word-like-two", "red", "theory", low=60)[1]
    assert asked("word-like-two", "red", "orange", low=60)[1]


def test_likeness_in_the_rule_is_likeness_among_the_sentences():
    ground = Ground(COLOURS)
    meanings, last = Meanings(ground, "word"), COLOURS[0]
    others = Meanings(Ground(COLOURS[1:]), "word")
    for kind, percent in (("like", 45), ("like-two", 35), ("nearer", 1), ("nearer-two", 8)):
        told = rules.holds(others.predicate(kind, percent), rules.text_of(last.tokens))
        assert told.tolist() == meanings.held(kind, percent)[: len(last.tokens)].tolist()


def test_meanings_are_asked_without_a_tokens_own_sentence():
    pages = [page("a/! xylophone/ b"), page("c/! red/ d"), page("e/! crimson/ f")]
    found = Meanings(Ground(pages), "word").nearness["like"]
    assert found[1] < 0.5 < found[4]  # "xylophone" is alone, "red" has "red" elsewhere


def test_conditions_say_nothing_where_nothing_is_better_than_silence():
    draw = np.random.default_rng(0)
    held = draw.random((200, 100)) < 0.3
    values = (draw.random(100) < 0.05).astype(float)
    assert not learned(held, np.full(200, np.log(200)), values)


def test_two_causes_are_found_one_after_the_other():
    held = np.zeros((3, 200), bool)
    held[0, :12], held[1, 50:58], held[2, ::2] = True, True, True
    stages = learned(held, np.full(3, 1.0), (held[0] | held[1]).astype(float))
    assert [stage.best for stage in stages] == [(0,), (1,)]


def test_what_nobody_can_hold_is_not_in_the_rule():
    rule = few_rule(COLOURS)
    asked = [part for clause in rule.clauses for part in rules.conjuncts(clause.when)]
    assert asked
    assert Predicate("tokens", high=-1) not in asked
