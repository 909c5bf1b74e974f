"""Paraphrases of mediocre prompts are recognised, everything else passes, and asking stays cheap."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from memory.recall import EncoderError, MiniLM, Recall, Thresholds
from memory.records import Origin, Prompt, Record, Run, Step, Target, text_key
from memory.standing import Bucket
from memory.store import Store

MEDIOCRE = {
    "The weather in Paris was mild last week.": "Last week the weather in Paris was mild.",
    "She bought a new bicycle for her brother.": "She got her brother a new bicycle.",
    "The committee will meet on Tuesday afternoon.": "On Tuesday afternoon, the committee is going to meet.",
    "The river flows through three countries.": "Three countries are crossed by the river.",
    "I would like a cup of coffee, please.": "Could I have a cup of coffee, please?",
    "The telescope observed a distant galaxy.": "The telescope detected a distant galaxy.",
}
GUIDED = [
    "The astronomer pointed her telescope at Mars.",
    "Galaxies like ours contain billions of stars.",
    "The microscope observed a distant galaxy.",
    "The telescope observed a distant planet.",
    "A telescope was sold at the auction.",
    "The new phone called Galaxy has a good camera.",
    "It was cold in Paris this winter.",
    "Her brother fell off his bicycle.",
    "A cup of coffee costs three euros.",
    "The committee rejected the proposal.",
]


class Counting:
    """An encoder that counts what it is asked, over another one."""

    def __init__(self, inner: MiniLM | None = None) -> None:
        self.asked: list[str] = []
        self._inner = inner

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        assert self._inner is not None, "everything should have been kept"
        return self._inner.encode(texts)


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    encoder = MiniLM()
    encoder.encode(["warm"])
    return encoder


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "store.duckdb") as opened:
        opened.begin(Run("r1", Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652), 0, {}))
        yield opened


def all_in(bucket: Bucket):
    """As if every prompt had fallen into one bucket."""
    return lambda _: bucket


def test_the_encoder_gives_directions_and_no_noise(minilm: MiniLM, capfd: pytest.CaptureFixture[str]) -> None:
    rows = MiniLM().encode(["one", "two words", "", "one"])
    assert rows.shape == (4, 384)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert rows[0] == pytest.approx(minilm.encode(["one"])[0], abs=1e-5)
    assert capfd.readouterr() == ("", "")


def test_in_bfloat16_a_text_points_nearly_where_it_did(minilm: MiniLM) -> None:
    texts = [*MEDIOCRE, *GUIDED, "import sys\n\n\ndef main("]
    exact, quick = minilm.encode(texts), MiniLM(during=lambda: torch.autocast("cpu", torch.bfloat16)).encode(texts)
    assert quick.dtype == np.float32
    assert np.linalg.norm(quick, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-3)
    assert quick @ quick.T == pytest.approx(exact @ exact.T, abs=0.01)


def test_weights_that_are_not_the_known_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no sentence encoder"):
        MiniLM(tmp_path).encode(["a"])
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(EncoderError, match="is not all-MiniLM-L6-v2"):
        MiniLM(tmp_path).encode(["a"])


def test_paraphrases_of_mediocre_prompts_are_rejected_and_guided_prompts_pass(minilm: MiniLM, store: Store) -> None:
    recall = Recall(minilm, store, run_id="r1")
    recall.add(list(MEDIOCRE))
    objections = recall.screen(list(MEDIOCRE.values()), all_in(Bucket.MID))
    assert [each and each.text for each in objections] == list(MEDIOCRE)
    passed = [each is None for each in recall.screen(GUIDED, all_in(Bucket.MID))]
    assert sum(passed) >= 0.8 * len(GUIDED)


def test_the_neighbourhood_of_high_and_low_prompts_is_open_unless_asked_otherwise(minilm: MiniLM, store: Store) -> None:
    known, paraphrase = next(iter(MEDIOCRE.items()))
    recall = Recall(minilm, store, run_id="r1")
    recall.add([known])
    assert recall.screen([paraphrase], all_in(Bucket.HIGH)) == [None]
    assert recall.screen([paraphrase], all_in(Bucket.LOW)) == [None]
    strict = Recall(minilm, store, run_id="r1", thresholds=Thresholds(high=0.9, mid=None))
    strict.add([known])
    assert strict.screen([paraphrase], all_in(Bucket.MID)) == [None]
    assert strict.screen([paraphrase, known], all_in(Bucket.HIGH)).count(None) == 0


def test_a_mediocre_prompt_objects_even_behind_a_nearer_high_one(minilm: MiniLM, store: Store) -> None:
    text = "The telescope observed a distant galaxy."
    high, mid = "A telescope observed a distant galaxy.", "The telescope detected a distant galaxy."
    buckets = {text_key(high): Bucket.HIGH, text_key(mid): Bucket.MID}
    recall = Recall(minilm, store, run_id="r1")
    recall.add([high, mid])
    nearest, objection = recall.near([text])[0], recall.screen([text], buckets.__getitem__)[0]
    assert nearest is not None
    assert nearest.text == high
    assert objection is not None
    assert (objection.text, objection.key) == (mid, text_key(mid))
    assert 0.85 <= objection.similarity < nearest.similarity


def test_a_prompt_is_as_near_to_itself_as_can_be(minilm: MiniLM, store: Store) -> None:
    recall = Recall(minilm, store, run_id="r1", thresholds=Thresholds(mid=1.0))
    recall.add(["a\nb", "a\r\nb", "a\nb"])
    assert len(recall) == 1
    assert recall.screen(["a\rb"], all_in(Bucket.MID))[0] is not None


def test_before_the_first_prompt_nothing_is_near(store: Store) -> None:
    recall = Recall(Counting(), store, run_id="r1")
    assert recall.near(["a"]) == recall.screen(["a"], all_in(Bucket.MID)) == [None]
    assert recall.vectors([]).shape == (0, 384)


def test_after_a_restart_the_runs_prompts_are_known_and_none_is_encoded_again(minilm: MiniLM, store: Store) -> None:
    prompts = [Prompt(text, Origin.SEED) for text in MEDIOCRE]
    records = [Record(n, 1, prompt, ("t",), (1,), (1.0,), 1.0, 0) for n, prompt in enumerate(prompts, start=1)]
    store.commit(Step("r1", 1, "measure", {}, records=tuple(records)))
    encoder = Counting(minilm)
    Recall(encoder, store, run_id="r1").screen(GUIDED, all_in(Bucket.MID))
    assert encoder.asked == [*MEDIOCRE, *GUIDED]
    again = Recall(Counting(), store, run_id="r1")
    assert len(again) == len(MEDIOCRE)
    assert again.screen(GUIDED, all_in(Bucket.HIGH)) == [None] * len(GUIDED)
    assert len(Recall(Counting(), store, run_id="another")) == 0


MOST = 0.005  # seconds


def test_asking_takes_under_5_ms_at_10_000_prompts_and_grows_no_faster_than_their_number(
    store: Store, pace: float
) -> None:
    rows = np.random.default_rng(0).standard_normal((10_001, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    texts = [f"prompt {n}" for n in range(len(rows))]
    store.keep_embeddings({text_key(text): row for text, row in zip(texts, rows, strict=True)})
    recall = Recall(Counting(), store, run_id="r1")

    def seconds(known: int) -> float:
        recall.add(texts[:known])
        assert len(recall) == known
        times: list[float] = []
        while len(times) < 20 or (min(times) >= MOST * pace and len(times) < 400):  # other tests may have the processor
            start = time.perf_counter()
            recall.screen(texts[-1:], all_in(Bucket.MID))
            times.append(time.perf_counter() - start)
        return min(times)

    few, many = seconds(1_000), seconds(10_000)
    assert many < MOST * pace
    assert many < 20 * few


def test_searching_leaves_the_threads_of_everybody_else_alone(minilm: MiniLM, store: Store) -> None:
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        recall = Recall(minilm, store, run_id="r1")
        recall.add(["a"])
        recall.screen(["b"], all_in(Bucket.MID))
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)
