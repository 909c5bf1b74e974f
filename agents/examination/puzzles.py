"""The puzzles of the examination: small units whose truth is known, written for it.

A puzzle has a true explanation, two false ones (`decoys`) that are as clear and are true of none of its active tokens,
and eight short texts with the activation at every token, 0 to 10: four in which the unit fires, four that are as
similar as they can be and leave it silent. Refuses to know who is examined, and how.
"""

import hashlib
import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agents.judge import Trial
from memory.records import revive

FILE = Path(__file__).with_name("puzzles.json")
ACTIVE = 5  # an activation from here on counts as firing; between 0 and this it counts as neither


@dataclass(frozen=True)
class Sample:
    """A text in tokens with the activation at each, 0 to 10."""

    tokens: tuple[str, ...]
    activations: tuple[int, ...]

    @property
    def active(self) -> tuple[int, ...]:
        """Where the unit fires."""
        return tuple(place for place, value in enumerate(self.activations) if value >= ACTIVE)


@dataclass(frozen=True)
class Puzzle:
    """A unit whose truth is known."""

    name: str
    family: str
    truth: str
    decoys: tuple[str, ...]
    texts: tuple[Sample, ...]

    def detection(self) -> list[Trial]:
        """Every text, and whether the unit fires in it."""
        return [Trial(text.tokens, bool(text.active)) for text in self.texts]

    def fuzzing(self, seed: int) -> list[Trial]:
        """Every text that fires, once with the right tokens marked and once with as many silent ones."""
        rng = random.Random(seed)
        trials = []
        for text in (text for text in self.texts if text.active):
            silent = [place for place, value in enumerate(text.activations) if value == 0]
            wrong = sorted(rng.sample(silent, min(len(silent), len(text.active))))
            trials += [Trial(text.tokens, True, text.active), Trial(text.tokens, False, tuple(wrong))]
        return trials


@cache
def puzzles() -> tuple[Puzzle, ...]:
    """All of them."""
    return tuple(revive(Puzzle, each) for each in json.loads(FILE.read_text(encoding="utf-8")))


@cache
def fingerprint() -> str:
    """A short key of the puzzles' text."""
    return hashlib.sha256(FILE.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:12]


def wrong_explanations(wanted: int, *, seed: int) -> list[str]:
    """Explanations of units that are not the one being judged: a floor for a judge's scores."""
    return random.Random(seed).sample([puzzle.truth for puzzle in puzzles()], wanted)
