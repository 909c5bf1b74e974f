"""Whatever a person can put right is one line, status 2, and nothing lost: flags, models, corpora, language models."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from evals.ollama_stub import OllamaStub
from graphs.failures import EXPECTED, expected_failures
from tests.graphs.small_runs import Command, Refused


def test_every_expected_failure_is_known_once_its_module_is_loaded() -> None:
    named = {getattr(import_module(module), name) for module, name in EXPECTED.items()}
    assert set(expected_failures()) == named | {OSError}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"layer": 2}, "layers run from 0 to 1"),
        ({"layer": -1}, "layers run from 0 to 1"),
        ({"neuron": 64}, "neurons run from 0 to 63"),
        ({"neuron": -1}, "neurons run from 0 to 63"),
        ({"layer": None}, "--layer"),
        ({"neuron": None}, "--neuron"),
        ({"model": "nobody/nothing"}, "nobody/nothing"),
        ({"model": "/no/such/folder"}, "/no/such/folder"),
        ({"corpus": "/no/such/corpus"}, "/no/such/corpus"),
        ({"corpus": "hf:nobody/nothing"}, "hf:nobody/nothing"),
        ({"model": "caf\udce9"}, "--model is not UTF-8: 'caf\\udce9'"),
        ({"corpus": "caf\udce9"}, "--corpus is not UTF-8"),
        ({"home": "caf\udce9"}, "--home is not UTF-8"),
        ({"notes": "/no/such/notes"}, "/no/such/notes"),
        ({"notes": "/"}, "cannot read /"),
        ({"notes": sys.executable}, "not UTF-8"),
        ({"seed_prompts": "/no/such/prompts"}, "/no/such/prompts"),
        ({"resume": "garbage"}, "garbage"),
        ({"resume": "../../etc/passwd"}, "passwd"),
        ({"resume": "\x1b[31m\n; DROP TABLE runs"}, "no run"),
        ({"llm": "llama3.2"}, "PROVIDER:MODEL"),
        ({"llm": "nobody:nothing"}, "nobody"),
        ({"llm": "ollama:llama3.2", "ollama_url": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"llm": "ollama:llama3.2", "ollama_url": "http://[::"}, "http://[::"),
        ({"llm": "scripted:/no/such/script"}, "/no/such/script"),
        ({"max_iterations": 0}, "--max-iterations"),
        ({"minutes": "nan"}, "--minutes"),
        ({"min_improvement": "nan"}, "--min-improvement"),
        ({"temperature": "nan"}, "--temperature"),
        ({"position": "--5"}, "--position"),
        ({"position": "²"}, "--position"),
        ({"position": "first"}, "--position"),
        ({"seed": -1}, "--seed"),
        ({"seed": 10**30}, "--seed"),
        ({"max_llm_calls": -1}, "--max-llm-calls"),
        ({"device": "nonsense"}, "nonsense"),
        ({"json": "/proc/nothing/findings.json"}, "/proc/nothing"),
        ({"json": "/"}, "/"),
        ({"home": "/dev/null/home"}, "/dev/null"),
    ],
)
def test_bad_input_is_one_line(command: Command, refused: Refused, changed: dict[str, Any], told: str) -> None:
    assert told in refused(command(**changed))


def test_a_device_that_is_not_there_is_one_line(command: Command, refused: Refused) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("it is there")
    assert "cuda" in refused(command(device="cuda")).lower()


def _empty(folder: Path, good: Path) -> None:
    del folder, good


def _pickle(folder: Path, good: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((good / name).read_bytes())
    import torch

    torch.save({}, folder / "pytorch_model.bin")


def _copied(**files: bytes | None) -> Callable[[Path, Path], None]:
    """The good folder with files replaced (dots as underscores), or left out."""

    def write(folder: Path, good: Path) -> None:
        for file in good.iterdir():
            content = files.get(file.name.replace(".", "_"), file.read_bytes())
            if content is not None:
                (folder / file.name).write_bytes(content)

    return write


def _narrow(folder: Path, good: Path) -> None:
    config = json.loads((good / "config.json").read_text()) | {"n_embd": 48}
    _copied(config_json=json.dumps(config).encode())(folder, good)


def _cut(folder: Path, good: Path) -> None:
    _copied(model_safetensors=(good / "model.safetensors").read_bytes()[:5000])(folder, good)


@pytest.mark.parametrize(
    "write",
    [
        _empty,
        _pickle,
        _cut,
        _narrow,
        _copied(model_safetensors=b"no tensors at all"),
        _copied(config_json=b'{"model_type": "gpt2", '),
        _copied(config_json=b"{}"),
        _copied(config_json=b"[]"),
        _copied(config_json=b'{"model_type": "gpt2", "n_layer": "many"}'),
        _copied(config_json=b'{"model_type": "nothing-known"}'),
        _copied(config_json=b'{"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2}'),
        _copied(config_json=None),
        _copied(tokenizer_json=None, tokenizer_config_json=None, special_tokens_map_json=None),
        _copied(tokenizer_json=b"{"),
    ],
)
def test_a_model_folder_that_cannot_be_loaded_is_one_line(
    command: Command,
    refused: Refused,
    gpt2_folder: Path,
    tmp_path: Path,
    write: Callable[[Path, Path], None],
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder, gpt2_folder)
    line = refused(command(model=folder))
    assert str(folder) in line
    assert "safetensors" in line


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.txt": b""},
        {"a.txt": b"\xff\xfe\x00\x01" * 500, "b.bin": bytes(range(256)) * 40},
        {"a.txt": b"one short document that stands alone here and has more than a dozen tokens in it"},
    ],
)
def test_a_corpus_folder_with_nothing_to_read_is_one_line(
    command: Command, refused: Refused, tmp_path: Path, files: dict[str, bytes]
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert str(folder) in refused(command(corpus=folder))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b""),
        ("a.txt", b"\x00\x01\x02" * 900),
        ("a.txt", b"\xff\xfe\xfa" * 900),
        ("a.jsonl", b"{not json}\n"),
        ("a.jsonl", b"\xff\xfe"),
        ("a.jsonl", b'{"body": "no text here"}\n'),
        ("a.parquet", b"not parquet"),
        ("a.parquet", b""),
    ],
)
def test_a_corpus_file_with_nothing_to_read_is_one_line(
    command: Command, refused: Refused, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in refused(command(corpus=path))


def test_a_model_missing_in_ollama_names_the_command_that_pulls_it(command: Command, refused: Refused) -> None:
    with OllamaStub(models=()) as stub:
        line = refused(command(llm="ollama:qwen3", ollama_url=stub.url))
    assert "ollama pull qwen3" in line
