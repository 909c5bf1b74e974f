"""Texts come out as they were meant."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.cleaning import clean, clean_prose, visible

CAT = "The cat sat on the mat."


@pytest.mark.parametrize(
    "wrapped",
    [
        CAT,
        f"  {CAT}\n\n",
        f'"{CAT}"',
        f"'{CAT}'",
        f"“{CAT}”",
        f"«{CAT}»",
        f"`{CAT}`",
        f"**{CAT}**",
        f'"{CAT}',
        f'{CAT}"',
        f"Prompt: {CAT}",
        f'Prompt: "{CAT}"',
        f'"Prompt: {CAT}"',
        f"PROMPT 3: {CAT}",
        f"Text 1: {CAT}",
        f'Text 1: "{CAT}"',
        f"New prompt: {CAT}",
        f"Next sentence #2: {CAT}",
        f"**Prompt:** {CAT}",
        f"**Prompt**: {CAT}",
        f"### Prompt: {CAT}",
        f"Prompt 2: Text 3: {CAT}",
        f"1. {CAT}",
        f"12) {CAT}",
        f"(3) {CAT}",
        f"- {CAT}",
        f"• {CAT}",
        f'1. "{CAT}"',
        f'- Prompt 1: "{CAT}"',
        f"```\n{CAT}\n```",
        f"```text\n{CAT}\n```",
        f"```{CAT}```",
        f"```\n{CAT}",
        f"```\n{CAT}\n```\nExplanation: it mentions a cat.",
        f"{CAT}\nExplanation: cats fire.",
        f"{CAT}\n\nExplanation:\n- cats\n- mats",
        f"{CAT} Explanation: cats fire.",
        f'"{CAT}" Explanation: cats fire.',
        f'"{CAT}"\n(Explanation: cats fire.)',
        f"{CAT}\n**Explanation:** cats fire.",
        f"{CAT}\nReasoning: cats fire.",
        f"{CAT}\nNote: cats fire.",
        f"{CAT}\nExpected activation: 7.1",
        f'"{CAT}"\n\nThis prompt combines cats with mats.',
        f'"{CAT}" This text should fire strongly.',
        f"Here is a new prompt: {CAT}",
        f"Here's the rewritten text:\n\n{CAT}",
        f'Sure! Here is a prompt that may fire:\n\n"{CAT}"\n\nExplanation: cats.',
        f"Certainly!\n{CAT}",
        f"\ufeff\u200b{CAT}\x00\x07",
        f"\x1b[31m{CAT}\x1b[0m",
        f"\x1b]0;owned\x07{CAT}",
        f"\u202e{CAT}\u202c",
    ],
)
def test_wrapping_comes_off(wrapped: str) -> None:
    assert clean(wrapped) == CAT


@pytest.mark.parametrize(
    "text",
    [
        'He said "go" and she said "stay"',
        '"Go," he said. "Now."',
        "'tis the season",
        "3.14 is close to pi",
        "-5 degrees",
        "Text messages: late again",
        "In the report, Explanation: is a heading",
        "Here is the list: apples, pears",
        "def f(x):\n    return {'a': x}",
        "Line one\n\tline two",
        "naïve café 東京 👩‍🔬",
        "prompt",
        "Why: a short history",
        "$x < 3$ and ** is a power",
    ],
)
def test_plain_texts_stay(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "nothing", ["", " \n", '"', '""', "``````", "Prompt:", 'Prompt: ""', "Explanation: why", "\x00"]
)
def test_wrapping_around_nothing_is_empty(nothing: str) -> None:
    assert clean(nothing) == ""


PIECES = (
    '"',
    "'",
    "*",
    "`",
    "```",
    "\n",
    " ",
    "1. ",
    ".",
    "a",
    "Prompt:",
    "Explanation:",
    "Here is a text:",
    "\x1b",
    "[",
)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
@example('"Prompt: `1. "')
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text())
def test_cleaned_text_can_be_stored_and_printed(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert not set(cleaned) & {"\x00", "\x1b", "\u202e", "\r"}


@pytest.mark.parametrize("piece", ["\n", "1. ", '"', "Prompt: 1. ", " .", "\x1b]", "```", "Here is ", "*", "\n("])
def test_no_text_takes_long(piece: str, pace: float) -> None:
    started = time.monotonic()
    clean("a " + piece * (40_000 // len(piece)) + "b")
    clean(piece * (40_000 // len(piece)))
    assert time.monotonic() - started < 2.0 * pace


def test_a_lone_surrogate_is_not_visible() -> None:
    assert visible("a\ud800b") == "ab"


def test_prose_is_one_short_paragraph() -> None:
    assert clean_prose('"Fires on cats.\nSilent on dogs. Also mats. Never rain."') == (
        "Fires on cats. Silent on dogs. Also mats."
    )
    long = clean_prose("word " * 500)
    assert len(long) <= 600
    assert long.endswith("…")
