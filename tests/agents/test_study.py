"""A study asks in an inquiry's order, never twice for the same text, and shows the mind what it has measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from agents.mind import Evidence
from agents.study import KEPT, study
from memory.records import Candidate, Explanation, Fate, Hypothesis, Origin, Prompt, Record, Rule, Verdict
from tests.agents.scene import SteadyMind, evidence


@dataclass
class World:
    """Fires at every word that holds a z; keeps what it was asked."""

    asked: list[Prompt] = field(default_factory=list)

    def __call__(self, prompts: Sequence[Prompt]) -> list[Record]:
        first = 100 + len(self.asked)
        self.asked += prompts
        return [_record(first + n, prompt) for n, prompt in enumerate(prompts)]


class Curious(SteadyMind):
    """Claims as many things in turn as it is told to, and keeps the evidence it was shown."""

    def __init__(self, *claims: Hypothesis, proposals: int = 3, repeats: bool = False) -> None:
        self.claims, self.proposals, self.repeats = list(claims), proposals, repeats
        self.shown: list[Evidence] = []
        self.refused: list[Sequence[Candidate]] = []

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        del wanted, seed
        self.shown.append(evidence)
        return [self.claims.pop(0)] if self.claims else []

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]:
        self.shown.append(evidence)
        self.refused.append(rejected)
        number = 0 if self.repeats else seed
        return [Prompt(f"text {number} of {n}", Origin.HYPOTHESIS) for n in range(min(wanted, self.proposals))]

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        del seed
        self.shown.append(evidence)
        return Explanation(Verdict.UNEXPLAINED, "nothing", Rule(0.0))


RIGHT = Hypothesis("z", "fires at z", ("az", "bz", "cz"), ("ax", "bx", "cx"))
OPEN = Hypothesis("o", "fires at o", ("zo",), ())


def _record(id: int, prompt: Prompt) -> Record:
    tokens = tuple(prompt.text.split()) or ("",)
    values = tuple(float(token.count("z")) for token in tokens)
    peak = max(values)
    return Record(id, 1, prompt, tokens, tuple(range(len(tokens))), values, peak, values.index(peak))


@pytest.fixture
def known() -> Evidence:
    before = evidence()
    firing = replace(before.distribution, firing=1.0, highest=5.0)
    return replace(before, distribution=firing, top=(), bottom=(), hypotheses=(), variants=(), triggers=())


def test_a_claims_own_texts_are_asked_first_with_what_it_predicts(known: Evidence) -> None:
    world = World()
    study(Curious(RIGHT), known, world, rounds=1)
    assert [(p.text, p.predicted) for p in world.asked[:6]] == [
        *((text, True) for text in RIGHT.triggers),
        *((text, False) for text in RIGHT.non_triggers),
    ]
    assert {p.origin for p in world.asked[:6]} == {Origin.PAIR}
    assert {p.hypothesis for p in world.asked[:6]} == {"z"}


def test_a_claim_that_its_texts_decide_is_decided_and_the_next_is_asked_for(known: Evidence) -> None:
    world = World()
    wrong = Hypothesis("x", "fires at x", ("dx", "ex", "fx"), ("dy", "ey", "fy"))
    found = study(Curious(RIGHT, wrong), known, world)
    assert {claim.id: claim.fate for claim in found.hypotheses} == {"z": Fate.SUPPORTED, "x": Fate.REFUTED}
    assert len(world.asked) == 12


def test_an_open_claim_brings_a_round_of_proposals_and_never_more_than_wanted(known: Evidence) -> None:
    world = World()
    study(Curious(OPEN, proposals=50), known, world, rounds=2, prompts_a_round=7)
    assert len(world.asked) == len(OPEN.triggers) + 2 * 7


def test_no_text_is_asked_twice_and_the_mind_is_told_what_was_refused(known: Evidence) -> None:
    world, mind = World(), Curious(OPEN, repeats=True)
    study(mind, known, world, rounds=3)
    texts = [prompt.text for prompt in world.asked]
    assert len(set(texts)) == len(texts)
    assert {candidate.reason for refused in mind.refused for candidate in refused} == {"duplicate"}


def test_proposals_that_bring_nothing_give_way_to_random_text(known: Evidence) -> None:
    world = World()
    study(Curious(OPEN, proposals=0), known, world, rounds=2, prompts_a_round=4)
    assert {prompt.origin for prompt in world.asked[1:]} == {Origin.RANDOM}


def test_without_rounds_nothing_is_asked_but_for_the_explanation(known: Evidence) -> None:
    world, mind = World(), Curious(RIGHT)
    found = study(mind, known, world, rounds=0)
    assert (world.asked, found.records, found.hypotheses) == ([], (), ())
    assert found.explanation.text == "nothing"
    assert len(mind.shown) == 1


def test_the_mind_is_shown_the_strongest_and_weakest_that_were_measured(known: Evidence) -> None:
    mind = Curious(*(replace(OPEN, id=f"o{n}", triggers=("z" * n, f"still {n}")) for n in range(1, 25)))
    start = replace(known, top=(_record(1, Prompt("zzzzz", Origin.CORPUS)),))
    found = study(mind, start, World(), rounds=12, prompts_a_round=4)
    last = mind.shown[-1]
    peaks = [record.peak for record in last.top if record.peak is not None]
    assert len(last.top) == len(last.bottom) == KEPT
    assert peaks == sorted(peaks, reverse=True)
    assert start.top[0] in last.top
    assert last.bottom[0].peak == 0.0
    assert last.hypotheses == found.hypotheses


def test_texts_made_from_other_texts_are_not_shown_among_the_strongest(known: Evidence) -> None:
    made = _record(7, Prompt("zzzzzzz", Origin.OPTIMISER, parent=1))
    mind = Curious()
    study(mind, replace(known, top=(made,)), World(), rounds=1)
    assert mind.shown[-1].top == ()


def test_the_same_seed_asks_the_same(known: Evidence) -> None:
    worlds = [World(), World(), World()]
    for world, seed in zip(worlds, (4, 4, 5), strict=True):
        study(Curious(OPEN), known, world, rounds=2, seed=seed)
    assert worlds[0].asked == worlds[1].asked != worlds[2].asked
