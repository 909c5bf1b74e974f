"""FADE's four figures are those of their formulas, and who knows nothing stands at the floor."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tools.fade import clarity, faithfulness, purity, responsiveness

SPLIT = "made-up text"


def activations(seed: int, *, number: int = 40, lift: float = 1.5) -> tuple[list[float], list[float]]:
    """Activations of texts with the concept, which lie higher by `lift`, and of texts without."""
    draw = np.random.default_rng(seed)
    return (draw.normal(lift, size=number)).tolist(), draw.normal(size=2 * number).tolist()


def test_clarity_is_the_area_under_the_curve() -> None:
    shown, controls = activations(1)
    score = clarity(shown, controls, split=SPLIT)
    truth = [1] * len(shown) + [0] * len(controls)
    assert score.value == pytest.approx(roc_auc_score(truth, shown + controls), abs=1e-6)
    assert score.low is not None
    assert score.high is not None
    assert 0.5 < score.low < (score.value or 0) < score.high < 1
    assert (score.floor, score.floor_name, score.ceiling, score.n) == (0.5, "chance", 1.0, 120)


def test_texts_from_one_page_are_resampled_together() -> None:
    shown, controls = activations(1)
    alone = clarity(shown, controls, split=SPLIT)
    pages = [n // 2 for n in range(40)] * 3
    paired = clarity(shown, controls, split=SPLIT, groups=pages)
    assert (paired.value, paired.n, paired.floor) == (alone.value, alone.n, alone.floor)
    assert (paired.low, paired.high) != (alone.low, alone.high)
    assert clarity(shown, controls, split=SPLIT, groups=[0] * 120).low is None


def test_responsiveness_and_purity_compare_full_ratings_with_none() -> None:
    shown, absent = activations(2)
    ratings = [1.0] * 40 + [0.0] * 80 + [0.5] * 10
    values = shown + absent + [99.0] * 10  # partial ratings are left out
    truth = [1] * 40 + [0] * 80
    responsive = responsiveness(values, ratings, split=SPLIT, ceiling=0.9)
    pure = purity(values, ratings, split=SPLIT)
    assert responsive.value == pytest.approx(roc_auc_score(truth, shown + absent), abs=1e-6)
    assert responsive.ceiling == 0.9
    assert pure.value == pytest.approx(average_precision_score(truth, shown + absent), abs=1e-6)
    assert pure.floor == pytest.approx(1 / 3, abs=1e-6)
    assert pure.low is not None
    assert pure.high is not None
    assert pure.low <= (pure.value or 0) <= pure.high


def test_purity_counts_ties_as_one_rank() -> None:
    truth = [1.0] * 6 + [0.0] * 14
    score = purity([2.0] * 10 + [1.0] * 10, truth, split=SPLIT)
    assert score.value == pytest.approx(average_precision_score([int(t) for t in truth], [2.0] * 10 + [1.0] * 10))


def test_who_answers_the_same_for_all_is_unscored() -> None:
    ratings = [1.0] * 10 + [0.0] * 10
    for score in (
        clarity([1.0] * 10, [1.0] * 10, split=SPLIT),
        responsiveness([1.0] * 20, ratings, split=SPLIT),
        purity([1.0] * 20, ratings, split=SPLIT),
    ):
        assert score.value is None
        assert "constant" in score.reason


def test_a_unit_that_fires_on_everything_else_is_not_described() -> None:
    shown, controls = activations(3)
    score = clarity([-value for value in shown], [-value for value in controls], split=SPLIT)
    assert score.value is not None
    assert score.value < 0.5


def test_too_few_texts_are_unscored_with_their_numbers() -> None:
    assert "4 texts with" in clarity([1.0] * 4, [0.0] * 9, split=SPLIT).reason
    assert "0 texts with" in purity([1.0] * 9, [0.0] * 9, split=SPLIT).reason
    assert responsiveness([], [], split=SPLIT).value is None


@pytest.mark.parametrize("measure", [responsiveness, purity])
def test_ratings_that_do_not_fit_are_refused(measure: type) -> None:
    with pytest.raises(ValueError, match="an activation and a rating"):
        measure([1.0, 2.0], [1.0], split=SPLIT)
    with pytest.raises(ValueError, match="between 0 and 1"):
        measure([1.0, 2.0], [1.0, 2.0], split=SPLIT)


def test_faithfulness_is_the_share_of_what_was_left_to_rise() -> None:
    base, weak, strong = [0.0] * 16 + [1.0] * 4, [0.0] * 14 + [1.0] * 6, [0.0] * 4 + [1.0] * 16
    score = faithfulness(base, [weak, strong], split=SPLIT)
    assert score.value == pytest.approx((0.8 - 0.2) / (1 - 0.2))
    assert score.low is not None
    assert score.floor is not None
    assert score.low > score.floor > 0
    assert score.ceiling == 1.0


def test_steering_that_does_nothing_is_no_better_than_its_floor() -> None:
    draw, above = np.random.default_rng(5), 0
    for _ in range(40):
        groups = (draw.random((6, 20)) < 0.3).astype(float).tolist()
        score = faithfulness(groups[0], groups[1:], split=SPLIT)
        assert score.value is not None
        assert score.low is not None
        assert score.floor is not None
        above += score.low > score.floor
    assert above <= 4


def test_faithfulness_without_room_or_outputs_is_unscored() -> None:
    assert "before anything" in faithfulness([1.0] * 9, [[1.0] * 9], split=SPLIT).reason
    assert faithfulness([0.0] * 9, [], split=SPLIT).value is None
    assert faithfulness([0.0] * 9, [[1.0] * 2], split=SPLIT).value is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        faithfulness([0.0] * 9, [[2.0] * 9], split=SPLIT)


def test_the_order_of_texts_changes_nothing() -> None:
    shown, controls = activations(6)
    assert clarity(shown[::-1], controls[::-1], split=SPLIT) == clarity(shown, controls, split=SPLIT)
    ratings = [1.0] * len(shown) + [0.0] * len(controls)
    turned = purity((shown + controls)[::-1], ratings[::-1], split=SPLIT)
    assert turned == purity(shown + controls, ratings, split=SPLIT)
