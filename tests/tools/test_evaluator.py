"""The evaluator: quick, and never another number than the hook point's."""

from pathlib import Path

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from memory.records import Target
from tests.tiny_models import write_llama
from tools import branches
from tools.branches import Row, Width, run
from tools.evaluator import Evaluator
from tools.fluency import Fluency
from tools.loading import load
from tools.proposals import expectations, replaced, surprise
from tools.subject import Subject

PARENT = " the old man saw the cat on stone"


def rows_around(parent: Row) -> list[Row]:
    """Swaps at every place, a shorter row, a longer one, other lengths, the row itself."""
    swaps = [replaced(parent, place, token) for place in range(len(parent)) for token in (280, 300, 310)]
    return [*swaps, parent[:-1], (*parent, 290), parent[2:], (300, *parent), parent]


def hooked(subject: Subject, target: Target, rows: list[Row]) -> list[float]:
    """What stands at the hook point at each row's last token, one row at a time."""
    probe = subject.drive(target)
    read = [probe.column(subject.passing(subject.padded([row]), probe.hook))[0, -1].item() for row in rows]
    return [target.sign * value for value in read]


def targets(subject: Subject) -> list[Target]:
    """A neuron of each layer, both ways, and coordinates of the residual stream."""
    neurons = [subject.neuron(layer, 20, sign) for layer in (0, 1) for sign in (1, -1)]
    hooks = ["blocks.0.hook_in", "blocks.1.hook_in", "blocks.0.hook_out", "blocks.1.hook_out"]
    return [*neurons, *(subject.at(hook, 7) for hook in hooks)]


@pytest.mark.parametrize("layout", ["tiny", "tiny_relu", "gated"])
def test_the_quick_way_equals_the_hook_point(layout: str, request: pytest.FixtureRequest) -> None:
    subject: Subject = request.getfixturevalue(layout)
    parent = tuple(subject.encode(PARENT))
    rows = rows_around(parent)
    for target in targets(subject):
        evaluator = Evaluator(subject, target, screening=torch.float32)
        assert evaluator.fast
        want = pytest.approx(hooked(subject, target, rows), rel=1e-5, abs=1e-5)
        assert evaluator.around(parent, rows) == want
        assert evaluator.exact(rows) == want
        assert [drive for drive, _ in evaluator.scores(rows)] >= list(want.expected)


@pytest.mark.parametrize(
    ("config", "model"),
    [
        (LlamaConfig(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}), LlamaForCausalLM),
        (MistralConfig(sliding_window=4), MistralForCausalLM),
        (Qwen2Config(), Qwen2ForCausalLM),
        (Qwen3Config(head_dim=16), Qwen3ForCausalLM),
    ],
)
def test_relatives_of_llama_are_right_quick_or_not(
    tmp_path: Path, config: PretrainedConfig, model: type[PreTrainedModel]
) -> None:
    write_llama(tmp_path)
    given = {"vocab_size": 420, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config.update(given | {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.5})
    config.update({"bos_token_id": 0, "eos_token_id": 0, "max_position_embeddings": 64, "layer_types": None})
    torch.manual_seed(0)
    model(type(config)(**config.to_dict())).save_pretrained(tmp_path)
    subject = load("relative", tmp_path)
    parent = tuple(subject.encode(PARENT))
    rows = rows_around(parent)
    target = subject.neuron(1, 20)
    evaluator = Evaluator(subject, target, screening=torch.float32)
    assert evaluator.around(parent, rows) == pytest.approx(hooked(subject, target, rows), abs=2e-5)
    assert evaluator.fast or getattr(config, "sliding_window", None)


@pytest.mark.parametrize(
    ("config", "model"), [(Gemma2Config(head_dim=16), Gemma2ForCausalLM), (Olmo2Config(), Olmo2ForCausalLM)]
)
def test_what_is_built_otherwise_runs_by_its_own_modules(
    tmp_path: Path, config: PretrainedConfig, model: type[PreTrainedModel]
) -> None:
    """Norms in other places; token embeddings that are multiplied on their way in."""
    write_llama(tmp_path)
    small = {"vocab_size": 420, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    small |= {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.5}
    config.update(small | {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "layer_types": None})
    torch.manual_seed(0)
    model(type(config)(**config.to_dict())).save_pretrained(tmp_path)
    subject = load("odd", tmp_path)
    row, target = tuple(subject.encode(PARENT)), subject.neuron(1, 20)
    evaluator = Evaluator(subject, target)
    assert not evaluator.fast
    assert evaluator.ascent(row)[0] == pytest.approx(hooked(subject, target, [row])[0], rel=1e-4, abs=1e-6)
    assert Fluency(subject).exact([row])[0] > 0.0


def test_a_hook_point_it_does_not_know_goes_through_the_hooks(tiny: Subject) -> None:
    target = tiny.at("blocks.1.attn.hook_out", 3)
    evaluator = Evaluator(tiny, target)
    parent = tuple(tiny.encode(PARENT))
    rows = rows_around(parent)
    assert not evaluator.fast
    assert evaluator.around(parent, rows) == pytest.approx(hooked(tiny, target, rows), abs=1e-5)
    assert evaluator.ascent(parent)[1].abs().max() > 0


def test_a_model_that_computes_something_else_does_not_pass_the_check(tiny: Subject) -> None:
    block = tiny.hf.base_model.h[0]
    handle = block.mlp.register_forward_hook(lambda _module, _inputs, output: output + 1.0 + output.roll(1, -1))
    try:
        assert not Evaluator(tiny, tiny.neuron(1, 20)).fast
    finally:
        handle.remove()


def test_screening_in_bfloat16_ranks_as_float32_does(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    parent = tuple(tiny.encode(PARENT))
    rows = rows_around(parent)
    rough = Evaluator(tiny, target, screening=torch.bfloat16).around(parent, rows)
    exact = Evaluator(tiny, target).exact(rows)
    assert torch.corrcoef(torch.tensor([rough, exact]))[0, 1] > 0.99


def test_scores_find_the_best_token_and_padding_and_bos_do_not_count(tiny: Subject) -> None:
    target = tiny.neuron(1, 20)
    rows = [tuple(tiny.encode(text)) for text in (PARENT, " the", " red mat under sky over the blue river far")]
    together, alone = Evaluator(tiny, target).scores(rows), [Evaluator(tiny, target).scores([row])[0] for row in rows]
    for (drive, place), (other, same), reading in zip(together, alone, tiny.measure_ids(rows, target), strict=True):
        assert (drive, place) == (pytest.approx(other, abs=1e-5), same)
        gelu = torch.nn.functional.gelu(torch.tensor(drive), approximate="tanh").item()
        assert reading.values[place] == pytest.approx(gelu, abs=1e-5)


@pytest.mark.parametrize("layout", ["tiny", "gated"])
def test_slopes_are_what_a_small_step_towards_a_token_gives(layout: str, request: pytest.FixtureRequest) -> None:
    subject: Subject = request.getfixturevalue(layout)
    target = subject.neuron(1, 20)
    row = tuple(subject.encode(" the old man saw"))
    slopes = Evaluator(subject, target, screening=torch.float32).ascent(row)[1]
    table, step = subject.hf.get_input_embeddings(), 1e-3
    for place, token in ((0, 300), (1, 301), (3, 302)):

        def nudge(_m: object, _i: object, output: torch.Tensor, place: int = place, token: int = token) -> torch.Tensor:
            moved = output.clone()
            moved[:, 1 + place] += step * (table.weight[token] - table.weight[row[place]])
            return moved

        [before] = hooked(subject, target, [row])
        handle = table.register_forward_hook(nudge)
        [after] = hooked(subject, target, [row])
        handle.remove()
        assert slopes[place, token].item() == pytest.approx((after - before) / step, rel=0.1, abs=0.02)
    assert all(slopes[i, token] == 0 for i, token in enumerate(row))


def test_a_neuron_that_is_off_still_has_a_slope(tiny_relu: Subject) -> None:
    target = tiny_relu.neuron(0, 5)
    row = tuple(tiny_relu.encode(" the old man"))
    assert tiny_relu.measure_ids([row], target)[0].peak == 0.0
    assert Evaluator(tiny_relu, target).ascent(row)[1].abs().max() > 0


def test_the_weights_stay_frozen_and_no_hook_stays_behind(tiny: Subject) -> None:
    evaluator = Evaluator(tiny, tiny.at("blocks.1.attn.hook_out", 3))
    evaluator.ascent(tuple(tiny.encode(" the cat")))
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in tiny.hf.parameters())
    assert not tiny.hf.get_input_embeddings()._forward_hooks
    assert not tiny.bridge.hook_dict[evaluator.probe.hook]._forward_hooks


@pytest.mark.parametrize("layout", ["tiny", "gated"])
def test_surprises_are_those_of_the_model_itself(layout: str, request: pytest.FixtureRequest) -> None:
    subject: Subject = request.getfixturevalue(layout)
    parent = tuple(subject.encode(PARENT))
    rows = rows_around(parent)
    fluency = Fluency(subject)
    expected = fluency.expected(parent)
    own = expectations(subject, parent)
    assert torch.allclose(expected[own.isfinite()], own[own.isfinite()], atol=1e-4)
    want = [surprise(expectations(subject, row), row) for row in rows]
    assert fluency.surprises(parent, expected, rows) == pytest.approx(want, abs=0.05)


def test_memory_that_runs_out_halves_the_width_and_says_so_once() -> None:
    sizes: list[int] = []

    def compute(batch: branches.Batch) -> list[float]:
        sizes.append(len(batch[0]))
        if len(batch[0]) > 8:
            raise torch.OutOfMemoryError("no room")
        return batch[0][:, -1].float().tolist()

    rows = [(1, 2, n) for n in range(40)]
    with pytest.warns(UserWarning, match="out of memory on cpu: going on with"):
        found = run(rows, (1, 2, 3), 0, width=Width(torch.device("cpu")), compute=compute)
    assert found == [float(n) for n in range(40)]
    assert max(sizes[2:]) == 8


def test_an_accelerator_gets_wider_batches_while_they_pay() -> None:
    width = Width(torch.device("cuda"))
    while not width.settled:
        width.done(width.rows, 1.0 if width.rows <= 512 else width.rows / 512)
    assert width.rows == 512
