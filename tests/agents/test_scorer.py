"""Scores stand on text no agent has seen, each beside a floor of its own size."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from agents.mind import Evidence
from agents.scorer import LeakError, assert_unseen, generated, scores
from agents.scorer.windows import MOST, sides
from agents.statistical.mind import Statistical, floor_rules
from memory.records import Explanation, Origin, Prompt, Record, Rule, Score, Verdict
from tests.agents.statistical.planted import evidence, measured, pages
from tools.pages import Page
from tools.rules import predict, size, table

SPLIT = "held-out text"
METRICS = (
    "simulation, full rule",
    "simulation, compact rule",
    "detection of the top 1 % (AUC)",
    "R2, full rule as it is",
    "R2, full rule at its best scale",
    "detection of windows (balanced accuracy)",
    "detection of windows (AUC)",
    "fuzzing (forced choice)",
    "simulation, full rule above the best floor",
)
SELF = Explanation(Verdict.SINGLE_TOKEN, "It fires on self.", Rule(0.0, (table("token", {" self": 4.0}),)))
NONE = Explanation(Verdict.UNEXPLAINED, "None.", Rule(0.4))


def record(page: Page, number: int = 1) -> Record:
    told, place = tuple(map(float, page.values)), int(page.values.argmax())
    prompt = Prompt("".join(page.tokens), Origin.USER)
    return Record(number, 1, prompt, page.tokens, tuple(range(len(told))), told, told[place], place)


def texts_of(unit: str, wanted: int = 20) -> tuple[Evidence, tuple[Page, ...]]:
    return evidence(pages(unit, seed=1, number=2 * wanted)), pages(unit, seed=2, number=wanted)


def test_every_score_has_a_value_a_floor_and_a_ceiling() -> None:
    shown, held = texts_of("line", 30)
    found = Statistical().explain(shown, 0)
    scored = scores(found, shown, held, seed=0)
    assert tuple(score.metric for score in scored) == METRICS
    for score in scored:
        assert score.split.startswith(SPLIT)
        assert score.value is not None
        assert score.floor is not None
        assert score.floor_name
        assert score.low is not None
        assert score.low <= score.value <= (score.high or 0.0)
        assert score.ceiling is not None
        assert score.n > 0
    for score in scored[:3]:
        assert score.split == SPLIT
        assert score.n == sum(len(page.tokens) for page in held)
        assert (score.value or 0.0) > (score.floor or 0.0)
    assert (scored[0].floor_name, scored[1].floor_name[:9]) == ("token table", "table of ")
    assert scores(found, shown, held, seed=0) == scored


def test_the_floors_are_token_tables_of_the_evidence_pages() -> None:
    shown, _ = texts_of("token set")
    table_rule, small = floor_rules(shown.pages, 2)
    assert [clause.feature for clause in (*table_rule.clauses, *small.clauses)] == ["token", "token"]
    assert size(small) == 2
    assert set(small.clauses[0].levels) <= {" self", " path", " key", " node"}


def test_the_best_floor_is_named_with_all_others() -> None:
    shown, held = texts_of("single token")
    *_, above = scores(SELF, shown, held, seed=0)
    for name in ("token table", "token in other pages", "token before in other pages", "best of 5 random rules"):
        assert name in above.floor_name
    assert above.floor == 0.0


@pytest.mark.parametrize("unit", ["single token", "line", "dense", "noise"])
def test_none_scores_no_better_than_the_floor_in_every_metric(unit: str) -> None:
    shown, held = texts_of(unit)
    scored = scores(NONE, shown, held, seed=0)
    assert len(scored) == len(METRICS)
    for score in scored:
        assert score.value is not None or score.reason
        assert score.value is None or score.value <= (score.floor if score.floor is not None else -np.inf)
    assert scored[0].value is scored[1].value is None
    assert "constant" in scored[0].reason


def test_none_is_even_at_windows_and_choices() -> None:
    shown, held = texts_of("single token")
    by_name = {score.metric: score for score in scores(NONE, shown, held, seed=0)}
    assert by_name["detection of windows (balanced accuracy)"].value == 0.5
    assert by_name["fuzzing (forced choice)"].value == 0.5


def test_a_right_rule_is_perfect_at_windows_and_choices() -> None:
    shown, held = texts_of("single token")
    by_name = {score.metric: score for score in scores(SELF, shown, held, seed=0)}
    for name in METRICS[5:8]:
        assert by_name[name].value == 1.0
    assert "hard" in by_name[METRICS[5]].split


@pytest.mark.parametrize("missing", ["evidence", "held out"])
def test_without_text_there_is_no_score_and_a_reason(missing: str) -> None:
    shown, held = texts_of("line", 10)
    seen, unseen = (replace(shown, pages=()), held) if missing == "evidence" else (shown, ())
    scored = scores(SELF, seen, unseen, seed=0)
    assert scored
    for score in scored:
        assert score.value is None
        assert score.reason == "there is no text to score on"


def test_a_document_that_an_agent_has_seen_is_never_scored() -> None:
    shown, held = texts_of("single token")
    with pytest.raises(LeakError, match="an agent has seen"):
        scores(SELF, shown, [*held, shown.pages[3]], seed=0)
    with pytest.raises(LeakError, match="an agent has seen"):
        scores(SELF, shown, held, seed=0, seen=[record(held[5])])
    copied = replace(held[5], tokens=(*held[5].tokens[:-1], *held[5].tokens[-1]))  # the same text in other tokens
    with pytest.raises(LeakError, match="an agent has seen"):
        assert_unseen([held[5]], [copied])


def test_pages_that_share_a_window_with_seen_text_are_left_out_and_counted() -> None:
    shown, held = texts_of("single token")
    tokens = (*held[2].tokens[:10], *shown.pages[0].tokens[40:72], *held[2].tokens[42:])
    mixed = replace(held[2], tokens=tokens)
    kept = assert_unseen([*held[:2], mixed, *held[3:]], shown.pages)
    assert kept == (*held[:2], *held[3:])
    nearly = replace(mixed, tokens=(*tokens[:10], "other", *tokens[11:]))
    assert assert_unseen([nearly], shown.pages) == (nearly,)
    first = scores(SELF, shown, [*held[:2], mixed, *held[3:]], seed=0)[0]
    assert first.split == f"{SPLIT}, 1 of {len(held)} pages left out"
    assert first == replace(scores(SELF, shown, kept, seed=0)[0], split=first.split)


def test_a_seen_text_within_a_page_and_a_short_page_within_a_seen_text_leave_it_out() -> None:
    shown, held = texts_of("single token", 5)
    part = replace(held[0], tokens=held[0].tokens[20:60], values=held[0].values[20:60])
    assert assert_unseen(held, [record(part)]) == held[1:]
    short = replace(held[0], tokens=held[0].tokens[20:30], values=held[0].values[20:30])
    assert assert_unseen([short], [record(held[0])]) == ()
    assert assert_unseen([short], shown.pages[:1]) == (short,)


def test_when_all_pages_share_text_there_is_a_reason() -> None:
    shown, held = texts_of("single token", 5)
    parts = [record(replace(page, tokens=page.tokens[:40], values=page.values[:40])) for page in held]
    for score in scores(SELF, shown, held, seed=0, seen=parts):
        assert score.value is None
        assert "shares text" in score.reason


def test_silent_windows_are_as_many_as_firing_ones_and_mostly_hard() -> None:
    held = pages("bigram", seed=3, number=60)
    rule = Rule(0.0, (table("token", {"self": 2.0, "key": 2.0}),))
    told = [np.array(predict(rule, page.tokens)) for page in held]
    found = sides(held, told, told, tokens={"self", "key"}, firing=2.0, quiet=1.0, seed=0)
    assert 5 <= len(found.firing) <= MOST
    assert len(found.hard) + len(found.random) == len(found.firing)
    assert len(found.hard) >= 0.7 * len(found.firing)
    for window in found.firing:
        assert held[window.page].values[window.start : window.stop].max() >= 2.0
    for window in (*found.hard, *found.random):
        assert held[window.page].values[window.start : window.stop].max() < 1.0
    alike = sum(not {"self", "key"}.isdisjoint(held[w.page].tokens[w.start : w.stop]) for w in found.hard)
    assert alike >= 0.4 * len(found.hard)
    assert len({*found.firing, *found.hard, *found.random}) == 2 * len(found.firing)


def test_too_few_windows_are_unscored_with_their_number() -> None:
    shown, held = texts_of("single token")
    quiet = replace(shown, distribution=replace(shown.distribution, firing=99.0))
    by_name = {score.metric: score for score in scores(SELF, quiet, held, seed=0)}
    for name in METRICS[5:8]:
        assert by_name[name].value is None
        assert "0 windows that fire" in by_name[name].reason


def asked(unit: str, rule: Rule, shown: Evidence) -> tuple[list[Score], list[Prompt]]:
    prompts: list[Prompt] = []

    def ask(wanted: Sequence[Prompt]) -> list[Record]:
        prompts.extend(wanted)
        return measured(unit, wanted)

    return generated(Explanation(Verdict.UNEXPLAINED, "", rule), ask, shown, seed=0), prompts


def test_what_a_right_rule_writes_is_told_apart() -> None:
    shown, _ = texts_of("single token")
    scored, prompts = asked("single token", SELF.rule, shown)
    own, table = prompts[:48], prompts[48:]
    assert {prompt.predicted for prompt in own[::2]} == {True}
    assert {prompt.predicted for prompt in own[1::2]} == {False}
    assert 0 < len(table) <= 48
    assert {(prompt.source, prompt.predicted) for prompt in table} == {("token table", None)}
    for score in scored:
        assert score.value is not None
        assert score.value > 0.9
        assert score.floor is not None
        assert score.floor >= 0.5
        assert "token table" in score.floor_name
    assert scored[0].metric == "generated, against minimal changes (AUC)"
    assert generated(SELF, lambda wanted: measured("single token", wanted), shown, seed=0) == scored


def test_the_token_table_does_not_beat_the_floor_of_written_texts() -> None:
    shown, _ = texts_of("single token")
    for score in asked("single token", floor_rules(shown.pages, 1)[0], shown)[0]:
        assert score.value is not None
        assert score.value == score.floor
        assert score.value > 0.9
        assert score.floor_name.startswith("token table by its own texts")


def test_a_rule_of_context_is_above_what_tokens_alone_write() -> None:
    shown, _ = texts_of("bigram")
    minimal = asked("bigram", Rule(0.0, (table("pair", {".\u241fself": 4.0}),)), shown)[0][0]
    assert minimal.value is not None
    assert minimal.floor is not None
    assert minimal.value > minimal.floor


def test_what_a_wrong_rule_writes_is_not() -> None:
    shown, _ = texts_of("single token")
    minimal, ordinary = asked("single token", Rule(0.0, (table("token", {" open": 4.0}),)), shown)[0]
    assert minimal.value is not None
    for score in (minimal, ordinary):
        assert score.value is None or score.value <= 0.6


def test_a_rule_that_names_half_of_what_is_needed_is_found_out() -> None:
    """The unit wants `self` after a point; the rule says `self`, which often follows one."""
    shown, _ = texts_of("bigram")
    right = asked("bigram", Rule(0.0, (table("pair", {".\u241fself": 4.0}),)), shown)[0][0]
    half = asked("bigram", Rule(0.0, (table("token", {"self": 4.0, " self": 4.0}),)), shown)[0][0]
    assert right.value is not None
    assert half.value is not None
    assert right.value > half.value


def test_generated_texts_are_new_but_for_what_only_opens_a_page() -> None:
    shown, _ = texts_of("line", 10)
    rule = Rule(0.0, (table("line-opening", {"assert": 4.0}),))
    prompts = [prompt for prompt in asked("line", rule, shown)[1] if prompt.source is None]
    assert prompts
    texts = ["".join(page.tokens) for page in shown.pages]
    assert sum(any(prompt.text in text for text in texts) for prompt in prompts) <= 0.2 * len(prompts)
    assert all(first.text != second.text for first, second in zip(prompts[::2], prompts[1::2], strict=True))


def test_a_rule_without_a_difference_writes_nothing() -> None:
    shown, _ = texts_of("single token", 5)
    scored, prompts = asked("single token", NONE.rule, shown)
    assert not prompts
    assert all("same everywhere" in score.reason for score in scored)


def test_records_that_do_not_come_back_are_an_error() -> None:
    shown, _ = texts_of("single token", 5)
    with pytest.raises(ValueError, match="records came back"):
        generated(SELF, lambda _: [], shown, seed=0)
