"""Search: it climbs, it never believes what the text does not say, and it ends."""

import math
from pathlib import Path

import pytest
import torch

from memory.records import Target
from tests.tiny_dictionaries import saved, tiny_sae
from tests.tools.conftest import DEAD, PAIR
from tools.features import open_dictionary
from tools.moves import Moves
from tools.proposals import survives
from tools.search import Ending, Found, search
from tools.subject import Subject

SEEDS = [" the old man saw the cat", " the dog ran far over the stone. the sky", " red mat"]


def assert_true_to_its_texts(subject: Subject, target: Target, found: Found, length: int) -> None:
    assert found.hits
    for hit in (*found.hits, *found.front):
        reading = subject.measure([hit.text], target)[0]
        assert hit.activation == pytest.approx(reading.peak, abs=1e-4)
        assert hit.token_ids == reading.token_ids
        assert hit.tokens == reading.tokens
        assert len(hit.token_ids) <= length
        assert subject.bos not in hit.token_ids
        assert math.isfinite(hit.surprise)


@pytest.mark.parametrize("neuron", [20, 21, 22])
@pytest.mark.parametrize("sign", [1, -1])
def test_it_beats_its_seeds_and_reports_what_the_texts_say(tiny: Subject, neuron: int, sign: int) -> None:
    target = tiny.neuron(1, neuron, sign)
    found = search(tiny, target, seeds=SEEDS, length=8, passes=600)
    assert found.baseline is not None
    assert found.hits[0].activation > found.baseline
    assert found.baseline == pytest.approx(max(r.peak or 0.0 for r in tiny.measure(SEEDS, target)), abs=1e-4)
    assert_true_to_its_texts(tiny, target, found, 8)


def test_it_beats_its_seeds_on_a_gated_model(gated: Subject) -> None:
    target = gated.neuron(1, 3)
    found = search(gated, target, seeds=SEEDS, length=8, passes=600)
    assert found.baseline is not None
    assert found.hits[0].activation > found.baseline
    assert_true_to_its_texts(gated, target, found, 8)


def test_seeds_that_leave_gelu_off_do_not_stick(tiny: Subject, pair: Target) -> None:
    found = search(tiny, pair, seeds=SEEDS, length=6, passes=1000)
    assert found.baseline is not None
    assert found.baseline <= 0.0
    assert found.hits[0].activation > 1.0
    assert " apple" in found.hits[0].text
    assert " river" in found.hits[0].text


def test_seeds_that_leave_relu_off_do_not_stick(tiny_relu: Subject) -> None:
    target = tiny_relu.neuron(0, PAIR)
    found = search(tiny_relu, target, seeds=SEEDS, length=6, passes=1000)
    assert found.baseline == 0.0
    assert found.hits[0].activation > 1.0


def test_a_feature_that_relu_keeps_off_does_not_stick(tiny: Subject, tmp_path: Path) -> None:
    rare = tiny_sae()
    rare.b_enc.data -= 12.0
    tiny.attach(open_dictionary(saved(tmp_path, rare), tiny))
    off = [tiny.feature(n) for n in range(12) if max(r.peak or 0.0 for r in tiny.measure(SEEDS, tiny.feature(n))) == 0]
    assert off
    found = [search(tiny, target, seeds=SEEDS, length=6, passes=800) for target in off]
    assert sum(each.status is not Ending.NOT_REACHED for each in found) >= len(off) - 1
    for target, each in zip(off, found, strict=True):
        assert each.baseline == 0.0
        assert_true_to_its_texts(tiny, target, each, 6)


def test_a_dead_neuron_is_not_reached(tiny: Subject) -> None:
    found = search(tiny, tiny.neuron(0, DEAD), seeds=SEEDS, length=4, passes=400)
    assert found.status is Ending.NOT_REACHED


def test_the_same_seed_finds_the_same(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    first, again, other = (search(tiny, target, seeds=SEEDS, length=6, passes=300, seed=s) for s in (5, 5, 6))
    assert first == again
    assert first.hits != other.hits


@pytest.mark.parametrize("passes", [1, 12, 60, 300])
def test_the_budget_is_kept(tiny: Subject, passes: int) -> None:
    before = tiny.passes
    found = search(tiny, tiny.neuron(1, 20), seeds=SEEDS * 40, length=6, passes=passes)
    assert found.passes == tiny.passes - before <= passes


def test_history_rises_to_the_best(tiny: Subject) -> None:
    found = search(tiny, tiny.neuron(1, 20), seeds=SEEDS, length=8, passes=500)
    passes, values = zip(*found.history, strict=True)
    assert list(passes) == sorted(passes)
    assert list(values) == sorted(values)
    assert values[-1] == found.hits[0].activation


def test_it_settles_when_nothing_rises_any_more(tiny: Subject) -> None:
    found = search(tiny, tiny.neuron(1, 20), seeds=[" the"], length=1, passes=20_000, scale=100.0)
    assert found.status is Ending.SETTLED
    assert found.passes < 10_000


def test_the_front_trades_activation_for_surprise(tiny: Subject) -> None:
    front = search(tiny, tiny.neuron(1, 20), seeds=SEEDS, length=8, passes=500).front
    assert [hit.activation for hit in front] == sorted((hit.activation for hit in front), reverse=True)
    assert [hit.surprise for hit in front] == sorted((hit.surprise for hit in front), reverse=True)


def test_it_needs_no_seeds_and_bears_odd_ones(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    assert search(tiny, target, seeds=[], length=6, passes=200).baseline is None
    odd = search(tiny, target, seeds=["", " the" * 100, "é日", "<|endoftext|>"], length=6, passes=200)
    assert_true_to_its_texts(tiny, target, odd, 6)


def test_seconds_are_kept_and_the_trail_is_in_order(tiny: Subject, pace: float) -> None:
    found = search(tiny, tiny.neuron(1, 20), seeds=SEEDS, length=8, seconds=0.3)
    seconds = [stop.seconds for stop in found.trail]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 0.3 + 0.7 * pace


def test_typical_text_is_the_best_of_what_is_not_more_surprising(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    free = search(tiny, target, seeds=SEEDS, length=8, passes=1500).hits[0]
    found = search(tiny, target, seeds=SEEDS, length=8, passes=1500, typical=free.surprise - 0.3)
    assert found.typical is not None
    assert found.typical.surprise <= free.surprise - 0.3
    assert found.typical.activation == max(h.activation for h in found.front if h.surprise <= free.surprise - 0.3)


def test_length_is_bounded_by_the_context(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    found = search(tiny, target, seeds=[" the" * 100], length=1000, passes=120)
    assert_true_to_its_texts(tiny, target, found, tiny.context - 1)


@pytest.mark.parametrize("wrong", [{"length": 0}, {"passes": 0}, {"scale": 0.0}])
def test_nonsense_is_refused(tiny: Subject, pair: Target, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        search(tiny, pair, seeds=SEEDS, **wrong)


@pytest.mark.parametrize("resize", [False, True])
def test_moves_are_new_of_tokens_that_survive_and_keep_to_the_length(tiny: Subject, resize: bool) -> None:
    moves = Moves(tiny, length=5, seed=0)
    row = tuple(tiny.encode(" the old man saw"))
    size = tiny.hf.get_input_embeddings().weight.shape[0]
    flat = torch.full((len(row), size), -math.log(size))
    batches = [moves.around(row, 40, ranking=torch.zeros_like(flat), expected=flat, resize=resize) for _ in range(3)]
    rows = [other for batch in batches for other in batch]
    assert len(rows) == len(set(rows)) == 120
    assert all(survives(tiny, [token]) for other in rows for token in other)
    assert {len(other) for other in rows} == ({3, 4, 5} if resize else {4})
