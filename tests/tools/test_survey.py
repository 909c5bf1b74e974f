"""The survey's extremes, moments and sample are those of reading every row, and an interrupted pass loses nothing."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_models import WORDS
from tools import batch, survey
from tools.corpus import CorpusError
from tools.subject import Subject
from tools.survey import HALVES, KEPT, MOMENT_ROWS, Survey, take
from tools.units import Bank

TOKENS = 9000
BATCH = 512  # tokens: some thirty batches
ROUNDING = 2**-8  # relative, of bfloat16


@pytest.fixture(autouse=True, scope="module")
def batches() -> Iterator[None]:
    """Small ones, so that a small survey has many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "BATCH_TOKENS", BATCH)
        yield


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Documents of all lengths, so that most batches are padded."""
    folder = tmp_path_factory.mktemp("text")
    draw = np.random.default_rng(5)
    for number in range(120):
        words = " ".join(draw.choice(WORDS, draw.integers(14, 90)))
        (folder / f"{number}.txt").write_text(f"{words}.\n")
    return str(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def exact(tiny: Subject, text: str, home: Path) -> Survey:
    """Taken in float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "bfloat16_is_fast", lambda _: False)
        return take(tiny, text, home, tokens=TOKENS)


@pytest.fixture(scope="module")
def everything(tiny: Subject, exact: Survey) -> list[list[np.ndarray]]:
    """By layer and row: every neuron at every token, [tokens, neurons], read one row at a time."""
    with torch.inference_mode():
        return [
            [tiny.activations(tiny.padded([exact.rows.ids(row)]), layer)[0, 1:].numpy() for row in range(rows(exact))]
            for layer in range(tiny.layers)
        ]


def rows(taken: Survey) -> int:
    return len(taken.rows.lengths)


def of_half(taken: Survey, half: str) -> list[int]:
    return np.flatnonzero(taken.rows.held_out == (half == "held_out")).tolist()


def contents(taken: Survey) -> dict[str, np.ndarray]:
    return {name: taken._tensors.get_tensor(name) for name in taken._tensors.keys()}  # noqa: SIM118


def same(one: Survey, other: Survey) -> bool:
    left, right = contents(one), contents(other)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("half", HALVES)
def test_the_extremes_are_those_of_all_rows(
    tiny: Subject, exact: Survey, everything: list[list[np.ndarray]], half: str
) -> None:
    for layer in range(tiny.layers):
        peaks = np.array([everything[layer][row].max(0) for row in of_half(exact, half)])
        lows = np.array([everything[layer][row].min(0) for row in of_half(exact, half)])
        for index in range(tiny.width):
            top = exact.extremes(layer, index, half=half, side="top")
            bottom = exact.extremes(layer, index, half=half, side="bottom")
            assert top.values == pytest.approx(np.sort(peaks[:, index])[::-1][:KEPT], abs=1e-4)
            assert bottom.values == pytest.approx(np.sort(lows[:, index])[:KEPT], abs=1e-4)
            for found, extreme in ((top, np.max), (bottom, np.min)):
                assert len(set(found.rows)) == KEPT
                assert set(found.rows) <= set(of_half(exact, half))
                again = [float(extreme(everything[layer][row][:, index])) for row in found.rows]
                assert found.values == pytest.approx(again, abs=1e-4)


def test_bfloat16_finds_the_same_rows_up_to_its_rounding(
    tiny: Subject, text: str, tmp_path: Path, everything: list[list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "bfloat16_is_fast", lambda _: True)
    rough = take(tiny, text, tmp_path, tokens=TOKENS)
    for layer in range(tiny.layers):
        size = float(np.abs(np.concatenate(everything[layer])).max())
        for index in range(tiny.width):
            peaks = {row: float(everything[layer][row][:, index].max()) for row in of_half(rough, "evidence")}
            found = rough.extremes(layer, index, half="evidence", side="top")
            measured = [peaks[row] for row in found.rows]
            best = sorted(peaks.values(), reverse=True)[:KEPT]
            assert found.values == pytest.approx(measured, abs=6 * ROUNDING * size)
            assert sorted(measured, reverse=True) == pytest.approx(best, abs=6 * ROUNDING * size)


def test_padding_never_wins(tiny: Subject, exact: Survey) -> None:
    """Padding repeats BOS, whose value must not stand among the extremes of neurons that BOS moves most."""
    assert exact.rows.lengths.min() < exact.rows.tokens.shape[1]
    grid = tiny.padded([exact.rows.ids(int(exact.rows.lengths.argmin())), exact.rows.ids(0)])
    for layer in range(tiny.layers):
        with torch.inference_mode():
            padding = tiny.activations(grid, layer)[0, -1].numpy()
        winners = []
        for index in range(tiny.width):
            top = exact.extremes(layer, index, half="evidence", side="top").values[0]
            bottom = exact.extremes(layer, index, half="evidence", side="bottom").values[0]
            winners.append(padding[index] > top + 1e-3 or padding[index] < bottom - 1e-3)
        assert any(winners) or layer == 0  # such neurons exist, and the padding did not win there


@pytest.mark.parametrize("half", HALVES)
def test_the_moments_are_those_of_every_eighth_row(
    tiny: Subject, exact: Survey, everything: list[list[np.ndarray]], half: str
) -> None:
    batches = [rows for rows in survey._batches(exact.rows) if rows[0] in of_half(exact, half)]
    counted = [row for rows in batches for row in rows[::MOMENT_ROWS].tolist()]
    for layer in range(tiny.layers):
        values = np.concatenate([everything[layer][row] for row in counted]).astype(float)
        for index in range(tiny.width):
            count, mean, deviation = exact.moments(layer, index, half=half)
            assert count == len(values)
            assert mean == pytest.approx(values[:, index].mean(), abs=1e-4)
            assert deviation == pytest.approx(values[:, index].std(), abs=1e-3)


def test_the_sample_holds_the_values_at_its_positions(
    tiny: Subject, exact: Survey, everything: list[list[np.ndarray]]
) -> None:
    numbers = of_half(exact, "evidence")
    tokens = int(exact.rows.lengths[numbers].sum())
    for layer in range(tiny.layers):
        read = np.concatenate([everything[layer][row] for row in numbers])
        picked = survey._sampled_positions(tokens, 2048)
        for index in range(tiny.width):
            assert exact.sample(layer, index) == pytest.approx(read[picked, index], rel=2e-3, abs=2e-3)


def test_a_sample_of_little_text_holds_nothing_but_measured_values(tiny: Subject, text: str, tmp_path: Path) -> None:
    small = take(tiny, text, tmp_path, tokens=600)
    evidence = int(small.rows.lengths[~small.rows.held_out].sum())
    assert evidence < 2048
    assert len(small.sample(1, 3)) == evidence
    assert 0.0 not in small.sample(1, 3)


@pytest.mark.parametrize("after", [1, 7, 11])
def test_an_interrupted_survey_goes_on_and_ends_the_same(
    tiny: Subject, text: str, exact: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(batch, "bfloat16_is_fast", lambda _: False)
    told: list[tuple[int, int]] = []

    def stops(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(tiny, text, tmp_path, tokens=TOKENS, progress=stops)
    again = take(tiny, text, tmp_path, tokens=TOKENS, progress=lambda done, total: told.append((done, total)))
    assert same(again, exact)
    assert len(told) == len(list(survey._batches(exact.rows)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (exact.tokens, exact.tokens)


@pytest.mark.parametrize("where", ["_extremes", "found_in"])
@pytest.mark.parametrize("call", [14, 15])
def test_an_interruption_in_the_middle_of_a_batch_leaves_no_half_of_it(
    tiny: Subject, text: str, exact: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, call: int
) -> None:
    monkeypatch.setattr(batch, "bfloat16_is_fast", lambda _: False)
    real, calls = getattr(survey, where), []

    def stops(*args: object, **named: object) -> object:
        calls.append(args)
        result = real(*args, **named)
        if len(calls) == call:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(survey, where, stops)
    with pytest.raises(KeyboardInterrupt):
        take(tiny, text, tmp_path, tokens=TOKENS)
    assert same(take(tiny, text, tmp_path, tokens=TOKENS), exact)
    repeated = len(calls) - len(list(survey._batches(exact.rows)))
    assert where == "_extremes" or repeated == 1  # what stood before the batch was kept


def test_a_second_take_reads_nothing(tiny: Subject, text: str, home: Path, exact: Survey) -> None:
    before = tiny.passes

    def told(_done: int, _total: int) -> None:
        raise AssertionError("the survey was read again")

    again = take(tiny, text, home, tokens=TOKENS, progress=told)
    assert same(again, exact)
    assert tiny.passes == before


def test_a_kill_between_two_files_leaves_a_state_that_goes_on(
    tiny: Subject, text: str, exact: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while any of the files was being written: the half-written file stands beside and is never read."""
    monkeypatch.setattr(batch, "bfloat16_is_fast", lambda _: False)
    monkeypatch.setattr(survey, "SAVE_SECONDS", -1.0)
    real, kills = survey.save_file, iter((1, 3, 5, 6))
    left = next(kills)

    class Killed(BaseException):
        """As if the process ended here."""

    def dies(state: dict[str, torch.Tensor], path: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            path.write_bytes(b"half a file")
            raise Killed
        real(state, path)

    monkeypatch.setattr(survey, "save_file", dies)
    died, finished = 0, exact
    for _ in range(5):
        try:
            finished = take(tiny, text, tmp_path, tokens=TOKENS)
            break
        except Killed:
            died += 1
            left = next(kills, 10**6)
    assert died == 4
    assert finished is not exact
    assert same(finished, exact)
    [folder] = (tmp_path / "surveys").iterdir()
    assert not (folder / "partial.safetensors").exists()


def test_two_that_want_one_survey_at_once_read_it_once(tiny: Subject, text: str, tmp_path: Path) -> None:
    started, reads = threading.Barrier(2), Counter[int]()

    def wanted(who: int) -> Survey:
        started.wait()
        return take(tiny, text, tmp_path, tokens=TOKENS, progress=lambda *_: reads.update([who]))

    with ThreadPoolExecutor(2) as both:
        one, other = both.map(wanted, range(2))
    assert len(reads) == 1
    assert same(one, other)


def test_another_corpus_or_size_is_another_survey(tiny: Subject, text: str, home: Path, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(f"{number} " + " ".join(WORDS))
    names = {
        str(take(tiny, spec, home, tokens=tokens).rows.sources)
        for spec, tokens in ((text, 500), (text, 900), (str(tmp_path), 500))
    }
    assert len(names) == 3


def test_a_corpus_with_nothing_to_read_leaves_no_survey(tiny: Subject, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        with pytest.raises(CorpusError, match="too small"):
            take(tiny, str(tmp_path / "empty"), tmp_path, tokens=500)


@pytest.mark.parametrize("name", ["survey.safetensors", "rows.safetensors", "sources.json"])
def test_a_damaged_survey_is_one_line_that_says_what_to_remove(
    tiny: Subject, text: str, tmp_path: Path, name: str
) -> None:
    kept = take(tiny, text, tmp_path, tokens=500).folder
    (kept / name).write_bytes((kept / name).read_bytes()[:20])
    with pytest.raises(CorpusError, match="remove that folder, and it is taken again") as refused:
        take(tiny, text, tmp_path, tokens=500)
    assert str(kept) in str(refused.value)


def test_an_activation_beyond_half_precision_stays_a_number(tiny: Subject, text: str, tmp_path: Path) -> None:
    loud = Bank("loud", tiny.neurons.hooks, tiny.neurons.width, lambda passing: passing * 1e7)
    found = take(tiny, text, tmp_path, bank=loud, tokens=1500)
    assert np.isfinite(found.samples(0)).all()
    assert found.samples(0).max() > 6e4
