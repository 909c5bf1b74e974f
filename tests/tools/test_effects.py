"""The output side of a unit equals what the model's own arithmetic gives, and says nothing where there is nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from memory.records import Target, plain, revive
from tests.tiny_models import DEAD, LINES, PAIR, write_pieces
from tools import pocket
from tools.effects import Ablation, Among, Effects, Pull, effects, told
from tools.effects.contexts import Sides, sides
from tools.effects.interventions import Change, Runner
from tools.features import open_dictionary
from tools.layouts import Layout, layout_of
from tools.loading import load
from tools.pages import Page
from tools.subject import Subject

WORD = " sky"


def weights(subject: Subject) -> dict[str, torch.Tensor]:
    return {name.replace("._original_component", ""): part for name, part in subject.hf.state_dict().items()}


def read(subject: Subject, target: Target, number: int = 40) -> tuple[Page, ...]:
    """Pages of shuffled sentences."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.permutation(LINES[n % len(LINES)].split())) for n in range(number)]
    return tuple(
        Page(reading.tokens, np.array(reading.values, np.float32), f"sentence:{n}")
        for n, reading in enumerate(subject.measure(texts, target))
    )


def drawn(subject: Subject, target: Target) -> Sides:
    found = sides(subject, target, read(subject, target), most=20, seed=0)
    assert isinstance(found, Sides)
    return found


def forward(layout: Layout, ids: list[int], layer: int, edit: torch.Tensor) -> torch.Tensor:
    """Log-probabilities after the last token by hand, `edit` [d_model] added there after a layer."""
    x = layout.placed(layout.table[torch.tensor([ids])], 0)
    for n, block in enumerate(layout.blocks):
        queries, keys, values = block.heads(x, 0, None)
        shared = queries.shape[1] // keys.shape[1]
        keys, values = keys.repeat_interleave(shared, 1), values.repeat_interleave(shared, 1)
        x = block.mlp(block.joined(x, F.scaled_dot_product_attention(queries, keys, values, is_causal=True)))
        if n == layer:
            x[:, -1] += edit
    return layout.logits(x)[0, -1].log_softmax(-1)


def written(subject: Subject, layer: int, neuron: int) -> torch.Tensor:
    """What a neuron writes, from the weights as they are stored."""
    parts = weights(subject)
    if subject.name == "gated":
        return parts[f"model.layers.{layer}.mlp.down_proj.weight"][:, neuron]
    return parts[f"transformer.h.{layer}.mlp.c_proj.weight"][neuron]


@pytest.fixture
def telling(tiny: Subject) -> Iterator[Target]:
    """A neuron that writes one word, loudly."""
    row = written(tiny, 0, PAIR)
    kept = row.clone()
    with torch.no_grad():
        row.copy_(4 * weights(tiny)["transformer.wte.weight"][tiny.encode(WORD)[0]])
    yield tiny.neuron(0, PAIR)
    with torch.no_grad():
        row.copy_(kept)


@pytest.fixture
def mute(tiny: Subject) -> Iterator[Target]:
    """A neuron that fires and writes nothing."""
    row = written(tiny, 0, PAIR)
    kept = row.clone()
    with torch.no_grad():
        row.zero_()
    yield tiny.neuron(0, PAIR)
    with torch.no_grad():
        row.copy_(kept)


@pytest.mark.parametrize("model", ["tiny", "gated"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_lens_is_direction_times_gain_times_unembedding(
    model: str, sign: int, request: pytest.FixtureRequest
) -> None:
    subject: Subject = request.getfixturevalue(model)
    target = subject.neuron(1, 7, sign)
    found = effects(subject, target, (), seed=0)
    parts, direction = weights(subject), sign * written(subject, 1, 7)
    if model == "tiny":
        direction = (direction - direction.mean()) * parts["transformer.ln_f.weight"]
    else:
        direction = direction * parts["model.norm.weight"]
    pulls = parts["lm_head.weight"] @ direction
    pulls[0] = torch.nan  # the end of text is no token of a text
    kept = pulls[1:]
    deviations = (pulls - kept.mean()) / kept.std()
    order = deviations.nan_to_num(-torch.inf).argsort(descending=True).tolist()
    assert [pull.token for pull in found.towards] == [subject.token(token) for token in order[:10]]
    assert [pull.amount for pull in found.towards] == pytest.approx(deviations[order[:10]].tolist(), abs=1e-4)
    lowest = (-deviations).nan_to_num(-torch.inf).argsort(descending=True).tolist()[:10]
    assert [pull.amount for pull in found.away] == pytest.approx(deviations[lowest].tolist(), abs=1e-4)
    assert found.usual is not None
    assert found.reason == "there is no text to read it on"


@pytest.mark.parametrize("model", ["tiny", "gated"])
@pytest.mark.parametrize("layer", [0, 1])
def test_an_ablation_is_that_of_a_forward_pass_by_hand(model: str, layer: int, request: pytest.FixtureRequest) -> None:
    subject: Subject = request.getfixturevalue(model)
    target = subject.neuron(layer, 9)
    rows = drawn(subject, target).firing
    layout = layout_of(subject.hf, weights(subject), torch.float32)
    assert layout is not None
    activations = [reading.values[-1] for reading in subject.measure_ids(rows, target)]
    want = []
    with torch.inference_mode():
        for row, activation in zip(rows, activations, strict=True):
            ids, direction = [subject.bos, *row], written(subject, layer, 9)
            clean = forward(layout, ids, layer, 0 * direction)
            ablated = forward(layout, ids, layer, (5.0 - activation) * direction)
            want.append(float((clean.exp() * (clean - ablated)).sum()))
    for quick in (None, True, False):
        got = Runner(subject, target, quick=quick).divergences(rows, [Change(9, 5.0)])[0]
        assert got == pytest.approx(want, rel=1e-3, abs=1e-6)
    assert max(want) > 1e-5


def test_figures_are_means_over_the_contexts_drawn(tiny: Subject) -> None:
    target = tiny.neuron(0, PAIR)
    found = effects(tiny, target, read(tiny, target), seed=0, contexts=20)
    both, runner = drawn(tiny, target), Runner(tiny, target)
    zero, mean = found.ablations
    assert (zero.kind, zero.value, mean.kind) == ("zero", 0.0, "mean")
    assert mean.value == pytest.approx(both.mean)
    for ablation in (zero, mean):
        change = Change(PAIR, ablation.value)
        assert ablation.kl == pytest.approx(float(runner.divergences(both.firing, [change]).mean()))
        assert ablation.silent == pytest.approx(float(runner.divergences(both.silent, [change]).mean()))
        assert ablation.contexts == len(both.firing) == len(both.silent)
    assert found == effects(tiny, target, read(tiny, target), seed=0, contexts=20)


def test_a_neuron_that_writes_a_word_is_told_by_it(tiny: Subject, telling: Target) -> None:
    found = effects(tiny, telling, read(tiny, telling), seed=0)
    assert found.towards[0].token == WORD
    assert found.raised[0].token == WORD
    assert found.usual is not None
    assert found.moved is not None
    assert found.towards[0].amount > found.usual
    assert found.raised[0].amount > found.moved
    assert found.speaks
    assert told(found).startswith("Writes towards ‘·sky’")
    assert "expect ‘·sky’" in told(found)
    for score in found.scores():
        assert score.low is not None
        assert score.floor is not None
        assert score.floor_name
        assert score.low > score.floor


def test_a_neuron_that_writes_nothing_says_nothing(tiny: Subject, mute: Target) -> None:
    found = effects(tiny, mute, read(tiny, mute), seed=0)
    assert max(ablation.kl for ablation in found.ablations) < 1e-6
    assert not found.speaks
    assert told(found).startswith("Its output says nothing")


def test_the_model_is_left_as_it_was(tiny: Subject) -> None:
    target, text = tiny.neuron(0, PAIR), LINES[0]
    before = tiny.measure([text], target)
    effects(tiny, target, read(tiny, target), seed=0, contexts=8)
    assert tiny.measure([text], target) == before


def test_a_unit_that_never_fires_has_a_lens_and_a_reason(tiny: Subject) -> None:
    target = tiny.neuron(0, DEAD)
    pages = tuple(replace(page, values=np.zeros(len(page.tokens), np.float32)) for page in read(tiny, target, 8))
    found = effects(tiny, target, pages, seed=0)
    assert found.towards
    assert "never rises" in found.reason
    assert found.scores()[0].value is None
    assert "could not be tested" in told(found)


def test_a_channel_that_is_not_written_into_the_stream_has_no_direction(tiny: Subject) -> None:
    target = tiny.at("blocks.1.ln2.hook_in", 3)
    inner = tiny.at("blocks.1.attn.q.hook_out", 3)
    assert "blocks.1.attn.q.hook_out" in effects(tiny, inner, (), seed=0).lens_reason
    assert target.hook in effects(tiny, target, (), seed=0).lens_reason


@pytest.mark.parametrize("hook", ["blocks.0.hook_out", "blocks.1.hook_in", "blocks.0.mlp.hook_out"])
@pytest.mark.parametrize("model", ["tiny", "gated"])
def test_a_coordinate_writes_its_own_axis_and_can_be_changed(
    model: str, hook: str, request: pytest.FixtureRequest
) -> None:
    subject: Subject = request.getfixturevalue(model)
    target = subject.at(hook, 9)
    layout = layout_of(subject.hf, weights(subject), torch.float32)
    rows = drawn(subject, target).firing[:4]
    got = Runner(subject, target).divergences(rows, [Change(9, 1.5, relative=True)])[0]
    assert layout is not None
    axis = 1.5 * torch.eye(32)[9]
    with torch.inference_mode():
        logs = [[forward(layout, [subject.bos, *row], 0, by) for by in (0 * axis, axis)] for row in rows]
    assert got == pytest.approx([float((a.exp() * (a - b)).sum()) for a, b in logs], rel=1e-3, abs=1e-6)
    assert effects(subject, target, (), seed=0).towards


def test_effects_are_plain_data(tiny: Subject, pair: Target) -> None:
    data = plain(effects(tiny, pair, read(tiny, pair), seed=0, contexts=8))
    assert isinstance(data["ablations"][0]["kl"], float)
    assert isinstance(data["towards"][0]["token"], str)


def test_the_sentence_names_only_what_is_above_its_floor() -> None:
    pulls = (Pull(" a", 2.0), Pull(" b", 1.0))
    known = Effects("L0N1", pulls, pulls, 3.0, ablations=(Ablation("zero", 0.0, 0.5, 0.4, 0.6, 0.01, 0.02, 9),))
    assert told(known).startswith("Taking it away")
    assert told(replace(known, usual=1.0)).startswith("Writes towards ‘·a’, ‘·b’")
    assert "expect" not in told(replace(known, raised=(Pull(" c", 0.1),), moved=0.2))
    assert "expect ‘·c’" in told(replace(known, raised=(Pull(" c", 0.1),), moved=0.02))
    uneven = replace(known, ablations=(Ablation("zero", 0.0, 0.05, 0.008, 0.12, 0.001, 0.01, 9),))
    assert told(uneven).startswith("What it brings about cannot be told from the floor")


def test_a_unit_is_told_only_where_it_is_above_nearly_all_others() -> None:
    ablation = Ablation("zero", 0.0, 0.5, 0.4, 0.6, 0.01, 0.2, 9, Among(5, 1, 0.1, 0.7, "highest"))
    wide = Among(64, 20, 1.0, 3.0, "90th percentile")
    known = Effects("L0N1", (Pull(" a", 2.0),), usual=1.0, ablations=(ablation,), towards_among=wide)
    assert not known.speaks
    assert (known.scores()[0].floor, known.scores()[0].floor_name) == (0.7, "highest of 5 other units moved as much")
    clear = replace(known, ablations=(replace(ablation, among=Among(5, 0, 0.1, 0.3, "highest")),))
    assert told(clear).startswith("Taking it away")
    assert told(replace(clear, towards_among=replace(wide, high=1.8))).startswith("Writes towards")
    assert "‘·b’" not in told(replace(clear, away=(Pull(" b", -2.0),), away_among=wide))
    assert "away from ‘·b’" in told(replace(clear, away=(Pull(" b", -4.0),), away_among=wide))


def test_where_a_unit_stands_is_counted_among_the_others(tiny: Subject, telling: Target) -> None:
    found = effects(tiny, telling, read(tiny, telling), seed=0)
    for among in (found.towards_among, found.away_among, *(each.among for each in found.ablations)):
        assert among is not None
        assert 0 <= among.above <= among.units
        assert among.median <= among.high
    assert [each.among.units for each in found.ablations if each.among] == [5, 5]
    assert revive(Effects, plain(found)) == found


def test_contexts_of_a_few_pages_have_no_interval(tiny: Subject) -> None:
    target = tiny.at("blocks.0.hook_out", 9)
    found = effects(tiny, target, read(tiny, target)[:4], seed=0)
    assert found.ablations
    assert all(each.low is each.high is None for each in found.ablations)
    assert not found.speaks
    assert "too few pages" in told(found)


def test_contexts_are_cut_from_pages_whose_tokens_are_pieces(tmp_path: Path) -> None:
    """The first token of a page has lost its space, which the token by itself has not."""
    subject = load("pieces", write_pieces(tmp_path))
    target = subject.neuron(0, 1)
    found = sides(subject, target, read(subject, target), most=20, seed=0)
    assert not isinstance(found, str), found
    assert len(found.firing) == len(found.silent) == len(found.pages) >= 5


def test_a_feature_moves_the_stream_along_its_decoder_row() -> None:
    subject = load("pocket", pocket.FOLDER)
    dictionary = open_dictionary("pocket", subject)
    subject.attach(dictionary)
    text = "import os\nfor name in names:\n    print(name, self.value)\n"
    ids = subject.encode(text)
    rows = [tuple(ids[:end]) for end in range(4, len(ids))]
    passing = torch.stack([subject.passing(subject.padded([row]), dictionary.hook)[0, -1] for row in rows])
    fired = dictionary.features(passing)
    index = int(fired.amax(0).argmax())
    target, layer = subject.feature(index), dictionary.layer
    layout = layout_of(subject.hf, weights(subject), torch.float32)
    assert layout is not None
    assert dictionary.hook == f"blocks.{layer}.hook_out"
    want = []
    with torch.inference_mode():
        for row, activation in zip(rows, fired[:, index].tolist(), strict=True):
            by = -activation * dictionary.direction(index)
            clean, ablated = (forward(layout, [subject.bos, *row], layer, edit) for edit in (0 * by, by))
            want.append(float((clean.exp() * (clean - ablated)).sum()))
    got = Runner(subject, target).divergences(rows, [Change(index, 0.0)])[0]
    assert got == pytest.approx(want, rel=1e-2, abs=1e-5)
    assert max(want) > 1e-3
    assert effects(subject, target, (), seed=0).towards


def test_a_downward_target_is_set_low(tiny: Subject) -> None:
    up, down = (effects(tiny, t, read(tiny, t), seed=0, contexts=10) for t in (
        tiny.at("blocks.0.hook_out", 9), tiny.at("blocks.0.hook_out", 9, -1)))  # fmt: skip
    assert up.high is not None
    assert down.high is not None
    assert up.high > 0 > down.high
    assert [pull.token for pull in up.towards] == [pull.token for pull in down.away]
    assert up.ablations[1].value == pytest.approx(down.ablations[1].value)
