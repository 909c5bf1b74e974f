"""One neuron of a model explained by a mind and scored on the half of the corpus nobody has seen.

1. The mind is given what an inquiry would give it, and asks within an inquiry's budget (agents/study.py).
2. The full form of its rule runs on every held-out token, beside the token table of the evidence pages; the compact
   form, beside a table of as many tokens as it lists strings (40 at most). Figures: the correlation with the
   activation, and for the full form the AUC for the top 1 %. The ceiling of both is 1: activations are exact. Pages
   that share text with a seen one are left out.
3. The full form beats its floor when the 95 % interval of the difference of correlations lies above 0 (bootstrap over
   pages, paired); the compact form, when its correlation is higher and it is compact: 8 clauses and 40 strings at most.
4. An abstention (the verdict unexplained) does not beat its floor. A wider search follows: more rounds from another
   seed, whose full form is scored whatever its verdict. When that beats the floor, the abstention is overturned.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.mind import Evidence, Mind
from agents.scorer import assert_unseen
from agents.statistical.mind import floor_rules
from agents.study import Study, study
from evals.opening import Asker, opening
from memory.records import Explanation, Rule, Score, Target, Verdict
from tools.pages import Page, Pages
from tools.rules import lines, predict, size
from tools.scoring import Array, correlation, detection, difference, simulation
from tools.subject import Subject

MOST_LISTED, MOST_CLAUSES = 40, 8  # strings and clauses of a compact form, and tokens of its floor
WIDER = 3  # times as many rounds in the search that follows an abstention
SPLIT = "held-out text"


@dataclass(frozen=True)
class Form:
    """One form of an explanation beside its floor; None where a side is constant."""

    correlation: float | None
    low: float | None
    high: float | None
    floor: float | None
    beats_floor: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one neuron. `overturned` is None but for an abstention."""

    name: str
    layer: int
    index: int
    verdict: str
    full: Form
    compact: Form
    difference: float | None  # full less its floor, with its interval
    difference_low: float | None
    difference_high: float | None
    share_of_full: float | None  # the compact form's correlation over the full one's
    auc: float | None
    auc_floor: float | None
    n: int
    pages: int
    clauses: int  # of the compact form, and the strings it lists
    listed: int
    full_listed: int
    asked: int
    seconds: float
    explanation: str
    rule: list[str]
    overturned: bool | None
    reason: str


@dataclass(frozen=True)
class Budget:
    """How much may be asked, and from which seed."""

    rounds: int
    prompts_a_round: int
    seed: int


def attempt(subject: Subject, pages: Pages, target: Target, mind: Mind, budget: Budget) -> Outcome:
    """Explain one neuron and score the explanation."""
    began = time.monotonic()
    ask = Asker(lambda texts: subject.measure(texts, target))
    evidence = opening(target, pages.distribution, pages.evidence, pages.extremes(), ask)
    found = _studied(mind, evidence, ask, budget)
    explanation = found.explanation
    held_out = assert_unseen(pages.held_out, (*evidence.pages, *evidence.top, *found.records))
    outcome = _outcome(explanation, evidence, held_out, budget.seed)
    if explanation.verdict is Verdict.UNEXPLAINED:
        wider = replace(budget, rounds=budget.rounds * WIDER, seed=budget.seed + 1)
        later = _studied(mind, evidence, ask, wider)
        held_out = assert_unseen(held_out, later.records)
        beaten = _outcome(later.explanation, evidence, held_out, budget.seed).full.beats_floor
        own = replace(outcome.full, beats_floor=False), replace(outcome.compact, beats_floor=False)
        overturned = beaten or outcome.full.beats_floor
        outcome = replace(outcome, full=own[0], compact=own[1], overturned=overturned)
    return replace(outcome, asked=ask.asked, seconds=round(time.monotonic() - began, 2))


def _studied(mind: Mind, evidence: Evidence, ask: Asker, budget: Budget) -> Study:
    return study(mind, evidence, ask, rounds=budget.rounds, prompts_a_round=budget.prompts_a_round, seed=budget.seed)


def _outcome(explanation: Explanation, evidence: Evidence, held_out: Sequence[Page], seed: int) -> Outcome:
    full, compact = explanation.full or explanation.rule, explanation.rule
    listed = size(compact)
    table, small = floor_rules(evidence.pages, max(1, min(MOST_LISTED, listed)))
    measured = [page.values.astype(float) for page in held_out]
    told = {name: _run(rule, held_out) for name, rule in (("full", full), ("compact", compact))}
    floors = {name: _run(rule, held_out) for name, rule in (("full", table), ("compact", small))}
    gain = difference(told["full"], floors["full"], measured, metric="above the floor", split=SPLIT, seed=seed)
    named = {"floor": floors["full"], "floor_name": "token table", "split": SPLIT, "seed": seed}
    ranked = detection(told["full"], measured, **named)
    forms = {name: _form(name, told[name], floors[name], measured, seed) for name in told}
    whole, short = forms["full"].correlation, forms["compact"].correlation
    small_enough = listed <= MOST_LISTED and len(compact.clauses) <= MOST_CLAUSES
    alone = whole is not None and forms["full"].floor is None  # the floor is constant
    above = alone or (gain.low is not None and gain.low > 0)
    return Outcome(
        name=evidence.target.name,
        layer=evidence.target.layer,
        index=evidence.target.index,
        verdict=explanation.verdict.value,
        full=replace(forms["full"], beats_floor=above),
        compact=replace(forms["compact"], beats_floor=forms["compact"].beats_floor and small_enough),
        difference=gain.value,
        difference_low=gain.low,
        difference_high=gain.high,
        share_of_full=(short or 0.0) / whole if whole else None,
        auc=ranked.value,
        auc_floor=ranked.floor,
        n=sum(len(page.tokens) for page in held_out),
        pages=len(held_out),
        clauses=len(compact.clauses),
        listed=listed,
        full_listed=size(full),
        asked=0,
        seconds=0.0,
        explanation=explanation.text,
        rule=lines(compact),
        overturned=None,
        reason="" if whole is not None else _unscored(measured),
    )


def _form(name: str, told: list[Array], floor: list[Array], measured: list[Array], seed: int) -> Form:
    found: Score = simulation(
        told, measured, floor=floor, floor_name="token table", metric=name, split=SPLIT, seed=seed
    )
    base = correlation(floor, measured)
    base = None if base is None else round(base, 6)  # as the score is
    return Form(found.value, found.low, found.high, base, found.value is not None and found.value > (base or 0.0))


def _unscored(measured: Sequence[Array]) -> str:
    constant = correlation(measured, measured) is None
    return "the activation is constant on the held-out text" if constant else "the prediction is constant"


def _run(rule: Rule, pages: Sequence[Page]) -> list[Array]:
    return [np.array(predict(rule, page.tokens), float) for page in pages]
