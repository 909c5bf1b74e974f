"""Words and marks of a text, and the capitals a word takes over."""

import pytest

from tools.augment.words import cased, spans


@pytest.mark.parametrize(
    ("new", "like", "expected"),
    [("pear", "Apple", "Pear"), ("pear", "APPLE", "PEAR"), ("Pear", "apple", "pear"), ("pear", "iPhone", "pear")],
)
def test_a_word_takes_over_capitals(new: str, like: str, expected: str) -> None:
    assert cased(new, like) == expected


def test_words_and_punctuation_are_found_where_they_stand() -> None:
    text = " don't, x_1!?\n"
    assert [text[a:b] for a, b in spans(text)] == ["don't", ",", "x_1", "!?"]
    assert spans(" \n") == []
