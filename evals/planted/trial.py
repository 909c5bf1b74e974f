"""One planted neuron explained by a mind and held against its truth.

1. The mind is given what an inquiry would give it (agents/study.py does the rounds): pages, distribution, extremes and
   the seed prompts, all with noise. It never sees the spec or the held-out half.
2. The full rule of its explanation runs on the held-out pages. The score is its Pearson correlation with the truth
   without noise, over all their tokens; pages that share text with a seen one are left out. The floor is the token
   table of the evidence pages, the ceiling 1.
3. Solved: a correlation of at least .95; for a neuron with a verdict of its own, that verdict; for one whose truth is
   constant on everything, the verdict dead. A constant prediction has no correlation: it is unscored and not solved.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.mind import Mind
from agents.scorer import assert_unseen
from agents.statistical.mind import floor_rules
from agents.study import PROMPTS_A_ROUND, ROUNDS, Study, study
from evals.opening import Asker, opening
from evals.planted.ground import Ground, Stand
from evals.planted.neuron import Planted, Vocabulary
from evals.planted.specs import Spec
from memory.records import Explanation, Origin, Prompt, Rule, Score, Verdict
from tools.pages import Page
from tools.rules import RuleError, lines, predict
from tools.scoring import simulation

SOLVED = 0.95
CONSTANT_TRUTH = "the truth is constant on everything"
METRIC, SPLIT = "correlation with the truth", "held-out text"


@dataclass(frozen=True)
class Outcome:
    """What became of one planted neuron. `correlation` is None where it could not be had, and `reason` says why."""

    name: str
    solved: bool
    verdict: str
    wanted: str | None  # the verdict that solves it, where the correlation does not decide
    correlation: float | None
    low: float | None
    high: float | None
    floor: float | None
    ceiling: float | None
    n: int
    rate: float  # tokens in a million at which it fires
    asked: int  # prompts measured beyond the corpus
    seconds: float
    truth: str
    explanation: str
    rule: list[str]
    full_clauses: int
    reason: str


def attempt(
    spec: Spec,
    ground: Ground,
    vocabulary: Vocabulary,
    mind: Mind,
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
    prompts_a_round: int = PROMPTS_A_ROUND,
) -> Outcome:
    """Explain one planted neuron and score the explanation."""
    began = time.monotonic()
    planted = Planted(spec, vocabulary, seed=seed)
    stand = Stand(ground, planted)
    ask = Asker(planted.measure)
    extremes = [Prompt(stand.text(row), Origin.CORPUS, source=stand.source(row)) for row in [*stand.top, *stand.bottom]]
    evidence = opening(planted.target, stand.distribution, stand.evidence, extremes, ask)
    found = study(mind, evidence, ask, rounds=rounds, prompts_a_round=prompts_a_round, seed=seed)
    kept = assert_unseen(stand.held_out, (*evidence.pages, *evidence.top, *found.records))
    score = Score.unscored(METRIC, SPLIT, CONSTANT_TRUTH)
    if not stand.constant:
        score = scored(found.explanation, evidence.pages, kept, seed=seed)
    return _outcome(spec, stand, found, score, asked=ask.asked, seconds=time.monotonic() - began)


def scored(explanation: Explanation, pages: tuple[Page, ...], held_out: Sequence[Page], *, seed: int) -> Score:
    """The correlation of the explanation's full rule with the truth on held-out pages; `pages` are the evidence's."""
    rule, truth = explanation.full or explanation.rule, [page.values for page in held_out]
    try:
        told = _run(rule, held_out)
    except RuleError as error:
        return Score.unscored(METRIC, SPLIT, f"the rule cannot be run: {error}")
    floor = _run(floor_rules(pages, 1)[0], held_out)
    return simulation(told, truth, floor=floor, floor_name="token table", metric=METRIC, split=SPLIT, seed=seed)


def _run(rule: Rule, pages: Sequence[Page]) -> list[np.ndarray]:
    return [np.array(predict(rule, page.tokens), float) for page in pages]


def _outcome(spec: Spec, stand: Stand, found: Study, score: Score, *, asked: int, seconds: float) -> Outcome:
    explanation = found.explanation
    wanted = spec.verdict or (Verdict.DEAD if stand.constant else None)
    solved = explanation.verdict is wanted if wanted else score.value is not None and score.value >= SOLVED
    return Outcome(
        name=spec.name,
        solved=solved,
        verdict=explanation.verdict.value,
        wanted=wanted.value if wanted else None,
        correlation=score.value,
        low=score.low,
        high=score.high,
        floor=score.floor,
        ceiling=score.ceiling,
        n=score.n,
        rate=round(stand.rate, 2),
        asked=asked,
        seconds=round(seconds, 2),
        truth=spec.truth,
        explanation=explanation.text,
        rule=lines(explanation.rule),
        full_clauses=len((explanation.full or explanation.rule).clauses),
        reason="" if solved else _reason(explanation, wanted, score),
    )


def _reason(explanation: Explanation, wanted: Verdict | None, score: Score) -> str:
    if wanted:
        return f"the verdict is {explanation.verdict.value}, not {wanted.value}"
    return score.reason or f"the correlation is below {SOLVED}"


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The share solved, and the mean correlation of those that a correlation decides.

    A prediction that is constant tells nothing, and counts as 0 in the mean; `unscored` says how many there were.
    """
    by_correlation = [each for each in outcomes if each.wanted is None]
    told = [each.correlation or 0.0 for each in by_correlation]
    return {
        "solved": sum(each.solved for each in outcomes) / len(outcomes),
        "mean_correlation": float(np.mean(told)) if told else None,
        "mean_floor": float(np.mean([each.floor or 0.0 for each in by_correlation])) if told else None,
        "n": len(outcomes),
        "scored_by_correlation": len(by_correlation),
        "unscored": sum(each.correlation is None for each in by_correlation),
    }
