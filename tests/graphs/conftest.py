"""What whole inquiries run on, made once."""

from pathlib import Path

import pytest

from tests.graphs.small_runs import run, small_means, write_corpus
from tests.tiny_models import write_gpt2, write_llama


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 with planted neurons in layer 0."""
    return write_gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with a gated MLP."""
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dozen short documents."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that tests share, so that surveys and sentence embeddings are made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def warm(gpt2_folder: Path, corpus_folder: Path, home: Path) -> None:
    """Everything that is loaded once is loaded: what is forked from here on begins at once."""
    with run(small_means(gpt2_folder, corpus_folder, home)):
        pass
