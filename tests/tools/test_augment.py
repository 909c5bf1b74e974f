"""Swaps: what is offered, what is measured, and what it is called."""

import random
from collections.abc import Sequence

import pytest

from memory.records import Target
from tests.tools.conftest import DEAD
from tools.augment import Effect, Side, effect, relative_change, side, swaps
from tools.proposals import Neighbours, OwnProposals, expectations, special, surprise, survives
from tools.subject import Subject

TEXT = " red apple on the river under"


class Fixed:
    """A source that always offers the same words."""

    def __init__(self, subject: Subject, words: Sequence[str]) -> None:
        self._ids = [subject.encode(word)[0] for word in words]

    def propose(self, ids: Sequence[int], position: int, *, count: int, rng: random.Random) -> list[int]:
        del ids, position, rng
        return self._ids[:count]


def test_every_variant_is_its_text_measured_again(tiny: Subject, pair: Target) -> None:
    base = tiny.measure([TEXT], pair)[0]
    assert base.peak is not None
    variants = swaps(tiny, pair, TEXT, per_token=6)
    assert len(variants) > 20
    for variant in variants:
        reading = tiny.measure([variant.text], pair)[0]
        assert variant.activation == pytest.approx(reading.peak, abs=1e-4)
        assert variant.change == pytest.approx(((reading.peak or 0.0) - base.peak) / base.peak, abs=1e-4)
        assert reading.tokens[variant.position] == variant.new
        others = [i for i, (a, b) in enumerate(zip(reading.tokens, base.tokens, strict=True)) if a != b]
        assert others == [variant.position]


def test_key_tokens_kill_and_the_rest_keeps(tiny: Subject, pair: Target) -> None:
    variants = swaps(tiny, pair, TEXT, per_token=4)
    killed = {v.old for v in variants if v.change is not None and side(v.change) is Side.NEGATIVE}
    kept = {v.old for v in variants if v.change is not None and side(v.change) is Side.POSITIVE}
    assert killed == {" apple", " river"}
    assert {" red", " on"} <= kept


def test_nothing_is_offered_twice_or_unchanged(tiny: Subject, pair: Target) -> None:
    variants = swaps(tiny, pair, TEXT, per_token=5)
    assert len({variant.text for variant in variants}) == len(variants)
    for variant in variants:
        assert variant.new.strip().lower() != variant.old.strip().lower()
    for place in {variant.position for variant in variants}:
        news = [v.new.strip().lower() for v in variants if v.position == place]
        assert len(news) == len(set(news)) <= 5


def test_positions_after_the_peak_are_skipped_unless_wanted(tiny: Subject, pair: Target) -> None:
    peak = tiny.measure([TEXT], pair)[0].position
    assert peak is not None
    assert max(v.position for v in swaps(tiny, pair, TEXT)) == peak
    later = [v for v in swaps(tiny, pair, TEXT, after_peak=True) if v.position > peak]
    assert later
    assert all(v.change is not None and abs(v.change) < 1e-4 for v in later if v.new.strip() != "river")
    assert all(v.effect is Effect.NEUTRAL for v in later if v.new.strip() != "river")


def test_chosen_positions_only(tiny: Subject, pair: Target) -> None:
    assert {v.position for v in swaps(tiny, pair, TEXT, positions=[1, 99])} == {1}
    assert swaps(tiny, pair, TEXT, positions=[]) == []


def test_the_same_seed_gives_the_same_swaps(tiny: Subject, pair: Target) -> None:
    assert swaps(tiny, pair, TEXT, seed=3) == swaps(tiny, pair, TEXT, seed=3)
    assert swaps(tiny, pair, TEXT, seed=3) != swaps(tiny, pair, TEXT, seed=4)


def test_a_silent_start_has_no_relative_change(tiny: Subject, pair: Target) -> None:
    variants = swaps(tiny, pair, " the cat sat", per_token=2)
    assert variants
    assert all(v.effect is Effect.BELOW_FLOOR and v.change is None for v in variants)
    assert all(v.activation is not None for v in variants)
    dead = swaps(tiny, tiny.neuron(0, DEAD), TEXT, per_token=2)
    assert {v.effect for v in dead} == {Effect.BELOW_FLOOR}


def test_an_empty_text_has_no_swaps(tiny: Subject, pair: Target) -> None:
    assert swaps(tiny, pair, "") == []


def test_a_swap_that_would_tokenise_otherwise_is_left_out(tiny: Subject, pair: Target) -> None:
    source = Fixed(tiny, ["day", " cat"])
    row = tiny.encode(" to the river")
    assert not survives(tiny, [row[0], tiny.encode("day")[0], row[2]])
    variants = swaps(tiny, pair, " to the river", sources=[source], positions=[1], after_peak=True)
    assert [v.text for v in variants] == [" to cat river"]


def test_sources_take_turns(tiny: Subject, pair: Target) -> None:
    sources = [Fixed(tiny, [" cat", " dog", " mat"]), Fixed(tiny, [" sky", " cat"])]
    variants = swaps(tiny, pair, TEXT, sources=sources, positions=[0], per_token=3)
    assert [v.new for v in variants] == [" cat", " sky", " dog"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (0.3, Side.POSITIVE),
        (-0.5, Side.POSITIVE),
        (-0.500001, Side.BETWEEN),
        (-0.799999, Side.BETWEEN),
        (-0.8, Side.NEGATIVE),
        (-1.2, Side.NEGATIVE),
    ],
)
def test_sides_and_their_boundaries(change: float, expected: Side) -> None:
    assert side(change) is expected


def test_sides_may_touch_but_not_overlap() -> None:
    assert side(-0.6, inclusion=-0.6, exclusion=-0.6) is Side.POSITIVE
    with pytest.raises(ValueError, match="must not be below"):
        side(0.0, inclusion=-0.9, exclusion=-0.8)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, Effect.BELOW_FLOOR),
        (0.05, Effect.NEUTRAL),
        (0.0500001, Effect.INCREASED),
        (-0.05, Effect.NEUTRAL),
        (-0.0500001, Effect.DECREASED),
    ],
)
def test_effects_and_their_boundaries(change: float | None, expected: Effect) -> None:
    assert effect(change) is expected


def test_relative_change_is_guarded() -> None:
    assert relative_change(3.0, 2.0) == pytest.approx(0.5)
    assert relative_change(3.0, 2.0, floor=1.0) == pytest.approx(1.0)
    assert relative_change(3.0, 0.0) is None
    assert relative_change(3.0, -1.0) is None
    assert relative_change(3.0, 1.0, floor=1.0) is None
    assert relative_change(3.0, float("nan")) is None


def test_neighbours_are_near_and_never_special(tiny: Subject) -> None:
    token = tiny.encode(" cat")[0]
    near = Neighbours(tiny).of(token, 10_000)
    assert token not in near[:20]
    weight = tiny.hf.get_input_embeddings().weight
    cosines = (weight @ weight[token] / weight.norm(dim=1) / weight[token].norm())[near[:20]].tolist()
    assert cosines == sorted(cosines, reverse=True)
    assert not set(near[:50]) & set(special(tiny))


def test_own_proposals_are_likely_and_cost_one_pass_a_row(tiny: Subject) -> None:
    row = tiny.encode(TEXT)
    log_p = expectations(tiny, row)
    assert log_p.shape == (len(row), tiny.hf.get_input_embeddings().weight.shape[0])
    assert log_p.exp().sum(dim=1).tolist() == pytest.approx([1.0] * len(row), abs=1e-4)
    mean = sum(log_p[i, token].item() for i, token in enumerate(row)) / len(row)
    assert surprise(log_p, row) == pytest.approx(-mean)
    source = OwnProposals(tiny)
    before = tiny.passes
    drawn = [source.propose(row, place, count=5, rng=random.Random(place)) for place in range(len(row))]
    assert tiny.passes == before + 1
    assert all(len(set(tokens)) == 5 for tokens in drawn)
    assert not {token for tokens in drawn for token in tokens} & set(special(tiny))


def test_the_right_side_can_have_its_say(tiny: Subject) -> None:
    row = tuple(tiny.encode(TEXT))
    drawn = OwnProposals(tiny, right=True).propose(row, 1, count=4, rng=random.Random(0))

    def fit(token: int) -> float:
        swapped = (*row[:1], token, *row[2:])
        log_p = expectations(tiny, swapped)
        return sum(log_p[i, swapped[i]].item() for i in range(1, len(row)))

    fits = [fit(token) for token in drawn]
    assert len(drawn) == 4
    assert fits == sorted(fits, reverse=True)
