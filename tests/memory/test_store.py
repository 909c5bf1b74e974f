"""What goes into the store comes out of it, once, and is counted from the rows."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.records import (
    Candidate,
    Clause,
    Explanation,
    Fate,
    Hypothesis,
    LlmCall,
    Origin,
    Prompt,
    Record,
    Rule,
    Run,
    Score,
    Status,
    Step,
    Target,
    Trigger,
    Verdict,
    plain,
    text_key,
)
from memory.store import RunConflict, Store, UnknownRun

TARGET = Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652)
RUN = Run("r1", TARGET, seed=7, settings={"k": 10, "notes": "naïve ☃", "nested": {"a": [1, 2.5, None]}})

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
float32 = st.floats(width=32, allow_nan=False)
prompts = st.builds(Prompt, text=text, origin=st.sampled_from(Origin), source=st.none() | text)
records = st.builds(
    Record,
    id=st.integers(1, 2**31 - 1),
    step=st.integers(0, 10_000),
    prompt=prompts,
    tokens=st.lists(text | st.sampled_from(["", "\ufffd", "\x00", "\x1b[0m", " \n", "'", '"', "\\"])).map(tuple),
    token_ids=st.lists(st.integers(0, 2**31 - 1)).map(tuple),
    values=st.lists(float32).map(tuple),
    peak=st.none() | st.floats(allow_nan=False),
    position=st.none() | st.integers(0, 5000),
    status=st.sampled_from(Status),
)


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "new folder" / "store.duckdb") as opened:
        opened.begin(RUN)
        yield opened


def measured(number: int, words: str, peak: float | None, *, origin: Origin = Origin.CORPUS) -> Record:
    """A record of one token, or a failed one when there is no peak."""
    if peak is None:
        return Record(number, 1, Prompt(words, origin), (), (), (), None, None, Status.FAILED)
    return Record(number, 1, Prompt(words, origin), (words,), (number,), (peak,), peak, 0)


@given(new=st.lists(records, max_size=4, unique_by=lambda record: record.id))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_record_comes_back_as_it_was(store: Store, new: list[Record]) -> None:
    run_id = f"example {len(store.runs())}"
    store.begin(replace(RUN, id=run_id))
    assert store.commit(Step(run_id, 1, "measure", {}, records=tuple(new)))
    assert store.records(run_id) == sorted(new, key=lambda record: record.id)


def test_a_step_comes_back_with_everything_it_wrote(store: Store) -> None:
    rule = Rule(0.5, (Clause("token", {" the": 2.0, "\ufffd": -1.0}, "after an article"), Clause("case", {})))
    prompt = Prompt("a b", Origin.SWAP, parent=3, hypothesis="h1", predicted=False, source="novel.txt:12")
    step = Step(
        "r1",
        4,
        "explain",
        update={"status": Status.MEASURED, "best": {"id": 1, "peak": None}, "list": (1, "zwei")},
        seconds=0.25,
        candidates=(Candidate(4, prompt), Candidate(4, prompt, "near-mediocre", "0.91 to 'a c'")),
        hypotheses=(Hypothesis("h1", "articles", ("the",), (), Fate.REFUTED, rule, 3, 1, "no", "llama"),),
        triggers=(Trigger("the", 2.5, 0.75, 1, ("the",), (0.1,), 12, "the"), Trigger("", 0.0, 0.0, 2)),
        explanation=Explanation(Verdict.TOKEN_SET, "Fires on articles.", rule, (1, 2), full=Rule(0.0)),
        scores=(Score("auroc", "test", 0.9, 40, 0.8, 0.95, 0.5, "chance", 0.99), Score.unscored("r", "test", "n")),
        calls=(LlmCall("explainer", "llama3", "repaired", 2.5, "prompt\n", '{"a": 1}', "bad JSON"),),
    )
    assert store.commit(step)
    assert store.candidates("r1") == list(step.candidates)
    assert store.hypotheses("r1") == list(step.hypotheses)
    assert store.triggers("r1") == list(step.triggers)
    assert store.explanation("r1") == step.explanation
    assert store.scores("r1") == list(step.scores)
    assert store.calls("r1") == list(step.calls)
    assert store.step("r1", 4) == plain(step.update)
    assert store.steps("r1") == [Step("r1", 4, "explain", plain(step.update), 0.25)]


def test_a_step_committed_again_changes_nothing(store: Store) -> None:
    step = Step("r1", 1, "measure", {"n": 1}, records=(measured(1, "a", 1.0),))
    assert store.commit(step)
    assert not store.commit(replace(step, update={"n": 2}, records=(measured(2, "b", 2.0),)))
    assert store.records("r1") == list(step.records)
    assert store.step("r1", 1) == {"n": 1}
    assert store.step("r1", 2) is None
    assert store.last_step("r1") == 1


def test_a_step_that_cannot_be_written_leaves_nothing_behind(store: Store) -> None:
    lone_surrogate = Candidate(1, Prompt("\ud800", Origin.USER))
    step = Step("r1", 1, "measure", {}, records=(measured(1, "a", 1.0),), candidates=(lone_surrogate,))
    with pytest.raises(UnicodeEncodeError):
        store.commit(step)
    assert store.records("r1") == []
    assert store.commit(replace(step, candidates=()))


def test_records_are_ordered_limited_and_chosen(store: Store) -> None:
    peaks = [1.0, None, 3.0, -2.0, 3.0]
    origins = [Origin.SEED, Origin.SEED, Origin.RANDOM, Origin.CORPUS, Origin.SEED]
    new = [measured(n, f"t{n}", peak, origin=origins[n - 1]) for n, peak in enumerate(peaks, start=1)]
    store.commit(Step("r1", 1, "measure", {}, records=tuple(new)))
    assert [each.id for each in store.records("r1", order="peak_desc")] == [3, 5, 1, 4, 2]
    assert [each.id for each in store.records("r1", order="peak_asc", limit=2)] == [4, 1]
    assert [each.id for each in store.records("r1", origins=[Origin.SEED])] == [1, 2, 5]
    assert [each.id for each in store.records("r1", ids=[4, 2, 99])] == [2, 4]
    assert store.records("r1", ids=[]) == []
    assert store.next_record_id("r1") == 6
    assert store.next_record_id("another") == 1
    assert store.seen("r1") == {text_key(f"t{n}") for n in range(1, 6)}
    assert store.peaks("r1") == {text_key(f"t{n}"): peak for n, peak in enumerate(peaks, 1) if peak is not None}


def test_every_version_is_kept_and_the_latest_is_told(store: Store) -> None:
    first, second = Hypothesis("h1", "one"), Hypothesis("h2", "two")
    refuted = replace(first, fate=Fate.REFUTED, misses=2)
    rough, better = Score("r", "test", 0.1, 5), Score("r", "test", 0.7, 50)
    for number, (hypotheses, scores) in enumerate([((first, second), (rough,)), ((refuted,), (better,))], start=1):
        explanation = Explanation(Verdict.CONTEXT, f"version {number}", Rule(0.0))
        store.commit(
            Step("r1", number, "test", {}, hypotheses=hypotheses, scores=scores, explanation=explanation),
        )
    assert store.hypotheses("r1") == [refuted, second]
    assert store.scores("r1") == [better]
    latest = store.explanation("r1")
    assert latest is not None
    assert latest.text == "version 2"


def test_counts_come_from_the_rows_and_add_up(store: Store) -> None:
    fates = [
        (Origin.HYPOTHESIS, None),
        (Origin.HYPOTHESIS, "duplicate"),
        (Origin.HYPOTHESIS, "near-mediocre"),
        (Origin.RANDOM, None),
        (Origin.RANDOM, "duplicate"),
        (Origin.PRUNE, None),
        (Origin.SWAP, None),
    ]
    candidates = tuple(Candidate(1, Prompt(f"c{n}", origin), reason) for n, (origin, reason) in enumerate(fates))
    new = (measured(1, "a\n", 1.0), measured(2, "a\r\n", 1.0), measured(3, "b", None))
    store.commit(Step("r1", 1, "search", {}, records=new, candidates=candidates))
    assert store.counts("r1") == {
        "generated": 7,
        "accepted": 4,
        "rejected": 3,
        "generated_by": {"guided": 3, "random": 2, "variant": 2},
        "accepted_by": {"guided": 1, "random": 1, "variant": 2},
        "rejected_by": {"duplicate": 2, "near-mediocre": 1},
        "records": 3,
        "unique": 2,
        "errors": 1,
    }
    assert store.counts("nothing yet")["generated"] == 0


def test_two_runs_are_compared_on_the_texts_both_measured(store: Store) -> None:
    store.begin(replace(RUN, id="r2", target=replace(TARGET, index=653)))
    store.commit(Step("r1", 1, "m", {}, records=(measured(1, "z", 1.0), measured(2, "a", 2.0), measured(3, "x", 0.0))))
    store.commit(Step("r2", 1, "m", {}, records=(measured(1, "a", 4.0), measured(2, "z", 3.0), measured(3, "x", None))))
    assert store.compare("r1", "r2") == [("z", 1.0, 3.0), ("a", 2.0, 4.0)]


def test_runs_come_newest_first_and_are_taken_up_again(store: Store) -> None:
    store.begin(replace(RUN, id="r2"))
    store.finish("r1", "failed(no space)")
    assert [run.id for run in store.runs()] == ["r2", "r1"]
    assert store.run("r1") == replace(RUN, state="failed(no space)")
    store.begin(replace(RUN, settings={"k": 20}))
    assert store.run("r1") == replace(RUN, settings={"k": 20})
    with pytest.raises(RunConflict, match="L9N652 with seed 7"):
        store.begin(replace(RUN, seed=8))


def test_a_run_keeps_where_it_is_traced_and_keeps_it_when_taken_up_again(store: Store) -> None:
    assert store.run("r1").traces == {}
    store.keep_trace("r1", "a", None)
    store.keep_trace("r1", "a", "https://traces/a")
    store.keep_trace("r1", "b", None)
    store.begin(RUN)
    store.finish("r1", "finished")
    assert store.run("r1").traces == {"a": "https://traces/a", "b": None}
    for number in range(30):
        store.keep_trace("r1", str(number), None)
    assert list(store.run("r1").traces) == [str(number) for number in range(10, 30)]


@pytest.mark.parametrize("garbage", ["", "nope", "'; DROP TABLE runs; --", "a\nb", "☃\x00", "x" * 10_000])
def test_a_garbage_run_id_is_refused_in_one_line_that_names_the_newest(store: Store, garbage: str) -> None:
    for attempt in (
        lambda: store.run(garbage),
        lambda: store.finish(garbage, "finished"),
        lambda: store.commit(Step(garbage, 1, "n", {})),
    ):
        with pytest.raises(UnknownRun) as raised:
            attempt()
        message = str(raised.value)
        assert "r1" in message
        assert "\n" not in message
        assert len(message) < 200


def test_embeddings_come_back_exactly_and_the_first_one_stays(store: Store) -> None:
    rows = np.random.default_rng(0).standard_normal((5, 384)).astype(np.float32)
    store.keep_embeddings({f"k{n}": row for n, row in enumerate(rows)})
    store.keep_embeddings({"k0": rows[1]})
    found = store.embeddings(["k0", "k4", "unknown"])
    assert found.keys() == {"k0", "k4"}
    assert found["k4"].dtype == np.float32
    assert (found["k0"] == rows[0]).all()
    assert (found["k4"] == rows[4]).all()
    assert store.embeddings([]) == {}


def test_threads_write_and_read_side_by_side(store: Store) -> None:
    def work(thread: int) -> None:
        for number in range(thread * 5 + 1, thread * 5 + 6):
            store.commit(Step("r1", number, "m", {}, records=(measured(number, f"t{number}", 1.0),)))
            assert number in [each.id for each in store.records("r1")]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [None] * 4
    assert [each.id for each in store.records("r1")] == list(range(1, 21))


def test_a_figure_that_is_not_a_number_survives_in_an_update(store: Store) -> None:
    store.commit(Step("r1", 1, "n", {"x": math.nan, "y": "\ud800"}))
    update = store.step("r1", 1)
    assert update is not None
    assert math.isnan(update["x"])
    assert update["y"] == "\ud800"
