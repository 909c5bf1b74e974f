"""Pages that were read ahead are the pages that a target would have read, and cost it no pass."""

from pathlib import Path

import numpy as np
import pytest

from tests.tiny_models import DEAD, MERGED, PAIR, WORDS
from tools import ahead
from tools import pages as module
from tools.ahead import cost, read_ahead
from tools.kept_values import kept
from tools.pages import Pages, shared_rows
from tools.subject import Subject
from tools.survey import Survey, take


@pytest.fixture(scope="module")
def survey(tiny: Subject, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    folder, draw = tmp_path_factory.mktemp("text"), np.random.default_rng(6)
    for number in range(160):
        (folder / f"{number}.txt").write_text(" ".join(draw.choice(WORDS, draw.integers(20, 60))))
    return take(tiny, str(folder), tmp_path_factory.mktemp("home"), tokens=9000)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random pages are a small part of the rows, as on a real corpus; two targets are read at a time."""
    monkeypatch.setattr(module, "MOST_TOKENS", 900)
    monkeypatch.setattr(module, "FEWEST_TOKENS", 900)
    monkeypatch.setattr(ahead, "TOGETHER", 2)


def test_pages_are_the_same_read_ahead_and_cost_no_pass(tiny: Subject, survey: Survey, tmp_path: Path) -> None:
    channel = tiny.at("blocks.0.hook_out", 3)  # passes after the neurons of its layer
    targets = [tiny.neuron(0, PAIR), tiny.neuron(1, 5, -1), channel, tiny.neuron(0, MERGED), tiny.neuron(0, DEAD)]
    told: list[tuple[int, int]] = []
    read_ahead(
        tiny, survey, {target: tmp_path / target.name for target in targets}, progress=lambda *now: told.append(now)
    )
    assert told[-1][0] == told[-1][1]
    for target in targets:
        own, found = Pages(tiny, survey, target), Pages(tiny, survey, target, folder=tmp_path / target.name)
        before = tiny.passes
        for side in ("random", "held_out"):
            for one, other in zip(getattr(found, side), getattr(own, side), strict=True):
                assert (one.tokens, one.source) == (other.tokens, other.source)
                assert one.values == pytest.approx(other.values, abs=1e-4)
        rows = sum(len(getattr(own, side)) for side in ("random", "held_out"))
        assert tiny.passes - before == rows, "only the pages nobody had read cost passes"


def test_a_row_that_gives_no_number_is_kept_as_none(
    tiny: Subject, survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tiny.neuron(0, PAIR)
    monkeypatch.setattr(ahead, "_columns", lambda _subject, _targets, batch: _broken(batch))
    read_ahead(tiny, survey, {target: tmp_path})
    ids = [survey.rows.ids(row) for row in shared_rows(tiny, survey)[0]]
    found = kept(tmp_path, target, ids)
    assert found is not None
    assert not any(map(len, found))
    assert Pages(tiny, survey, target, folder=tmp_path).random == ()


def _broken(batch: list[list[int]]) -> np.ndarray:
    values = np.zeros((1, len(batch), 1 + max(map(len, batch))), np.float32)
    values[:, :, 5] = np.nan
    return values


def test_what_reading_ahead_costs_is_known_before(tiny: Subject, survey: Survey, tmp_path: Path) -> None:
    folders = {tiny.neuron(0, unit): tmp_path / str(unit) for unit in (PAIR, DEAD)}
    before = tiny.passes
    read_ahead(tiny, survey, folders)
    passes, size = cost(tiny, survey, len(folders))
    assert passes == tiny.passes - before
    held = sum(np.load(path)["values"].nbytes for path in tmp_path.rglob("*.npz"))
    assert size == held


def test_nothing_is_read_for_nobody(tiny: Subject, survey: Survey) -> None:
    before = tiny.passes
    read_ahead(tiny, survey, {})
    assert tiny.passes == before
