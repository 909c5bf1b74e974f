"""What an inversion came to, as plain values: the settings, each start's text, the curve, and the table for a file.

Knows numbers and strings; no tensor.
"""

import csv
import io
import math
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Plan:
    """The settings of one inversion; `invert` says what each means."""

    length: int
    steps: int
    starts: int
    rate: float
    noise: float
    regulariser: float
    diversity: float
    repetition: float
    snap: float
    fixed_norm: bool
    candidates: int
    incoherence: float
    seed: int
    scale: float

    def __post_init__(self) -> None:
        """Raise ValueError for a setting out of range."""
        if min(self.length, self.starts) < 1 or min(self.steps, self.candidates) < 0:
            raise ValueError("length and starts must be positive, steps and candidates not negative")
        weights = self.noise, self.regulariser, self.diversity, self.repetition, self.incoherence
        if not all(0 <= weight < math.inf for weight in weights):
            raise ValueError("noise and the weights of penalties must not be negative")
        if not (0 < self.rate < math.inf and 0 < self.scale < math.inf and 0 <= self.snap < 1):
            raise ValueError("rate and scale must be positive, and snap in [0, 1)")

    @property
    def roaming(self) -> int:
        """How many of the `steps + 1` reads are not at tokens; at least the first is not."""
        return math.floor(self.steps * (1 - self.snap)) + 1


class Projection(StrEnum):
    """How embeddings became tokens."""

    NEAREST = "nearest"
    SNAPPED = "snapped"
    GREEDY = "greedy"
    START = "start"  # the start's own tokens did better than all that was made of them


@dataclass(frozen=True)
class Decoded:
    """What one start came to. `activation` is measured from `text`; `continuous` is that of the embeddings behind it.

    `gap` is continuous less activation; `by_projection` holds what each way of decoding gave, as its text measures.
    `surprise` is the subject's cross-entropy in nats a token. None where the text has no token or gave no number.
    """

    text: str
    activation: float | None
    continuous: float
    gap: float | None
    surprise: float | None
    projection: Projection
    by_projection: dict[str, float | None]
    tokens: tuple[str, ...]
    values: tuple[float, ...]


class Outcome(StrEnum):
    """What became of an inversion."""

    REACHED = "reached"
    LOST = "lost-in-decoding"  # embeddings switch the unit on, but no text made of them does
    NOT_REACHED = "not-reached"


@dataclass(frozen=True)
class Position:
    """One position of the continuous optimum: what the unit does there, and the nearest token with its cosine."""

    activation: float
    token: str
    cosine: float


@dataclass(frozen=True)
class Point:
    """One step: the row's highest activation, and the objective in sigma. `snapped` steps are read at tokens."""

    step: int
    activation: float
    objective: float
    snapped: bool


@dataclass(frozen=True)
class Inverse:
    """`starts` best text first; positions, curve, maximum, mean and skewness are those of the best's embeddings.

    `continuous` and `discrete` are the highest activations of any roaming embeddings and of any text, `gap` their
    difference, negative where a text does better;
    `baseline` is the highest of the starts' texts as they stood. `skewness` is None where all positions are equal.
    """

    status: Outcome
    starts: tuple[Decoded, ...]
    continuous: float
    discrete: float | None
    gap: float | None
    baseline: float | None
    positions: tuple[Position, ...]
    maximum: float
    mean: float
    skewness: float | None
    curve: tuple[Point, ...]
    passes: int
    plan: Plan

    @property
    def texts(self) -> tuple[str, ...]:
        """The different texts found, best first: seeds for a discrete search."""
        return tuple(dict.fromkeys(start.text for start in self.starts if start.activation is not None))


def as_csv(inverse: Inverse) -> str:
    """The positions as CSV with a header: position, activation, token, cosine."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("position", "activation", "token", "cosine"))
    for index, position in enumerate(inverse.positions):
        writer.writerow((index, position.activation, position.token, position.cosine))
    return out.getvalue()
