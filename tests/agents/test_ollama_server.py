"""Finding a model for `--llm auto`, and the exact address of a server."""

import time

import pytest

from agents.ollama_server import DEFAULT_URL, choose_model, reachable_ollama, server_url
from evals.ollama_stub import OllamaStub

MODELS = ("nomic-embed-text:latest", "llama3.2:latest", "qwen3:4b")
EMBEDS = {MODELS[0]: ["embedding"]}


def test_the_first_model_that_can_chat_is_chosen() -> None:
    with OllamaStub(models=MODELS, capabilities=EMBEDS) as stub:
        assert choose_model(stub.url) == "llama3.2:latest"


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("qwen3:4b", "qwen3:4b"), ("llama3.2", "llama3.2"), ("mistral", None), ("nomic-embed-text", None)],
)
def test_a_wanted_model_is_taken_or_nothing(wanted: str, chosen: str | None) -> None:
    with OllamaStub(models=MODELS, capabilities=EMBEDS) as stub:
        assert choose_model(stub.url, wanted=wanted) == chosen
        assert reachable_ollama(stub.url, wanted) == (chosen is not None)


def test_a_server_without_models_offers_nothing() -> None:
    with OllamaStub(models=()) as stub:
        assert not reachable_ollama(stub.url)


@pytest.mark.parametrize("behaviour", ["hang", "html"])
def test_a_server_that_does_not_answer_properly_is_passed_over_in_time(behaviour: str) -> None:
    with OllamaStub(behaviour) as stub:
        started = time.monotonic()
        assert choose_model(stub.url, seconds=0.2) is None
        assert time.monotonic() - started < 1.2


def test_nobody_at_home_is_not_an_error() -> None:
    assert not reachable_ollama("127.0.0.1:9", "llama3.2")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, DEFAULT_URL),
        ("", DEFAULT_URL),
        ("box", "http://box:11434"),
        ("box:80", "http://box:80"),
        ("https://box/ollama/", "https://box/ollama"),
    ],
)
def test_addresses_are_completed(given: str | None, url: str) -> None:
    assert server_url(given) == url
