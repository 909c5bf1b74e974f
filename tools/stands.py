"""Where a search stands: what it aims at, rows it has confirmed, a walk between them, and what it has left to spend.

Knows numbers and rows; how a step is made is in tools/climb.py.
"""

import math
import time
from dataclasses import dataclass, field
from functools import cached_property

import torch

from tools.branches import Row
from tools.fluency import Fluency
from tools.proposals import surprise
from tools.subject import Subject


@dataclass(frozen=True)
class Aim:
    """What a walk raises: drive in sigmas minus `weight` for every nat of cross-entropy beyond `free`."""

    weight: float = 0.0
    free: float = 0.0

    def worth(self, drive: float, surprise: float) -> float:
        """The value of a row; `drive` in sigmas, `surprise` in nats a token."""
        return drive - self.weight * max(0.0, surprise - self.free) if self.weight else drive


BOLD = Aim()


@dataclass(frozen=True)
class Stop:
    """A row the search has confirmed: drive (sigmas), cross-entropy (nats a token), and when (passes, CPU seconds)."""

    text: str
    row: Row
    drive: float
    surprise: float
    passes: int
    seconds: float = field(compare=False)


@dataclass(eq=False)
class Stand:
    """A confirmed row, its drive in sigmas and the slopes of it, [tokens, vocabulary]."""

    row: Row
    drive: float
    slopes: torch.Tensor
    fluency: Fluency

    @cached_property
    def expected(self) -> torch.Tensor:
        """log p of every token at every place: [tokens, vocabulary]."""
        return self.fluency.expected(self.row)

    @cached_property
    def surprise(self) -> float:
        """Cross-entropy in nats a token; a climb fills it in for many at once."""
        return surprise(self.expected, self.row)

    def worth(self, aim: Aim) -> float:
        """What the row is worth to an aim."""
        return aim.worth(self.drive, self.surprise) if aim.weight else self.drive

    def ranking(self, aim: Aim) -> torch.Tensor:
        """First-order change of the aim for every swap, as far as it can be known for nothing: [tokens, vocabulary]."""
        if not aim.weight or self.surprise < aim.free:
            return self.slopes
        own = self.expected.gather(1, torch.tensor(self.row)[:, None])
        return self.slopes + aim.weight / len(self.row) * (self.expected - own)

    def guessed(self, row: Row) -> float:
        """Cross-entropy of a row near this one, what is right of a change being taken for unchanged."""
        places = [i for i, pair in enumerate(zip(row, self.row, strict=False)) if pair[0] != pair[1]]
        if len(row) != len(self.row):
            places = places[:1]
        rise = sum(float(self.expected[i, self.row[i]] - self.expected[i, row[i]]) for i in places)
        return self.surprise + rise / len(self.row)


@dataclass
class Walk:
    """Where a bold walk stands, the highest it has stood, and its steps since then."""

    stand: Stand
    top: Stand
    failures: int = 0


class Budget:
    """Passes and CPU seconds since the search began; `kept_back` passes are for measuring what is reported."""

    def __init__(self, subject: Subject, *, passes: int | None, seconds: float | None, kept_back: int) -> None:
        self.subject = subject
        self.first, self.began = subject.passes, time.process_time()
        self.passes, self.seconds, self.kept_back = passes, seconds, kept_back

    @property
    def used(self) -> int:
        """Passes spent."""
        return self.subject.passes - self.first

    @property
    def elapsed(self) -> float:
        """CPU seconds spent."""
        return time.process_time() - self.began

    @property
    def left(self) -> float:
        """Passes left for the walks; none once the seconds are spent."""
        if self.seconds is not None and self.elapsed >= self.seconds:
            return 0
        return math.inf if self.passes is None else self.passes - self.kept_back - self.used
