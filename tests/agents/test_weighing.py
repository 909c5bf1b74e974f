"""A claim meets its fate by what was measured: both sides tested, enough of each, and the levels told."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from agents.weighing import weighed
from memory.records import Fate, Hypothesis, Origin, Prompt, Record, Status

CLAIM = Hypothesis("h1", "It fires on ports.")


def records(peaks: Iterable[float | None], predicted: bool | None, *, claim: str | None = "h1") -> list[Record]:
    return [
        Record(
            n,
            1,
            Prompt(f"{predicted} {n}", Origin.PAIR, hypothesis=claim, predicted=predicted),
            ("a",),
            (1,),
            () if peak is None else (peak,),
            peak,
            None if peak is None else 0,
            Status.FAILED if peak is None else Status.MEASURED,
        )
        for n, peak in enumerate(peaks)
    ]


def fate(fires: Iterable[float | None], silent: Iterable[float | None]) -> Hypothesis:
    return weighed(CLAIM, records(fires, True) + records(silent, False), firing=2.0)


@pytest.mark.parametrize(
    ("fires", "silent", "expected"),
    [
        ([5, 5, 5, 5], [0, 0, 0, 0], Fate.SUPPORTED),
        ([5, 5, 5, 5, 1], [0, 0, 0, 0, 2.0], Fate.SUPPORTED),
        ([5, 5, 1], [0, 0, 0], Fate.PROPOSED),
        ([1, 1, 1, 1], [0, 0, 0, 0], Fate.REFUTED),
        ([5, 5, 5, 5], [5, 5, 0, 0], Fate.REFUTED),
        ([5] * 40, [], Fate.PROPOSED),
        ([5] * 40, [0, 5], Fate.PROPOSED),
        ([5, 5], [0, 0], Fate.PROPOSED),
        ([5] * 11 + [1] * 4, [0] * 15, Fate.PROPOSED),
        ([5] * 11 + [1] * 5, [0] * 16, Fate.REFUTED),
        ([5] * 13 + [1] * 3, [0] * 16, Fate.SUPPORTED),
        ([], [], Fate.UNTESTED),
        ([None], [None], Fate.UNTESTED),
    ],
)
def test_a_fate_needs_enough_of_both_sides(fires: list[float], silent: list[float], expected: Fate) -> None:
    assert fate(fires, silent).fate is expected


def test_a_peak_that_just_reaches_firing_fires() -> None:
    assert fate([2.0] * 3, [1.999] * 3).hits == 6
    assert fate([1.999] * 3, [2.0] * 3).misses == 6


@pytest.mark.parametrize("policy_reads", [0.4, None])
def test_whether_a_text_fires_does_not_hang_on_what_is_read_of_it(policy_reads: float | None) -> None:
    """With --position mean or an index a peak is something else than the highest value."""
    both = [
        replace(each, tokens=("a", "b"), token_ids=(1, 2), values=(each.values[0], 0.0), peak=policy_reads)
        for each in records([5.0] * 4, True) + records([0.0] * 4, False)
    ]
    assert weighed(CLAIM, both, firing=2.0).fate is Fate.SUPPORTED


def test_an_always_on_unit_supports_nothing() -> None:
    assert fate([5] * 10, [5] * 10).fate is Fate.REFUTED


def test_failed_measurements_and_other_claims_do_not_count() -> None:
    mine = records([5, 5, 5, None], True) + records([0, 0, 0, None], False)
    others = records([0] * 9, True, claim="h2") + records([0] * 9, None) + records([5] * 9, False, claim=None)
    found = weighed(CLAIM, mine + others, firing=2.0)
    assert (found.hits, found.misses, found.fate) == (6, 0, Fate.SUPPORTED)


def test_counts_are_those_of_all_records_and_never_added_twice() -> None:
    once = fate([5, 5, 5], [0, 0, 0])
    again = weighed(once, records([5, 5, 5], True) + records([0, 0, 5], False), firing=2.0)
    assert (again.hits, again.misses) == (5, 1)


def test_the_reason_tells_how_far_each_side_rose() -> None:
    """A graded unit: the triggers rise every time and never fire, which is not the same as silence."""
    found = fate([1.0, 1.5, 1.1], [0.1, 0.0, 0.2])
    assert found.fate is Fate.REFUTED
    assert found.reason == (
        "0 of 3 triggers fired (mean 1.20), 3 of 3 controls stayed silent (mean 0.10); firing is 2.00"
    )
    assert fate([None], []).reason == "no prediction was measured"
    assert fate([5], []).reason == "1 of 1 triggers fired (mean 5.00), 0 of 0 controls stayed silent; firing is 2.00"
