"""Which figures of a sentence stand in what its author was shown."""

import json

import pytest

from agents.figures import unheard

KNOWN = json.dumps(
    {"unit": "L9N652", "model": "gpt2", "scores": {"R2": [0.6213, 0.1]}, "value": -3.25, "p": 1.5e-05, "sum": 12345.6}
)


@pytest.mark.parametrize(
    "words",
    [
        "It scores .62, or 0.621.",
        "A score of 62 percent (62.1%).",
        "L9N652 is neuron 652 of layer 9 of GPT-2.",
        "Between -3.3 and 0.1; 3.25 below zero.",
        "About 12,346, at 0.000015.",
        "You asked for 7 of them.",
        "No figure at all.",
    ],
)
def test_a_figure_that_was_shown_may_be_rounded_or_told_in_percent(words: str) -> None:
    assert unheard(words, KNOWN, "show me 7") == []


@pytest.mark.parametrize(
    ("words", "invented"),
    [
        ("It scores 0.63.", "0.63"),
        ("It scores -0.62.", "-0.62"),
        ("It fires in 63% of them.", "63%"),
        ("L9N653 is like it.", "L9N653"),
        ("About 12,347 texts.", "12,347"),
        ("It is 8.", "8"),
        ("9" * 9000, "9" * 9000),
    ],
)
def test_any_other_figure_or_name_is_unheard_of(words: str, invented: str) -> None:
    assert unheard(words, KNOWN, "show me 7") == [invented]
