"""Pages hold what the model computes on the survey's rows; the thresholds mean what they are called."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from memory.records import Origin, Status, Target
from tests.tiny_models import DEAD, PAIR, WORDS
from tools import ordinary
from tools import pages as module
from tools.pages import Pages
from tools.subject import Reading, Subject, SubjectError
from tools.survey import Survey, take


@pytest.fixture(scope="module")
def survey(tiny: Subject, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    folder = tmp_path_factory.mktemp("text")
    draw = np.random.default_rng(6)
    for number in range(200):
        (folder / f"{number}.txt").write_text(" ".join(draw.choice(WORDS, draw.integers(20, 60))))
    return take(tiny, str(folder), tmp_path_factory.mktemp("home"), tokens=9000)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random pages are a small part of the evidence, as on a real corpus."""
    monkeypatch.setattr(module, "MOST_TOKENS", 900)
    monkeypatch.setattr(module, "FEWEST_TOKENS", 900)


def all_peaks(subject: Subject, survey: Survey, index: int, *, sign: int = 1) -> np.ndarray:
    ids = [survey.rows.ids(row) for row in np.flatnonzero(~survey.rows.held_out).tolist()]
    readings = subject.measure_ids(ids, subject.neuron(0, index, sign))
    return np.array(sorted((reading.peak or 0.0 for reading in readings), reverse=True))


@pytest.mark.usefixtures("few")
def test_pages_hold_the_models_values_and_where_the_text_stands(tiny: Subject, survey: Survey) -> None:
    target = tiny.neuron(0, PAIR)
    pages = Pages(tiny, survey, target)
    for page in (*pages.evidence, *pages.held_out):
        [reading] = tiny.measure_ids([[i for t in page.tokens for i in tiny.encode(t)]], target)
        assert page.values == pytest.approx(np.array(reading.values), abs=1e-4)
        assert page.source in survey.rows.sources
    assert pages.evidence == pages.random + pages.strongest
    assert len({page.source for page in pages.evidence}) == len(pages.evidence)


@pytest.mark.usefixtures("few")
def test_no_held_out_page_is_among_the_evidence(tiny: Subject, survey: Survey) -> None:
    pages = Pages(tiny, survey, tiny.neuron(0, PAIR))
    seen = {page.source for page in pages.evidence} | {prompt.source for prompt in pages.extremes()}
    assert pages.held_out
    assert not seen & {page.source for page in pages.held_out}
    assert sum(len(page.tokens) for page in pages.held_out) == pytest.approx(450, abs=80)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("sign", [1, -1])
def test_the_extremes_are_the_strongest_texts_in_the_direction_of_the_sign(
    tiny: Subject, survey: Survey, sign: int
) -> None:
    prompts = Pages(tiny, survey, tiny.neuron(0, 20, sign)).extremes()
    peaks = [reading.peak for reading in tiny.measure([p.text for p in prompts], tiny.neuron(0, 20, sign))]
    assert peaks[:20] == pytest.approx(all_peaks(tiny, survey, 20, sign=sign)[:20], abs=0.03)
    assert all(prompt.origin is Origin.CORPUS and prompt.source for prompt in prompts)


@pytest.mark.usefixtures("few")
def test_the_distribution_is_that_of_the_random_pages(tiny: Subject, survey: Survey) -> None:
    pages = Pages(tiny, survey, tiny.neuron(0, PAIR))
    values = np.concatenate([page.values for page in pages.random])
    found = pages.distribution
    assert (found.tokens, found.mean, found.deviation) == (
        values.size, pytest.approx(values.mean(), abs=1e-6), pytest.approx(values.std(), abs=1e-6)
    )  # fmt: skip
    assert dict(found.quantiles)[0.95] == pytest.approx(np.quantile(values, 0.95), abs=1e-6)
    assert found.lowest == values.min()
    assert found.highest == pytest.approx(all_peaks(tiny, survey, PAIR)[0], abs=1e-5)
    assert found.active == (values > 0).mean()
    edges, counts = pages.histogram()
    assert sum(counts) == values.size
    assert len(edges) == len(counts) + 1


@pytest.mark.parametrize("tokens", [300, 900, 100_000])
def test_firing_is_half_way_to_the_twentieth_strongest_text_however_many_pages_are_read(
    tiny: Subject, survey: Survey, monkeypatch: pytest.MonkeyPatch, tokens: int
) -> None:
    monkeypatch.setattr(module, "MOST_TOKENS", tokens)
    monkeypatch.setattr(module, "FEWEST_TOKENS", tokens)
    found = Pages(tiny, survey, tiny.neuron(0, PAIR)).distribution
    twentieth = all_peaks(tiny, survey, PAIR)[19]
    assert found.firing == pytest.approx(found.floor + (twentieth - found.floor) / 2, abs=0.03)


def test_a_unit_that_fires_in_a_few_texts_only_does_not_fire_at_silence(tiny: Subject, tmp_path: Path) -> None:
    """Fewer than twenty texts hold the trigger: half way to the twentieth would be silence itself."""
    draw = np.random.default_rng(7)
    others = [word for word in WORDS if word not in ("river", "apple")]
    for number in range(120):
        words = list(draw.choice(others, 30))
        words[1:3] = ["apple", "river"] if number < 8 else words[1:3]
        (tmp_path / f"{number}.txt").write_text(" ".join(words))
    pages = Pages(tiny, take(tiny, str(tmp_path), tmp_path / "home", tokens=9000), tiny.neuron(0, PAIR))
    quiet = sorted(float(page.values.max()) for page in pages.evidence)[:-10]
    assert pages.distribution.highest > 1
    assert max(quiet) < pages.distribution.firing < pages.distribution.highest


def test_nothing_fires_in_a_dead_unit(tiny: Subject, survey: Survey) -> None:
    found = Pages(tiny, survey, tiny.neuron(0, DEAD)).distribution
    assert found.highest < found.firing
    assert found.floor < found.firing


class Failing:
    """A subject that fails on one row in so many."""

    def __init__(self, subject: Subject, one_in: int) -> None:
        self.hf, self.decode, self.bank, self.tokens = subject.hf, subject.decode, subject.bank, subject.tokens
        self._subject, self._one_in = subject, one_in

    def measure_ids(self, rows: list[list[int]], target: Target) -> list[Reading]:
        found = self._subject.measure_ids(rows, target)
        failed = [replace(each, values=(), peak=None, position=None, status=Status.FAILED) for each in found]
        return [failed[n] if n % self._one_in == 0 else each for n, each in enumerate(found)]


def test_a_page_that_could_not_be_measured_is_left_out(tiny: Subject, survey: Survey) -> None:
    """Instead of standing there with tokens and no values."""
    pages = Pages(cast(Subject, Failing(tiny, 3)), survey, tiny.neuron(0, PAIR))
    assert pages.evidence
    assert all(len(page.tokens) == len(page.values) for page in (*pages.evidence, *pages.held_out))
    assert pages.distribution.tokens


def test_a_unit_that_never_gives_a_number_is_named_as_such(tiny: Subject, survey: Survey) -> None:
    with pytest.raises(SubjectError, match="tiny gives no number at L0N5 on any text of the corpus"):
        _ = Pages(cast(Subject, Failing(tiny, 1)), survey, tiny.neuron(0, PAIR)).distribution


def test_what_ordinary_text_costs_is_worked_out_once_a_survey(tiny: Subject, survey: Survey) -> None:
    found = Pages(tiny, survey, tiny.neuron(0, PAIR)).typical
    passes, kept = tiny.passes, survey.folder / ordinary.KEPT
    assert found is not None
    assert Pages(tiny, survey, tiny.neuron(0, 20)).typical == found
    assert tiny.passes == passes
    for torn in ("", '{"nats": 3', '{"nats": 3}', '["nats"]', kept.read_text().replace(str(found), "NaN")):
        kept.write_text(torn)
        assert Pages(tiny, survey, tiny.neuron(0, 20)).typical == pytest.approx(found)
    assert tiny.passes > passes
