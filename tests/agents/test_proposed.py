"""A rule that a language model writes is data: what is sound is read, the rest refused by name, none is believed."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.chat_model import read_answer
from agents.explainer import Reading
from agents.hypothesis import Claims
from agents.proposed import MOST_CLAUSES, MOST_TESTS, MOST_VALUES, VOCABULARY, instructions, read_rule
from memory.records import Clause, Predicate, Rule
from tools.rules import check, predict
from tools.rules.predicates import NAMES

SELF: dict[str, Any] = {"prose": "on self", "tests": [{"name": "token", "values": [" self"]}], "level": "strong"}


def asking(name: str, *values: Any, **more: Any) -> dict[str, Any]:
    """A clause of one test."""
    return {**SELF, "tests": [{"name": name, "values": list(values), **more}]}


def test_a_sound_rule_is_read_as_it_was_meant() -> None:
    answer = [
        SELF,
        {"prose": "not in comments", "level": "against", "tests": [
            {"name": "line-word", "values": ["#", "//"]}, {"name": "tokens", "low": 3, "negated": True}]},
        {"prose": "Weak after a dot. Really.", "level": "weak", "tests": [{"name": "previous", "values": ["."]}]},
        {"prose": "", "level": 2, "tests": [{"name": "near-word", "values": ["a", "a"], "high": 4}]},
    ]  # fmt: skip
    rule, refusals = read_rule(answer, base=0.5, scale=4.0)
    early = Predicate("not", parts=(Predicate("tokens", low=3),))
    comment = Predicate("all", parts=(Predicate("line-word", ("#", "//")), early))
    assert refusals == ()
    assert rule == Rule(
        0.5,
        (
            Clause("always", {"": 4.0}, "on self", Predicate("token", (" self",))),
            Clause("always", {"": -4.0}, "not in comments", comment),
            Clause("always", {"": 0.35 * 4.0}, "Weak after a dot.", Predicate("previous", (".",))),
            Clause("always", {"": 2}, "", Predicate("near-word", ("a",), high=4)),
        ),
    )  # fmt: skip
    assert rule is not None
    assert predict(check(rule), ["#", " self"]) == [0.5, 0.5]


@pytest.mark.parametrize("nothing", [None, [], ""])
def test_no_rule_is_no_rule(nothing: Any) -> None:
    assert read_rule(nothing) == (None, ())


REFUSED: dict[str, tuple[Any, str]] = {
    "an unknown name": (asking("meaning", "joy"), "nothing is called 'meaning'"),
    "an operator": (asking("any", "a"), "nothing is called 'any'"),
    "code as a name": (asking("__import__('os').system('ls')", "a"), r"nothing is called '__import__\('os'\)"),
    "code as a clause": ({**SELF, "code": "lambda tokens: 1"}, "code: Extra inputs are not permitted"),
    "code instead of a clause": ("def rule(tokens): return 1", "Input should be a valid dictionary"),
    "a regex bomb": (asking("matches", "(a+)+$"), "repeats a repetition"),
    "a counted bomb": (asking("matches", "(a?){500}a{500}"), "counts above 100"),
    "look-around": (asking("matches", "(?=a)b"), "cannot be read"),
    "two patterns": (asking("matches", "a", "b"), "takes one pattern"),
    "a broken pattern": (asking("matches", "(\n\x1b"), "cannot be read"),
    "no tests": ({**SELF, "tests": []}, "0 tests"),
    "too many tests": ({**SELF, "tests": SELF["tests"] * (MOST_TESTS + 1)}, "5 tests; 1 to 4 are read"),
    "too many values": (asking("token", *map(str, range(MOST_VALUES + 1))), "more than 40 values"),
    "a huge value": (asking("token", "a" * 10_000), "one over 200 characters"),
    "no values": (asking("token"), "'token' lists no value"),
    "values that are no text": (asking("token", 7), "values.0: Input should be a valid string"),
    "values that are no list": ({**SELF, "tests": [{"name": "token", "values": "a"}]}, "should be a valid list"),
    "a bound that is no number": (asking("tokens", low="many"), "low: Input should be a valid integer"),
    "a bound that is a fraction": (asking("tokens", low=1.5), "low: Input should be a valid integer"),
    "a bound that is a truth": (asking("tokens", low=True), "low: Input should be a valid integer"),
    "a bound beyond all": (asking("tokens", low=10**9), "no whole number below a million"),
    "a count without bounds": (asking("tokens"), "has no bound"),
    "no reach": (asking("near-word", "a"), "needs to know how far"),
    "a level that is a word": ({**SELF, "level": "very"}, "level"),
    "a level that is no number": ({**SELF, "level": float("nan")}, "not a finite number"),
    "a level without end": ({**SELF, "level": float("inf")}, "not a finite number"),
    "a level that is a truth": ({**SELF, "level": True}, "level"),
    "nested tests": ({**SELF, "tests": [{"name": "token", "values": ["a"], "parts": []}]}, "parts: Extra inputs"),
    "nothing": (None, "Input should be a valid dictionary"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_clause_that_cannot_be_used_is_refused_by_name_and_the_others_stay(what: str) -> None:
    clause, reason = REFUSED[what]
    rule, refusals = read_rule([SELF, clause, SELF])
    assert rule is not None
    assert len(rule.clauses) == 2
    assert len(refusals) == 1
    assert refusals[0].startswith("clause 2: ")
    assert refusals[0].isprintable()
    assert len(refusals[0]) < 200
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(refusals[0])


@pytest.mark.parametrize("answer", [[SELF] * 10_000, [{}] * (MOST_CLAUSES + 1)])
def test_more_clauses_than_are_read_are_refused_together(answer: list[Any]) -> None:
    assert read_rule(answer) == (None, (f"the rule has {len(answer)} clauses; 8 is the most",))


@pytest.mark.parametrize("answer", ["import os", 7, True, {"clauses": [SELF]}])
def test_a_rule_that_is_no_list_is_refused(answer: Any) -> None:
    rule, (refused,) = read_rule(answer)
    assert rule is None
    assert f"no list of clauses but {type(answer).__name__}" in refused


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(NAMES)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["prose", "tests", "level", "name", "values", "low", "high"]), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_whatever_is_written_gives_a_rule_that_runs_or_reasons(answer: Any) -> None:
    rule, refusals = read_rule(answer)
    assert all(refused.isprintable() for refused in refusals)
    if rule is not None:
        check(rule)


@pytest.mark.parametrize("bad", ["import os", 7, [7], [{}] * 9000, [[[[]]]]])
def test_a_bad_rule_does_not_spoil_the_answer_around_it(bad: Any) -> None:
    told = read_answer(json.dumps({"verdict": "context", "text": "One.", "evidence": [1], "rule": bad}), Reading)
    assert told.text == "One."
    claim = {"statement": "It fires.", "triggers": ["a"], "non_triggers": ["b"], "rule": bad}
    assert read_answer(json.dumps({"hypotheses": [claim]}), Claims).hypotheses[0].statement == "It fires."


def test_a_model_is_shown_the_shape_and_the_vocabulary() -> None:
    shown = json.dumps(Reading.model_json_schema())
    assert all(word in shown for word in ("negated", "strong", "against", "prose"))
    assert set(VOCABULARY) <= set(NAMES)
    assert all(f"{name}: {NAMES[name]}" in instructions() for name in VOCABULARY)
    assert len(instructions()) < 1500
