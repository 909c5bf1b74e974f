"""Pruning: what is kept is minimal, true to its text, and cheap."""

from collections.abc import Iterator

import pytest
import torch

from memory.records import Origin, Prompt, Record, Target
from tests.tools.conftest import DEAD, MERGED, SPLIT
from tools.prune import Outcome, Pruned, prune
from tools.subject import Subject

FILLER = " the old man saw the cat. the dog ran far over the stone!"
PLANTED = FILLER[:26] + " red apple on the mat under the blue river and the sky"


def without_each(subject: Subject, text: str) -> list[str]:
    ids = subject.encode(text)
    return [subject.decode(ids[:i] + ids[i + 1 :]) for i in range(len(ids))]


def random_cases(subject: Subject) -> list[tuple[Target, str]]:
    text = FILLER + PLANTED
    return [(subject.neuron(layer, neuron), text) for layer in (0, 1) for neuron in range(20, 32)]


def test_planted_pair_is_pruned_to_the_pair(tiny: Subject, pair: Target) -> None:
    pruned = prune(tiny, pair, PLANTED)
    parent = tiny.measure([PLANTED], pair)[0]
    assert pruned.status is Outcome.PRUNED
    assert pruned.text == " apple river"
    assert pruned.token == " river"
    assert [parent.tokens[i] for i in pruned.origins] == [" apple", " river"]
    assert pruned.span == (parent.tokens.index(" apple"), parent.tokens.index(" river") + 1)
    assert pruned.before == pytest.approx(parent.peak)
    assert pruned.kept is not None
    assert pruned.kept >= 0.5
    assert min(pruned.importance) > 0.5


def test_contiguous_pruning_keeps_the_middle(tiny: Subject, pair: Target) -> None:
    pruned = prune(tiny, pair, PLANTED, contiguous=True)
    assert pruned.text == " apple on the mat under the blue river"
    assert pruned.text in PLANTED


def test_reported_activation_is_that_of_the_text(tiny: Subject) -> None:
    for target, text in random_cases(tiny):
        for contiguous in (False, True):
            pruned = prune(tiny, target, text, contiguous=contiguous)
            assert pruned.after == pytest.approx(tiny.measure([pruned.text], target)[0].peak, abs=1e-4)
            assert pruned.kept is not None
            assert pruned.kept >= 0.5 - 1e-6


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_no_single_token_can_go(tiny: Subject, threshold: float) -> None:
    for target, text in random_cases(tiny):
        pruned = prune(tiny, target, text, threshold=threshold)
        assert pruned.before is not None
        left = [reading.peak for reading in tiny.measure(without_each(tiny, pruned.text), target)]
        assert all(peak is None or peak < threshold * pruned.before for peak in left)


def test_neither_end_of_a_contiguous_text_can_go(tiny: Subject) -> None:
    for target, text in random_cases(tiny):
        pruned = prune(tiny, target, text, threshold=0.8, contiguous=True)
        ends = without_each(tiny, pruned.text)
        left = [reading.peak for reading in tiny.measure([ends[0], ends[-1]], target)]
        assert pruned.before is not None
        assert all(peak is None or peak < 0.8 * pruned.before for peak in left)


@pytest.fixture
def broken(tiny: Subject) -> Iterator[Target]:
    """A neuron whose bias is no number."""
    bias = tiny.hf.transformer.h[1].mlp.c_fc.bias
    kept = float(bias[50])
    with torch.no_grad():
        bias[50] = float("nan")
        yield tiny.neuron(1, 50)
        bias[50] = kept


def sentences(text: str) -> list[str]:
    """The sentences of a text of our own marks, each with its end."""
    found = [""]
    for mark in text:
        found[-1] += mark
        if mark in ".!?\n":
            found.append("")
    return [sentence for sentence in found if sentence]


@pytest.mark.parametrize("mark", [".", "!", "?", "\n"])
def test_whole_sentences_are_dropped_at_every_boundary(tiny: Subject, pair: Target, mark: str) -> None:
    text = f" the dog ran{mark} red apple sat{mark} the old man{mark} blue river over{mark} the sky{mark}"
    pruned = prune(tiny, pair, text, sentences=True)
    assert pruned.text == f" red apple sat{mark} blue river over{mark}"
    assert prune(tiny, pair, text).text == " apple river"


@pytest.mark.parametrize("threshold", [0.8, 0.95])
def test_no_sentence_of_a_kept_text_can_go(tiny: Subject, threshold: float) -> None:
    several = 0
    for target, text in random_cases(tiny)[::2]:
        for only in (False, True):
            pruned = prune(tiny, target, text, threshold=threshold, sentences=only)
            kept = sentences(pruned.text)
            several += len(kept) > 1
            shorter = ["".join(kept[:i] + kept[i + 1 :]) for i in range(len(kept))]
            left = [reading.peak for reading in tiny.measure(shorter, target)]
            assert pruned.before is not None
            assert all(peak is None or peak < threshold * pruned.before for peak in left)
    assert several


def test_sentences_go_before_tokens(tiny: Subject, pair: Target) -> None:
    irrelevant = " the old man saw the cat. the dog ran far over the stone." * 2
    long = prune(tiny, pair, " red apple sat." + irrelevant + " blue river", replacements=0)
    short = prune(tiny, pair, " red apple sat. blue river", replacements=0)
    assert long.text == short.text == " apple river"
    assert long.calls <= short.calls + 6


def test_no_sentence_can_go(tiny: Subject, pair: Target) -> None:
    text = " red apple. the dog ran! the cat sat. blue river"
    pruned = prune(tiny, pair, text, threshold=0.5)
    assert pruned.text == " apple river"


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("window", [0, 1, 3])
def test_a_window_is_always_kept(tiny: Subject, pair: Target, window: int, contiguous: bool) -> None:
    peak = tiny.measure([PLANTED], pair)[0].position
    assert peak is not None
    pruned = prune(tiny, pair, PLANTED, window=window, contiguous=contiguous)
    assert set(range(peak - window, peak + window + 1)) <= set(pruned.origins)
    assert pruned.after is not None
    assert pruned.after >= 0.5 * (pruned.before or 0.0)


def test_text_right_of_the_peak_costs_nothing(tiny: Subject, pair: Target) -> None:
    short = prune(tiny, pair, " apple river")
    long = prune(tiny, pair, " apple river" + " the old cat sat" * 5)
    assert long.text == short.text
    assert long.passes <= short.passes + 2


def test_a_silent_text_is_below_the_floor(tiny: Subject, pair: Target) -> None:
    pruned = prune(tiny, pair, FILLER)
    assert pruned.status is Outcome.BELOW_FLOOR
    assert pruned.after is None
    assert pruned.trigger(1) is None
    assert prune(tiny, pair, " apple river", floor=99.0).status is Outcome.BELOW_FLOOR
    assert prune(tiny, tiny.neuron(0, DEAD), PLANTED).status is Outcome.BELOW_FLOOR


def test_no_number_is_a_failure_with_a_name(tiny: Subject, broken: Target) -> None:
    pruned = prune(tiny, broken, PLANTED)
    assert (pruned.status, pruned.before, pruned.after) == (Outcome.FAILED, None, None)
    assert "no number" in pruned.warning


def test_padding_changes_nothing_that_is_reported(tiny: Subject) -> None:
    for target, text in random_cases(tiny):
        pruned = prune(tiny, target, text)
        alone = tiny.measure([pruned.text], target)[0]
        beside = tiny.measure([pruned.text, text * 2, " the"], target)[0]
        assert len(alone.values) == len(beside.values) == len(pruned.tokens)
        assert alone.values == pytest.approx(beside.values, abs=1e-4)
        assert pruned.after == pytest.approx(beside.peak, abs=1e-4)


def test_nothing_to_read_is_named(tiny: Subject, pair: Target) -> None:
    assert prune(tiny, pair, "") == Pruned(Outcome.EMPTY, calls=1)


def test_the_goal_is_measured_from_the_floor(tiny: Subject, pair: Target) -> None:
    parent = tiny.measure([PLANTED], pair)[0].peak
    assert parent is not None
    pruned = prune(tiny, pair, PLANTED, threshold=0.9, floor=parent - 0.1)
    assert pruned.after is not None
    assert pruned.after >= parent - 0.01
    assert pruned.kept == pytest.approx((pruned.after - parent + 0.1) / 0.1, rel=1e-3)


def test_longer_than_the_context_is_said(tiny: Subject, pair: Target) -> None:
    pruned = prune(tiny, pair, " apple river" + " the" * 100 + " apple river")
    assert pruned.status is Outcome.TRUNCATED
    assert "longer than the model's context" in pruned.warning
    assert prune(tiny, pair, " apple river").warning == ""
    assert pruned.text == " apple river"
    assert pruned.origins == (0, 1)


def test_tokens_that_merge_when_the_middle_goes_are_left_alone(tiny: Subject) -> None:
    target = tiny.neuron(0, SPLIT)
    tokens = tiny.measure([" to-day"], target)[0].tokens
    assert tokens == (" to", "-", "day")
    assert tiny.measure([" today"], target)[0].tokens == (" today",)
    pruned = prune(tiny, target, " the cat sat to-day")
    assert pruned.text == " to-day"
    assert pruned.tokens == tokens


def test_tokens_that_merge_and_still_fire_come_from_the_first_of_them(tiny: Subject) -> None:
    text = " the cat sat to-day on"
    parent = tiny.measure([text], tiny.neuron(0, MERGED))[0]
    pruned = prune(tiny, tiny.neuron(0, MERGED), text)
    assert pruned.text == " today"
    assert pruned.tokens == (" today",)
    assert pruned.origins == (parent.tokens.index(" to"),)
    assert pruned.after == pytest.approx(tiny.measure([" today"], tiny.neuron(0, MERGED))[0].peak, abs=1e-4)


def test_every_kept_token_knows_where_it_is_from(tiny: Subject) -> None:
    for target, text in random_cases(tiny):
        parent = tiny.measure([text], target)[0]
        pruned = prune(tiny, target, text, threshold=0.9)
        assert list(pruned.origins) == sorted(set(pruned.origins))
        assert pruned.tokens == tuple(parent.tokens[origin] for origin in pruned.origins)
        assert len(pruned.importance) == len(pruned.substitution) == len(pruned.tokens)


def test_importance_is_the_drop_when_a_token_goes_or_is_replaced(tiny: Subject, pair: Target) -> None:
    text = " apple on the mat under river"
    pruned = prune(tiny, pair, text, contiguous=True)
    assert pruned.text == text
    left = [reading.peak or 0.0 for reading in tiny.measure(without_each(tiny, text), pair)]
    assert pruned.after is not None
    assert pruned.importance == pytest.approx([pruned.after - peak for peak in left], abs=1e-4)
    replaced = [drop if drop is not None else 0.0 for drop in pruned.substitution]
    key = {0, len(pruned.tokens) - 1}
    assert min(replaced[i] for i in key) > 0.5
    assert max(abs(drop) for i, drop in enumerate(replaced) if i not in key) < 0.4


def test_substitution_can_be_left_out(tiny: Subject, pair: Target) -> None:
    with_it, without_it = prune(tiny, pair, PLANTED), prune(tiny, pair, PLANTED, replacements=0)
    assert without_it.substitution == ()
    assert without_it.importance == with_it.importance
    assert without_it.passes < with_it.passes
    assert without_it.calls == with_it.calls - 2


def test_half_a_character_is_never_kept(tiny: Subject) -> None:
    for neuron in range(8, 40):
        pruned = prune(tiny, tiny.neuron(1, neuron), " the cat 日本 saw é", threshold=0.7)
        assert "\ufffd" not in pruned.text


def test_a_text_of_half_characters_still_prunes(tiny: Subject, pair: Target) -> None:
    assert prune(tiny, pair, " \ufffd apple \ufffd river").text == " apple river"


def test_few_calls_for_a_full_context(tiny: Subject) -> None:
    text = (FILLER + PLANTED) * 2
    for neuron in range(8, 24):
        for contiguous in (False, True):
            pruned = prune(tiny, tiny.neuron(1, neuron), text, contiguous=contiguous)
            assert pruned.calls <= 20


def test_a_record_becomes_a_trigger(tiny: Subject, pair: Target) -> None:
    read = tiny.measure([PLANTED], pair)[0]
    prompt = Prompt(PLANTED, Origin.CORPUS)
    record = Record(7, 0, prompt, read.tokens, read.token_ids, read.values, read.peak, read.position)
    before = tiny.passes
    pruned = prune(tiny, pair, record)
    trigger = pruned.trigger(record.id)
    assert trigger is not None
    assert (trigger.parent, trigger.text, trigger.token) == (7, " apple river", " river")
    assert trigger.passes == tiny.passes - before
    assert len(trigger.importance) == len(trigger.substitution) == len(trigger.tokens) == 2


@pytest.mark.parametrize(("threshold", "window"), [(0.0, None), (1.5, None), (0.5, -1)])
def test_nonsense_is_refused(tiny: Subject, pair: Target, threshold: float, window: int | None) -> None:
    with pytest.raises(ValueError, match="must"):
        prune(tiny, pair, PLANTED, threshold=threshold, window=window)
    with pytest.raises(ValueError, match="together"):
        prune(tiny, pair, PLANTED, contiguous=True, sentences=True)
    with pytest.raises(ValueError, match="negative"):
        prune(tiny, pair, PLANTED, replacements=-1)


@pytest.mark.parametrize("hook", ["blocks.1.hook_out", "blocks.0.hook_resid_pre", "blocks.1.mlp.hook_post"])
def test_any_hook_point_is_pruned(tiny: Subject, hook: str) -> None:
    cut = 0
    for index in range(4):
        target = tiny.at(hook, index)
        pruned = prune(tiny, target, PLANTED, replacements=0)
        if pruned.status is not Outcome.BELOW_FLOOR:
            cut += 1
            assert pruned.after == pytest.approx(tiny.measure([pruned.text], target)[0].peak, abs=1e-4)
            assert pruned.kept is not None
            assert pruned.kept >= 0.5 - 1e-6
    assert cut


def test_a_gated_model_is_pruned_too(gated: Subject) -> None:
    for neuron in range(6):
        pruned = prune(gated, gated.neuron(1, neuron), PLANTED)
        assert pruned.after is not None
        assert pruned.after >= 0.5 * (pruned.before or 0.0) - 1e-6
