"""The text that fires a unit most: token swaps guided by the gradient, and reported only from the string.

GCG (Zou et al. 2023, arXiv:2307.15043) and EPO (Thompson et al. 2024, arXiv:2402.17700), with narrow steps, proposals
that are not all gradient, a climb on the pre-activation (tools/evaluator.py) and the union of the best swaps.

1. Starts: each seed cut to the `length` tokens that end at its peak, the same filled up on the left with random tokens,
   and a random row; the best first.
2. A walk repeats from its row: moves (tools/moves.py) proposed by the slope, the subject's own expectation, embedding
   neighbours and chance; lengths may change after three failures and while the row is short.
3. All are scored in batches; the best swaps at different positions are united and scored once more.
4. The winner is cut after its peak, decoded, measured from its text in fp32, and only then believed.
5. A step that gains less than 0.01 sigma is a failure; after six the walk ends and another starts: at the next of the
   starts, then at the best text with some tokens shaken.
6. The search ends when its passes are spent or six walks running have not raised the best by 0.01 sigma.

Knows no corpus: `scale` is sigma, the standard deviation of the unit over text, and the seeds are given.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

import torch

from memory.records import Target
from tools.evaluator import Evaluator
from tools.moves import Moves, Row
from tools.proposals import expectations, replaced, surprise, survives
from tools.subject import Subject

WIDTH = 64  # proposals a step
UNION = 8  # most swaps united
GAIN = 0.01  # sigma
RESTLESS = 3  # failures before lengths may change
STUCK = 6  # failures that end a walk
WALKS = 6  # fruitless walks that end the search
LEAST = 24  # passes left for which a step is still worth its slope
BELIEF = 4  # passes to measure a row from its text, with its expectations and slopes
KEPT = 20  # hits reported

Scored = tuple[float, Row]


class Ending(StrEnum):
    """Why a search ended, or that nothing it found fires at all."""

    SPENT = "spent"
    SETTLED = "settled"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True)
class Hit:
    """A text found, measured from its string. `surprise` is the subject's cross-entropy in nats a token."""

    text: str
    activation: float
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    position: int
    surprise: float


@dataclass(frozen=True)
class Found:
    """`hits` best first; `front`: those that no other beats in both activation and surprise.

    `baseline` is the best seed as it was given, at any length; `evaluated` counts different rows scored; `history`
    holds (passes, best activation) at every rise.
    """

    hits: tuple[Hit, ...]
    front: tuple[Hit, ...]
    baseline: float | None
    evaluated: int
    passes: int
    history: tuple[tuple[int, float], ...]
    status: Ending


def search(
    subject: Subject,
    target: Target,
    *,
    seeds: Sequence[str],
    length: int = 16,
    passes: int = 2000,
    seed: int = 0,
    scale: float = 1.0,
) -> Found:
    """Climb from `seeds` (or from chance) within a budget of passes; the same seed finds the same texts.

    Raises ValueError unless length, passes and scale are positive.
    """
    if length < 1 or passes < 1 or not scale > 0:
        raise ValueError(f"length, passes and scale must be positive, not {length}, {passes} and {scale}")
    moves = Moves(subject, length=min(length, subject.context - 1), seed=seed)
    climb = _Climb(Evaluator(subject, target), moves, passes=passes, gain=GAIN * scale)
    climb.begin(seeds)
    fruitless = 0
    while climb.left >= LEAST and fruitless < WALKS:
        before = climb.best
        climb.walk()
        fruitless = 0 if climb.best - before >= GAIN * scale else fruitless + 1
    return climb.found(Ending.SETTLED if fruitless == WALKS else Ending.SPENT)


@dataclass(frozen=True)
class _Stand:
    """Where a walk stands: a believed row, its score, and [tokens, vocabulary] of slopes and of expected log p."""

    row: Row
    score: float
    slopes: torch.Tensor
    expected: torch.Tensor


class _Climb:
    """One search: its budget, its starts and its hits."""

    def __init__(self, evaluator: Evaluator, moves: Moves, *, passes: int, gain: float) -> None:
        self.evaluator = evaluator
        self.subject = evaluator.subject
        self.moves = moves
        self.gain = gain
        self.first = self.subject.passes
        self.last = self.first + passes
        self.starts: list[Scored] = []
        self.hits: dict[str, Hit] = {}
        self.baseline: float | None = None
        self.evaluated = 0
        self.history: list[tuple[int, float]] = []

    @property
    def left(self) -> int:
        """Passes left."""
        return self.last - self.subject.passes

    @property
    def best(self) -> float:
        """The best activation so far, minus infinity before the first hit."""
        return self.history[-1][1] if self.history else -math.inf

    def begin(self, seeds: Sequence[str]) -> None:
        """Measure as many seeds as a quarter of the budget allows and line up the starts, the best last."""
        readings = self.subject.measure(seeds[: self.left // 12], self.evaluator.target)
        peaks = [(reading.peak, reading.position, reading.token_ids) for reading in readings]
        self.baseline = max((peak for peak, _, _ in peaks if peak is not None), default=None)
        ends = [(position + 1, ids) for _, position, ids in peaks if position is not None]
        windows = [ids[max(0, end - self.moves.length) : end] for end, ids in ends]
        rows = [*windows, *map(self.moves.filled, windows), self.moves.filled(())]
        self.starts = sorted(self._scored(self.moves.fresh(rows)))

    def walk(self) -> None:
        """Climb from the next start until six steps in a row have failed or the passes are spent."""
        stand = self._believed(*self._next_start())
        failures = 0
        while stand and failures < STUCK and self.left >= LEAST:
            score, row = self._step(stand, resize=failures >= RESTLESS or len(stand.row) < self.moves.length)
            better = self._believed(score, row) if score > stand.score else None
            failures = 0 if better and score - stand.score >= self.gain else failures + 1
            stand = better or stand

    def found(self, ending: Ending) -> Found:
        """What the search came to."""
        ranked = sorted(self.hits.values(), key=lambda hit: (-hit.activation, hit.surprise, hit.text))
        front = [hit for i, hit in enumerate(ranked) if all(hit.surprise < other.surprise for other in ranked[:i])]
        return Found(
            hits=tuple(ranked[:KEPT]),
            front=tuple(front),
            baseline=self.baseline,
            evaluated=self.evaluated,
            passes=self.subject.passes - self.first,
            history=tuple(self.history),
            status=ending if self.best > 0 else Ending.NOT_REACHED,
        )

    def _next_start(self) -> Scored:
        """The best start not yet used, then the best text shaken, or chance when there is none."""
        if self.starts:
            return self.starts.pop()
        best = max(self.hits.values(), key=lambda hit: hit.activation, default=None)
        row = self.moves.shaken(best.token_ids) if best else self.moves.filled(())
        return self._scored([row])[0]

    def _step(self, stand: _Stand, *, resize: bool) -> Scored:
        """The best row around a stand and its score."""
        width = min(WIDTH, self.left - UNION - BELIEF)
        rows = self.moves.around(stand.row, width, slopes=stand.slopes, expected=stand.expected, resize=resize)
        scored = self._scored(rows)
        scored += self._scored(self.moves.fresh(_unions(stand, scored)))
        return max(scored, default=(stand.score, stand.row))

    def _scored(self, rows: Sequence[Row]) -> list[Scored]:
        """Every row with its score, cut after its best token where the rest is a text of its own."""
        self.evaluated += len(rows)
        scored = [
            (score, row, row[: at + 1]) for row, (score, at) in zip(rows, self.evaluator.scores(rows), strict=True)
        ]
        return [(score, cut if survives(self.subject, cut) else row) for score, row, cut in scored]

    def _believed(self, score: float, row: Row) -> _Stand | None:
        """Measure a row from its own text and keep the hit; None when the text says something else."""
        text = self.subject.decode(row)
        reading = self.subject.measure([text], self.evaluator.target)[0]
        if reading.peak is None or reading.position is None or reading.token_ids != row:
            return None
        expected = expectations(self.subject, row)
        self.hits[text] = Hit(
            text, reading.peak, reading.tokens, row, reading.position, surprise=surprise(expected, row)
        )
        if reading.peak > self.best:
            self.history.append((self.subject.passes - self.first, reading.peak))
        return _Stand(row, score, self.evaluator.slopes(row), expected)


def _unions(stand: _Stand, scored: Sequence[Scored]) -> list[Row]:
    """The best 2, 3, ... swaps that rise, each at another position, put together."""
    swaps: dict[int, int] = {}
    for score, row in sorted(scored, reverse=True):
        places = [i for i, (new, old) in enumerate(zip(row, stand.row, strict=False)) if new != old]
        if score > stand.score and len(row) == len(stand.row) and len(places) == 1:
            swaps.setdefault(places[0], row[places[0]])
    united = list(accumulate(list(swaps.items())[:UNION], lambda row, swap: replaced(row, *swap), initial=stand.row))
    return united[2:]
