"""Which model a run studies when nobody or somebody says so, with a hub that answers, refuses or hangs."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphs import offline
from graphs.settings import Choice, SettingError, choose_corpus, choose_model
from tests.graphs.hub_stub import Visits, server

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment that lets the hub be asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    for name in offline.QUIET:
        monkeypatch.setenv(name, offline.QUIET[name])
    return tmp_path / "hub"


def keep(cache: Path, repository: str) -> None:
    """Put a model into the cache, as far as anybody looks."""
    folder = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / "0"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")


@contextmanager
def hub(monkeypatch: pytest.MonkeyPatch, status: int = 200, *, hangs: bool = False) -> Iterator[Visits]:
    with server(status, hangs=hangs) as visits:
        monkeypatch.setenv("HF_ENDPOINT", visits.url)
        yield visits


def test_the_hub_is_used_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(monkeypatch) as visits:
        model = choose_model(None)
    assert model == Choice("gpt2", "the hub answers")
    assert choose_corpus(None, model.name) == Choice("hf:NeelNanda/pile-10k", "the hub answers")
    assert len(visits.requests) == 1
    assert os.environ["HF_HUB_OFFLINE"] == "0"


@pytest.mark.parametrize(("status", "hangs"), [(500, False), (404, False), (200, True)])
def test_the_bundled_model_is_used_when_the_hub_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, status: int, hangs: bool
) -> None:
    with hub(monkeypatch, status, hangs=hangs):
        began = time.monotonic()
        model = choose_model(None)
        took = time.monotonic() - began
    assert model.name == "pocket"
    assert "gpt2 is not cached and the hub does not answer" in model.why
    assert took < 2
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert choose_corpus(None, model.name).name == "stdlib"


def test_the_bundled_model_is_used_when_nobody_is_there() -> None:
    assert choose_model(None).name == "pocket"


@pytest.mark.parametrize("yes", ["1", "true", "YES", "on"])
def test_offline_is_offline_however_it_is_spelled(monkeypatch: pytest.MonkeyPatch, yes: str) -> None:
    with hub(monkeypatch) as visits:
        monkeypatch.setenv("HF_HUB_OFFLINE", yes)
        assert choose_model(None).name == "pocket"
        assert choose_corpus(None, "gpt2").name == "stdlib"
    assert visits.requests == []


@pytest.mark.parametrize(("status", "hangs"), [(500, False), (200, True)])
def test_a_named_model_is_never_replaced(monkeypatch: pytest.MonkeyPatch, status: int, hangs: bool) -> None:
    with hub(monkeypatch, status, hangs=hangs), pytest.raises(SettingError, match="'EleutherAI/pythia-70m'") as raised:
        choose_model("EleutherAI/pythia-70m")
    assert "\n" not in str(raised.value)
    assert "--model pocket" in str(raised.value)


def test_a_cached_model_needs_no_hub(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(hub_cache, "gpt2")
    keep(hub_cache, "EleutherAI/pythia-70m")
    with hub(monkeypatch) as visits:
        for wanted in ("gpt2", "EleutherAI/pythia-70m", None):
            monkeypatch.setenv("HF_HUB_OFFLINE", "0")
            model = choose_model(wanted, "some/folder")
            assert (model.name, model.why) == (wanted or "gpt2", "it is in the hub's cache")
            assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert visits.requests == []


def test_a_cached_model_reads_the_hubs_corpus_when_the_hub_answers(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(hub_cache, "gpt2")
    with hub(monkeypatch):
        assert choose_model(None).why == "it is in the hub's cache"
        assert choose_corpus(None, "gpt2").name == "hf:NeelNanda/pile-10k"


@pytest.mark.parametrize("model", ["pocket", "folder"])
def test_a_local_model_asks_the_hub_only_for_a_corpus_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str
) -> None:
    name = model if model == "pocket" else str(tmp_path)
    with hub(monkeypatch) as visits:
        assert choose_model(name, "hf:some/data").name == name
        assert os.environ["HF_HUB_OFFLINE"] == "0"
        assert len(visits.requests) == 1
        assert choose_model(name, None).name == name
        assert choose_corpus(None, name).name == "stdlib"
        assert len(visits.requests) == 1


def test_a_folder_is_a_model_and_a_misspelt_one_is_not(tmp_path: Path) -> None:
    assert choose_model(str(tmp_path)).why == "from its folder"
    with pytest.raises(SettingError, match="is no folder"):
        choose_model(str(tmp_path / "nothing"))


@pytest.mark.parametrize("address", ["", "not an address", "http://", "http://127.0.0.1:99999", "file:///etc"])
def test_a_senseless_address_of_the_hub_is_a_hub_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address or "http://[")
    began = time.monotonic()
    assert choose_model(None).name == "pocket"
    assert time.monotonic() - began < 2


def test_everything_heavy_is_told_to_be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in offline.QUIET:
        monkeypatch.delenv(name)
    choose_model("pocket")
    assert {name: os.environ[name] for name in offline.QUIET} == offline.QUIET
