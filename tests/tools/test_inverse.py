"""Inverse embeddings: the climb reaches what can be reached, and only what the text does is reported as found."""

import csv
import io
import json
import math
import warnings
from itertools import combinations
from pathlib import Path

import pytest
import torch

from memory.records import Target, plain
from tests.tiny_models import write_gpt2
from tests.tools.conftest import DEAD, PAIR
from tools.features import open_dictionary
from tools.inverse import Inverse, Outcome, Plan, Projection, as_csv, invert
from tools.inverse.ascent import climb
from tools.inverse.reading import Reader, Table
from tools.loading import load
from tools.proposals import expectations, surprise
from tools.subject import Subject

SEEDS = (" the old man saw the cat", " the dog ran far over the stone. the sky", " red mat")
CEILING = -6 + math.sqrt(32 * (2 - 4 / 32))  # of PAIR: a normalised row of 32 along the two axes it wants, and its bias


def gelu(x: float) -> float:
    return float(torch.nn.functional.gelu(torch.tensor(x), approximate="tanh"))


def assert_true_to_its_texts(subject: Subject, target: Target, found: Inverse) -> None:
    for start in found.starts:
        reading = subject.measure([start.text], target)[0]
        assert start.activation == pytest.approx(reading.peak, abs=1e-4)
        assert start.values == pytest.approx(reading.values, abs=1e-4)
        assert start.tokens == reading.tokens
        assert start.gap == pytest.approx(start.continuous - (start.activation or 0.0))
        expected = surprise(expectations(subject, reading.token_ids), reading.token_ids)
        assert start.surprise == pytest.approx(expected, abs=1e-4)


def test_the_climb_reaches_the_analytic_maximum_of_a_planted_neuron(tiny: Subject, pair: Target) -> None:
    found = invert(tiny, pair, length=6, steps=150)
    assert found.status is Outcome.REACHED
    assert gelu(CEILING) * 0.97 < found.continuous <= gelu(CEILING) + 1e-4
    roaming = [point.activation for point in found.curve if not point.snapped]
    assert roaming[0] < 0.2 < 0.9 * gelu(CEILING) < max(roaming)
    assert [point.step for point in found.curve] == list(range(151))
    assert any(point.snapped for point in found.curve)


def test_the_text_found_is_the_one_that_was_planted(tiny: Subject, pair: Target) -> None:
    found = invert(tiny, pair, length=6, steps=100)
    assert " apple" in found.starts[0].text
    assert found.starts[0].text.endswith(" river")
    assert_true_to_its_texts(tiny, pair, found)


@pytest.mark.parametrize(("layer", "neuron", "sign"), [(1, 20, 1), (1, 21, -1), (0, PAIR, 1)])
def test_what_is_reported_was_measured_from_the_text(tiny: Subject, layer: int, neuron: int, sign: int) -> None:
    target = tiny.neuron(layer, neuron, sign)
    found = invert(tiny, target, length=6, steps=40, seeds=SEEDS)
    assert 4 < len(found.starts) <= 4 + len(SEEDS)
    assert_true_to_its_texts(tiny, target, found)
    assert found.discrete == max(start.activation or 0.0 for start in found.starts)
    assert found.gap == pytest.approx(found.continuous - (found.discrete or 0.0))
    assert found.continuous == max(start.continuous for start in found.starts)
    assert list(found.texts) == list(dict.fromkeys(start.text for start in found.starts))


@pytest.mark.parametrize("neuron", [20, 22])
def test_no_start_beats_the_text_found(tiny: Subject, neuron: int) -> None:
    target = tiny.neuron(1, neuron)
    windows = max(reading.peak or 0.0 for reading in tiny.measure(SEEDS, target))
    found = invert(tiny, target, length=8, steps=20, seeds=SEEDS)
    assert found.discrete is not None
    assert found.baseline is not None
    assert found.discrete >= found.baseline - 1e-4
    assert found.discrete > 0.9 * windows


def test_snapping_and_the_greedy_decoding_each_beat_the_nearest_tokens_alone(tiny: Subject) -> None:
    alone, greedy, snapped = 0.0, 0.0, 0.0
    for neuron in (20, 21, 22):
        target = tiny.neuron(1, neuron)
        for projection, activation in (
            invert(tiny, target, length=6, steps=30, starts=2, snap=0.0).starts[0].by_projection.items()
        ):
            alone += (activation or 0.0) * (projection == Projection.NEAREST)
            greedy += (activation or 0.0) * (projection == Projection.GREEDY)
        snapped += invert(tiny, target, length=6, steps=30, starts=2, candidates=0).discrete or 0.0
    assert greedy > alone
    assert snapped > alone


def test_a_start_that_leaves_relu_off_is_not_stuck(tiny_relu: Subject) -> None:
    target = tiny_relu.neuron(0, PAIR)
    found = invert(tiny_relu, target, length=6, steps=100, starts=4)
    assert found.curve[0].activation == 0.0
    assert found.status is Outcome.REACHED
    assert CEILING * 0.95 < found.continuous <= CEILING + 1e-4
    assert_true_to_its_texts(tiny_relu, target, found)


def test_what_nothing_switches_on_is_not_reached(tiny_relu: Subject) -> None:
    found = invert(tiny_relu, tiny_relu.neuron(0, DEAD), length=4, steps=10)
    assert found.status is Outcome.NOT_REACHED
    assert (found.continuous, found.discrete, found.skewness) == (0.0, 0.0, None)
    assert all(start.activation == 0.0 for start in found.starts)


def test_what_embeddings_reach_and_no_text_does_is_called_lost(tiny: Subject, pair: Target) -> None:
    found = invert(tiny, pair, length=1, steps=60, starts=1, snap=0.0, candidates=0)
    assert found.continuous > 0.5
    assert found.status is Outcome.LOST


def cosines(subject: Subject, ids: list[list[int]], target: Target, **weights: float) -> tuple[float, float]:
    """Mean cosine of two positions, and the share whose token was there before, after a climb from equal tokens."""
    table = Table(subject)
    start = table.rows[torch.tensor(ids)]
    found = invert(subject, target, length=len(ids[0]), steps=0, starts=1)
    plan = Plan(**{**plain(found.plan), "steps": 25, "rate": 0.1, "snap": 0.0, **weights})
    noise = 0.1 * torch.randn(start.shape, generator=torch.Generator().manual_seed(0))
    climbed = climb(Reader(subject, target, table), start + noise, plan)
    directions = torch.nn.functional.normalize(climbed.embedded, dim=2)
    pairs = [float((row[a] * row[b]).sum()) for row in directions for a, b in combinations(range(len(row)), 2)]
    repeated = sum(1 - len(set(row)) / len(row) for row in climbed.rows) / len(climbed.rows)
    return sum(pairs) / len(pairs), repeated


def test_the_penalties_have_gradients_that_do_what_they_say(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    same = [[tiny.encode(word)[0]] * 6 for word in (" cat", " dog", " red")]
    free, repeated = cosines(tiny, same, target)
    assert cosines(tiny, same, target, diversity=20.0)[0] < free - 0.1
    assert repeated > 0.2
    assert cosines(tiny, same, target, repetition=20.0)[1] < repeated - 0.1


def test_the_regulariser_keeps_embeddings_short_and_the_constraint_holds_their_norm(tiny: Subject) -> None:
    table, target = Table(tiny), tiny.neuron(1, 20)
    reader = Reader(tiny, target, table)
    start = table.rows[torch.tensor([table.plain[:6]])]
    made = plain(invert(tiny, target, steps=0, starts=1, snap=0.0).plan) | {"steps": 20}

    def norms(**settings: float) -> torch.Tensor:
        plan = Plan(**{**made, "fixed_norm": False, **settings})
        return climb(reader, start, plan).embedded.norm(dim=2)

    assert norms(regulariser=1.0).mean() < norms().mean()
    assert norms(fixed_norm=True).flatten().tolist() == pytest.approx([table.norm] * 6, rel=1e-4)


def test_bos_stands_in_front_and_never_counts(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    table = Table(tiny)
    ids = tiny.encode(SEEDS[0])
    with torch.no_grad():
        drive, value = Reader(tiny, target, table).read(table.rows[torch.tensor([ids])])
    assert value[0].tolist() == pytest.approx(tiny.measure([SEEDS[0]], target)[0].values, abs=1e-5)
    assert drive.shape == value.shape == (1, len(ids))
    assert tiny.bos in table.refused
    assert int(table.nearest(table.rows[tiny.bos])) != tiny.bos
    found = invert(tiny, target, length=5, steps=10)
    assert len(found.positions) == 5
    assert all("<|" not in start.text for start in found.starts)


def test_positions_become_a_csv_and_all_of_it_plain_data(tiny: Subject, pair: Target) -> None:
    found = invert(tiny, pair, length=7, steps=20, seeds=[' red\nmat, "sky"'])
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["token"] for row in rows] == [position.token for position in found.positions]
    assert [int(row["position"]) for row in rows] == list(range(7))
    assert all(row["token"] for row in rows)
    values = [float(row["activation"]) for row in rows]
    assert max(values) == pytest.approx(found.maximum)
    assert sum(values) / 7 == pytest.approx(found.mean)
    centred = torch.tensor(values, dtype=torch.float64) - found.mean
    skewness = float(centred.pow(3).mean() / centred.pow(2).mean().pow(1.5))
    assert found.skewness == pytest.approx(skewness, rel=1e-4)
    assert all(-1 <= float(row["cosine"]) <= 1.0001 for row in rows)
    assert json.loads(json.dumps(plain(found), allow_nan=False))["status"] == found.status


def test_the_same_seed_finds_the_same(tiny: Subject) -> None:
    target = tiny.neuron(1, 22)
    first, again, other = (invert(tiny, target, length=5, steps=15, seeds=SEEDS, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.texts != other.texts


def test_the_weights_stay_as_they_were_without_gradients(tiny: Subject) -> None:
    before = {name: value.clone() for name, value in tiny.hf.state_dict().items()}
    invert(tiny, tiny.neuron(1, 20), length=4, steps=5)
    assert all(parameter.grad is None for parameter in tiny.hf.parameters())
    assert all(torch.equal(value, before[name]) for name, value in tiny.hf.state_dict().items())
    assert not any(module._forward_hooks for module in [tiny.hf.get_input_embeddings()])


def test_passes_are_counted_there_and_back(tiny: Subject) -> None:
    before = tiny.passes
    found = invert(tiny, tiny.neuron(1, 20), length=4, steps=10, starts=5, candidates=0)
    assert found.passes == tiny.passes - before
    climbing, texts = 5 * (2 * 10 + 1), 5 * 3
    assert climbing + texts + 5 <= found.passes <= climbing + texts + 2 * 5


def test_surprise_can_cost_rank(tiny: Subject) -> None:
    target = tiny.neuron(1, 23)
    free = invert(tiny, target, length=5, steps=15, seeds=SEEDS)
    likely = invert(tiny, target, length=5, steps=15, seeds=SEEDS, incoherence=1e6)
    assert [start.surprise for start in likely.starts] == sorted(start.surprise or 0.0 for start in likely.starts)
    assert sorted(free.texts) == sorted(likely.texts)
    assert free.texts != likely.texts


def test_a_gated_model_and_a_coordinate_work_too(gated: Subject, tiny: Subject) -> None:
    cases = ((gated, gated.neuron(1, 3)), (gated, gated.neuron(1, 3, -1)), (tiny, tiny.at("blocks.0.hook_out", 9)))
    for subject, target in cases:
        found = invert(subject, target, length=5, steps=20)
        assert found.status is Outcome.REACHED
        assert found.discrete is not None
        assert found.baseline is not None
        assert found.discrete > found.baseline
        assert max(point.activation for point in found.curve) > found.curve[0].activation
        assert_true_to_its_texts(subject, target, found)


def test_a_feature_reaches_its_analytic_maximum(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # sae_lens uses an old name of TransformerLens
        from sae_lens import StandardSAE, StandardSAEConfig
        from sae_lens.saes.sae import SAEMetadata
    metadata = SAEMetadata(hook_name="blocks.0.hook_in", model_name="tiny")
    sae = StandardSAE(StandardSAEConfig(d_in=32, d_sae=16, metadata=metadata, apply_b_dec_to_input=False))
    torch.manual_seed(0)
    torch.nn.init.normal_(sae.W_enc)
    torch.nn.init.constant_(sae.b_enc, -18.0)  # no token alone switches it on
    sae.save_model(tmp_path / "sae")
    subject = load("tiny", write_gpt2(tmp_path / "model"))
    subject.attach(open_dictionary(str(tmp_path / "sae"), subject))
    target = subject.feature(3)
    found = invert(subject, target, length=4, steps=100, fixed_norm=True, snap=0.25)
    ceiling = Table(subject).norm * float(sae.W_enc[:, 3].detach().norm()) - 18
    assert found.curve[0].activation == 0.0
    assert ceiling * 0.98 < found.continuous <= ceiling + 1e-3
    assert_true_to_its_texts(subject, target, found)
    assert all(parameter.grad is None for parameter in sae.parameters())


def test_longer_than_the_context_is_cut_and_no_climb_is_still_an_answer(tiny: Subject) -> None:
    found = invert(tiny, tiny.neuron(1, 20), length=500, steps=0, starts=1, candidates=0)
    assert len(found.positions) == tiny.context - 1
    assert len(found.curve) == 1


@pytest.mark.parametrize(
    "settings",
    [{"length": 0}, {"steps": -1}, {"starts": 0}, {"rate": 0.0}, {"scale": 0.0}, {"snap": 1.0}, {"noise": -1.0}],
)
def test_nonsense_is_refused(tiny: Subject, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        invert(tiny, tiny.neuron(1, 20), **settings)  # pyright: ignore[reportArgumentType]


def test_a_unit_of_the_embedding_itself_reads_what_is_put_in_its_place(tiny: Subject) -> None:
    target, ids = tiny.at("embed.hook_out", 3), tiny.encode(SEEDS[0])
    table = Table(tiny)
    _, value = Reader(tiny, target, table).read(table.rows[ids][None])
    [reading] = tiny.measure([SEEDS[0]], target)
    assert value[0].tolist() == pytest.approx(reading.values, abs=1e-5)
