"""Random neurons are explained and scored beside floors of equal size; abstaining never pays."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest

from agents.mind import Evidence
from agents.statistical.mind import Statistical
from evals.neurons.__main__ import table
from evals.neurons.figures import figures
from evals.neurons.trial import Budget, Outcome, attempt
from evals.neurons.worker import drawn
from evals.planted.ground import TOKENS
from memory.records import Clause, Explanation, Hypothesis, Rule, Target, Verdict
from tests.tiny_models import DEAD, MERGED, PAIR, WORDS, write_gpt2
from tools import pages as module
from tools import pocket
from tools.loading import load
from tools.pages import Pages
from tools.subject import Subject
from tools.survey import Survey, survey_tokens, take

QUICK = Budget(rounds=1, prompts_a_round=4, seed=0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return load("tiny", write_gpt2(tmp_path_factory.mktemp("gelu")))


@pytest.fixture(scope="module")
def survey(tiny: Subject, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    folder, draw = tmp_path_factory.mktemp("text"), np.random.default_rng(6)
    for number in range(160):
        (folder / f"{number}.txt").write_text(" ".join(draw.choice(WORDS, draw.integers(20, 60))))
    return take(tiny, str(folder), tmp_path_factory.mktemp("home"), tokens=9000)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random pages are a small part of the rows, as on a real corpus."""
    monkeypatch.setattr(module, "MOST_TOKENS", 2400)
    monkeypatch.setattr(module, "FEWEST_TOKENS", 2400)


class Says(Statistical):
    """A mind that gives one explanation after another, and claims nothing."""

    def __init__(self, *explanations: Explanation) -> None:
        self.explanations = list(explanations)

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        del evidence, wanted, seed
        return []

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        del evidence, seed
        return self.explanations.pop(0) if len(self.explanations) > 1 else self.explanations[0]


def said(rule: Rule, verdict: Verdict = Verdict.N_GRAM, full: Rule | None = None) -> Explanation:
    return Explanation(verdict, "It is so.", rule, full=full)


def tried(subject: Subject, survey: Survey, target: Target, *explanations: Explanation) -> Outcome:
    return attempt(subject, Pages(subject, survey, target), target, Says(*explanations), QUICK)


NOTHING = said(Rule(0.0), Verdict.UNEXPLAINED)


def test_neurons_are_drawn_from_all_layers_without_repetition_by_a_seed(tiny: Subject) -> None:
    targets = drawn(tiny, 20, 3)
    assert targets == drawn(tiny, 20, 3) != drawn(tiny, 20, 4)
    assert len(set(targets)) == 20
    assert {target.layer for target in targets} == {0, 1}
    assert len(drawn(tiny, 10**6, 0)) == tiny.layers * tiny.width


def test_the_floors_own_rule_does_not_beat_the_floor(tiny: Subject, survey: Survey) -> None:
    from agents.statistical.mind import floor_rules

    target = tiny.neuron(0, PAIR)
    whole, small = floor_rules(Pages(tiny, survey, target).evidence, 5)
    found = tried(tiny, survey, target, said(small, full=whole))
    assert found.full.correlation == found.full.floor
    assert not found.full.beats_floor
    assert not found.compact.beats_floor
    assert found.difference == pytest.approx(0.0)


def test_a_compact_form_that_lists_too_much_does_not_beat_its_floor(tiny: Subject, survey: Survey) -> None:
    from agents.statistical.mind import floor_rules

    target = tiny.neuron(0, MERGED)
    whole, small = floor_rules(Pages(tiny, survey, target).evidence, 3)
    padded = Rule(small.base, (*small.clauses, Clause("previous", {f"none {n}": 0.0 for n in range(60)})))
    found = tried(tiny, survey, target, said(padded, full=whole))
    assert found.listed > 40
    assert not found.compact.beats_floor
    assert figures([found])["oversized"] == 1


def test_the_built_in_mind_beats_the_token_table_where_context_decides(tiny: Subject, survey: Survey) -> None:
    target = tiny.neuron(0, PAIR)
    found = attempt(tiny, Pages(tiny, survey, target), target, Statistical(), replace(QUICK, rounds=2))
    assert found.full.correlation is not None
    assert found.full.low is not None
    assert found.full.low <= found.full.correlation
    assert found.full.beats_floor
    assert found.auc is not None
    assert found.n > 500
    assert found.asked > 0
    assert json.loads(json.dumps(asdict(found)))["name"] == f"L0N{PAIR}"


def test_an_abstention_never_beats_its_floor_and_a_wider_search_may_overturn_it(tiny: Subject, survey: Survey) -> None:
    target = tiny.neuron(0, MERGED)
    confirmed = tried(tiny, survey, target, NOTHING)
    assert (confirmed.full.beats_floor, confirmed.overturned) == (False, False)
    good = replace(confirmed, full=replace(confirmed.full, beats_floor=True), overturned=None)
    missed = replace(confirmed, overturned=True)
    told = figures([good, confirmed, missed])
    assert told["abstained"] == {"count": 2, "overturned": 1, "confirmed": 1}
    assert told["full"]["beats_floor"] == 0.5
    assert told["full"]["mean"] == 0.0


def test_a_neuron_that_is_constant_is_counted_apart(tiny: Subject, survey: Survey) -> None:
    found = tried(tiny, survey, tiny.neuron(0, DEAD), said(Rule(0.0), Verdict.DEAD))
    told = figures([found])
    assert found.reason.startswith("the activation")
    assert (told["constant"], told["scored"], told["full"]["beats_floor"]) == (1, 0, None)


def test_the_figures_have_the_keys_that_are_promised(tiny: Subject, survey: Survey) -> None:
    outcomes: Sequence[Outcome] = [tried(tiny, survey, tiny.neuron(layer, 3), NOTHING) for layer in (0, 1)]
    told = figures(outcomes)
    assert {"sample", "full", "compact", "ceiling", "abstained", "by_layer"} <= told.keys()
    assert {"beats_floor", "mean", "floor"} <= told["full"].keys()
    assert {"beats_floor", "mean", "floor", "share_of_full"} <= told["compact"].keys()
    assert list(told["by_layer"]) == ["0", "1"]
    assert len(table(told)) == 1 + 2 + 1 + 2


def test_planted_neurons_stand_in_the_text_a_survey_of_pocket_reads() -> None:
    assert survey_tokens(load(pocket.NAME, pocket.FOLDER)) == TOKENS
