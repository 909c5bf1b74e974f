"""Conditions over a handful of sentences, each counted as far as it is probable once the sentences are seen.

What is computed: Bayesian concept learning (Tenenbaum and Griffiths 2001) over conjunctions of questions.
  1 every question, asked or denied, and by a beam every promising conjunction of up to three is scored: the log
    evidence of two rates of firing, inside and outside, each under a Beta prior, less the price of its questions
  2 the most probable conditions share one prediction in proportion to their posterior, "nothing fires" being one of
    them: conditions that agree on these sentences and not on others are all heard
  3 what the best of them holds is set aside and the rest searched again, for units with several causes
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Numbers = NDArray[np.float64]
Truth = NDArray[np.bool_]
Names = tuple[int, ...]

INSIDE, OUTSIDE = (0.5, 0.5), (0.1, 2.0)  # pseudo-counts of firing and of silence: Jeffreys', and mostly silent
DENIED, JOINED = 1.0, 0.7  # prices of asking the other way round, and of one more question
DEPTH, BEAM, KEPT, STAGES = 3, 20, 24, 3


@dataclass(frozen=True)
class Condition:
    """Numbers of questions that all hold (~n: question n does not), its posterior, and the rate of firing in it."""

    questions: Names
    share: float
    rate: float


@dataclass(frozen=True)
class Stage:
    """Conditions that share one prediction, the most probable first; the next stage speaks where that does not hold."""

    conditions: tuple[Condition, ...]

    @property
    def best(self) -> Names:
        """The questions of the most probable condition."""
        return self.conditions[0].questions


def learned(held: Truth, prices: Numbers, values: Numbers) -> list[Stage]:
    """The stages; none when silence is the best guess.

    held: [questions, tokens] where each question holds; prices: [questions]; values: [tokens] activation, 0 to 1.
    """
    found: list[Stage] = []
    left = np.ones(len(values), bool)
    for _ in range(STAGES):
        conditions = _shared(_scored(held[:, left], prices, values[left]))
        if not conditions:
            break
        found.append(Stage(tuple(conditions)))
        left &= ~_all(held, found[-1].best)
    return found


def _all(held: Truth, names: Sequence[int]) -> Truth:
    return np.logical_and.reduce([held[name] if name >= 0 else ~held[~name] for name in names])


def _evidence(fired: Numbers, many: Numbers, prior: tuple[float, float]) -> Numbers:
    """Log probability of so much firing among so many tokens, under a Beta prior of the rate."""
    return betaln(fired + prior[0], many - fired + prior[1]) - betaln(*prior)


def _scored(held: Truth, prices: Numbers, values: Numbers) -> dict[Names, tuple[float, float]]:
    """Log odds against silence and rate of firing of every condition looked at."""
    total, everyone, half = float(values.sum()), float(len(values)), len(held)
    if total <= 0:
        return {}
    both = np.concatenate([held, ~held]).astype(np.float32)
    costs = np.concatenate([prices, prices + DENIED])
    possible = np.concatenate([np.ones(half, bool), held.any(1)])  # what never holds is not denied
    nothing = float(_evidence(np.array(total), np.array(everyone), OUTSIDE))
    scored: dict[Names, tuple[float, float]] = {}
    beam: list[Names] = [()]
    while beam and len(beam[0]) < DEPTH:
        where = np.stack([both[list(names)].prod(axis=0) for names in beam])
        manys, fireds = (where @ both.T).astype(float), ((where * values.astype(np.float32)) @ both.T).astype(float)
        fresh: dict[Names, tuple[float, float]] = {}
        for names, many, fired in zip(beam, manys, np.clip(fireds, 0.0, np.minimum(manys, total)), strict=True):
            more = np.flatnonzero(possible & (fired * everyone > total * many))
            many, fired = many[more], fired[more]
            evidence = _evidence(fired, many, INSIDE) + _evidence(total - fired, everyone - many, OUTSIDE)
            price = float(costs[list(names)].sum()) + JOINED * len(names)
            odds = evidence - costs[more] - price - nothing
            rates = (fired + INSIDE[0] / 2) / (many + sum(INSIDE) / 2)
            for place in np.argsort(-odds, kind="stable")[:BEAM].tolist():
                key = tuple(sorted({*names, int(more[place])}))
                if len(key) > len(names):
                    fresh.setdefault(key, (float(odds[place]), float(rates[place])))
        scored |= fresh
        beam = sorted(fresh, key=lambda key: -fresh[key][0])[:BEAM]
    return {tuple(n if n < half else ~(n - half) for n in names): each for names, each in scored.items()}


def _shared(scored: dict[Names, tuple[float, float]]) -> list[Condition]:
    """The most probable conditions with their posteriors; none when silence is more probable than the best."""
    ranked = sorted(scored.items(), key=lambda item: -item[1][0])[:KEPT]
    if not ranked or ranked[0][1][0] <= 0:
        return []
    best = ranked[0][1][0]
    posterior = np.exp([odds - best for _, (odds, _) in ranked])
    posterior /= posterior.sum() + np.exp(-best)
    return [Condition(names, float(p), rate) for (names, (_, rate)), p in zip(ranked, posterior, strict=True)]
