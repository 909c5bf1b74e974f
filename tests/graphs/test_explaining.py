"""The last node: every score by its split, texts written from the rule among the records, and leaks by name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.scorer.generation import SPLIT as WRITTEN_SPLIT
from graphs.report.findings import Findings, as_json
from graphs.session import Session
from graphs.state import Means
from memory.records import Candidate, Origin, Record
from tests.graphs.small_runs import run, small_means

PASSES = 30_000
ONE_ROUND = {"max_iterations": 1, "max_forward_passes": PASSES}


@pytest.fixture
def means(gpt2_folder: Path, corpus_folder: Path, home: Path) -> Means:
    """A run of one round with passes left for everything at its end."""
    return small_means(gpt2_folder, corpus_folder, home, **ONE_ROUND)


@pytest.fixture(scope="module")
def left(
    gpt2_folder: Path, corpus_folder: Path, home: Path
) -> Iterator[tuple[Findings, list[Record], list[Candidate], int]]:
    """The findings of such a run, its records and candidates, and the number of the step that scored."""
    with run(small_means(gpt2_folder, corpus_folder, home, **ONE_ROUND)) as (session, findings):
        store, run_id = session.bench.store, session.run_id
        scored = next(step.number for step in store.steps(run_id) if step.node == "scoring")
        yield findings, store.records(run_id), store.candidates(run_id), scored


def metrics(findings: Findings) -> dict[str, float | None]:
    return {score.metric: score.value for score in findings.scores}


def test_seen_and_unseen_text_are_never_in_one_list(left: tuple[Findings, list[Record], list[Candidate], int]) -> None:
    findings = left[0]
    assert {score.split.partition(",")[0].partition(":")[0] for score in findings.held_out} == {"held-out text"}
    assert {score.split.partition(",")[0] for score in findings.elsewhere} == {
        "texts written from the rule",
        "evidence text",
    }
    assert len(findings.held_out) + len(findings.elsewhere) == len(findings.scores)
    assert findings.headline is not None
    assert findings.headline in findings.held_out


def test_texts_written_from_the_rule_are_records_of_the_run(
    left: tuple[Findings, list[Record], list[Candidate], int],
) -> None:
    findings, records, candidates, scored = left
    written = [record for record in records if record.step == scored]
    assert written
    assert {record.prompt.origin for record in written} == {Origin.PAIR}
    assert {record.prompt.predicted for record in written} in ({True, False}, {True, False, None})
    assert [record.id for record in records] == list(range(1, len(records) + 1))
    proposed = [candidate for candidate in candidates if candidate.step == scored]
    assert [each.prompt.key for each in proposed if each.reason is None] == [r.prompt.key for r in written]
    assert findings.counts.balanced
    assert findings.best is not None
    assert findings.best.peak == max(record.peak or 0.0 for record in records)
    clarity = next(score for score in findings.scores if "minimal changes" in score.metric)
    own = [candidate for candidate in proposed if candidate.prompt.source is None]
    assert clarity.n == len(own) if clarity.value is not None else "the fewest" in clarity.reason


def test_the_output_side_is_told_in_a_sentence_and_as_data(
    left: tuple[Findings, list[Record], list[Candidate], int],
) -> None:
    effects = as_json(left[0])["effects"]
    assert effects["towards"]
    assert effects["ablations"]
    assert effects["told"].endswith(".")
    assert metrics(left[0])["effect of zero ablation (KL, nats)"] is not None


@pytest.mark.parametrize(("passes", "written"), [(10, False), (2000, True)])
def test_with_few_passes_left_the_end_is_unscored_and_says_so(
    gpt2_folder: Path, corpus_folder: Path, home: Path, passes: int, written: bool
) -> None:
    with run(small_means(gpt2_folder, corpus_folder, home, max_iterations=1, max_forward_passes=passes)) as (_, found):
        few = [score for score in found.elsewhere if "forward passes were left" in (score.reason or "")]
        assert all(score.value is None for score in few)
        assert {score.split for score in found.elsewhere} - {score.split for score in few} == (
            {WRITTEN_SPLIT} if written else set()
        )
        assert any("ablation" in score.metric for score in few)
        assert "could not be tested" in found.effects["told"]
        assert found.headline is not None
        assert found.headline.value is not None


def test_a_held_out_page_that_an_agent_was_given_makes_scores_unscored_by_name(means: Means) -> None:
    with Session(means) as session:
        page = "".join(session.bench.pages.held_out[0].tokens)
    with run(replace(means, seed_prompts=(page,))) as (_, found):
        assert found.explanation is not None
        assert found.run.state == "finished"
        assert [score.value for score in found.held_out] == [None]
        assert "an agent has seen" in found.held_out[0].reason


def test_a_supervisor_says_which_budget_is_spent(means: Means) -> None:
    with run(replace(means, max_forward_passes=10)) as (_, findings):
        assert findings.steps[-4].why == "the forward passes of this inquiry are spent"
        assert findings.steps[-1].node == "output_side"
