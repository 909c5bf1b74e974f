"""A whole study of one target by one mind, in the graph's order, without the graph: no store, no model, no screens.

A round: competing claims when none is open, their triggers and non-triggers measured; then prompts for the open claims,
measured. After each measurement the open claims are weighed and the evidence is made anew from all records. It ends
when no claim is open and none is new, or after the rounds; then the mind explains. A prompt is never measured twice.
Knows what a mind is asked and in what order. Refuses to know where values come from: `ask` measures prompts.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from agents.mind import Evidence, Mind
from agents.statistical.prompts import random_prompts
from agents.weighing import predictions, weighed
from memory.records import DERIVED, Candidate, Explanation, Hypothesis, Origin, Prompt, Record

ROUNDS, PROMPTS_A_ROUND = 12, 40  # as an inquiry's own means
KEPT = 20  # records of each end that evidence shows
CLAIMS, ATTEMPTS = 4, 5  # claims asked for at a time; tries at prompts that were not measured before
STAGNATION, LEAST_RISE = 3, 0.001  # measurements that brought nothing, before prompts are drawn at random

Ask = Callable[[Sequence[Prompt]], Sequence[Record]]


@dataclass(frozen=True)
class Study:
    """What a study came to: the explanation, every claim with its fate, and the records measured for it, in order."""

    explanation: Explanation
    hypotheses: tuple[Hypothesis, ...]
    records: tuple[Record, ...]


def study(
    mind: Mind,
    evidence: Evidence,
    ask: Ask,
    *,
    rounds: int = ROUNDS,
    prompts_a_round: int = PROMPTS_A_ROUND,
    seed: int = 0,
) -> Study:
    """Study the target of `evidence`, whose `top` and `bottom` are what is known at the start.

    ask: measures prompts, one record each, with ids that no other record has. Nothing is asked when rounds is 0.
    """
    desk = _Desk(mind, evidence, ask, seed)
    for _ in range(rounds):
        if not desk.open_claims() and not desk.claim():
            break
        if desk.open_claims():
            desk.probe(prompts_a_round)
    explanation = mind.explain(desk.evidence, desk.next_seed())
    return Study(explanation, desk.evidence.hypotheses, tuple(desk.records))


class _Desk:
    """Where a study stands: what was measured and what is claimed."""

    def __init__(self, mind: Mind, evidence: Evidence, ask: Ask, seed: int) -> None:
        self.evidence = evidence
        self.records: list[Record] = []
        self._mind, self._ask, self._seed, self._step = mind, ask, seed, 0
        self._known = {record.id: record for record in (*evidence.top, *evidence.bottom, *evidence.asked)}
        self._texts = {record.prompt.key for record in self._known.values()}
        self._claims = {claim.id: claim for claim in evidence.hypotheses}
        self._since_progress = 0
        self._show()

    def next_seed(self) -> int:
        self._step += 1
        return self._seed * 100_003 + self._step * 17

    def open_claims(self) -> list[Hypothesis]:
        return [claim for claim in self._claims.values() if claim.fate.open]

    def claim(self) -> bool:
        """Ask for claims and measure their own texts; whether there was a new one."""
        found = self._mind.hypothesise(self.evidence, CLAIMS, self.next_seed())
        fresh = [claim for claim in found if claim.id not in self._claims]
        self._claims |= {claim.id: claim for claim in fresh}
        self._measure(self._judged([prompt for claim in fresh for prompt in predictions(claim)]))
        return bool(fresh)

    def probe(self, wanted: int) -> None:
        """Measure prompts that the mind proposes, or random ones when it has brought nothing for a while."""
        stuck = self._since_progress >= STAGNATION
        judged = [] if stuck else self._proposed(wanted)
        if not _accepted(judged):
            drawn = random_prompts(self.evidence.pages, wanted, random.Random(self.next_seed()))
            judged = self._judged(drawn)
            self._since_progress = 0 if stuck else self._since_progress
        self._measure(judged)

    def _proposed(self, wanted: int) -> list[Candidate]:
        judged: list[Candidate] = []
        refused: list[Candidate] = []
        for _ in range(ATTEMPTS):
            missing = wanted - len(_accepted(judged))
            if missing <= wanted // 2:
                break
            proposed = self._mind.propose(self.evidence, missing, refused, self.next_seed())
            fresh = self._judged(proposed)
            judged, refused = judged + fresh, [each for each in fresh if each.reason]
            if not proposed:
                break
        return judged

    def _judged(self, prompts: Sequence[Prompt]) -> list[Candidate]:
        judged = []
        for prompt in prompts:
            reason = "empty" if not prompt.text.strip() else "duplicate" if prompt.key in self._texts else None
            judged.append(Candidate(self._step, prompt, reason))
            self._texts.add(prompt.key)
        return judged

    def _measure(self, judged: Sequence[Candidate]) -> None:
        best = _best(self._known.values())
        found = list(self._ask(_accepted(judged))) if _accepted(judged) else []
        self.records += found
        self._known |= {record.id: record for record in found}
        decided = self._weigh()
        risen = _best(self._known.values()) - best > LEAST_RISE
        self._since_progress = 0 if decided or risen else self._since_progress + 1
        self._show()

    def _weigh(self) -> bool:
        """Weigh the open claims; whether one was decided."""
        firing = self.evidence.distribution.firing
        now = [weighed(claim, self.records, firing=firing) for claim in self.open_claims()]
        self._claims |= {claim.id: claim for claim in now}
        return any(not claim.fate.open for claim in now)

    def _show(self) -> None:
        """Make the evidence anew. Texts made from other texts are not among the strongest."""
        natural = [r for r in self._known.values() if r.prompt.origin not in DERIVED and r.peak is not None]
        ranked = sorted(natural, key=lambda record: (-(record.peak or 0.0), record.id))
        self.evidence = replace(
            self.evidence,
            top=tuple(ranked[:KEPT]),
            bottom=tuple(sorted(natural, key=lambda record: (record.peak or 0.0, record.id))[:KEPT]),
            hypotheses=tuple(self._claims.values()),
            asked=tuple(record for record in natural if record.prompt.origin is not Origin.CORPUS),
        )


def _accepted(judged: Sequence[Candidate]) -> list[Prompt]:
    return [each.prompt for each in judged if each.reason is None]


def _best(records: Iterable[Record]) -> float:
    return max((record.peak for record in records if record.peak is not None), default=0.0)
