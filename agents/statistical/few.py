"""From a handful of sentences to a rule, without a language model and without asking the unit again.

The large-sample learner (induction) wants every value several times and pages that only check. Here there are five to
a dozen sentences, so nothing is fitted that a prior can say.
  1 the sentences become questions with prices (few_questions), the learned ones asked without a token's own sentence
  2 conditions share a prediction by their posterior (few_conditions); they say half of what is predicted
  3 two cards, of words and of the last three words, say a quarter each: steps of likeness in meaning to what fires,
    with levels that are fitted by least squares, none below zero, under a ridge
The shares are fixed: weights fitted to predictions of left-out sentences (stacking) did worse at this size. Silence,
the median, is the base. Everything is deterministic. Refuses to know names and explanations.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from agents.statistical import few_conditions
from agents.statistical.few_conditions import Stage
from agents.statistical.few_ground import PERCENTS, Ground, Meanings
from agents.statistical.few_questions import NEVER, Question, questions
from memory.records import Clause, Predicate, Rule
from tools import rules
from tools.pages import Page

CONDITIONS, CARD = 0.5, 0.25  # shares of the prediction
RIDGE = 1.0  # tokens of silence that speak against every step of a card
LEAST = 0.005  # of the greatest value: a clause that says less is left out


def few_rule(pages: Sequence[Page]) -> Rule:
    """The rule for a handful of sentences, in the unit of their values.

    Values below the median count as silence, so a unit that speaks downwards is to be turned round first. A constant
    where there are fewer than two sentences, or none fires.
    """
    if not any(page.tokens for page in pages):
        return Rule(0.0)
    ground = Ground(pages)
    if len(pages) < 2 or not ground.firing.any():
        return Rule(ground.silence)
    words, phrases = Meanings(ground, "word"), Meanings(ground, "phrase")
    asked = questions(ground, words, phrases)
    held, prices = np.stack([each.held for each in asked]), np.array([each.price for each in asked])
    stages = few_conditions.learned(held, prices, ground.values)
    found = [*_conditions(stages, asked), *_card(ground, words), *_card(ground, phrases)]
    clauses = [
        rules.where(when, round(level * ground.scale, 5)) for when, level in found if level > LEAST and _can_hold(when)
    ]
    return rules.check(Rule(ground.silence, tuple(sorted(clauses, key=lambda clause: -_level(clause)))))


def _level(clause: Clause) -> float:
    return sum(clause.levels.values())


def _conditions(stages: Sequence[Stage], asked: Sequence[Question]) -> list[tuple[Predicate, float]]:
    """Each condition with what it adds; those of later stages only where the best of earlier ones does not hold."""
    found: list[tuple[Predicate, float]] = []
    before: list[Predicate] = []
    for stage in stages:
        for condition in stage.conditions:
            when = _together([*_predicates(condition.questions, asked), *before])
            found.append((when, CONDITIONS * condition.share * condition.rate))
        before.append(Predicate("not", parts=(_together(_predicates(stage.best, asked)),)))
    return found


def _predicates(names: Sequence[int], asked: Sequence[Question]) -> list[Predicate]:
    denied = [Predicate("not", parts=(asked[~name].predicate,)) for name in names if name < 0]
    return [*(asked[name].predicate for name in names if name >= 0), *denied]


def _together(parts: Sequence[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else Predicate("all", parts=tuple(parts))


def _can_hold(when: Predicate) -> bool:
    """Whether none of the parts that have to hold is a list without values."""
    return all(part != NEVER for part in rules.conjuncts(when))


def _card(ground: Ground, meanings: Meanings) -> list[tuple[Predicate, float]]:
    """Likeness to what fires, in steps that add up."""
    steps = [(kind, percent) for kind, percents in PERCENTS.items() for percent in percents]
    reached = np.stack([meanings.held(kind, percent) for kind, percent in steps], axis=1).astype(float)
    ridge = np.sqrt(RIDGE) * np.eye(len(steps))
    levels, _ = nnls(np.concatenate([reached, ridge]), np.concatenate([ground.values, np.zeros(len(steps))]))
    return [(meanings.predicate(*step), CARD * float(level)) for step, level in zip(steps, levels, strict=True)]
