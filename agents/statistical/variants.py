"""Texts a small change away from a text that fires, and ordinary text: what experiments are made of.

A stretch is the tokens up to the one that fires. A change cuts what stands before, or drops, exchanges or inserts one
token. Refuses to know which change matters: whoever asks runs the rival conditions on the changed text.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.pages import Page
from tools.rules import token_class

CONTEXT_TOKENS = (4, 18)
DRAWS = 200  # at something that fits, before something else is taken
UNSPELT = "\ufffd"

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Stretch:
    """Tokens up to and including the one that matters, and what was measured there."""

    tokens: Tokens
    value: float

    @property
    def text(self) -> str:
        """As a prompt."""
        return "".join(self.tokens)


def stretches(
    pages: Sequence[Page], chosen: Sequence[NDArray[np.bool_]], rng: random.Random, number: int
) -> list[Stretch]:
    """Stretches from a page's beginning to where `chosen` (one bool array a page) is true, drawn evenly."""
    places = [(page, int(at)) for page, true in zip(pages, chosen, strict=True) for at in true.nonzero()[0]]
    drawn = rng.sample(places, min(number, len(places)))
    found = (Stretch(page.tokens[: at + 1], float(page.values[at])) for page, at in drawn)
    return [stretch for stretch in found if UNSPELT not in stretch.text and stretch.text.strip()]


def changed(tokens: Tokens, pages: Sequence[Page], rng: random.Random, *, number: int) -> Iterator[Tokens]:
    """Single changes of a stretch, at random: most near its end."""
    for _ in range(number):
        kind = rng.random()
        at = max(0, len(tokens) - 1 - int(rng.expovariate(0.25)))
        if kind < 0.3 and len(tokens) > 1:
            yield (
                tokens[rng.randrange(1, len(tokens)) :]
                if kind < 0.12
                else tokens[max(0, len(tokens) - rng.randint(1, 8)) :]
            )
        elif kind < 0.45 and at < len(tokens) - 1:
            yield (*tokens[:at], *tokens[at + 1 :])
        elif kind < 0.6:
            yield (*tokens[:at], _other(tokens[at], pages, rng, like=False), *tokens[at:])
        else:
            yield (*tokens[:at], _other(tokens[at], pages, rng, like=kind < 0.85), *tokens[at + 1 :])


def moved(tokens: Tokens, pages: Sequence[Page], rng: random.Random, *, keep: int) -> Tokens:
    """The last `keep` tokens after an ordinary stretch of other text."""
    return (*_ordinary(pages, rng), *tokens[max(0, len(tokens) - keep) :])


def ordinary_context(pages: Sequence[Page], rng: random.Random) -> str:
    """A few tokens of ordinary text, cut where the corpus has a token boundary."""
    return "".join(_ordinary(pages, rng)) or "x = "


def _ordinary(pages: Sequence[Page], rng: random.Random) -> Tokens:
    for _ in range(DRAWS):
        page = pages[rng.randrange(len(pages))]
        size = rng.randint(*CONTEXT_TOKENS)
        start = rng.randrange(max(1, len(page.tokens) - size))
        found = page.tokens[start : start + size]
        text = "".join(found)
        if UNSPELT not in text and text.strip():
            return found
    return ()


def _other(token: str, pages: Sequence[Page], rng: random.Random, *, like: bool) -> str:
    """Another token of the corpus, of the same class and spacing where it is to be like the first."""
    other = token
    for _ in range(DRAWS if like else 5):
        page = pages[rng.randrange(len(pages))]
        other = page.tokens[rng.randrange(len(page.tokens))]
        same = token_class(other) == token_class(token) and (other[:1] == " ") == (token[:1] == " ")
        if other != token and UNSPELT not in other and (same or not like):
            return other
    return other if UNSPELT not in other else token
