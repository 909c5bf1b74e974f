"""A predicate has one truth a token, looks at nothing that comes later, obeys logic; what cannot be run is refused."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from memory.records import Clause, Predicate, Rule, plain, revive
from tools.rules import (
    ALWAYS,
    FEATURES,
    JOIN,
    START,
    clause_line,
    likeness,
    lines,
    predict,
    said,
    strings,
    where,
)
from tools.rules import check as check_rule
from tools.rules.counts import COUNTED, COUNTS
from tools.rules.predicates import (
    ENDINGS,
    NAMES,
    NEAR_CHARACTERS,
    NEAR_TEXT,
    NEAR_WORD,
    STRETCHES,
    WORDS,
    check,
    conjuncts,
    holds,
)
from tools.rules.text import Text

PIECES = ["\n", "\n\n", " ", "    ", "\t", "\r\n", '"', "'", '"""', "#", "(", ")", "[", "]", "{", "}", "<", ">", ":",
          ".", ". ", "),\n", " if", " x", "the", "12", "1,000", "don", "'t", "_", "É", "字", "A", "AB_", "\u202e",
          "\x1b[31m", "\ufffd", "\ud800", JOIN, START, ""]  # fmt: skip
tokens = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=25)
values = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), min_size=1, max_size=4).map(tuple)
bounds = st.integers(0, 12)
PATTERNS = ("a", r"\w+", r"[A-Z]{2,}", r"\d+\.\d*", r"(?i)the( \w+)?", r"x|\n", r"^ *", "")
ALL = [name for name in NAMES if name not in likeness.NAMES]  # those embed texts, and have tests of their own
ASKS_TEXT = [name for name in ALL if name not in COUNTS and name != "matches"]

quickly = settings(max_examples=60, deadline=None)


@st.composite
def questions(draw: st.DrawFn) -> Predicate:
    """One sound predicate without parts."""
    of = draw(st.sampled_from(ALL))
    if of in COUNTS:
        low = draw(bounds)
        return Predicate(of, low=low, high=draw(st.none() | st.integers(low, 20)))
    if of == "matches":
        return Predicate(of, (draw(st.sampled_from(PATTERNS)),))
    near = of in (NEAR_WORD, NEAR_CHARACTERS, NEAR_TEXT)
    return Predicate(of, draw(values), high=draw(st.integers(1, 30)) if near else None)


def _joined(parts: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    backs = st.tuples(st.integers(1, 3), st.integers(3, 5), parts)
    return st.one_of(
        st.builds(lambda of, held: Predicate(of, parts=held), st.sampled_from(["all", "any"]), several),
        parts.map(lambda held: Predicate("not", parts=(held,))),
        backs.map(lambda item: Predicate("back", low=item[0], high=item[1], parts=(item[2],))),
    )


predicates = st.recursive(questions(), _joined, max_leaves=5)
levels = st.floats(-10, 10, allow_nan=False) | st.integers(-9, 9)
tables = st.builds(
    Clause,
    st.sampled_from([feature for feature in FEATURES if feature != ALWAYS]),
    st.dictionaries(st.sampled_from(PIECES) | st.text(max_size=4), levels, max_size=4),
    st.text(max_size=10),
    st.none() | predicates,
)
always = st.builds(where, predicates, levels, st.text(max_size=10))
rules = st.builds(Rule, levels, st.lists(tables | always, max_size=4).map(tuple))


def held(of: str, text: list[str], *listed: str, **more: Any) -> list[bool]:
    """The truth of one predicate at every token."""
    return holds(Predicate(of, listed, **more), Text(text)).tolist()


@quickly
@given(rules)
def test_a_rule_comes_back_from_json_as_it_was(rule: Rule) -> None:
    check_rule(rule)
    assert revive(Rule, json.loads(json.dumps(plain(rule)))) == rule


@quickly
@given(rules, tokens)
def test_a_rule_from_json_predicts_the_same(rule: Rule, text: list[str]) -> None:
    assert predict(revive(Rule, json.loads(json.dumps(plain(rule)))), text) == predict(rule, text)


@quickly
@given(predicates, tokens)
def test_a_predicate_has_one_truth_a_token(predicate: Predicate, text: list[str]) -> None:
    check(predicate)
    found = holds(predicate, Text(text))
    assert (found.dtype, found.shape) == (np.dtype(bool), (len(text),))


@quickly
@given(tokens)
def test_every_count_is_a_whole_number_a_token(text: list[str]) -> None:
    for name, count in COUNTS.items():
        found = count(Text(text))
        assert len(found) == len(text), name
        assert all(type(number) is int and number >= 0 for number in found), name


@quickly
@given(tokens, tokens, st.integers(1, 30))
def test_what_comes_later_changes_no_answer(text: list[str], later: list[str], high: int) -> None:
    now, then = Text(text), Text(text + later)
    listed = tuple(dict.fromkeys([*now.elements[-3:], *text[-2:], "x"]))
    for name in (*FEATURES, *COUNTS):
        ask: Callable[[Text], list[Any]] = FEATURES[name] if name in FEATURES else COUNTS[name]
        assert ask(then)[: len(text)] == ask(now), name
    for name in (*WORDS, *STRETCHES, *ENDINGS, NEAR_WORD, NEAR_CHARACTERS, NEAR_TEXT):
        asked = Predicate(name, listed, high=high)
        assert holds(asked, then)[: len(text)].tolist() == holds(asked, now).tolist(), name
    for pattern in PATTERNS:
        asked = Predicate("matches", (pattern,))
        assert holds(asked, then)[: len(text)].tolist() == holds(asked, now).tolist(), pattern


@quickly
@given(predicates, tokens, tokens)
def test_what_comes_later_changes_no_compound(predicate: Predicate, text: list[str], later: list[str]) -> None:
    assert holds(predicate, Text(text + later))[: len(text)].tolist() == holds(predicate, Text(text)).tolist()


@quickly
@given(st.lists(predicates, min_size=1, max_size=3).map(tuple), tokens)
def test_not_all_are_the_ones_of_which_any_is_not(parts: tuple[Predicate, ...], text: list[str]) -> None:
    denied = tuple(Predicate("not", parts=(part,)) for part in parts)
    for whole, dual in (("all", "any"), ("any", "all")):
        outside = Predicate("not", parts=(Predicate(whole, parts=parts),))
        inside = Predicate(dual, parts=denied)
        assert holds(outside, Text(text)).tolist() == holds(inside, Text(text)).tolist()
    each = [holds(part, Text(text)) for part in parts]
    assert holds(Predicate("all", parts=parts), Text(text)).tolist() == np.all(each, axis=0).tolist()


@quickly
@given(predicates, tokens, st.integers(1, 4), st.integers(0, 4))
def test_back_asks_of_the_tokens_before(part: Predicate, text: list[str], low: int, more: int) -> None:
    here = holds(part, Text(text))
    brute = [any(here[place - gap] for gap in range(low, low + more + 1) if gap <= place) for place in range(len(text))]
    assert holds(Predicate("back", low=low, high=low + more, parts=(part,)), Text(text)).tolist() == brute
    assert held("back", text, low=1, parts=(part,)) == held("back", text, parts=(part,))


@quickly
@given(tokens, values, st.integers(1, 20), st.integers(1, 20))
def test_a_wider_reach_holds_wherever_a_narrower_does(text: list[str], listed: tuple[str, ...], a: int, b: int) -> None:
    for of in (NEAR_WORD, NEAR_CHARACTERS, NEAR_TEXT):
        narrow, wide = (holds(Predicate(of, listed, high=high), Text(text)) for high in sorted((a, b)))
        assert not (narrow & ~wide).any()
    for kind in ("word", "text"):
        line, chunk, whole = (holds(Predicate(f"{r}-{kind}", listed), Text(text)) for r in ("line", "chunk", "earlier"))
        assert not (line & ~whole).any()
        assert not (chunk & ~line).any()


@quickly
@given(tokens, values)
def test_endings_are_those_of_strings(text: list[str], listed: tuple[str, ...]) -> None:
    known = Text(text)
    for place in range(len(text)):
        so_far = "".join(text[: place + 1])
        assert holds(Predicate("ends", listed), known)[place] == so_far.endswith(listed)
        chunk = re.split(r"\s", so_far)[-1]
        assert holds(Predicate("chunk-starts", listed), known)[place] == chunk.startswith(listed)
        word = known.words[place]
        assert holds(Predicate("word-starts", listed), known)[place] == word.startswith(listed)
        assert holds(Predicate("word-has", listed), known)[place] == any(value in word for value in listed)


def elements(text: list[str], place: int) -> Iterator[tuple[int, str]]:
    """Where each whole word or run of marks before a token begins: by hand, from the text so far alone."""
    so_far = "".join(text[: place + 1])
    for found in re.finditer(r"\w+|[^\w\s]+", so_far):
        if found.end() < len(so_far):
            yield found.start(), found[0]


@quickly
@given(tokens, values, st.integers(1, 30))
def test_words_before_are_those_of_the_text_so_far(text: list[str], listed: tuple[str, ...], high: int) -> None:
    known = Text(text)
    for place, end in enumerate(known.ends):
        before = list(elements(text, place))
        line = "".join(text[: place + 1]).rfind("\n") + 1
        expected = {
            NEAR_CHARACTERS: [word for start, word in before if start >= end - high],
            NEAR_WORD: [word for _, word in before[-high:]],
            "line-word": [word for start, word in before if start >= line],
            "earlier-word": [word for _, word in before],
        }
        for of, words in expected.items():
            found = holds(Predicate(of, listed, high=high), known)[place]
            assert found == bool(set(words) & set(listed)), (of, place)


@quickly
@given(tokens, values, st.integers(1, 30))
def test_text_before_is_what_was_written_before_the_token(text: list[str], listed: tuple[str, ...], high: int) -> None:
    for place in range(len(text)):
        before, so_far = "".join(text[:place]), "".join(text[: place + 1])
        starts = {NEAR_TEXT: max(0, len(before) - high), "line-text": so_far.rfind("\n") + 1, "earlier-text": 0}
        for of, start in starts.items():
            expected = any(value and value in before[start:] for value in listed)
            assert holds(Predicate(of, listed, high=high), Text(text))[place] == expected, (of, place)


@quickly
@given(tokens)
def test_counts_are_those_of_the_text_so_far(text: list[str]) -> None:
    for place in range(len(text)):
        so_far = "".join(text[: place + 1])
        last_line = so_far.rpartition("\n")[2]
        expected = {
            "tokens": place,
            "characters": len(so_far),
            "lines": so_far.count("\n"),
            "line-characters": len(last_line),
            "run-of-capitals": len(so_far) - len(so_far.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
            "run-of-spaces": len(so_far) - len(so_far.rstrip(" ")),
        }
        for name, number in expected.items():
            assume(number <= 60 or not name.startswith("run-of-"))
            assert held(name, text, low=number, high=number)[place], (name, place)


@quickly
@given(rules, tokens)
def test_a_prediction_is_the_base_and_the_clauses_that_hold(rule: Rule, text: list[str]) -> None:
    told = predict(rule, text)
    for place in range(len(text)):
        amounts = [
            clause.levels.get(FEATURES[clause.feature](Text(text))[place], 0.0)
            for clause in rule.clauses
            if clause.when is None or holds(clause.when, Text(text))[place]
        ]
        assert told[place] == pytest.approx(rule.base + sum(amounts))


@quickly
@given(rules)
def test_what_a_person_reads_is_one_line_a_clause(rule: Rule) -> None:
    told = [*lines(rule), *map(clause_line, rule.clauses), *(said(c.when) for c in rule.clauses if c.when)]
    assert len(lines(rule)) == len(rule.clauses) + 1
    for line in told:
        line.encode("utf-8")
        assert line
        assert not [mark for mark in line if unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@quickly
@given(predicates)
def test_a_conjunction_is_its_conjuncts(predicate: Predicate) -> None:
    parts = list(conjuncts(predicate))
    assert sum(map(strings, parts)) == strings(predicate)
    assert all(part.of != "all" for part in parts)
    assert list(conjuncts(None)) == []


def test_a_line_that_has_just_begun_has_no_opening_yet() -> None:
    text = [" x", "),\n", "    ", "if", " y"]
    assert FEATURES["line-opening"](Text(text)) == ["x", START, START, "if", "if"]


def test_every_question_has_words_for_a_person() -> None:
    assert NAMES.keys() >= {*FEATURES, *COUNTS, *ENDINGS, *WORDS, *STRETCHES}
    assert COUNTED.keys() == COUNTS.keys()
    assert all(NAMES.values())
