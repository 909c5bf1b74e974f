"""What every method of the benchmark is given, and what it hands back: the texts it stood at, and when.

The clock is the CPU time of the process and starts when the method does, with the model loaded: it covers all that the
method does. What is handed back is a row of tokens or a text, never a number: `judging.py` scores it afterwards, and
that is not on the clock.

Knows time and texts. Refuses to know activations.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from memory.records import Target
from tools.proposals import special, survives
from tools.subject import Subject

TRIES = 12  # draws for each token of a random row


@dataclass(frozen=True)
class Course:
    """One unit to drive, for so many CPU seconds.

    `start` is the row to climb from, None for the method's own start. `windows` are the corpus texts that the product's
    search always has, `sigma` the unit's standard deviation over the corpus and `typical` the cross-entropy of its
    windows; no rival reads any of them.
    """

    subject: Subject
    target: Target
    seconds: float
    seed: int
    length: int = 16
    start: tuple[int, ...] | None = None
    windows: tuple[str, ...] = ()
    sigma: float = 1.0
    typical: float | None = None

    def vocabulary(self) -> list[int]:
        """Every token that stands for text."""
        size = self.subject.hf.get_input_embeddings().weight.shape[0]
        return sorted(set(range(size)) - set(special(self.subject)))

    def first_row(self) -> tuple[int, ...]:
        """The start, filled up on the left by chance with tokens that survive decode -> encode."""
        chance, words = random.Random(self.seed), self.vocabulary()
        row = self.start or ()
        for _ in range(TRIES * self.length):
            if len(row) == self.length:
                break
            longer = (chance.choice(words), *row)
            row = longer if survives(self.subject, longer) else row
        return row


@dataclass(frozen=True)
class Run:
    """(CPU seconds since the start, text) for every text a method stood at, in order, and its steps."""

    stands: tuple[tuple[float, str], ...]
    steps: int
    seconds: float


class Trail:
    """The clock of one run, and the rows it has stood at."""

    def __init__(self, course: Course) -> None:
        self._subject = course.subject
        self._budget = course.seconds
        self._stands: list[tuple[float, tuple[int, ...]]] = []
        self._began = time.process_time()
        self.steps = 0

    @property
    def seconds(self) -> float:
        """CPU seconds since the start."""
        return time.process_time() - self._began

    def ticks(self) -> Iterator[int]:
        """The numbers of the steps, while there is time."""
        while self.seconds < self._budget:
            yield self.steps
            self.steps += 1

    def add(self, rows: Sequence[Sequence[int]]) -> None:
        """Stand at some rows now."""
        now = self.seconds
        self._stands += [(now, tuple(row)) for row in rows]

    def run(self) -> Run:
        """What was seen within the budget."""
        seconds = self.seconds
        inside = [(at, row) for at, row in self._stands if at <= self._budget]
        return Run(tuple((at, self._subject.decode(row)) for at, row in inside), self.steps, seconds)


Method = Callable[[Course], Run]


def surviving(subject: Subject, rows: torch.Tensor) -> torch.Tensor:
    """Those of the rows [n, tokens] that come back unchanged from decode -> encode."""
    kept = [i for i, row in enumerate(rows.tolist()) if survives(subject, row)]
    return rows[kept]
