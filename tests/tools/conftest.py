"""Tiny subjects with behaviour planted in their weights, in folders that tools.subject loads like any other."""

import pytest

from memory.records import Target
from tests.tiny_models import DEAD, FIRST, MERGED, PAIR, SECOND, SPLIT, write_gpt2, write_llama
from tools.loading import load
from tools.subject import Subject

__all__ = ["DEAD", "FIRST", "MERGED", "PAIR", "SECOND", "SPLIT"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A GPT-2 of two layers, 32 wide, with planted neurons in layer 0."""
    return load("tiny", write_gpt2(tmp_path_factory.mktemp("gelu")))


@pytest.fixture(scope="session")
def tiny_relu(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The same with ReLU, whose slope is zero when a neuron is off."""
    return load("tiny-relu", write_gpt2(tmp_path_factory.mktemp("relu"), "relu"))


@pytest.fixture(scope="session")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A random Llama of two layers with a gated MLP."""
    return load("gated", write_llama(tmp_path_factory.mktemp("gated")))


@pytest.fixture
def pair(tiny: Subject) -> Target:
    """Fires at " river" when " apple" stands somewhere before it."""
    return tiny.neuron(0, PAIR)
