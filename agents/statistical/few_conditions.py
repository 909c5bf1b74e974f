"""Conditions over a handful of sentences, averaged by how probable each is once the sentences are seen.

What is computed: Bayesian concept learning (Tenenbaum 1999; Tenenbaum and Griffiths 2001) over conjunctions of questions.
  1 every question and, by a beam, conjunctions of up to three are scored: the log evidence of two rates of firing, inside
    and outside, each under a Beta prior, less the price of the questions
  2 the most probable conditions share the prediction in proportion to their posterior, with "nothing fires" among them
  3 what the best of them holds is set aside and the rest is searched again, for units with several causes
Tokens of a sentence are no independent witnesses: the evidence is tempered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Numbers = NDArray[np.float64]
Truth = NDArray[np.bool_]

TEMPER = 0.5
INSIDE, OUTSIDE = (0.5, 0.5), (0.1, 2.0)
BEAM, DEPTH, JOINED = 40, 3, 0.7
DENIED = 1.0  # price of asking the other way round
KEPT, STAGES = 12, 3
REFINE = True


@dataclass(frozen=True)
class Condition:
    """Numbers of questions that all hold (~n: question n does not), its posterior, and what it adds where it holds."""

    questions: tuple[int, ...]
    share: float
    level: float
    outside: float = 0.0


@dataclass(frozen=True)
class Stage:
    """Conditions that share one prediction; `best` ends the stage: the next speaks only where it does not hold."""

    conditions: tuple[Condition, ...]
    best: tuple[int, ...]
    within: "Stage | None" = None
    rate: float = 0.0


def learned(held: Truth, prices: Numbers, values: Numbers, weights: Numbers) -> list[Stage]:
    """Stages for tokens with weights of 1 or 0.

    held: [questions, tokens]; prices: [questions]; values: [tokens], 0 to 1. Empty when silence is the best guess.
    """
    found: list[Stage] = []
    open_ = weights.copy()
    for _ in range(STAGES):
        stage = _stage(held, prices, values, open_)
        if stage is None:
            break
        region = _all(held, stage.best)
        within = _stage(held, prices, values, open_ * region, INSIDE)
        if within is not None and REFINE:
            stage = Stage(stage.conditions, stage.best, within)
        found.append(stage)
        open_ = open_ * ~_all(held, stage.best)
    return found


def predicted(stages: Sequence[Stage], held: Truth) -> Numbers:
    """What stages add at every token, 0 to 1."""
    told = np.zeros(held.shape[1])
    open_ = np.ones(held.shape[1], bool)
    for stage in stages:
        for condition in stage.conditions:
            told += condition.share * condition.level * (_all(held, condition.questions) & open_)
        region = _all(held, stage.best)
        if stage.within:
            main = stage.conditions[0]
            for c in stage.within.conditions:
                told += main.share * c.share * np.where(_all(held, c.questions), c.level - main.level, c.outside - main.level) * (region & open_)
        open_ &= ~region
    return told


def _all(held: Truth, questions: Sequence[int]) -> Truth:
    return np.logical_and.reduce([held[n] if n >= 0 else ~held[~n] for n in questions])


def _evidence(fired: Numbers, many: Numbers, prior: tuple[float, float]) -> Numbers:
    a, b = prior
    return betaln(fired + a, many - fired + b) - betaln(a, b)


def _stage(held: Truth, prices: Numbers, values: Numbers, weights: Numbers, outside=OUTSIDE) -> Stage | None:
    inside = weights > 0
    columns = held[:, inside].astype(np.float32)
    fires = values[inside]
    both = np.concatenate([columns, 1.0 - columns])
    costs = np.concatenate([prices, prices + DENIED])
    total, everyone = float(fires.sum()), float(len(fires))
    if total <= 0:
        return None
    nothing = TEMPER * float(_evidence(np.array(total), np.array(everyone), outside))
    scored: dict[tuple[int, ...], tuple[float, float, float]] = {}
    beam: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    for _ in range(DEPTH):
        fresh: dict[tuple[int, ...], tuple[float, float, float]] = {}
        where = np.stack([np.prod(both[list(key)], axis=0) for key, _ in beam])
        manys, fireds = (both @ where.T).astype(float).T, (both @ (where * fires.astype(np.float32)).T).astype(float).T
        for (asked, cost), many, fired in zip(beam, manys, fireds, strict=True):
            fired = np.minimum(fired, many)
            evidence = _evidence(fired, many, INSIDE) + _evidence(
                np.maximum(total - fired, 0), everyone - many, outside
            )
            scores = TEMPER * evidence - costs - cost - nothing
            scores[fired * everyone <= total * many] = -np.inf
            for n in np.argpartition(-scores, BEAM)[:BEAM]:
                key = tuple(sorted((*asked, int(n))))
                if np.isfinite(scores[n]) and n not in asked and key not in fresh:
                    fresh[key] = (float(scores[n]), (fired[n] + INSIDE[0] / 2) / (many[n] + INSIDE[0]), (total-fired[n] + outside[0] ) / (everyone-many[n] + sum(outside)))
        ranked = sorted(fresh.items(), key=lambda item: -item[1][0])
        scored |= dict(ranked)
        beam = [(key, float(costs[list(key)].sum()) + JOINED * len(key)) for key, _ in ranked[:BEAM]]
        if not beam:
            break
    ranked = sorted(scored.items(), key=lambda item: -item[1][0])[:KEPT]
    if not ranked or ranked[0][1][0] <= 0:
        return None
    weights_ = np.exp([score - ranked[0][1][0] for _, (score, _, _) in ranked])
    shares = weights_ / (weights_.sum() + np.exp(-ranked[0][1][0]))
    half = len(held)
    named = [tuple(n if n < half else ~(n - half) for n in key) for key, _ in ranked]
    conditions = [
        Condition(key, float(share), float(level), float(o))
        for key, share, (_, (_, level, o)) in zip(named, shares, ranked, strict=True)
    ]
    return Stage(tuple(conditions), named[0])
