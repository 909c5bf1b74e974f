"""The figures are those of the textbooks; what cannot be computed is unscored, and never zero."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import pearsonr

from memory.records import Score
from tools.scoring import Array, correlation, detection, determination, simulation

SPLIT = "held-out text"


def texts(seed: int, *, number: int = 30, noise: float = 0.5, offset: float = 0.0) -> tuple[list[Array], list[Array]]:
    """Predicted and measured values of texts of different lengths, noisy copies of each other."""
    draw = np.random.default_rng(seed)
    told = [draw.normal(size=draw.integers(5, 60)) + offset for _ in range(number)]
    return told, [each + noise * draw.normal(size=len(each)) for each in told]


def simulated(told: list[Array], measured: list[Array], floor: list[Array] | None = None, *, seed: int = 0) -> Score:
    floor = floor if floor is not None else measured
    return simulation(told, measured, floor=floor, floor_name="floor", metric="m", split=SPLIT, seed=seed)


def detected(told: list[Array], measured: list[Array], floor: list[Array] | None = None) -> Score:
    floor = floor if floor is not None else measured
    return detection(told, measured, floor=floor, floor_name="floor", split=SPLIT)


def brute_auc(told: Array, positive: NDArray[np.bool_]) -> float:
    pairs = list(product(told[positive], told[~positive]))
    return sum(1.0 if hit > miss else 0.5 if hit == miss else 0.0 for hit, miss in pairs) / len(pairs)


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6])
def test_the_correlation_is_that_of_numpy_and_scipy(offset: float) -> None:
    told, measured = texts(1, offset=offset)
    flat = np.concatenate(told), np.concatenate(measured)
    found = correlation(told, measured)
    assert found == pytest.approx(np.corrcoef(*flat)[0, 1], abs=1e-7)
    assert found == pytest.approx(pearsonr(*flat)[0], abs=1e-7)


def test_a_correlation_can_be_exact_and_negative() -> None:
    told, _ = texts(2)
    assert correlation(told, [3 * each + 1 for each in told]) == pytest.approx(1.0)
    assert correlation(told, [-each for each in told]) == pytest.approx(-1.0)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e6 + 0.1])
def test_a_constant_prediction_or_activation_is_unscored_and_never_zero(constant: float) -> None:
    told, measured = texts(3)
    flat = [np.full(len(each), constant) for each in told]
    assert correlation(flat, measured) is None
    assert correlation(told, flat) is None
    for score in (simulated(flat, measured), simulated(told, flat), detected(flat, measured), detected(told, flat)):
        assert score.value is None
        assert "constant" in score.reason


def test_no_texts_and_empty_texts_are_unscored() -> None:
    empty: list[Array] = [np.empty(0)]
    for told in ([], empty, empty * 3):
        assert simulated(told, told).value is None
        assert detected(told, told).value is None
        assert simulated(told, told).reason
    told, measured = texts(4)
    assert simulated(told + empty, measured + empty) == simulated(told, measured)


@pytest.mark.parametrize(("firing", "known"), [(1, False), (2, False), (3, False), (6, True)])
def test_what_happens_in_a_few_texts_only_has_no_interval(firing: int, known: bool) -> None:
    draw = np.random.default_rng(6)
    told = [draw.normal(size=40) for _ in range(30)]
    measured = [np.zeros(40) for _ in range(30)]
    for n in range(firing):
        measured[n][:4] = told[n][:4] = draw.normal(size=4) + 5.0
    fitted = determination(told, measured, floor=measured, floor_name="floor", metric="m", split=SPLIT, fitted=True)
    for score in (simulated(told, measured), fitted, detected(told, measured)):
        assert score.value is not None
        assert (score.low is not None, score.high is not None) == (known, known)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_value_and_narrows_with_more_texts(seed: int) -> None:
    widths = []
    for number in (20, 200):
        score = simulated(*texts(seed, number=number))
        assert score.value is not None
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.value <= score.high
        widths.append(score.high - score.low)
    assert widths[1] < widths[0]


def test_too_few_texts_to_resample_have_no_interval() -> None:
    score = simulated(*texts(5, number=3))
    assert score.value is not None
    assert (score.low, score.high) == (None, None)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Texts that differ in their mean: tokens of one text are not independent, which the interval must know."""
    draw = np.random.default_rng(6)
    covered, rounds = 0, 60
    for _ in range(rounds):
        told, measured = [], []
        for _ in range(40):
            shared = draw.normal(size=2)
            told.append(shared[0] + draw.normal(size=20))
            measured.append(0.8 * told[-1] + 0.6 * (shared[1] + draw.normal(size=20)))
        score = simulated(told, measured)
        assert score.low is not None
        assert score.high is not None
        covered += score.low <= 0.8 <= score.high
    assert covered >= 0.85 * rounds


def test_the_order_of_texts_changes_nothing() -> None:
    told, measured = texts(7)
    order = np.random.default_rng(8).permutation(len(told))
    again = simulated([told[n] for n in order], [measured[n] for n in order], [measured[n] for n in order])
    assert again == simulated(told, measured)
    shuffled = detected([told[n] for n in order], [measured[n] for n in order], [measured[n] for n in order])
    assert shuffled == detected(told, measured)


def test_the_same_seed_gives_the_same_score() -> None:
    assert simulated(*texts(9), seed=4) == simulated(*texts(9), seed=4)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_the_auc_is_the_share_of_pairs_ranked_right_with_ties_counting_half(levels: int) -> None:
    draw = np.random.default_rng(levels)
    measured = draw.exponential(size=600)
    noisy = measured + draw.normal(size=600) * 0.4
    told = np.array(np.round(noisy, 2) if levels > 5 else draw.integers(levels, size=600), dtype=np.float64)
    score = detected([told[:200], told[200:]], [measured[:200], measured[200:]])
    positive = measured > np.quantile(measured, 0.99)
    assert score.value == pytest.approx(brute_auc(told, positive), abs=1e-6)
    assert score.n == 600
    assert score.floor == 1.0


def test_detection_of_a_mostly_silent_unit_counts_what_is_not_silent() -> None:
    measured = np.zeros(5000)
    measured[[10, 200, 4000]] = 2.0
    assert detected([measured], [measured]).value == 1.0
    assert detected([-measured], [measured]).value == 0.0


def test_a_unit_that_is_on_or_off_is_detected_where_it_is_on() -> None:
    measured = np.zeros(1000)
    measured[::20] = 4.0  # five tokens in a hundred share the highest value
    told = measured.copy()
    told[0] = -1.0
    assert detected([measured], [measured]).value == 1.0
    assert detected([told], [measured]).value == pytest.approx(brute_auc(told, measured > 0), abs=1e-6)


def test_always_none_never_beats_the_floor() -> None:
    """Predicting silence everywhere is right on 99 % of the tokens, and no score rewards it."""
    draw = np.random.default_rng(10)
    measured = [np.where(draw.random(300) < 0.01, 5.0, 0.0) for _ in range(10)]
    floor = [each * 0.5 + draw.normal(size=300) for each in measured]
    silent = [np.zeros(300) for _ in measured]
    nearly = [np.zeros(300) for _ in measured]
    nearly[0][0] = 1e-3
    for told in (silent, nearly):
        for score in (simulated(told, measured, floor), detected(told, measured, floor)):
            assert score.value is None or score.value < (score.floor or 0.0)
            assert score.value is None or score.value < 0.52


def test_every_value_has_its_floor_and_what_the_floor_is() -> None:
    told, measured = texts(11)
    floor = [each + 1 for each in told]
    score = simulated(told, measured, floor)
    assert score.floor == pytest.approx(correlation(floor, measured), abs=1e-6)
    assert (score.floor_name, score.split, score.metric) == ("floor", SPLIT, "m")
    assert detected(told, measured, floor).floor == pytest.approx(detected(floor, measured).value)


def test_a_floor_that_never_varies_is_said_to_be_constant() -> None:
    told, measured = texts(12)
    score = simulated(told, measured, [np.zeros(len(each)) for each in told])
    assert score.value is not None
    assert score.floor is None
    assert score.floor_name == "floor, constant on this text"


def test_texts_whose_sides_differ_in_length_are_refused() -> None:
    with pytest.raises(ValueError, match="as many predictions as tokens"):
        correlation([np.ones(3)], [np.empty(0)])
    with pytest.raises(ValueError, match="as many predictions as tokens"):
        detected([np.ones(300)], [np.ones(299)])
