"""Competing claims from what was measured, each with texts that could refute it.

A claim is a condition grown on the pages (agents/statistical/growth.py): it predicts that texts in which it holds fire
and that the same texts with one change, after which it no longer holds, stay silent. Rivals are the other conditions
that explain the same activations nearly as well; changes on which the rivals disagree are taken first, because only
they can tell the rivals apart. The two sides of a pair carry one source, so that certificates can find them.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.mind import Evidence
from agents.statistical.certificates import certified
from agents.statistical.compact import compact_rule
from agents.statistical.conditions import told
from agents.statistical.growth import grow, held, predicate
from agents.statistical.induction import CHANCE, SMALLEST_GAIN
from agents.statistical.reading import Reading
from agents.statistical.readings import reading_of
from agents.statistical.sorts import cause
from agents.statistical.variants import Stretch, Tokens, changed, moved, stretches
from memory.records import BUILT_IN, Fate, Hypothesis, Origin, Predicate, Prompt, Rule, plain
from tools.pages import Page
from tools.rules import Text, holds, text_of, where

PAIRS = 5  # minimal pairs a claim starts with
MOST_RIVALS = 6  # that a change is put to
TERMS, RIVALS = 3, 3  # terms that are asked about, and conditions for each
SEEDS, CHANGES, PATIENCE = 10, 10, 8  # stretches that fire, changes tried on each, and seeds in a row without a pair
NEAR = 60  # tokens of a stretch, where they are enough
LONGEST = 4  # of a list that a claim names
GROWN, SHOWN = "c", "s"  # claims grown on the pages, and clauses of the compact rule that want a certificate
MOST_SHOWN, TELLING = 8, 0.1  # such claims, and the share of the largest level that is worth one
VAIN = 8  # claims refuted one after the other: further ones would be asked of the same conditions
NEARLY = 0.6  # of the best condition's gain: what explains less is no rival


@dataclass(frozen=True)
class Claim:
    """A condition that may be what drives the unit, by how much it does, and rivals of the condition."""

    condition: Predicate
    level: float
    rivals: tuple[Predicate, ...]
    kind: str = GROWN

    @property
    def id(self) -> str:
        """The same for the same condition."""
        written = json.dumps(plain(self.condition), sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(written.encode()).hexdigest()[:8]}"


def claims(evidence: Evidence, wanted: int, rng: random.Random) -> list[Hypothesis]:
    """Up to `wanted` claims not made before, the strongest first; none without text, nor after VAIN in a row."""
    if not evidence.pages or not _fires(evidence):
        return []
    own = [hypothesis for hypothesis in evidence.hypotheses if hypothesis.author == BUILT_IN]
    vain = len(own) >= VAIN and all(hypothesis.fate is Fate.REFUTED for hypothesis in own[-VAIN:])
    made = [] if vain else _made(_candidates(evidence), evidence, wanted, rng)
    if not made and sum(hypothesis.id.startswith(SHOWN) for hypothesis in own) < MOST_SHOWN:
        made = _made(_untested(evidence), evidence, wanted, rng)
    return made


def _made(candidates: Iterable[Claim], evidence: Evidence, wanted: int, rng: random.Random) -> list[Hypothesis]:
    known = {_condition(hypothesis.id) for hypothesis in evidence.hypotheses}
    made: list[Hypothesis] = []
    for claim in candidates:
        if _condition(claim.id) not in known and len(made) < wanted:
            known.add(_condition(claim.id))
            pairs = [pair for pair, _ in zip(_pairs(claim, evidence, rng), range(PAIRS), strict=False)]
            if pairs:
                fires = claim.level >= evidence.distribution.firing - evidence.distribution.mean
                made.append(_hypothesis(claim, pairs, "fires" if fires else f"rises by {claim.level:.2g}"))
    return made


def _condition(identity: str) -> str:
    """What of a claim's id is its condition's, whether it was grown or shown."""
    return identity.partition("-")[2]


def tests(evidence: Evidence, wanted: int, rng: random.Random) -> list[Prompt]:
    """Fresh minimal pairs for the claims whose fate is still open, in turn. All claims are one another's rivals."""
    own = [claim for claim in evidence.hypotheses if claim.author == BUILT_IN and claim.rule and claim.rule.clauses]
    conditions = {claim.id: claim.rule.clauses[0].when for claim in own if claim.rule}
    makers: dict[str, Iterator[tuple[str, str]]] = {}
    for claim in own:
        condition = conditions[claim.id]
        if condition is not None and claim.fate.open:
            rivals = tuple(other for other in conditions.values() if other not in (None, condition))
            makers[claim.id] = _pairs(Claim(condition, 1.0, rivals[-MOST_RIVALS:]), evidence, rng)
    made: list[Prompt] = []
    while makers and len(made) < wanted:
        for identity, pairs in list(makers.items()):
            drawn = next(pairs, None)
            if drawn is None:
                del makers[identity]
                continue
            source = f"pair {identity} {rng.randrange(10**9)}"
            sides = zip(drawn, (True, False), strict=True)
            made += [
                Prompt(text, Origin.PAIR, hypothesis=identity, predicted=fires, source=source) for text, fires in sides
            ]
    return made[: wanted - wanted % 2]


def _hypothesis(claim: Claim, pairs: Sequence[tuple[str, str]], verb: str) -> Hypothesis:
    fires, silent = zip(*pairs, strict=True)
    statement = f"It {verb} {told(claim.condition) or 'everywhere'}."
    rule = Rule(0.0, (where(claim.condition, round(claim.level, 4)),))
    return Hypothesis(claim.id, statement, tuple(fires), tuple(silent), rule=rule, author=BUILT_IN)


def _fires(evidence: Evidence) -> bool:
    """Whether anything measured so far fires."""
    return any(record.values and max(record.values) >= evidence.distribution.firing for record in evidence.top)


def _candidates(evidence: Evidence) -> list[Claim]:
    """The conditions of the strongest terms and their rivals."""
    return list(_rivals(reading_of(evidence.pages, evidence.asked)))


def _untested(evidence: Evidence) -> list[Claim]:
    """What the compact rule says and no minimal pair has tested yet."""
    rule = compact_rule(reading_of(evidence.pages, evidence.asked))
    tested = {certificate.clause for certificate in certified(rule, evidence.asked)}
    clauses = [clause for number, clause in enumerate(rule.clauses) if number not in tested]
    causes = [(cause(clause, 1), max(clause.levels.values())) for clause in clauses]
    least = TELLING * max((level for _, level in causes), default=0.0)
    return [Claim(condition, level, (), SHOWN) for condition, level in causes if condition and level > least]


@lru_cache(maxsize=2)
def _rivals(reading: Reading) -> tuple[Claim, ...]:
    residual = reading.measured - float(np.median(reading.measured[reading.fitting]))
    smallest = SMALLEST_GAIN * float(np.square(reading.measured - reading.measured.mean()).sum())
    found: list[Claim] = []
    for _ in range(TERMS):
        price = max(CHANCE * float(residual[reading.fitting].var()), smallest / 4)
        grown = list(grow(reading, residual, price=price, longest=LONGEST, proven=False))
        if not grown or grown[0].gain <= smallest:
            break
        plain = [each for each in grown if not each.listing]
        best = max((each.gain for each in plain), default=0.0)
        near = [each for each in grown if each.listing and each.gain > best][:1]  # a list, where that tells more
        near += [each for each in plain if each.gain > NEARLY * best][:RIVALS]
        asked = [each for each in (predicate(reading, condition.atoms) for condition in near) if each is not None]
        asked = list(dict.fromkeys(asked))
        level = float(residual[grown[0].tokens].mean())
        if level > 0:
            found += [Claim(one, level, tuple(other for other in asked if other != one)) for one in asked]
        everywhere = held(reading, grown[0].atoms)
        residual = residual - level * everywhere
    return tuple(dict.fromkeys(found))


def _pairs(claim: Claim, evidence: Evidence, rng: random.Random) -> Iterator[tuple[str, str]]:
    """(fires, silent), for as long as there are texts: the changes that most rivals dispute first."""
    pages = evidence.pages
    seeds = stretches(pages, [_true(claim.condition, page) for page in pages], rng, SEEDS * 6)
    strongest = sorted(seeds, key=lambda stretch: -stretch.value)[: len(seeds) // 2 + 1]
    given: set[str] = set()
    barren = 0
    for seed in [*rng.sample(strongest, min(SEEDS, len(strongest))), *rng.sample(seeds, min(SEEDS, len(seeds)))] * 3:
        if barren > PATIENCE:
            return
        barren += 1
        fires = _shown(claim, seed, pages, rng)
        if fires is None:
            continue
        options = [
            (_disputed(claim, tokens), tokens)
            for tokens in changed(fires, pages, rng, number=CHANGES)
            if not _holds(claim.condition, tokens) and "".join(tokens).strip()
        ]
        if not options:
            continue
        silent = max(options, key=lambda option: option[0])[1]
        pair = ("".join(fires), "".join(silent))
        if not given & set(pair):
            given |= set(pair)
            barren = 0
            yield pair


def _shown(claim: Claim, seed: Stretch, pages: Sequence[Page], rng: random.Random) -> Tokens | None:
    """A text in which the condition holds: the stretch, as short as that allows, or a change that rivals dispute."""
    near = seed.tokens[-NEAR:]
    base = near if _holds(claim.condition, near) else seed.tokens
    options = [base, *changed(base, pages, rng, number=CHANGES), moved(base, pages, rng, keep=rng.randint(1, 8))]
    kept = [tokens for tokens in options if _holds(claim.condition, tokens)]
    return max(kept, key=lambda tokens: (_disputed(claim, tokens), rng.random()), default=None)


def _disputed(claim: Claim, tokens: Tokens) -> int:
    """How many rivals say the other thing."""
    own = _holds(claim.condition, tokens)
    return sum(_holds(rival, tokens) != own for rival in claim.rivals)


def _holds(condition: Predicate, tokens: Tokens) -> bool:
    return bool(tokens) and bool(holds(condition, Text(tokens))[-1])  # not kept: there are thousands


def _true(condition: Predicate, page: Page) -> NDArray[np.bool_]:
    return holds(condition, text_of(page.tokens))
