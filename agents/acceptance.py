"""Clauses that somebody proposes, beside the rule that was measured: accepted only on evidence.

Knows pages of text with the unit's values and a rule over them; refuses to know who proposes. What is computed, for one
proposed clause after the other:
  1. what the rule leaves of the values, at every token
  2. the levels of this clause and of those accepted before it, and a shift of the base, by least squares on the fitting
     pages (three of four); without the shift, any clause would do something for a base that is off
  3. the squared error on the checking pages, which has to fall by more than chance would let it: by (4 + 2 ln m) times
     the variance that is left, with m the number of proposals (the correction for the number tried), and by WORTH of
     all variance
An accepted clause joins the full rule with that level, and the compact one where there is room for it and its error
falls as well. The built-in rule's levels have seen the checking pages, so a comparison is never in a proposal's favour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.proposed import refusal
from agents.statistical.compact import CLAUSES, VALUES
from agents.statistical.reading import CHECKING
from memory.records import Clause, Explanation, Predicate, Rule
from tools.pages import Page
from tools.rules import holds, predict_text, said, size, strings, text_of, where

CHANCE = 4.0
WORTH = 1e-3  # of the checked variance

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Proposal:
    """Where a clause would hold, its words, and who wrote it."""

    when: Predicate
    prose: str
    author: str

    def clause(self, level: float) -> Clause:
        """The clause, its prose saying who proposed it."""
        told = (self.prose or said(self.when)).rstrip(". ")
        return where(self.when, level, f"{told} (proposed by {self.author}, accepted on evidence)")


@dataclass(frozen=True)
class Ground:
    """Pages as one row of tokens: measured values, and which tokens fit and which check."""

    pages: tuple[Page, ...]
    measured: Numbers
    fitting: NDArray[np.bool_]
    checking: NDArray[np.bool_]

    def left(self, rule: Rule) -> Numbers:
        """What a rule leaves of the values."""
        return self.measured - np.concatenate([predict_text(rule, text_of(page.tokens)) for page in self.pages])

    def held(self, predicate: Predicate) -> NDArray[np.bool_]:
        """Where a predicate holds."""
        return np.concatenate([holds(predicate, text_of(page.tokens)) for page in self.pages])

    def bar(self, left: Numbers, tried: int) -> float:
        """By how much the squared error on the checking pages has to fall."""
        checked, all_of_it = left[self.checking], self.measured[self.checking]
        chance = (CHANCE + 2 * np.log(max(1, tried))) * float(checked.var())
        return max(chance, WORTH * len(checked) * float(all_of_it.var()))


@dataclass(frozen=True)
class Trial:
    """Proposals accepted so far, where they hold, and what they leave.

    levels: the shift of the base, then one of each proposal. error: the squared error on the checking pages.
    """

    accepted: tuple[Proposal, ...]
    masks: tuple[NDArray[np.bool_], ...]
    levels: tuple[float, ...]
    error: float

    def onto(self, rule: Rule) -> Rule:
        """A rule with the accepted clauses."""
        if not self.accepted:
            return rule
        shift, *levels = self.levels
        found = (proposal.clause(level) for proposal, level in zip(self.accepted, levels, strict=True))
        return Rule(round(rule.base + shift, 6), (*rule.clauses, *found))


def accept(
    measured: Explanation, proposals: Sequence[Proposal], pages: Sequence[Page]
) -> tuple[Explanation, tuple[str, ...]]:
    """The measured explanation with the clauses that proved themselves, and why each other one was refused."""
    distinct = list({proposal.when: proposal for proposal in reversed(proposals)}.values())[::-1]
    if not distinct or not any(len(page.tokens) for page in pages):
        return measured, ()
    ground, full = ground_of(pages), measured.full or measured.rule
    trial, refusals = _tried(ground, full, distinct, room=None)
    if not trial.accepted:
        return measured, refusals
    short, _ = _tried(ground, measured.rule, trial.accepted, room=(CLAUSES, VALUES))
    return replace(measured, rule=short.onto(measured.rule), full=trial.onto(full)), refusals


def ground_of(pages: Sequence[Page]) -> Ground:
    """Pages in a row; one in four checks, and a single page fits and checks."""
    checks = np.repeat([n % CHECKING == 0 for n in range(len(pages))], [len(page.tokens) for page in pages])
    fits = ~checks if not checks.all() else checks
    return Ground(tuple(pages), np.concatenate([page.values for page in pages]).astype(float), fits, checks)


def _tried(
    ground: Ground, rule: Rule, proposals: Sequence[Proposal], *, room: tuple[int, int] | None
) -> tuple[Trial, tuple[str, ...]]:
    """The proposals that lower the error, with their levels. room: clauses and strings that the rule may have."""
    left = ground.left(rule)
    bar, trial, refusals = ground.bar(left, len(proposals)), _fitted(ground, left, (), ()), list[str]()
    for proposal in proposals:
        accepted = (*trial.accepted, proposal)
        listed = size(rule) + sum(strings(each.when) for each in accepted)
        if room is not None and (len(rule.clauses) + len(accepted) > room[0] or listed > room[1]):
            continue
        mask = ground.held(proposal.when)
        if not mask[ground.fitting].any() or not mask[ground.checking].any() or mask.all():
            told = "it holds at no token, or at every token, of the pages"
        else:
            better = _fitted(ground, left, accepted, (*trial.masks, mask))
            if trial.error - better.error > bar:
                trial = better
                continue
            told = f"the squared error on the checking pages goes from {trial.error:.4g} to {better.error:.4g}"
            told = f"{told}; it has to fall by {bar:.3g}"
        refusals.append(refusal(f"‘{said(proposal.when)[:80]}’", told))
    return trial, tuple(refusals)


def _fitted(
    ground: Ground, left: Numbers, accepted: tuple[Proposal, ...], masks: tuple[NDArray[np.bool_], ...]
) -> Trial:
    """Proposals with their levels, all fitted together."""
    held = np.stack([np.ones(len(left)), *masks], axis=1).astype(float)
    levels, *_ = np.linalg.lstsq(held[ground.fitting], left[ground.fitting], rcond=None)
    error = float(np.square((left - held @ levels)[ground.checking]).sum())
    return Trial(accepted, masks, tuple(round(float(level), 5) for level in levels), error)
