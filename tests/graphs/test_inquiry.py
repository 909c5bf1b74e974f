"""One neuron from the question to the findings, with the built-in mind, on tiny models."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agents.mind import Decision, Evidence, View
from agents.scorer.measuring import ABOVE, EXPLAINED, SIMULATIONS, WINDOWS
from agents.statistical.mind import Statistical
from graphs.report.findings import Findings, as_json
from graphs.session import Session
from graphs.state import Means
from memory.queries import Counts
from memory.records import DERIVED, Candidate, Fate, Hypothesis, Origin, Prompt, Record, Status, Verdict
from tests.graphs.small_runs import NODES, mark, nodes, run, small_means, timeless
from tests.tiny_models import DEAD, PAIR
from tools.corpus import documents

DETECTION = ("detection of the top 1 % (AUC)",)


class Finished(NamedTuple):
    """What is looked at of one finished run."""

    findings: Findings
    records: list[Record]
    candidates: list[Candidate]
    counts: Counts
    nodes: list[str]
    seen: str  # every text an agent was given
    sources: list[str]  # of the pages an agent was given


@pytest.fixture(scope="module", params=["gpt2_folder", "llama_folder"])
def finished(request: pytest.FixtureRequest, corpus_folder: Path, home: Path) -> Iterator[Finished]:
    means = small_means(
        request.getfixturevalue(request.param), corpus_folder, home, max_iterations=9,
        max_forward_passes=1500,
    )  # fmt: skip
    with run(means) as (session, findings):
        store, run_id = session.bench.store, session.run_id
        evidence = session.bench.evidence(run_id)
        texts = ["".join(page.tokens) for page in evidence.pages]
        texts += [record.prompt.text for record in store.records(run_id)]
        texts += [candidate.prompt.text for candidate in store.candidates(run_id)]
        yield Finished(
            findings,
            store.records(run_id),
            store.candidates(run_id),
            store.counts(run_id),
            nodes(store.steps(run_id)),
            "\n".join(texts),
            [page.source for page in evidence.pages] + [r.prompt.source or "" for r in store.records(run_id)],
        )


def test_a_run_ends_with_a_verdict_an_explanation_and_scores_beside_their_floors(finished: Finished) -> None:
    explanation = finished.findings.explanation
    assert explanation is not None
    assert explanation.verdict in Verdict
    assert explanation.text
    assert finished.findings.run.state == "finished"
    assert [score.metric for score in finished.findings.held_out] == [
        *SIMULATIONS,
        *DETECTION,
        *EXPLAINED,
        *WINDOWS,
        ABOVE,
    ]
    assert finished.findings.headline is not None
    assert finished.findings.headline.value is not None
    for score in finished.findings.scores:
        assert score.split
        assert score.value is not None or score.reason
        assert (score.value is None) == (score.floor is None) == (not score.floor_name)
    ids = {record.id for record in finished.records}
    assert set(explanation.evidence) <= ids


def test_every_node_has_its_turn_and_the_explainer_the_last_word(finished: Finished) -> None:
    assert set(finished.nodes) == set(NODES)
    assert finished.nodes[0] == "survey"
    assert finished.nodes[-3:] == ["explainer", "scoring", "output_side"]
    assert [step.node for step in finished.findings.steps] == finished.nodes


def test_generated_is_accepted_plus_rejected_counted_from_the_candidates(finished: Finished) -> None:
    counts, shown = finished.counts, finished.findings.counts
    rejected = [candidate for candidate in finished.candidates if candidate.reason]
    assert counts["generated"] == counts["accepted"] + counts["rejected"] == len(finished.candidates)
    assert counts["rejected"] == len(rejected) > 0
    assert shown.balanced
    assert (shown.generated, shown.rejected_total) == (counts["generated"], len(rejected))
    assert counts["accepted_by"]["seed"] >= 15


def test_every_record_is_a_text_of_its_own_that_was_accepted_once(finished: Finished) -> None:
    keys = [record.prompt.key for record in finished.records]
    accepted = [candidate.prompt.key for candidate in finished.candidates if candidate.reason is None]
    assert len(set(keys)) == len(keys) == finished.counts["unique"] == finished.counts["records"]
    assert len(set(accepted)) == len(accepted)
    assert set(keys) <= set(accepted)
    assert [record.id for record in finished.records] == list(range(1, len(keys) + 1))


def test_every_record_has_a_value_at_every_token_and_its_peak_among_them(finished: Finished) -> None:
    for record in finished.records:
        assert record.status in (Status.MEASURED, Status.TRUNCATED)
        assert record.peak is not None
        assert record.position is not None
        assert len(record.values) == len(record.tokens) == len(record.token_ids)
        assert record.peak == max(record.values) == record.values[record.position]


def test_variants_name_a_record_they_were_made_from(finished: Finished) -> None:
    ids = {record.id for record in finished.records}
    variants = [r for r in finished.records if r.prompt.origin in (Origin.PRUNE, Origin.SWAP, Origin.REWRITE)]
    assert variants
    assert all(record.prompt.parent in ids and record.prompt.parent < record.id for record in variants)


def test_what_is_held_out_is_never_seen(finished: Finished, corpus_folder: Path) -> None:
    held_out = {Path(document.source).name: document for document in documents(str(corpus_folder)) if document.held_out}
    assert 8 < len(held_out) < 28
    assert not [name for name in held_out if mark(int(name[:2])) in finished.seen]
    shown = {Path(source.rpartition(":")[0]).name for source in finished.sources if source}
    assert shown
    assert not shown & set(held_out)


def test_ranked_lists_are_in_order_and_hold_no_derived_texts(finished: Finished) -> None:
    top = [record.peak or 0.0 for record in finished.findings.top]
    bottom = [record.peak or 0.0 for record in finished.findings.bottom]
    natural = [record.peak or 0.0 for record in finished.records if record.prompt.origin not in DERIVED]
    assert top == sorted(natural, reverse=True)[:10]
    assert bottom == sorted(natural)[:10]


def test_the_strongest_prompt_stands_beside_the_corpus(finished: Finished) -> None:
    found, spread = finished.findings, finished.findings.distribution
    assert found.best is not None
    assert found.best.peak == max(record.peak or -math.inf for record in finished.records)
    assert found.share == pytest.approx((found.best.peak or 0.0) / found.corpus_max)
    assert found.deviations == pytest.approx(((found.best.peak or 0.0) - spread.mean) / spread.deviation)
    assert [share for share, _ in spread.quantiles] == sorted(share for share, _ in spread.quantiles)


def test_the_same_seed_gives_the_same_findings_and_another_seed_other_ones(
    gpt2_folder: Path, corpus_folder: Path, home: Path
) -> None:
    told = []
    for seed in (7, 7, 8):
        with run(small_means(gpt2_folder, corpus_folder, home, seed=seed)) as (_, findings):
            told.append(timeless(as_json(findings)))
    assert told[0] == told[1]
    assert told[0]["evidence"] != told[2]["evidence"]


def test_run_search_and_summary_answer_in_rank_order(gpt2_folder: Path, corpus_folder: Path, home: Path) -> None:
    with Session(small_means(gpt2_folder, corpus_folder, home, max_iterations=9)) as session:
        session.run_search(max_iterations=1, min_improvement_threshold=0.5)
        summary = session.summary()
        rounds = nodes(session.bench.store.steps(session.run_id)).count("experiment")
    assert rounds == 1
    top, bottom = summary["top_10"], summary["bottom_10"]
    assert (len(top), len(bottom)) == (10, 10)
    assert [row["rank"] for row in top] == list(range(1, 11))
    assert [row["activation"] for row in top] == sorted((row["activation"] for row in top), reverse=True)
    assert [row["activation"] for row in bottom] == sorted(row["activation"] for row in bottom)
    assert all(row["text"] for row in top + bottom)


def test_a_dead_neuron_gets_its_verdict_and_no_trigger(gpt2_folder: Path, corpus_folder: Path, home: Path) -> None:
    with run(small_means(gpt2_folder, corpus_folder, home, neuron=DEAD)) as (_, findings):
        assert findings.verdict == "dead"
        assert findings.triggers == ()


def test_the_other_direction_of_a_neuron_is_a_target_of_its_own(
    gpt2_folder: Path, corpus_folder: Path, home: Path
) -> None:
    with run(small_means(gpt2_folder, corpus_folder, home, sign=-1, position="last")) as (session, findings):
        assert findings.run.target.name == f"L0N{PAIR}-"
        records = session.bench.store.records(session.run_id)
    assert all(record.peak == record.values[-1] and record.position == len(record.values) - 1 for record in records)


def test_a_text_longer_than_the_context_is_measured_and_said_to_be_cut(
    gpt2_folder: Path, corpus_folder: Path, home: Path
) -> None:
    means = small_means(gpt2_folder, corpus_folder, home, max_iterations=1, seed_prompts=("apple " * 90, "\u200b"))
    with run(means) as (session, findings):
        (long,) = [r for r in session.bench.store.records(session.run_id) if r.status is Status.TRUNCATED]
    assert long.prompt.origin is Origin.USER
    assert any("context" in warning for warning in findings.warnings)


def test_a_survey_serves_the_next_neuron(gpt2_folder: Path, corpus_folder: Path, tmp_path: Path) -> None:
    reads: list[float] = []
    for neuron in (PAIR, 9):
        means = small_means(gpt2_folder, corpus_folder, tmp_path, neuron=neuron)
        with Session(means, progress=lambda done, total: reads.append(done / total)):
            pass
        assert reads[-1] == 1.0
        reads.append(1.0)
    assert reads.count(1.0) == 3


class Silly(Statistical):
    """A mind that always wants the same node, and proposes what it is told to."""

    def __init__(self, node: str, texts: Sequence[str] = ()) -> None:
        self.node, self.texts = node, texts
        self.told: list[Sequence[Candidate]] = []

    def route(self, view: View, legal: Sequence[str], seed: int) -> Decision:
        return Decision(self.node, "because") if self.node else super().route(view, legal, seed)

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        del evidence, wanted, seed
        return [Hypothesis("h-1", "Always the same.", fate=Fate.PROPOSED)] if self.texts else []

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]:
        del evidence, wanted, seed
        self.told.append(rejected)
        return [Prompt(text, Origin.HYPOTHESIS) for text in self.texts]


class Restless(Statistical):
    """A mind with one claim that is never decided, and a new text whenever it is asked for one."""

    def __init__(self) -> None:
        self.told = 0

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        del evidence, wanted, seed
        return [Hypothesis("h-1", "Always the same.", fate=Fate.PROPOSED)]

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]:
        del evidence, rejected, seed
        self.told += wanted
        return [Prompt(f"the cat saw number {n}", Origin.HYPOTHESIS) for n in range(self.told - wanted, self.told)]


def searched(means: Means, mind: Any) -> tuple[Findings, Counts, list[Any]]:
    """The findings, counts and steps of a run that another mind decides."""
    with Session(means) as session:
        session.bench.mind = mind
        findings = session.run_search()
        store = session.bench.store
        return findings, store.counts(session.run_id), store.steps(session.run_id)


@pytest.mark.parametrize(
    ("node", "texts"),
    [
        *(("", texts) for texts in ((), ("the same text again",))),
        *((node, ("the same text again",)) for node in ("the_moon", "hypothesis", "prompt_generator")),
        *((node, ()) for node in NODES),
    ],
)
def test_no_mind_can_keep_a_run_from_its_end(
    gpt2_folder: Path, corpus_folder: Path, home: Path, node: str, texts: tuple[str, ...]
) -> None:
    means = small_means(gpt2_folder, corpus_folder, home, max_iterations=2, max_forward_passes=300)
    findings, counts, steps = searched(means, Silly(node, texts))
    assert findings.verdict
    assert counts["generated"] == counts["accepted"] + counts["rejected"]
    assert counts["unique"] == counts["records"]
    assert nodes(steps)[-3:] == ["explainer", "scoring", "output_side"]
    sent = [step.update["goto"] for step in steps if step.node == "supervisor"]
    assert set(sent) <= set(NODES) - {"survey", "supervisor"}


def test_the_generator_hears_why_its_prompts_were_rejected_and_random_ones_stand_in(
    gpt2_folder: Path, corpus_folder: Path, home: Path
) -> None:
    mind = Silly("", ("The cat sat on the mat.", " "))
    means = small_means(gpt2_folder, corpus_folder, home, max_iterations=2, seed_prompts=(mind.texts[0],))
    _, counts, steps = searched(means, mind)
    asked = nodes(steps).count("prompt_generator")
    assert asked >= 1
    assert len(mind.told) == 5 * asked
    heard = [[(each.prompt.text, each.reason) for each in told] for told in mind.told[1:5]]
    assert heard == [[("The cat sat on the mat.", "duplicate"), (" ", "empty")]] * 4
    assert counts["generated_by"]["guided"] == 10 * asked
    assert counts["accepted_by"]["random"] > 0
    assert counts["generated_by"]["random"] >= counts["accepted_by"]["random"]


def test_a_run_without_progress_explores_at_random_and_says_so(
    gpt2_folder: Path, corpus_folder: Path, home: Path
) -> None:
    means = small_means(
        gpt2_folder, corpus_folder, home, stagnation=1, min_improvement=1e9, max_iterations=6,
        max_forward_passes=1500, near_mid=None,
    )  # fmt: skip
    _, counts, steps = searched(means, Restless())
    stuck = [step for step in steps if "exploring at random" in step.update.get("why", "")]
    assert {step.node for step in stuck} == {"prompt_generator"}
    assert all(step.update["since_progress"] == 0 for step in stuck)
    assert counts["generated_by"]["random"] == means.prompts_a_round * len(stuck) > 0
    assert counts["accepted_by"]["random"] > 0


def test_how_near_is_too_near_can_be_set(gpt2_folder: Path, corpus_folder: Path, home: Path) -> None:
    rejected = {}
    for near in (0.3, None):
        means = small_means(
            gpt2_folder, corpus_folder, home, stagnation=1, min_improvement=1e9, max_iterations=4, near_mid=near,
            max_forward_passes=1500,
        )  # fmt: skip
        _, counts, _ = searched(means, Restless())
        assert counts["generated_by"]["random"] > 0
        rejected[near] = counts["rejected_by"].get("near-mediocre", 0)
    assert rejected[0.3] > rejected[None] == 0
