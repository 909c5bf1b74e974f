"""The text that fires a unit most, and the most fluent texts that fire it: found by walks, reported from the string.

GCG (Zou et al. 2023, arXiv:2307.15043) and EPO (Thompson et al. 2024, arXiv:2402.01702), with narrow steps, proposals
that are not all gradient, a climb on the pre-activation (tools/evaluator.py) and the union of the best swaps.

1. Starts: each seed cut to the `length` tokens that end at its peak, the same filled up on the left with random tokens,
   and a random row; the best first.
2. Bold and fluent walks from there (tools/climb.py), step by step in turn; a quarter of the passes is for the fluent.
3. The search ends when its budget is spent or six bold walks running have not raised the best by 0.01 sigma.
4. What is reported is decoded and measured from its text in float32.

Knows no corpus: `scale` is sigma, the standard deviation of the unit over text, and the seeds are given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from memory.records import Target
from tools.climb import Climb
from tools.evaluator import Evaluator
from tools.stands import Budget, Stop
from tools.subject import Reading, Subject

PASSES = 2000
FLUENT = 0.25  # share of passes for fluent walks
WALKS = 6  # fruitless walks that end the search
LEAST = 40  # passes left for which a step is still worth its slope
KEPT = 20  # hits reported
RISES = 20  # of the way there


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


Ranked = TypeVar("Ranked", Hit, Stop)


@dataclass(frozen=True)
class Found:
    """`hits` best first; `front`: those that no other beats in both activation and surprise.

    `typical` is the hit with the highest activation among those no more surprising than ordinary text, when that was
    given. `baseline` is the best seed as it was given, at any length; `evaluated` counts different rows scored;
    `history` holds (passes, best activation) at every rise; `trail` every text confirmed, in order.
    """

    hits: tuple[Hit, ...]
    front: tuple[Hit, ...]
    typical: Hit | None
    baseline: float | None
    evaluated: int
    passes: int
    history: tuple[tuple[int, float], ...]
    trail: tuple[Stop, ...]
    status: Ending


def search(
    subject: Subject,
    target: Target,
    *,
    seeds: Sequence[str],
    length: int = 16,
    passes: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    scale: float = 1.0,
    typical: float | None = None,
) -> Found:
    """Climb from `seeds` (or from chance) within a budget; the same seed finds the same texts within the same passes.

    passes: prompts sent through the model, 2000 when no budget is given; seconds: CPU seconds of this process;
    typical: the cross-entropy of ordinary text of this length, nats a token.
    Raises ValueError unless length, budgets and scale are positive.
    """
    passes = PASSES if passes is None and seconds is None else passes
    given = (length, passes, seconds, scale)
    if not all(value is None or value > 0 for value in given):
        raise ValueError(f"length, passes, seconds and scale must be positive, not {given}")
    kept_back = 6 * KEPT if passes is None else min(6 * KEPT, passes // 4)
    budget = Budget(subject, passes=passes, seconds=seconds, kept_back=kept_back)
    length = min(length, subject.context - 1)
    climb = Climb(Evaluator(subject, target), budget, length=length, seed=seed, scale=scale, typical=typical)
    climb.begin(seeds)
    bold, fluent, spent_fluent = climb.bold(), climb.fluent(), 0
    while budget.left >= LEAST and climb.fruitless < WALKS:
        before = budget.used
        turn = bool(climb.stands) and spent_fluent < FLUENT * before
        next(fluent if turn else bold)
        spent_fluent += (budget.used - before) * turn
    return _found(subject, target, climb, settled=climb.fruitless >= WALKS)


def _found(subject: Subject, target: Target, climb: Climb, *, settled: bool) -> Found:
    """What the search came to, from the texts themselves."""
    trail = climb.trail()
    ranked = sorted(trail, key=lambda stop: (-stop.drive, stop.surprise, stop.text))
    rises = _rises(trail)
    room = climb.budget.kept_back if climb.budget.passes is None else climb.budget.passes - climb.budget.used
    wanted = [*ranked[:1], *_undominated(ranked), *reversed(rises[-RISES:]), *ranked[:KEPT]]
    wanted = list(dict.fromkeys(wanted))[: max(0, room - 1) // 2]
    readings = subject.measure([stop.text for stop in wanted], target)
    nats = climb.fluency.exact([stop.row for stop in wanted])
    found = zip(wanted, readings, nats, strict=True)
    hits = {stop: hit for stop, reading, surprise in found if (hit := _hit(stop, reading, surprise))}
    best = sorted(hits.values(), key=lambda hit: (-hit.activation, hit.surprise, hit.text))
    fluent = [hit for hit in best if climb.typical is not None and hit.surprise <= climb.typical]
    ending = Ending.SETTLED if settled else Ending.SPENT
    return Found(
        hits=tuple(best[:KEPT]),
        front=tuple(_undominated(best)),
        typical=fluent[0] if fluent else None,
        baseline=climb.baseline,
        evaluated=climb.evaluated,
        passes=climb.budget.used,
        history=tuple(_history([(stop.passes, hits[stop].activation) for stop in rises if stop in hits])),
        trail=tuple(trail),
        status=ending if best and best[0].activation > 0 else Ending.NOT_REACHED,
    )


def _hit(stop: Stop, reading: Reading, surprise: float) -> Hit | None:
    if reading.peak is None or reading.position is None:
        return None
    return Hit(stop.text, reading.peak, reading.tokens, reading.token_ids, reading.position, surprise)


def _undominated(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Of texts sorted best first, those less surprising than all before them."""
    front: list[Ranked] = []
    for each in ranked:
        if not front or each.surprise < front[-1].surprise:
            front.append(each)
    return front


def _rises(trail: Sequence[Stop]) -> list[Stop]:
    """Those of the trail with a higher drive than all before them."""
    risen: list[Stop] = []
    for stop in trail:
        if not risen or stop.drive > risen[-1].drive:
            risen.append(stop)
    return risen


def _history(points: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    """The points that rise."""
    best: float | None = None
    for passes, activation in points:
        if best is None or activation > best:
            best = activation
            yield passes, activation
