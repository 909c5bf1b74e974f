"""The list of runs and the pages of one, as the store chooses and sorts them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from memory.lineup import look
from memory.overview import Choice, Overview
from memory.records import (
    Candidate,
    Explanation,
    Kind,
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
    Verdict,
)
from memory.snapshot import publish_open
from memory.store import Store

TARGET = Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652)


def record(number: int, words: str, peak: float | None, **about: object) -> Record:
    """A record of one token, or a failed one where there is no peak."""
    prompt = replace(Prompt(words, Origin.CORPUS), **about)  # type: ignore[arg-type]
    if peak is None:
        return Record(number, 1, prompt, (), (), (), None, None, Status.FAILED)
    return Record(number, 1, prompt, (words,), (number,), (peak,), peak, 0)


@pytest.fixture
def overview(tmp_path: Path) -> Iterator[Overview]:
    with Store.open(tmp_path / "neuronaut.duckdb") as store:
        for name, target in (
            ("first", TARGET),
            ("second", replace(TARGET, sign=-1)),
            ("third", replace(TARGET, layer=3, index=6, kind=Kind.FEATURE)),
        ):
            store.begin(Run(name, target, 0, {}))
        told = Explanation(Verdict.N_GRAM, "Fires on Monday", Rule(0.0), full=Rule(1.0))
        early = (
            Score("correlation", "texts written from the rule", 0.9),
            Score.unscored("detection", "held-out text", "none"),
            Score("correlation", "held-out text", 0.3, floor=0.1),
            Score("fuzzing", "held-out text", 0.8),
        )
        store.commit(Step("first", 1, "survey", {"effects": {"a": 1}, "passes": 9}, explanation=told, scores=early))
        rows = [record(1, "a", 0.5), record(2, "b", None), record(3, "ab", 0.2, hypothesis="h"), record(4, "c", 2.0)]
        late = replace(told, text="Fires on 100 % of_Mondays")
        turned = [Candidate(2, Prompt(words, Origin.RANDOM), "duplicate") for words in "ab"]
        call = LlmCall("judge", "m", "ok", 1.0, "p", "a")
        better = Score("correlation", "held-out text", 0.4, floor=0.1)
        store.commit(
            Step(
                "first", 2, "explainer", {"why": "effects"}, records=tuple(replace(row, step=2) for row in rows),
                candidates=tuple(turned), explanation=late, scores=(better,), calls=(call,),
            )
        )  # fmt: skip
        store.commit(Step("second", 1, "explainer", {}, scores=(Score("correlation", "other text", 0.7),)))
    with Overview(tmp_path / "neuronaut.duckdb") as read:
        yield read


def found(overview: Overview, **chosen: object) -> set[str]:
    choice = Choice(**chosen)  # type: ignore[arg-type]
    lines = overview.lines(choice, limit=10)
    assert len(lines) == overview.line_count(choice)
    return {line.run_id for line in lines}


def test_a_line_has_the_latest_words_and_the_score_that_a_report_shows_first(overview: Overview) -> None:
    lines = {line.run_id: line for line in overview.lines(Choice(), limit=10)}
    first, second, third = (lines[name] for name in ("first", "second", "third"))
    assert (first.verdict, first.text) == ("n-gram", "Fires on 100 % of_Mondays")
    assert (first.metric, first.value, first.floor) == ("correlation", 0.4, 0.1)
    assert (second.metric, second.value, second.text) == ("correlation", 0.7, None)
    assert (third.metric, third.verdict, third.target.name) == (None, None, "L3F6")


def test_runs_are_chosen_by_words_units_verdicts_and_ids(overview: Overview) -> None:
    assert found(overview, words="MONDAY") == {"first"}
    assert found(overview, words="l9n652") == {"first", "second"}
    assert found(overview, words="l3f") == {"third"}
    assert found(overview, words="%") == found(overview, words="f_m") == {"first"}
    assert found(overview, verdict="") == {"second", "third"}
    assert found(overview, layer=3, model="gpt2") == {"third"}
    assert found(overview, ids=("first", "nobody")) == {"first"}
    assert found(overview, ids=()) == set()


def test_what_is_missing_is_sorted_last_either_way(overview: Overview) -> None:
    for descending in (True, False):
        lines = overview.lines(Choice(), sort="score", descending=descending, limit=10)
        assert lines[-1].run_id == "third"
    assert [line.run_id for line in overview.lines(Choice(), sort="name", descending=False, limit=1)] == ["third"]
    assert len(overview.lines(Choice(), limit=2, offset=2)) == 1


def test_a_unit_is_found_by_its_name_and_side(overview: Overview) -> None:
    assert overview.resolve("l9n652") == "first"
    assert overview.resolve("L9N652-") == "second"
    assert overview.resolve("third") == overview.resolve("L3F6") == "third"
    assert overview.resolve("L3N6") is None
    assert overview.resolve("'; DROP TABLE runs") is None


def test_records_come_in_pages_with_how_many_there_are(overview: Overview) -> None:
    page, total = overview.record_page("first", order="peak_desc", limit=2)
    assert ([row.id for row in page], total) == ([4, 1], 4)
    page, total = overview.record_page("first", order="peak_desc", limit=2, offset=2)
    assert [row.id for row in page] == [3, 2]
    assert overview.record_page("first", words="B", limit=9)[1] == 2
    assert overview.record_page("first", hypothesis="h", limit=9)[1] == 1
    assert overview.record_page("nobody", limit=9) == ([], 0)
    assert overview.record("first", 4) == page_of(overview, 4)
    assert overview.record("first", 40) is None


def page_of(overview: Overview, number: int) -> Record:
    return next(row for row in overview.records("first") if row.id == number)


def test_steps_are_told_with_what_they_measured_and_turned_down(overview: Overview) -> None:
    tally = overview.tallies("first")[2]
    assert (tally.measured, tally.best, tally.rejected) == (4, 2.0, {"duplicate": 2})
    assert [each.prompt.text for each in overview.turned_down("first", steps=[1, 2], limit=9)] == ["a", "b"]
    assert [call.answer for call in overview.calls_by_step("first", first=2, last=2)[2]] == ["a"]
    assert overview.calls_by_step("first", first=1, last=1) == {}
    assert overview.gains("first") == [(1, 0.5, "corpus"), (4, 2.0, "corpus")]
    assert overview.said("first", "effects") == {"a": 1}
    assert overview.said("second", "effects") is None
    concluded = overview.concluded("first")
    assert concluded is not None
    assert (concluded.text, concluded.full) == ("Fires on 100 % of_Mondays", None)


def test_any_thread_may_ask_while_the_copy_is_renewed(tmp_path: Path) -> None:
    over = threading.Event()
    with Store.open(tmp_path / "store.duckdb") as store, ThreadPoolExecutor(3) as threads:
        store.begin(Run("0", TARGET, 0, {}))
        publish_open(store)
        with Overview(tmp_path / "store.duckdb") as read:

            def ask() -> int:
                asked = 0
                while not over.is_set():
                    assert read.line_count(Choice()) >= 1
                    asked += 1
                return asked

            asking = [threads.submit(ask) for _ in range(3)]
            for number in range(1, 15):
                store.begin(Run(str(number), TARGET, 0, {}))
                publish_open(store)
                assert read.refresh()
            over.set()
            assert all(each.result() > 0 for each in asking)
            assert read.line_count(Choice()) == 15


def test_a_folder_without_a_queue_has_no_targets(tmp_path: Path) -> None:
    assert look(tmp_path, limit=5) == ({}, [])
