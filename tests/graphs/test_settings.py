"""Flags and environment become means, and what a default stands for is said in one line."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from evals.ollama_stub import OllamaStub
from graphs.settings import JUDGED_CALLS, Choice, SettingError, choose_mind, home, means, ollama_url, parser
from graphs.state import EXAMINATION, HEARING, Means

NOWHERE = "http://127.0.0.1:9"
CHOICES = (Choice("pocket", ""), Choice("stdlib", ""), Choice("built-in", ""))


def parsed(*words: str) -> argparse.Namespace:
    return parser().parse_args(["--layer", "1", "--neuron", "2", *words])


def made(*words: str) -> Means:
    return means(parsed(*words), *CHOICES)


def test_defaults_are_those_of_the_means(data_folder: Path) -> None:
    assert made() == Means(1, 2, home=str(data_folder))


def test_every_flag_reaches_the_means(tmp_path: Path) -> None:
    notes, prompts = tmp_path / "notes.md", tmp_path / "prompts.txt"
    notes.write_text("It likes ☕.", encoding="utf-8")
    prompts.write_text("one\n\n  two\n", encoding="utf-8")
    numbers: dict[str, Any] = {
        "survey_tokens": 5000, "llm_timeout": 2.5, "temperature": 0.0, "seed": 9, "max_iterations": 4, "minutes": 1.5,
        "max_llm_calls": 0, "max_forward_passes": 70, "min_improvement": 0.25, "stagnation": 2,
    }  # fmt: skip
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in numbers.items()]
    found = made(
        *flags, "--k=7", "--negative", "--position=-2", "--notes", str(notes), "--seed-prompts", str(prompts),
        "--ollama-url", "box:99", "--home", "there", "--device", "cuda", "--judge", "ollama:qwen3",
    )  # fmt: skip
    assert found == Means(
        1, 2, sign=-1, keep=7, position="-2", notes="It likes ☕.", seed_prompts=("one", "  two"),
        ollama_url="box:99", home="there", device="cuda", judge="ollama:qwen3", **numbers,
    )  # fmt: skip


def test_a_judge_brings_calls_of_its_own_unless_a_limit_was_given() -> None:
    judged = ("--judge", "ollama:qwen3")
    assert made(*judged).max_llm_calls == JUDGED_CALLS == Means.max_llm_calls + HEARING
    assert made(*judged, "--max-llm-calls", "7").max_llm_calls == 7
    assert f"{EXAMINATION} calls once a model" in " ".join(parser().format_help().split())


def test_the_environment_names_the_home_and_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURONAUT_HOME", "/there")
    monkeypatch.setenv("OLLAMA_HOST", "box:99")
    assert (home(parsed()), ollama_url(parsed())) == ("/there", "box:99")
    assert (home(parsed("--home", "here")), ollama_url(parsed("--ollama-url", "other"))) == ("here", "other")
    assert made().ollama_url == "box:99"


@pytest.mark.parametrize("missing", ["layer", "neuron"])
def test_a_target_must_be_named(missing: str) -> None:
    given = parsed()
    delattr(given, missing)
    with pytest.raises(SettingError, match="--layer L --neuron N"):
        means(given, *CHOICES)


def test_the_flags_explain_themselves_with_their_defaults() -> None:
    told = parser().format_help()
    assert "--max-iterations" in told
    assert f"(default: {Means.max_forward_passes})" in told
    assert "None" not in told
    assert all(action.help for action in parser()._actions)


def test_auto_takes_a_model_that_ollama_has() -> None:
    with OllamaStub(models=("embedder:latest", "qwen3:4b"), capabilities={"embedder:latest": ["embedding"]}) as stub:
        assert choose_mind("auto", stub.url) == Choice("ollama:qwen3:4b", "Ollama answers")


def test_auto_takes_the_model_the_environment_names_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with OllamaStub(models=("qwen3:4b", "llama3.2:latest")) as stub:
        monkeypatch.setenv("NEURONAUT_OLLAMA_MODEL", "llama3.2")
        assert choose_mind("auto", stub.url).name == "ollama:llama3.2"
        monkeypatch.setenv("NEURONAUT_OLLAMA_MODEL", "another")
        none = choose_mind("auto", stub.url)
    assert none.name == "built-in"
    assert "another" in none.why


@pytest.mark.parametrize("behaviour", ["hang", "html"])
def test_auto_is_built_in_when_ollama_does_not_answer_in_time(behaviour: str) -> None:
    import time

    with OllamaStub(behaviour) as stub:
        began = time.monotonic()
        found = choose_mind("auto", stub.url)
        assert time.monotonic() - began < 2
    assert found.name == "built-in"
    assert found.why.startswith("no language model")
    assert choose_mind("auto", NOWHERE).name == "built-in"


@pytest.mark.parametrize("name", ["built-in", "ollama:llama3.2", "openai:gpt-5", "scripted:calls.jsonl"])
def test_a_named_mind_is_taken_as_asked(name: str) -> None:
    assert choose_mind(name, NOWHERE) == Choice(name, "as asked")
