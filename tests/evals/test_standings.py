"""The figures of the search benchmark: shares, wins, and what was not reached."""

import pytest

from evals.rivals.standings import Result, means, shares, standing, step_costs


def result(neuron: str, method: str, *rises: tuple[float, float, float], seed: int = 0) -> Result:
    return Result(neuron, seed, method, rises, 0.5)


def test_what_came_later_does_not_count() -> None:
    run = result("L0N1", "ours", (1.0, 2.0, 5.0), (3.0, 4.0, 3.0), (7.0, 9.0, 9.0))
    assert [run.best(mark) for mark in (0.5, 2, 6, 20)] == [None, 2.0, 4.0, 9.0]


def test_only_typical_texts_count_as_typical() -> None:
    run = result("L0N1", "ours", (1.0, 2.0, 5.0), (3.0, 4.0, 3.0), (7.0, 9.0, 9.0))
    assert run.best(20, limit=3.0) == 4.0
    assert run.best(2, limit=3.0) is None


def test_seeds_are_averaged_before_shares_are_taken() -> None:
    runs = [result("L0N1", "epo", (0.1, peak, 1.0), seed=seed) for seed, peak in enumerate((2.0, 4.0))]
    assert means(runs, 2)["L0N1"]["epo"] == 3.0
    assert shares(means(runs, 2), {"L0N1": 6.0}, "epo") == 0.5


def test_a_win_is_above_every_rival_and_a_tie_is_none() -> None:
    runs = [
        result("L0N1", "ours", (0.1, 5.0, 1.0)),
        result("L0N1", "epo", (0.1, 4.0, 1.0)),
        result("L0N2", "ours", (0.1, 5.0, 1.0)),
        result("L0N2", "epo", (0.1, 5.0, 1.0)),
    ]
    found = standing(means(runs, 2), {"L0N1": 4.0, "L0N2": 10.0}, lambda _: True)
    assert found["win_rate"] == 0.5
    assert found["beats_corpus_max"] == 0.5
    assert found["median_share"] == pytest.approx((1.25 + 0.5) / 2)


def test_only_the_named_rivals_are_beaten() -> None:
    runs = [
        result("L0N1", "ours", (0.1, 5.0, 1.0)),
        result("L0N1", "epo", (0.1, 4.0, 1.0)),
        result("L0N1", "epo+seed", (0.1, 6.0, 1.0)),
    ]
    reached = means(runs, 2)
    assert standing(reached, {"L0N1": 4.0}, lambda name: "+" not in name)["win_rate"] == 1
    assert standing(reached, {"L0N1": 4.0}, lambda name: "+" in name)["win_rate"] == 0


def test_a_seed_without_a_typical_text_loses_for_ours_and_is_left_out_for_a_rival() -> None:
    runs = [
        result("L0N1", method, (0.1, 5.0, nats), seed=seed)
        for method in ("ours", "epo")
        for seed, nats in enumerate((2.0, 9.0))
    ]
    reached = means(runs, 2, limit=3.0)
    assert reached["L0N1"] == {"ours": None, "epo": 5.0}
    found = standing(reached, {"L0N1": 4.0}, lambda _: True)
    assert (found["win_rate"], found["beats_corpus_max"], found["median_share"]) == (0, 0, None)


def test_nothing_reached_is_no_number() -> None:
    reached = means([result("L0N1", "swaps", (5.0, 1.0, 1.0))], 2)
    assert shares(reached, {"L0N1": 4.0}, "swaps") is None
    assert standing(reached, {"L0N1": 4.0}, lambda _: True)["win_rate"] is None


def test_a_step_costs_what_it_costs_in_the_middle() -> None:
    runs = [Result("L0N1", seed, "epo", (), cost) for seed, cost in enumerate((0.1, 0.2, 0.9))]
    assert step_costs([*runs, Result("L0N1", 3, "epo", (), None)]) == {"epo": 0.2}
