"""What is measured is what the model computes at the text's own tokens, however it is batched and whoever asks."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from memory.records import Status, Target
from tests.tiny_models import PAIR, WORDS, write_gpt2, write_pieces
from tools.loading import load
from tools.subject import Reading, Subject, SubjectError
from tools.units import neuron_hook

TEXTS = ["the cat", "an apple, a red river", "man?", " ".join(WORDS), "río 🌊 über den apple\n\n river"]


@pytest.fixture(params=["tiny", "gated"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return request.getfixturevalue(request.param)


def cached(subject: Subject, text: str, layer: int) -> np.ndarray:
    """The bridge's own activations at the text's tokens, [tokens, neurons]."""
    grid = torch.tensor([[subject.bos, *subject.encode(text)]])
    with torch.inference_mode():
        _, cache = subject.bridge.run_with_cache(grid, names_filter=[neuron_hook(layer)])
    return cache[neuron_hook(layer)][0, 1:].numpy()


def hooks(subject: Subject) -> int:
    return sum(len(point._forward_hooks) for point in subject.bridge.hook_dict.values())


def saved(subject: Subject, folder: Path, *, name: str = "", value: float = 0.0) -> Path:
    """A random model of the subject's shape as a folder; one number of the weights called `name` is `value`."""
    torch.manual_seed(1)
    model = GPT2LMHeadModel(subject.hf.config)
    for key, parameter in model.named_parameters():
        if name and key == f"transformer.{name}":
            parameter.data.view(-1)[1] = value
    model.save_pretrained(folder)
    subject.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("layer", [0, 1])
def test_measured_values_are_those_of_the_bridges_own_cache(subject: Subject, layer: int) -> None:
    for index in (0, PAIR, subject.width - 1):
        for text in TEXTS:
            [reading] = subject.measure([text], subject.neuron(layer, index))
            assert reading.values == pytest.approx(cached(subject, text, layer)[:, index], abs=1e-5)


def test_a_text_alone_and_in_a_padded_batch_reads_the_same(subject: Subject) -> None:
    target = subject.neuron(1, 9)
    together = subject.measure(TEXTS, target)
    for text, batched in zip(TEXTS, together, strict=True):
        [alone] = subject.measure([text], target)
        assert batched.values == pytest.approx(alone.values, abs=1e-4)
        assert (batched.position, batched.token_ids) == (alone.position, alone.token_ids)


def test_many_texts_of_many_lengths_come_back_in_their_order(tiny: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.subject.BATCH_TOKENS", 40)
    texts = [" ".join(WORDS[: 1 + n % 7]) for n in range(30)]
    readings = tiny.measure(texts, tiny.neuron(0, 3))
    assert ["".join(reading.tokens) for reading in readings] == texts


def test_bos_is_fed_and_never_counted(tiny: Subject) -> None:
    text = "the cat"
    for index in range(tiny.width):
        target = tiny.neuron(1, index)
        [reading] = tiny.measure([text], target)
        assert reading.token_ids == tuple(tiny.encode(text))
        assert len(reading.values) == len(reading.tokens)
        assert reading.peak == max(reading.values)
    with_bos = max(range(tiny.width), key=lambda n: float(bos_value(tiny)[n]))
    assert tiny.measure([text], tiny.neuron(1, with_bos))[0].peak != pytest.approx(float(bos_value(tiny)[with_bos]))


def bos_value(subject: Subject) -> torch.Tensor:
    return subject.activations(torch.tensor([[subject.bos]]), 1)[0, 0]


def test_the_policy_says_which_token_is_read(tiny: Subject, pair: Target) -> None:
    text = "old apple river day"
    readings = {p: tiny.measure([text], pair, policy=p)[0] for p in ("max", "last", "mean", "0", "2", "-2")}
    values = readings["max"].values
    assert readings["max"].tokens[readings["max"].position or 0] == " river"
    assert readings["max"].peak == max(values)
    assert readings["last"].peak == values[-1]
    assert readings["last"].position == len(values) - 1
    assert readings["mean"].peak == pytest.approx(sum(values) / len(values))
    assert readings["0"].peak == values[0]
    assert readings["2"].peak == values[2]
    assert readings["-2"].peak == values[-2]
    assert all(reading.values == values for reading in readings.values())


@pytest.mark.parametrize("policy", ["99", "-99"])
def test_an_index_outside_the_text_has_no_peak_and_a_status(tiny: Subject, pair: Target, policy: str) -> None:
    [reading] = tiny.measure(["apple river"], pair, policy=policy)
    assert (reading.peak, reading.position, reading.status) == (None, None, Status.EMPTY)
    assert reading.values


@pytest.mark.parametrize("policy", ["median", "", "1.5"])
def test_a_policy_nobody_knows_is_refused_with_those_there_are(tiny: Subject, pair: Target, policy: str) -> None:
    with pytest.raises(SubjectError, match="max, last, mean or an index") as refused:
        tiny.measure(["apple river"], pair, policy=policy)
    assert "\n" not in str(refused.value)


def test_a_text_without_tokens_is_empty_and_not_zero(tiny: Subject, pair: Target) -> None:
    before = tiny.passes
    assert tiny.measure([""], pair) == [Reading((), (), (), None, None, Status.EMPTY)]
    assert tiny.measure([], pair) == []
    assert tiny.passes == before
    empty, full = tiny.measure(["", "apple river"], pair)
    assert empty.status is Status.EMPTY
    assert full.status is Status.MEASURED


def test_a_text_longer_than_the_context_is_cut_and_says_so(tiny: Subject, pair: Target) -> None:
    room = tiny.context - 1
    ids = (tiny.encode(" the cat sat") * tiny.context)[: room + 1]
    exact, longer = tiny.measure_ids([ids[:room], ids], pair)
    assert (exact.status, longer.status) == (Status.MEASURED, Status.TRUNCATED)
    assert exact.values == pytest.approx(longer.values, abs=1e-5)
    assert len(longer.tokens) == room


def test_weights_that_give_no_number_make_a_failed_measurement_never_zero(tiny: Subject, tmp_path: Path) -> None:
    for bad in (float("nan"), float("inf")):
        broken = load("broken", saved(tiny, tmp_path / str(bad), name="h.0.mlp.c_fc.bias", value=bad))
        [reading] = broken.measure(["apple river"], broken.neuron(0, 1))
        assert (reading.status, reading.values, reading.peak, reading.position) == (Status.FAILED, (), None, None)


def test_half_a_surrogate_in_a_text_is_read_as_a_question_mark(tiny: Subject, pair: Target) -> None:
    [reading] = tiny.measure(["apple \ud800 river"], pair)
    assert reading.status is Status.MEASURED
    assert "".join(reading.tokens) == "apple ? river"


def test_a_unit_that_is_not_there_is_refused_with_the_valid_range(tiny: Subject) -> None:
    for layer in (2, -1):
        with pytest.raises(SubjectError, match=f"no layer {layer}: layers run from 0 to 1"):
            tiny.neuron(layer, 0)
    for index in (64, -1):
        with pytest.raises(SubjectError, match=f"no neuron {index} in layer 1: neurons run from 0 to 63"):
            tiny.neuron(1, index)


def test_a_negative_sign_turns_the_values_over(tiny: Subject) -> None:
    plus, minus = tiny.neuron(1, 4), tiny.neuron(1, 4, -1)
    [up], [down] = tiny.measure([TEXTS[3]], plus), tiny.measure([TEXTS[3]], minus)
    assert down.values == pytest.approx([-value for value in up.values], abs=1e-6)
    assert down.peak == pytest.approx(-min(up.values), abs=1e-6)
    assert (plus.name, minus.name) == ("L1N4", "L1N4-")


def test_every_text_with_a_token_costs_one_pass(tiny: Subject, pair: Target) -> None:
    before = tiny.passes
    tiny.measure(["a cat", "", "a dog sat", "on"], pair)
    assert tiny.passes - before == 3


def test_the_hash_is_the_weights_and_how_they_are_used(tiny: Subject, tiny_relu: Subject, tmp_path: Path) -> None:
    assert load("again", write_gpt2(tmp_path / "again")).hash == tiny.hash
    assert tiny_relu.hash != tiny.hash  # the same weights, another activation function
    changed = {"": 0.0, "wte.weight": 7.0, "h.1.mlp.c_fc.weight": 7.0, "h.0.mlp.c_fc.weight": 7.0}
    hashes = {load("x", saved(tiny, tmp_path / f"x{n}", name=n, value=v)).hash for n, v in changed.items()}
    assert len(hashes) == 4


def test_a_single_changed_weight_changes_the_hash_wherever_it_stands(tiny: Subject, tmp_path: Path) -> None:
    subject = load("x", saved(tiny, tmp_path))
    weight = max(subject.hf.parameters(), key=torch.numel).data.view(-1)
    hashes = {Subject(subject.bridge, subject.tokenizer, "x").hash}
    for place in (1, 2, 3, len(weight) - 1):
        weight[place] += 0.25
        hashes.add(Subject(subject.bridge, subject.tokenizer, "x").hash)
        weight[place] -= 0.25
    assert len(hashes) == 5


def test_hooks_are_gone_after_a_measurement_and_after_an_exception(tiny: Subject, pair: Target) -> None:
    before = hooks(tiny)
    tiny.measure(["apple river"], pair)
    assert hooks(tiny) == before
    with pytest.raises(IndexError):
        tiny.measure_ids([[10**6]], pair)
    assert hooks(tiny) == before

    def fails(_: torch.Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), tiny.hooked({neuron_hook(0): fails}):
        tiny.run(tiny.padded([tiny.encode("apple")]))
    assert hooks(tiny) == before
    assert tiny.measure(["apple river"], pair)[0].status is Status.MEASURED


def test_two_threads_measuring_at_once_get_their_own_values(tiny: Subject) -> None:
    targets = [tiny.neuron(0, PAIR), tiny.neuron(1, 9), tiny.neuron(1, 30, -1)]
    expected = [tiny.measure(TEXTS, target) for target in targets]
    before = tiny.passes
    wrong: list[str] = []

    def ask(number: int) -> None:
        for _ in range(15):
            found = tiny.measure(TEXTS, targets[number])
            same = [a.values == pytest.approx(b.values, abs=1e-5) for a, b in zip(found, expected[number], strict=True)]
            wrong.extend(f"thread {number}" for fine in same if not fine)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert tiny.passes - before == 3 * 15 * len(TEXTS)


def test_a_folder_with_only_a_pickle_is_refused_unopened(tiny: Subject, tmp_path: Path) -> None:
    saved(tiny, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/opened'\ntR.")
    with pytest.raises(SubjectError, match=r"cannot load model 'pickled' .*safetensors") as refused:
        load("pickled", tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spoiled", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_spoiled_folder_is_refused_in_one_line(tiny: Subject, tmp_path: Path, spoiled: str) -> None:
    path = saved(tiny, tmp_path) / spoiled
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SubjectError, match="cannot load model 'spoiled'") as refused:
        load("spoiled", tmp_path)
    assert "\n" not in str(refused.value)


def test_a_model_that_reads_in_both_directions_is_refused(tmp_path: Path) -> None:
    write_gpt2(tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    for path in tmp_path.glob("*model*"):
        path.unlink()
    torch.manual_seed(0)
    size: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **size)).save_pretrained(tmp_path)
    with pytest.raises(SubjectError, match="reads a text in both directions"):
        load("bert", tmp_path)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    write_gpt2(tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer) // 2, n_embd=32, n_layer=1, n_head=2)).save_pretrained(
        tmp_path
    )
    with pytest.raises(SubjectError, match="the tokenizer has more tokens than the"):
        load("other", tmp_path)


def test_a_model_without_plain_neurons_is_refused_in_one_line(tiny: Subject) -> None:
    hookless = SimpleNamespace(original_model=tiny.hf, hook_dict={}, cfg=tiny.bridge.cfg)
    with pytest.raises(SubjectError, match="moe has no plain or gated MLP"):
        Subject(hookless, tiny.tokenizer, "moe")


def test_a_name_nobody_has_is_refused_in_one_line() -> None:
    with pytest.raises(SubjectError, match="cannot load model 'nobody/has-this'") as refused:
        load("nobody/has-this")
    assert "\n" not in str(refused.value)


def test_tokens_that_are_pieces_keep_their_spaces(tmp_path: Path) -> None:
    """Where a tokenizer takes the space from whatever it decodes first, as those of Llama 2 and Mistral do."""
    subject = load("pieces", write_pieces(tmp_path))
    text = "the cat sat on the red mat, old man"
    [reading] = subject.measure([text], subject.neuron(0, 1))
    assert "".join(reading.tokens) == text
    assert reading.tokens.count(" sat") == 1
    ids = list(reading.token_ids)
    assert "".join(subject.tokens(ids[2:])) == subject.decode(ids[2:])
    assert subject.tokens([]) == ()


@pytest.mark.parametrize("hook", ["pos_embed.hook_out"])
def test_what_all_rows_share_is_no_vector_a_token(tiny: Subject, hook: str) -> None:
    with pytest.raises(SubjectError, match="does not carry one vector a token"):
        tiny.at(hook, 3)
