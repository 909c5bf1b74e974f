"""Where a value stands among those so far: exactly the k highest and lowest, and high, mid or low by percentiles.

Knows numbers and the order they came in. Refuses to know what was measured, and anything that is not a finite number:
a failed measurement has no standing.
"""

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappush, heappushpop
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Bucket(StrEnum):
    """High and low are what stands out; mid is what a search need not see twice."""

    HIGH = "high"
    MID = "mid"
    LOW = "low"


class Ranking(Generic[Item]):
    """The k largest values (or the k smallest) with their items. Equal values are kept; ties go to the first seen."""

    def __init__(self, k: int, *, smallest: bool = False) -> None:
        if k < 1:
            raise ValueError(f"a ranking keeps at least one value, not {k}")
        self._k = k
        self._sign = -1.0 if smallest else 1.0
        self._seen = 0
        self._heap: list[tuple[float, int, Item]] = []  # the worst on top; of equals, the latest

    def add(self, value: float, item: Item) -> None:
        """Offer a value, in O(log k)."""
        entry = (self._sign * _finite(value), -self._seen, item)
        self._seen += 1
        if len(self._heap) < self._k:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)

    def ranked(self) -> list[tuple[float, Item]]:
        """Values and items, best first."""
        best_first = sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        return [(self._sign * key, item) for key, _, item in best_first]


@dataclass(frozen=True)
class BucketStatistics:
    """The values of one bucket; an empty one has no extremes and no mean."""

    n: int
    lowest: float | None = None
    highest: float | None = None
    mean: float | None = None


class Buckets:
    """Live percentiles of a growing list of values.

    High is strictly above the upper percentile and low strictly below the lower one (linear interpolation, as numpy's
    default), so that the silence most units share is mid. Adding is one binary search and one shift; asking is O(1).
    """

    def __init__(self, *, high: float = 85.0, low: float = 15.0) -> None:
        if not 0.0 <= low <= high <= 100.0:
            raise ValueError(f"percentiles must stand in order between 0 and 100, not {low} and {high}")
        self._high = high
        self._low = low
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        """Count a value in."""
        insort(self._values, _finite(value))

    def bounds(self) -> tuple[float, float] | None:
        """The lower and upper percentile of the values so far, None before the first."""
        return (self._percentile(self._low), self._percentile(self._high)) if self._values else None

    def bucket(self, value: float) -> Bucket:
        """Where a value stands, whether it was counted or not; mid while there is nothing to compare with."""
        bounds = self.bounds()
        if bounds is None or bounds[0] <= _finite(value) <= bounds[1]:
            return Bucket.MID
        return Bucket.HIGH if value > bounds[1] else Bucket.LOW

    def statistics(self) -> dict[Bucket, BucketStatistics]:
        """Number, extremes and mean of the values in each bucket; one pass."""
        low, high = self.bounds() or (0.0, 0.0)
        first, last = bisect_left(self._values, low), bisect_right(self._values, high)
        return {
            Bucket.HIGH: _statistics(self._values[last:]),
            Bucket.MID: _statistics(self._values[first:last]),
            Bucket.LOW: _statistics(self._values[:first]),
        }

    def _percentile(self, percent: float) -> float:
        place = percent / 100.0 * (len(self._values) - 1)
        below, above = self._values[math.floor(place)], self._values[math.ceil(place)]
        return below + (above - below) * (place - math.floor(place))


class Standing(Generic[Item]):
    """The top, the bottom and the buckets of one stream of values."""

    def __init__(self, k: int) -> None:
        self.top: Ranking[Item] = Ranking(k)
        self.bottom: Ranking[Item] = Ranking(k, smallest=True)
        self.buckets = Buckets()

    def add(self, value: float, item: Item) -> None:
        """Count a value in, everywhere."""
        self.top.add(value, item)
        self.bottom.add(value, item)
        self.buckets.add(value)


def _statistics(values: list[float]) -> BucketStatistics:
    """Statistics of sorted values."""
    return BucketStatistics(len(values), values[0], values[-1], math.fsum(values) / len(values)) if values else EMPTY


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no standing")
    return value


EMPTY = BucketStatistics(0)
