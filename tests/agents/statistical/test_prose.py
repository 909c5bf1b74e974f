"""The sentences name what was planted, say no more than the levels do, and read as English."""

import re

import pytest

from agents.statistical import conditions, phrases, prose
from agents.statistical.mind import Statistical
from agents.statistical.reading import read
from memory.records import Clause, Predicate, Rule, Verdict
from tests.agents.statistical.planted import UNITS, evidence, pages
from tools.rules import JOIN, START

SAYS = {
    "single token": "Fires on ‘self’.",
    "noisy token": "Fires on ‘self’.",
    "token set": r"Fires on (‘(self|path|key|node)’(, | or |)){4}\.",
    "graded tokens": "Fires on ‘self’ or ‘x’.",
    "bigram": "Fires on ‘self’ after ‘.’ and ‘key’ after ‘(’.",
    "digits": "Fires on numbers.",
    "line": "Fires in lines that begin with ‘assert’.",
    "inside": "Fires inside strings or inside comments.",
    "token but not after": "Fires on ‘self’ but not on ‘self’ after ‘.’.",
    "position": r"Follows the position in the text, whatever stands there; highest in the first \d+ tokens of .*",
    "dense": "Active on most tokens, lowest everywhere but not on lower-case words.",
    "dead": "Nothing found raises it: over 19,200 tokens it never rose above -0.100.",
    "noise": "What can be said of the token and of what precedes it explains less than 6% of its variance .*",
    "rare noise": "What can be said of the token and of what precedes it explains less than 6% of its variance .*",
}


VERDICTS = {"single token": Verdict.SINGLE_TOKEN, "line": Verdict.CONTEXT, "bigram": Verdict.N_GRAM}


@pytest.mark.parametrize("unit", list(UNITS))
def test_the_sentence_says_what_was_planted(unit: str) -> None:
    found = Statistical().explain(evidence(pages(unit, seed=4, number=80)), 0)
    assert found.verdict is VERDICTS.get(unit, found.verdict)
    assert found.text == SAYS[unit] or re.fullmatch(SAYS[unit].replace("(’", "[(]’"), found.text)


def said(rule: Rule, *, verdict: Verdict = Verdict.CONTEXT, firing: float = 2.0) -> str:
    """The sentence for a rule as if it were true of some pages."""
    from dataclasses import replace

    shown = evidence(pages("single token", seed=1, number=12))
    shown = replace(shown, distribution=replace(shown.distribution, firing=firing))
    return prose.sentence(verdict, shown, rule, read(shown.pages))


def clauses(**levels: dict[str, float]) -> Rule:
    return Rule(0.0, tuple(Clause(feature.replace("_", "-"), table) for feature, table in levels.items()))


def test_many_tokens_are_counted_and_clauses_are_told_by_what_they_account_for() -> None:
    names = {f" {name}": 3.0 for name in ("self", "assert", "x", "key", "node", "path", "item", "value", "name")}
    rule = clauses(previous={" if": 1.5, " elif": 1.4}, token=names, inside={'string "': -3.0, "string '": -2.5})
    found = said(rule)
    assert found.startswith("Fires on ‘self’, ‘assert’, ‘x’, ‘key’, ‘node’, ‘path’ or 3 more")
    assert found.endswith("; held down inside strings.")


def test_a_condition_is_told_with_what_gates_it() -> None:
    gate = Predicate(
        "all", parts=(Predicate("line-word", ("def",)), Predicate("not", parts=(Predicate("previous", ("(",)),)))
    )
    rule = Rule(0.0, (Clause("token", {" self": 3.0}, when=gate),))
    assert prose.clause_told(rule.clauses[0]) == "raised on ‘self’ with ‘def’ earlier in the line but not after ‘(’"


def test_what_never_reaches_firing_only_rises() -> None:
    assert said(clauses(token={" self": 1.0})) == "Rises on ‘self’, which alone does not make it fire."


def test_what_fires_by_itself_is_told_from_what_only_raises_and_comes_first() -> None:
    rule = clauses(previous={"(": 1.5, ".": 1.5}, token={" self": 3.0, " x": 2.9, " key": 2.8}, word={"node": 2.7})
    assert said(rule) == "Fires on ‘self’, ‘node’, ‘x’ or ‘key’; rises after ‘(’ or ‘.’."


def test_what_fires_only_where_several_meet_is_said_to() -> None:
    rule = clauses(token={" self": 1.2}, previous_class={"spaces": 0.1, "punctuation": 1.2, "lower case": 1.2})
    assert said(rule).startswith("Fires where several of these meet, and rises at each: ")


def test_a_rule_that_tells_only_what_holds_it_down_does_not_say_where_it_fires() -> None:
    assert said(clauses(token={" self": 0.2}, inside={"comment": -2.0})) == prose.ELSEWHERE


def test_what_is_hardly_tested_is_said_apart() -> None:
    shown = evidence(pages("single token", seed=1, number=12))
    rule, left = clauses(token={" self": 4.0}), clauses(previous={"(": 3.0}, second_previous={"(": 0.5})
    told = prose.sentence(Verdict.CONTEXT, shown, rule, read(shown.pages), open_clauses=left)
    assert told == "Fires on ‘self’. Hardly tested by minimal pairs: it also rises after ‘(’."


def test_shapes_come_with_their_key_and_a_token_of_that_name_does_not() -> None:
    assert said(clauses(token={"shape": 3.0, "self": 3.0})) == "Fires on ‘shape’ or ‘self’."
    assert said(clauses(runs_2={".a": 3.0})).endswith(f"({prose.KEY}).")


def test_small_levels_are_left_to_the_rule() -> None:
    assert said(clauses(token={" self": 3.0, " x": 0.5}, previous={"(": -0.4})) == "Fires on ‘self’."


def test_a_rule_without_clauses_or_without_raises_is_said_as_such() -> None:
    assert said(Rule(0.0)) == "Many small influences move it, and none of them stands out."
    assert said(clauses(inside={"comment": -2.0})) == "Held down inside comments."


def test_a_dense_unit_is_told_by_where_it_is_highest_and_lowest() -> None:
    rule = clauses(token={" self": 1.0, "x": -0.8}, position={"0": -0.9})
    assert said(rule, verdict=Verdict.DENSE) == (
        "Active on most tokens, highest on ‘self’, lowest on ‘x’ and at the start of the text."
    )


@pytest.mark.parametrize(
    ("feature", "values", "told"),
    [
        ("token", ["\n"], "a line break"),
        ("token", ["\n\n    ", " ", "\t"], "an empty line with 4 spaces, a space and a tab"),
        ("class", ["CAPITALS", "closing bracket"], "words in capitals and closing brackets"),
        ("pair", [f".{JOIN}x", f"({JOIN}x", f"[{JOIN}y"], "‘x’ after ‘.’ or ‘(’ and ‘y’ after ‘[’"),
        ("pair", [f"{START}{JOIN} y"], "‘y’ after the start of the text"),
        ("class-pair", [f"digits{JOIN}quote"], "quotation marks after numbers"),
        ("pair", [f"\n   {JOIN} return"], "‘return’ after a line break with 4 spaces"),
    ],
)  # fmt: skip
def test_what_the_token_is(feature: str, values: list[str], told: str) -> None:
    levels = {value: 1.0 - n / 10 for n, value in enumerate(values)}
    assert phrases.tokens(feature, levels, phrases.quoted) == told
    assert phrases.place(feature, levels, phrases.quoted) == ""


@pytest.mark.parametrize(
    ("feature", "values", "told"),
    [
        ("previous", [" if", START], "after the start of the text or ‘if’"),
        ("previous-word", ["def"], "after the word ‘def’"),
        ("previous-word", ["def", "/"], "after the word or mark ‘def’ or ‘/’"),
        ("second-previous", ["."], "two tokens after ‘.’"),
        ("previous-class", ["digits"], "after numbers"),
        ("line-opening", [START], "at the start of a line"),
        ("inside", ["code", "["], "outside brackets, strings and comments or inside square brackets"),
        ("column", ["1", "2"], "in the first 3 tokens of the line"),
        ("column", ["40 to 79", "80 to 159"], "at tokens 41 to 160 of the line"),
        ("position", ["0"], "at the start of the text"),
        ("position", ["80 to 159", "160 and more"], "from token 81 of the text on"),
        ("position", ["3"], "at token 4 of the text"),
        ("indentation", ["8", "4"], "in lines indented by 4 or 8 spaces"),
    ],
)
def test_where_it_stands(feature: str, values: list[str], told: str) -> None:
    levels = {value: 1.0 - n / 10 for n, value in enumerate(values)}
    assert phrases.place(feature, levels, phrases.quoted) == told
    assert phrases.tokens(feature, levels, phrases.quoted) == ""


def test_every_clause_says_in_words_what_it_does() -> None:
    rule = prose.worded(clauses(token={" self": 3.0, "x": -2.0}, inside={"comment": 1.0}))
    assert [clause.prose for clause in rule.clauses] == ["raised on ‘self’; held down on ‘x’", "raised inside comments"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Predicate("indent", high=0), "with no spaces of indentation"),
        (Predicate("indent", low=4, high=4), "with 4 spaces of indentation"),
        (Predicate("indent", low=4), "with 4 or more spaces of indentation"),
        (Predicate("indent", high=1), "with at most 1 space of indentation"),
        (Predicate("depth", low=1, high=1), "with 1 open bracket"),
        (Predicate("run-of-capitals", low=2), "on 2 or more capitals in a row"),
        (Predicate("run-of-marks", low=1), "on punctuation marks"),
        (Predicate("run-of-name", high=1), "on at most 1 letter, digit, underscore or point"),
        (Predicate("run-of-same", high=1), "on characters unlike the one before"),
        (Predicate("line-words", low=1, high=1), "at word 2 of the line"),
        (Predicate("line-words", low=1), "after the first word of the line"),
        (Predicate("line-words", high=0), "in the first word of the line"),
        (Predicate("line-words", low=1, high=2), "at words 2 to 3 of the line"),
        (Predicate("near-word", (" def",), high=1), "with ‘def’ at most 1 word before"),
        (Predicate("run-of-constant", high=0), "on text that ends in no capital, digit or underscore"),
        (Predicate("line-text", ("=",)), "with ‘=’ anywhere earlier in the line"),
        (Predicate("word-back-2", (START, "if")), "two words after the start of the text or ‘if’"),
        (Predicate("runs-2", (" a", "Aa.")), "on what completes the shape ‘·a’ or ‘Aa.’"),
        (Predicate("shape", (".", "a.a", "a")), "on ‘.’, words shaped like ‘a.a’ or lower-case words"),
    ],
)
def test_how_many_is_said_in_plain_words(asked: Predicate, told: str) -> None:
    assert conditions.told(asked) == told
