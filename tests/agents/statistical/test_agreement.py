"""The arrays that rules are grown on say, at every token, what the language of rules says of the same question."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.statistical.atoms import Atom, proposals
from agents.statistical.reading import HIGHEST, Reading, read
from memory.records import Clause, Rule
from tests.agents.statistical.planted import code
from tools import rules
from tools.pages import Page
from tools.rules.counts import COUNTS
from tools.rules.predicates import check, holds

PIECES = ["\n", "\n\n", " ", "    ", "\t", "\r", '"', "'", "#", "(", ")", "[", "]", "{", "}", "<", ">", ":", ".", ", ",
          ". ", "),\n", " if", " x", "the", "12", "_", "É", "字", "A", "AB_", "://",
          "\ufffd", "\ud800", "a b", ""]  # fmt: skip
tokens = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), min_size=1, max_size=40)
SNIPPETS = (
    'def parse_HTML2(self, text: str = "") -> dict[str, int]:\n    # See http://www.w3.org/TR/2011 (section 4.2).\n'
    "    if text.startswith('<!--') and not self._done:\n        return {'a': [1, 2, 30_000], \"b\": MAX_SIZE}\n\n",
    "import os, sys\nfrom numpy import ndarray\n\n\nclass Reader(Base):\n\t'''Don't read: \"it\".'''\n"
    "    x = lambda n: n ** 2 if n > 0x1F else -1.5e-3\n        assert x(3) == 9, f'{x(3)!r} isn\\'t nine'\n",
    "The quick brown fox. It jumped over 12,345 lazy dogs! Did it? Tom's cat (a tabby) didn't...\n \nYes; «naïve».\n",
)


def reading_of(texts: Sequence[Sequence[str]], seed: int = 0) -> Reading:
    draw = np.random.default_rng(seed)
    return read([Page(tuple(text), draw.normal(size=len(text)).astype(np.float32), "page") for text in texts])


def every_kind(reading: Reading, *, values: int, before: int) -> Iterator[Atom]:
    """Atoms over every column, every count and every reach, both ways round, with one value and with several."""
    for negated in (False, True):
        for column in reading.columns:
            listed = range(len(column.listed))
            for codes in [(n,) for n in listed[:values]] + [tuple(listed[::2])]:
                if codes:
                    yield Atom("values", column.feature, codes, negated=negated)
        for name, counted in reading.counts.items():
            for bound in {0, 1, int(np.median(counted)), int(counted.max()), HIGHEST}:
                yield Atom("count", name, low=bound, negated=negated)
                yield Atom("count", name, low=bound, high=bound, negated=negated)
                if bound < HIGHEST:
                    yield Atom("count", name, high=bound, negated=negated)
        for kind, reach in (("words", reading.words), ("marks", reading.marks)):
            known = range(len(reach.names))
            for name, high in reach.reaches():
                for codes in [(n,) for n in known[:before]] + [tuple(known[::3])]:
                    if codes:
                        yield Atom(kind, name, codes, high=high, negated=negated)


def assert_agreed(reading: Reading, atoms: Iterator[Atom] | Sequence[Atom]) -> int:
    everywhere, asked = np.arange(len(reading.measured)), 0
    for asked, atom in enumerate(atoms, 1):  # noqa: B007
        predicate = atom.predicate(reading)
        check(predicate)
        told = np.concatenate([holds(predicate, text) for block in reading.blocks for text in block])
        drawn = atom.mask(reading, everywhere)
        assert np.array_equal(drawn, told), (atom, predicate, np.flatnonzero(drawn != told)[:5])
    return asked


@settings(max_examples=25, deadline=None)
@given(st.lists(tokens, min_size=1, max_size=5))
def test_any_tokens_have_the_same_truth_in_arrays_and_in_rules(texts: list[list[str]]) -> None:
    reading = reading_of([*texts, *texts[:1] * 2])  # three times over, so that values are listed
    assert assert_agreed(reading, every_kind(reading, values=3, before=3)) > 100


def test_a_tokenised_page_of_code_has_the_same_truth_in_arrays_and_in_rules() -> None:
    from transformers import AutoTokenizer

    from tools.pocket import FOLDER

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    texts = [snippet * repeat for repeat in (1, 12) for snippet in SNIPPETS]
    pages = [[tokenizer.decode([number]) for number in tokenizer(text)["input_ids"]] for text in texts]
    reading = reading_of(pages)
    assert max(counted.max() for counted in reading.counts.values()) == HIGHEST
    assert assert_agreed(reading, every_kind(reading, values=6, before=8)) > 1000


def test_what_is_proposed_to_be_asked_is_the_same_question_in_rules() -> None:
    draw = np.random.default_rng(3)
    reading = reading_of([code(draw) for _ in range(8)], seed=3)
    everywhere = np.arange(reading.fitted)
    found = proposals(reading, everywhere, reading.measured[reading.fitting], price=0.0)
    assert {atom.kind for _, atom in found} == {"values", "count", "words", "marks"}
    assert_agreed(reading, [atom for _, atom in found])


def test_a_count_that_is_cut_off_is_open_above() -> None:
    reading = reading_of([["abcdef"] * 100] * 2)
    assert_agreed(reading, [Atom("count", "characters", low=HIGHEST, high=HIGHEST)])


def test_marks_in_reach_are_counted_back_from_where_the_token_begins() -> None:
    reading = reading_of([["#", "a" * 11, "b" * 20]] * 4)
    atom = Atom("marks", "near-text", (0,), high=12)
    assert atom.mask(reading, np.arange(3)).tolist() == [False, True, True]
    assert_agreed(reading, [atom])


@settings(max_examples=15, deadline=None)
@given(st.lists(tokens, min_size=1, max_size=3))
def test_pairs_of_words_and_tokens_are_those_that_hold(texts: list[list[str]]) -> None:
    reading = reading_of(texts)
    everywhere = np.arange(len(reading.measured))
    for reach in (reading.words, reading.marks):
        for name, high in reach.reaches():
            codes, owner = reach.pairs(name, everywhere, high)
            for number in range(len(reach.names)):
                held = np.flatnonzero(reach.held(name, (number,), everywhere, high))
                assert sorted(owner[codes == number].tolist()) == held.tolist()


@pytest.mark.parametrize("feature", ["token", "class", "inside", "pair"])
def test_a_table_predicts_the_same_in_arrays_and_in_rules(feature: str) -> None:
    draw = np.random.default_rng(5)
    reading = reading_of([code(draw) for _ in range(4)], seed=5)
    column = reading.column(feature)
    when = Atom("words", "line-word", (0, 1)).predicate(reading)
    levels = {value: 0.5 + n for n, value in enumerate(column.listed)}
    rule = Rule(0.25, (Clause(feature, levels), Clause(feature, levels, when=when), Clause(rules.ALWAYS, {"": 2.0})))
    told = np.concatenate([rules.predict(rule, text.tokens) for block in reading.blocks for text in block])
    assert reading.predicted(rule) == pytest.approx(told)
    assert set(reading.counts) == set(COUNTS)
