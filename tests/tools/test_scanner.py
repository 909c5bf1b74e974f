"""The scanner's figures are those of the survey's sample, and its ranks are what they say."""

import numpy as np
import pytest
from scipy import stats

from tests.tiny_models import WORDS
from tools.scanner import RANKS, Scanned, scan
from tools.subject import Subject
from tools.survey import Survey, take


@pytest.fixture(scope="module")
def taken(tiny: Subject, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    folder = tmp_path_factory.mktemp("text")
    draw = np.random.default_rng(7)
    for number in range(30):
        (folder / f"{number}.txt").write_text(" ".join(draw.choice(WORDS, 60)) + ".\n")
    return take(tiny, str(folder), tmp_path_factory.mktemp("home"), tokens=1500)


def test_every_neuron_of_every_layer_has_the_figures_of_its_sample(tiny: Subject, taken: Survey) -> None:
    found = scan(taken, least_active=0.0)
    assert {(unit.hook, unit.index) for unit in found} == {(at, n) for at in range(2) for n in range(tiny.width)}
    for unit in found[:: max(1, len(found) // 20)]:
        sample = taken.sample(unit.hook, unit.index).astype(float)
        assert unit.mean == pytest.approx(sample.mean(), abs=1e-6)
        assert unit.median == pytest.approx(np.median(sample), abs=1e-6)
        assert unit.variance == pytest.approx(sample.var(), rel=1e-6, abs=1e-12)
        assert unit.active == pytest.approx((sample > 0).mean())
        assert unit.kurtosis == pytest.approx(stats.kurtosis(sample), rel=1e-6, abs=1e-6)
        top, bottom = (taken.extremes(unit.hook, unit.index, half="evidence", side=side) for side in ("top", "bottom"))
        assert unit.range == pytest.approx(top.values[0] - bottom.values[0], rel=1e-5)


@pytest.mark.parametrize("rank", sorted(RANKS))
def test_the_best_come_first_in_every_rank(taken: Survey, rank: str) -> None:
    scores = [unit.score for unit in scan(taken, rank=rank)]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all()


def test_the_ranks_are_the_formulas_they_name(taken: Survey) -> None:
    def scored(rank: str) -> dict[tuple[int, int], Scanned]:
        return {(unit.hook, unit.index): unit for unit in scan(taken, rank=rank, least_active=0.0)}

    for unit in scored("spread").values():
        assert unit.score == pytest.approx(unit.variance * np.log1p(unit.range))
    weighted = scored("weighted")
    variances, ranges = ([getattr(unit, name) for unit in weighted.values()] for name in ("variance", "range"))
    for unit in weighted.values():
        one = (unit.variance - min(variances)) / (max(variances) - min(variances))
        other = (unit.range - min(ranges)) / (max(ranges) - min(ranges))
        assert unit.score == pytest.approx(0.5 * one + 0.5 * other)


def test_layers_and_shares_say_who_takes_part(taken: Survey) -> None:
    assert {unit.hook for unit in scan(taken, hooks=[1])} == {1}
    both = scan(taken, least_active=0.3, least_silent=0.3)
    assert both
    assert all(0.3 <= unit.active <= 0.7 for unit in both)
    assert len(both) < len(scan(taken))
    assert scan(taken, silent=1e9) == []


def test_the_same_survey_gives_the_same_order(taken: Survey) -> None:
    assert scan(taken) == scan(taken)
