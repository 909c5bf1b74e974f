"""Answering "none" scores no better than the floor in any metric, and floors are what they are called."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from memory.records import Score
from tools.scoring import (
    Array,
    Mask,
    auc,
    average_precision,
    balanced,
    best_of,
    choice,
    constant_floor,
    correlation,
    detection,
    determination,
    difference,
    noise_ceiling,
    previous_floor,
    random_tables,
    ranking,
    reliability,
    simulation,
    threshold,
    token_floor,
)

SPLIT = "held-out text"
WORDS = [" a", " b", " c", " d", " e"]


def texts(seed: int, *, number: int = 20) -> tuple[list[list[str]], list[Array]]:
    """Texts of a few words and a unit that likes one of them more after another."""
    draw = np.random.default_rng(seed)
    tokens = [draw.choice(WORDS, 40).tolist() for _ in range(number)]
    liked = {" a": 3.0, " b": 1.0}
    before = [[0.0, *[liked.get(first, 0.0) for first, _ in pairwise(text)]] for text in tokens]
    measured = [
        np.array([liked.get(token, 0.0) * (1 + was) for token, was in zip(text, past, strict=True)])
        + 0.1 * draw.normal(size=len(text))
        for text, past in zip(tokens, before, strict=True)
    ]
    return tokens, measured


def masks(measured: list[Array]) -> list[Mask]:
    return [text > 2 for text in measured]


def none_scores(tokens: list[list[str]], measured: list[Array]) -> list[Score]:
    """Every metric of the answer "none", beside the token table as its floor."""
    none, floor, positive = constant_floor(measured), token_floor(tokens, measured), masks(measured)
    named: dict[str, Any] = {"floor_name": "token table", "split": SPLIT}
    called = [[text > 1 for text in side] for side in (none, floor)]
    return [
        simulation(none, measured, floor=floor, metric="m", **named),
        determination(none, measured, floor=floor, metric="m", **named),
        determination(none, measured, floor=floor, metric="m", fitted=True, **named),
        difference(none, floor, measured, metric="m", split=SPLIT),
        detection(none, measured, floor=floor, **named),
        ranking(none, positive, floor=floor, metric="m", **named),
        balanced(called[0], positive, floor=called[1], metric="m", **named),
        choice([np.full(3, 0.5) for _ in measured], floor=None, metric="m", **named),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_always_none_scores_no_better_than_the_floor_in_every_metric(seed: int) -> None:
    for score in none_scores(*texts(seed)):
        assert score.reason or score.value is not None
        if score.value is not None:
            assert score.floor is not None
            assert score.value <= score.floor


def test_always_none_is_even_at_yes_or_no_and_has_no_correlation() -> None:
    found = none_scores(*texts(0))
    assert found[6].value == found[7].value == 0.5
    assert found[0].value is None
    assert "constant" in found[0].reason


def test_no_floor_lies_below_what_none_gets() -> None:
    tokens, measured = texts(1)
    wrong = [-text for text in measured]
    good = token_floor(tokens, measured)
    named: dict[str, Any] = {"floor_name": "wrong", "split": SPLIT, "metric": "m"}
    assert determination(good, measured, floor=wrong, **named).floor == 0.0
    assert determination(good, measured, floor=wrong, **named).floor_name == "always the mean"
    assert ranking(good, masks(measured), floor=wrong, **named).floor == 0.5
    score = balanced(masks(measured), masks(measured), floor=[~mask for mask in masks(measured)], **named)
    assert (score.value, score.floor, score.floor_name) == (1.0, 0.5, "always none")


def test_the_token_floor_leaves_its_own_text_out() -> None:
    tokens = [["x", "x", "y"], ["x", "z"], ["z"]]
    measured = [np.array([4.0, 2.0, 9.0]), np.array([1.0, 3.0]), np.array([5.0])]
    found = token_floor(tokens, measured)
    assert found[0].tolist() == [1.0, 1.0, 3.0]  # the only other x; and y, seen nowhere else, by the others' mean
    assert found[1].tolist() == [3.0, 5.0]
    assert found[2].tolist() == [3.0]
    before = previous_floor(tokens, measured)
    assert before[0][0] == pytest.approx(3.0)  # what opens the other texts: 1 and 5
    assert before[0][1] == pytest.approx(3.0)  # z after x
    assert [len(text) for text in before] == [3, 2, 1]


def test_the_token_floor_does_not_profit_from_tokens_of_one_text_only() -> None:
    draw = np.random.default_rng(3)
    measured = [draw.normal(size=50) for _ in range(20)]
    tokens = [[f"{n} {place}" for place in range(50)] for n in range(20)]
    assert abs(correlation(token_floor(tokens, measured), measured) or 0.0) < 0.4
    same = [[f"{place % 5}" for place in range(50)] for _ in range(20)]
    assert abs(correlation(token_floor(same, measured), measured) or 0.0) < 0.15


def test_the_best_of_several_random_rules_beats_the_usual_one() -> None:
    tokens, measured = texts(5)
    found = random_tables(tokens, measured, tokens, count=9, seed=0)
    known = [correlation(told, measured) or 0.0 for told in found]
    best = best_of(found, measured)
    assert best is not None
    assert best == (known.index(max(known)), pytest.approx(max(known)))
    assert best[1] > float(np.median(known))
    assert best[1] < (correlation(token_floor(tokens, measured), measured) or 0.0)
    assert best_of([constant_floor(measured)], measured) is None
    assert random_tables([], [], tokens, count=3, seed=0) == []


@pytest.mark.parametrize("seed", range(3))
def test_r2_is_the_share_of_squares_explained(seed: int) -> None:
    _, measured = texts(seed)
    draw = np.random.default_rng(seed)
    told = [0.5 * text + 1 + 0.3 * draw.normal(size=len(text)) for text in measured]
    flat, true = np.concatenate(told), np.concatenate(measured)
    named: dict[str, Any] = {"floor": told, "floor_name": "f", "metric": "m", "split": SPLIT}
    plain, fitted = (determination(told, measured, fitted=fit, **named) for fit in (False, True))
    assert plain.value == pytest.approx(1 - ((true - flat) ** 2).sum() / ((true - true.mean()) ** 2).sum(), abs=1e-6)
    assert fitted.value == pytest.approx(np.corrcoef(flat, true)[0, 1] ** 2, abs=1e-6)
    assert (plain.value or 0) < (fitted.value or 0)
    assert determination([-text for text in told], measured, fitted=True, **named).value == 0.0
    for score in (plain, fitted):
        assert score.low is not None
        assert score.high is not None
        assert score.low < (score.value or 0) < score.high


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    draw = np.random.default_rng(7)
    measured = [draw.normal(size=40) for _ in range(40)]
    hard = [draw.normal(size=40) * 2 * draw.random() for _ in measured]
    first = [text + noise for text, noise in zip(measured, hard, strict=True)]
    second = [text + noise + 0.3 * draw.normal(size=40) for text, noise in zip(measured, hard, strict=True)]
    gain = difference(first, second, measured, metric="m", split=SPLIT)
    alone = [
        simulation(side, measured, floor=side, floor_name="f", metric="m", split=SPLIT) for side in (first, second)
    ]
    values = [score.value or 0.0 for score in alone]
    assert gain.value == pytest.approx(values[0] - values[1], abs=1e-5)
    assert gain.ceiling == pytest.approx(1 - values[1], abs=1e-5)
    assert gain.floor == 0.0
    assert gain.low is not None
    assert gain.high is not None
    assert 0 < gain.low < gain.high
    assert gain.high - gain.low < min((score.high or 1) - (score.low or 0) for score in alone)
    assert difference(first, first, measured, metric="m", split=SPLIT).value == 0.0


def test_a_difference_from_a_constant_is_unscored() -> None:
    tokens, measured = texts(2)
    none, good = constant_floor(measured), token_floor(tokens, measured)
    assert difference(good, none, measured, metric="m", split=SPLIT).reason.startswith("nothing to compare with")
    assert difference(none, good, measured, metric="m", split=SPLIT).value is None


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_best_there_is(seed: int) -> None:
    draw = np.random.default_rng(seed)
    positive = draw.random(80) < 0.3
    scores = np.round(draw.normal(size=80) + positive, 1)
    cut = threshold(scores, positive)
    assert cut is not None

    def accuracy(at: float) -> float:
        return float((scores[positive] > at).mean() + (scores[~positive] <= at).mean()) / 2

    assert accuracy(cut) == pytest.approx(max(accuracy(at) for at in np.unique(scores)))
    assert threshold(scores, positive | True) is None
    assert threshold(np.ones(80), positive) is None


def test_the_interval_of_a_ranking_holds_its_value_and_knows_texts() -> None:
    draw = np.random.default_rng(9)
    positive = [draw.random(30) < 0.2 for _ in range(30)]
    told = [draw.normal(size=30) + mask + draw.normal() for mask in positive]
    score = ranking(told, positive, floor=None, floor_name="", metric="m", split=SPLIT)
    assert score.value == pytest.approx(auc(np.concatenate(told), np.concatenate(positive)), abs=1e-6)
    assert score.low is not None
    assert score.high is not None
    assert score.low < (score.value or 0) < score.high
    alone = [np.array([value]) for text in told for value in text]
    loose = ranking(
        alone, [np.array([hit]) for mask in positive for hit in mask], floor=None, floor_name="", metric="m",
        split=SPLIT,
    )  # fmt: skip
    assert loose.value == score.value


def test_one_sided_data_is_unscored() -> None:
    told = [np.arange(5.0)]
    for positive in ([np.ones(5, bool)], [np.zeros(5, bool)]):
        named: dict[str, Any] = {"floor": None, "floor_name": "", "metric": "m", "split": SPLIT}
        assert "nothing that" in ranking(told, positive, **named).reason
        assert "nothing that" in balanced(positive, positive, **named).reason
    assert choice([], floor=None, floor_name="", metric="m", split=SPLIT).value is None


def test_average_precision_of_a_perfect_and_a_blind_ranking() -> None:
    positive = np.arange(10) < 3
    assert average_precision(-np.arange(10.0), positive) == 1.0
    assert average_precision(np.zeros(10), positive) == pytest.approx(0.3)


def test_the_noise_ceiling_is_what_a_perfect_predictor_reaches() -> None:
    draw = np.random.default_rng(11)
    truth = draw.normal(size=400)
    judged = truth + draw.normal(scale=1.5, size=(6, 400))
    reached = float(np.corrcoef(truth, judged.mean(0))[0, 1])
    assert noise_ceiling(judged) == pytest.approx(reached, abs=0.04)
    assert noise_ceiling(np.vstack([truth] * 4)) == pytest.approx(1.0)
    assert (reliability(draw.normal(size=(6, 400))) or 0.0) < 0.25
    assert noise_ceiling(judged[:1]) is None
    assert noise_ceiling(np.ones((4, 50))) is None


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_no_score_depends_on_the_scale_of_activations(scale: float) -> None:
    tokens, measured = texts(6)
    told = [text + 0.2 * np.random.default_rng(0).normal(size=len(text)) for text in measured]
    floor = token_floor(tokens, measured)
    named: dict[str, Any] = {"floor_name": "token table", "split": SPLIT}

    def scored(by: float) -> list[Score]:
        left, right, base = ([by * text for text in side] for side in (told, measured, floor))
        return [
            simulation(left, right, floor=base, metric="m", **named),
            determination(left, right, floor=base, metric="m", **named),
            difference(left, base, right, metric="m", split=SPLIT),
            detection(left, right, floor=base, **named),
        ]

    for score, other in zip(scored(1.0), scored(scale), strict=True):
        for name in ("value", "low", "high", "floor"):
            assert getattr(score, name) == pytest.approx(getattr(other, name), abs=2e-6)
