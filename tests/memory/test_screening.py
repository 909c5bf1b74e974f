"""Every proposal is judged once, with a reason; a screening opened again judges the same."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from memory.recall import WIDTH
from memory.records import Candidate, Origin, Prompt, Record, Run, Status, Step, Target
from memory.screening import LONGEST, Screening
from memory.standing import Buckets
from memory.store import Store

RUN = Run("r1", Target("tiny", "0f3a", "blocks.0.mlp.out.hook_in", 0, 1), 0, {})


class ByFirstWord:
    """An encoder for which texts that begin with the same word mean nearly the same; it counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        rows = np.stack([self._direction(text.split()[0]) + 0.05 * self._direction(text) for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    @staticmethod
    def _direction(text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        drawn = np.random.default_rng(seed).normal(size=WIDTH)
        return drawn / np.linalg.norm(drawn)


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "store.duckdb") as opened:
        opened.begin(RUN)
        yield opened


@pytest.fixture
def encoder() -> ByFirstWord:
    return ByFirstWord()


@pytest.fixture
def screening(store: Store, encoder: ByFirstWord) -> Screening:
    return opened(store, encoder)


def opened(store: Store, encoder: ByFirstWord) -> Screening:
    return Screening(store, encoder, tokens=lambda text: len(text.split()))


def free(*texts: str) -> list[Prompt]:
    return [Prompt(text, Origin.HYPOTHESIS) for text in texts]


def measured(store: Store, step: int, peaks: Mapping[str, float | None], *, origin: Origin = Origin.SEED) -> None:
    first = store.next_record_id("r1")
    records = []
    for n, (text, peak) in enumerate(peaks.items()):
        status = Status.FAILED if peak is None else Status.MEASURED
        position = None if peak is None else 0
        records.append(
            Record(first + n, step, Prompt(text, origin), tuple(text.split()), (1,), (0.0,), peak, position, status)
        )
    store.commit(Step("r1", step, "experiment", {}, records=tuple(records)))


def spread(store: Store) -> None:
    """Twenty-one values: "low" and "high" at the ends, "mid" between them."""
    measured(
        store, 1, {f"word{n} alone": 2.0 + 0.1 * n for n in range(18)} | {"low a": -5.0, "high a": 9.0, "mid a": 2.9}
    )


def reasons(judged: Sequence[Candidate]) -> list[str | None]:
    return [candidate.reason for candidate in judged]


def test_every_proposal_comes_back_in_order_with_its_reason(store: Store, screening: Screening) -> None:
    measured(store, 1, {"seen before": 1.0, "seen failing": None})
    texts = ["new one", "", "  \n ", "seen before", "seen failing", "word " * (LONGEST + 1), "new two"]
    judged = screening.judge(free(*texts), run_id="r1", step=4)
    assert [candidate.prompt.text for candidate in judged] == texts
    assert reasons(judged) == [None, "empty", "empty", "duplicate", "duplicate", "too-long", None]
    assert all(candidate.step == 4 for candidate in judged)
    assert judged[5].detail == "201 tokens, 200 are the most"
    assert all(candidate.detail for candidate in judged[3:6])


@pytest.mark.parametrize("origin", list(Origin))
def test_an_exact_duplicate_is_refused_whatever_its_origin(store: Store, screening: Screening, origin: Origin) -> None:
    measured(store, 1, {"seen before\nhere": 1.0})
    twice = [Prompt("fresh", origin), Prompt("fresh", origin), Prompt("seen before\r\nhere", origin)]
    assert reasons(screening.judge(twice, run_id="r1", step=2)) == [None, "duplicate", "duplicate"]


def test_what_waits_to_be_measured_is_a_duplicate_too(screening: Screening) -> None:
    [waiting] = free("waits already")
    judged = screening.judge(free("waits already", "does not"), run_id="r1", step=2, waiting={waiting.key})
    assert reasons(judged) == ["duplicate", None]


def test_long_texts_of_the_corpus_and_of_a_user_are_welcome(screening: Screening) -> None:
    long = "word " * (3 * LONGEST)
    for origin in Origin:
        [judged] = screening.judge([Prompt(f"{origin} {long}", origin)], run_id="r1", step=1)
        assert judged.reason == (None if origin in (Origin.CORPUS, Origin.USER) else "too-long")


def test_only_nearness_to_a_mediocre_prompt_speaks_against_a_free_one(store: Store, screening: Screening) -> None:
    spread(store)
    judged = screening.judge(free("mid b", "high b", "low b", "other b"), run_id="r1", step=2)
    assert reasons(judged) == ["near-mediocre", None, None, None]
    assert "cosine" in judged[0].detail
    assert "'mid a'" in judged[0].detail


def test_only_free_proposals_are_compared_by_meaning(store: Store, screening: Screening, encoder: ByFirstWord) -> None:
    spread(store)
    bound = [origin for origin in Origin if origin not in (Origin.HYPOTHESIS, Origin.RANDOM)]
    prompts = [Prompt(f"mid {origin}", origin) for origin in bound]
    assert set(reasons(screening.judge(prompts, run_id="r1", step=2))) == {None}
    assert not encoder.asked
    for origin in (Origin.HYPOTHESIS, Origin.RANDOM):
        [judged] = screening.judge([Prompt(f"mid {origin}", origin)], run_id="r1", step=3)
        assert judged.reason == "near-mediocre"


def test_rows_of_the_corpus_are_never_embedded_but_count_among_the_values(
    store: Store, screening: Screening, encoder: ByFirstWord
) -> None:
    measured(store, 1, {f"row{n} of the corpus": float(n) for n in range(40)} | {"mid row": 20.0}, origin=Origin.CORPUS)
    measured(store, 2, {"seed a": 39.5, "mean a": 20.0})
    judged = screening.judge(free("mid b", "seed b", "mean b"), run_id="r1", step=3)
    assert reasons(judged) == [None, None, "near-mediocre"]  # against the rows, "seed a" is high and "mean a" is not
    assert sorted(encoder.asked) == ["mean a", "mean b", "mid b", "seed a", "seed b"]


def test_values_and_embeddings_are_kept_between_calls(
    store: Store, screening: Screening, encoder: ByFirstWord, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[float] = []
    real = Buckets.add
    monkeypatch.setattr(Buckets, "add", lambda self, value: (added.append(value), real(self, value))[1])
    spread(store)
    screening.judge(free("first b"), run_id="r1", step=2)
    assert (len(added), len(encoder.asked)) == (21, 22)
    measured(store, 2, {"first b": 0.5})
    screening.judge(free("second b"), run_id="r1", step=3)
    assert (len(added), len(encoder.asked)) == (22, 23)


def test_a_screening_opened_again_judges_the_same(store: Store, encoder: ByFirstWord) -> None:
    """As after a crash: nothing that the judgement rests on lives in the process alone."""
    spread(store)
    lasting = opened(store, encoder)
    for step in range(2, 12):
        prompts = free(f"mid {step}", f"high {step}", f"word{step} {step}", f"new{step} a", f"new{step - 1} b")
        again = opened(store, ByFirstWord()).judge(prompts, run_id="r1", step=step)
        judged = lasting.judge(prompts, run_id="r1", step=step)
        assert judged == again
        accepted = [candidate.prompt.text for candidate in judged if candidate.reason is None]
        measured(store, step, {text: 2.0 + n - step / 3 for n, text in enumerate(accepted)}, origin=Origin.HYPOTHESIS)


def test_another_run_knows_nothing_of_this_one(store: Store, screening: Screening) -> None:
    spread(store)
    store.begin(Run("r2", RUN.target, 1, {}))
    assert reasons(screening.judge(free("mid a", "mid b"), run_id="r2", step=1)) == [None, None]
    assert reasons(screening.judge(free("mid a", "mid b"), run_id="r1", step=2)) == ["duplicate", "near-mediocre"]
