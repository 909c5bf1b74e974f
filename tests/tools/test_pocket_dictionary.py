"""Pocket's dictionary is what its card says, opens with no network, and its training finds what was planted."""

import json
from itertools import islice

import pytest
import torch

from tools import pocket
from tools.features import BUNDLED, Dictionary, open_dictionary
from tools.loading import load
from tools.pocket.dictionary_card import card
from tools.pocket.dictionary_quality import quality, residual_stream
from tools.pocket.dictionary_training import Plan, rows_of, split, train
from tools.pocket.text import Source, sources
from tools.subject import Subject

pytestmark = pytest.mark.filterwarnings("ignore:The 'utils' module has been deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def subject() -> Subject:
    return load(pocket.NAME, pocket.FOLDER)


@pytest.fixture(scope="module")
def dictionary(subject: Subject) -> Dictionary:
    return open_dictionary("pocket", subject)


@pytest.fixture(scope="module")
def held_out() -> list[Source]:
    return list(islice((source for source in sources() if source.held_out), 8))


def test_it_opens_offline_and_fits_the_model_and_the_repository(subject: Subject, dictionary: Dictionary) -> None:
    figures = json.loads((BUNDLED / "figures.json").read_text(encoding="utf-8"))
    assert (dictionary.name, dictionary.hook) == ("pocket", "blocks.6.hook_out")
    assert dictionary.width >= 8 * 128
    assert (figures["hook"], figures["width"], figures["d_in"]) == (dictionary.hook, dictionary.width, dictionary.d_in)
    assert figures["model_hash"] == subject.weights_hash
    assert sum(file.stat().st_size for file in BUNDLED.iterdir()) <= 6e6
    assert {file.suffix for file in BUNDLED.iterdir()} <= {".json", ".md", ".safetensors"}


def test_the_card_is_written_from_the_figures() -> None:
    figures = json.loads((BUNDLED / "figures.json").read_text(encoding="utf-8"))
    assert (BUNDLED / "README.md").read_text(encoding="utf-8") == card(figures)
    assert figures["explained_variance"] > figures["components_explained_variance"]
    assert figures["ce_recovered"] > figures["components_ce_recovered"]


def test_the_figures_hold_on_a_small_sample_of_the_held_out_text(
    subject: Subject, dictionary: Dictionary, held_out: list[Source]
) -> None:
    figures = json.loads((BUNDLED / "figures.json").read_text(encoding="utf-8"))
    rows = rows_of(subject, held_out, 10**6, 0)[:14]
    found = quality(subject, dictionary, rows, residual_stream(subject, rows))
    assert found["tokens"] > 2000
    assert found["explained_variance"] == pytest.approx(figures["explained_variance"], abs=0.05)
    assert found["ce_recovered"] == pytest.approx(figures["ce_recovered"], abs=0.03)
    assert found["l0"] == pytest.approx(figures["l0"], rel=0.2)


def test_a_feature_is_read_from_text_like_any_other_target(subject: Subject, dictionary: Dictionary) -> None:
    text = "def area(self):\n    return self.width * self.height\n"
    passing = subject.passing(subject.padded([subject.encode(text)]), dictionary.hook)[0, 1:]
    strongest = int(dictionary.features(passing).amax(0).argmax())
    subject.attach(dictionary)
    [reading] = subject.measure([text], subject.feature(strongest))
    assert reading.values == pytest.approx(dictionary.features(passing)[:, strongest].tolist(), rel=1e-4, abs=1e-3)
    assert reading.peak is not None
    assert reading.peak > 0


def test_no_file_is_in_two_splits() -> None:
    parts = split(list(islice(sources(), 400)))
    names = [{source.text for source in part} for part in parts]
    assert all(names)
    assert sum(map(len, names)) == len(set.union(*names)) == 400


def test_training_finds_planted_directions_and_repeats_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    planted = torch.nn.functional.normalize(torch.randn(32, 16, generator=generator), dim=-1)
    strength = torch.rand(30_000, 32, generator=generator) + 0.5
    on = torch.rand(30_000, 32, generator=generator) < 2 / 32
    activations = (40 * (strength * on) @ planted + 5).half()
    plan = Plan(width=48, k=2, batch=256, passes=4, rate=3e-3)
    sae = train(activations, plan)
    found = torch.nn.functional.normalize(sae.W_dec.detach(), dim=-1)
    assert float((planted @ found.T).amax(-1).mean()) > 0.9
    again = train(activations[:2560], plan), train(activations[:2560], plan)
    assert torch.equal(again[0].W_enc, again[1].W_enc)
