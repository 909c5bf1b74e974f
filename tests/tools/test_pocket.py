"""The bundled subject is what its card says, and worth studying."""

import inspect
import json
import re
from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel

from tools import corpus, pocket
from tools.loading import load
from tools.pocket.card import card
from tools.pocket.revival import revive
from tools.pocket.train import config
from tools.subject import Subject


@pytest.fixture(scope="module")
def subject() -> Subject:
    return load(pocket.NAME, pocket.FOLDER)


def test_it_has_a_neuron_652_in_layer_9_and_fits_the_repository(subject: Subject) -> None:
    assert (subject.layers, subject.width) == (12, 768)
    assert subject.neuron(9, 652).name == "L9N652"
    assert sum(file.stat().st_size for file in pocket.FOLDER.iterdir()) < 16e6


def test_neurons_of_every_layer_are_alive(subject: Subject) -> None:
    text = inspect.getsource(corpus) + inspect.getsource(json.decoder)
    ids = subject.encode(text)
    grid = subject.padded([ids[at : at + 200] for at in range(0, 1600, 200)])
    with torch.inference_mode():
        for layer in range(subject.layers):
            values = subject.activations(grid, layer)[:, 1:].flatten(0, 1)
            assert (values.std(0) > 1e-3).float().mean() > 0.95, layer


def test_it_has_learned_python(subject: Subject) -> None:
    ids = subject.padded([subject.encode("import os\n\ndef main():\n    for i in range(")])
    with torch.inference_mode():
        best = subject.hf(ids).logits[0, -1].topk(20).indices.tolist()
    assert any(re.fullmatch(r"\d+|len", subject.token(token)) for token in best)


def test_the_card_is_written_from_the_figures() -> None:
    figures = json.loads((pocket.FOLDER / "figures.json").read_text(encoding="utf-8"))
    assert (pocket.FOLDER / "README.md").read_text(encoding="utf-8") == card(figures)
    assert figures["bits_per_byte"] < 1.45
    assert figures["processor_minutes"] >= 90


def test_restarting_a_collapsed_part_leaves_the_output_as_it_was() -> None:
    torch.manual_seed(0)
    model: Any = GPT2LMHeadModel(config(2)).eval()
    block = model.transformer.h[1]
    with torch.no_grad():
        for norm in (block.ln_1, block.ln_2):
            norm.weight.zero_()
            norm.bias.normal_()
        rows = torch.randint(1, 4096, (2, 20))
        before = model(rows).logits
        assert revive(model) == ["1.attn", "1.mlp"]
        assert (model(rows).logits - before).abs().max() < 1e-4
        assert block.ln_2.weight.min() == 1.0
