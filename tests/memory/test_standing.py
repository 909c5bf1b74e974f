"""Ranks and percentiles agree with sorting everything again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.standing import Bucket, Buckets, Ranking, Standing

numbers = st.lists(st.integers(-5, 5).map(float) | st.floats(-1e6, 1e6, width=32), max_size=60)


@given(numbers, st.integers(1, 12))
@settings(deadline=None)
def test_the_top_and_the_bottom_are_those_of_a_stable_sort(values: list[float], k: int) -> None:
    standing: Standing[int] = Standing(k)
    for place, value in enumerate(values):
        standing.add(value, place)
    numbered = [(value, place) for place, value in enumerate(values)]
    assert standing.top.ranked() == sorted(numbered, key=lambda each: -each[0])[:k]
    assert standing.bottom.ranked() == sorted(numbered, key=lambda each: each[0])[:k]


@given(numbers.filter(bool))
@settings(deadline=None)
def test_percentiles_are_numpys_after_every_value(values: list[float]) -> None:
    buckets = Buckets()
    for count, value in enumerate(values, start=1):
        buckets.add(value)
        assert buckets.bounds() == pytest.approx(np.percentile(values[:count], [15, 85]), rel=1e-9, abs=1e-6)
    statistics = buckets.statistics()
    assert sum(each.n for each in statistics.values()) == len(buckets) == len(values)
    for bucket, each in statistics.items():
        mine = [value for value in values if buckets.bucket(value) is bucket]
        assert each.n == len(mine)
        assert (each.lowest, each.highest) == ((min(mine), max(mine)) if mine else (None, None))


def test_known_percentiles_give_known_buckets() -> None:
    buckets = Buckets()
    for value in range(101):
        buckets.add(float(value))
    assert buckets.bounds() == (15.0, 85.0)
    assert [buckets.bucket(value) for value in (14.9, 15.0, 85.0, 85.1)] == [
        Bucket.LOW,
        Bucket.MID,
        Bucket.MID,
        Bucket.HIGH,
    ]


def test_a_unit_that_is_mostly_silent_has_its_silence_in_the_middle() -> None:
    buckets = Buckets()
    for value in [0.0] * 95 + [3.0] * 5:
        buckets.add(value)
    assert buckets.bucket(0.0) is Bucket.MID
    assert buckets.bucket(3.0) is Bucket.HIGH


def test_equal_activations_are_both_kept_and_the_first_seen_wins_the_last_place() -> None:
    ranking: Ranking[str] = Ranking(2)
    for name in ("first", "second", "third"):
        ranking.add(1.0, name)
    assert ranking.ranked() == [(1.0, "first"), (1.0, "second")]


def test_nothing_stands_out_before_the_first_value() -> None:
    assert Buckets().bucket(5.0) is Bucket.MID
    assert Buckets().bounds() is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_has_no_standing(value: float) -> None:
    with pytest.raises(ValueError, match="no standing"):
        Standing[int](3).add(value, 0)
