"""Thresholds of a pruning: what a higher one keeps is never shorter, and every one is met by the text itself."""

from itertools import combinations

import pytest

from memory.records import Target
from tests.tiny_models import WORDS
from tests.tools.conftest import SPLIT
from tests.tools.test_prune import PLANTED, random_cases
from tools.prune import Outcome, prune, prune_text
from tools.subject import Subject


def test_raising_the_threshold_never_shortens_the_planted_text(tiny: Subject, pair: Target) -> None:
    lengths = [len(prune(tiny, pair, PLANTED, threshold=t).tokens) for t in (0.1, 0.5, 0.9, 1.0)]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("contiguous", [False, True])
def test_raising_the_threshold_to_a_tenth_never_shortens_any_text(tiny: Subject, contiguous: bool) -> None:
    for target, text in random_cases(tiny)[:: 1 + 2 * contiguous]:
        found = [
            prune(tiny, target, text, threshold=t, contiguous=contiguous, replacements=0)
            for t in (0.33, 0.5, 0.7, 0.85, 0.9, 1.0)
        ]
        for lower, higher in ((i, j) for j in (1, 2, 4, 5) for i in range(j)):
            assert len(found[lower].tokens) <= len(found[higher].tokens)


def test_a_proportion_is_the_change_that_is_put_up_with(tiny: Subject, pair: Target) -> None:
    for target, text in random_cases(tiny)[:6]:
        half, most, all_of_it = (prune_text(tiny, target, text, p) for p in (-0.5, -0.1, 0.0))
        assert prune_text(tiny, target, text) == half
        assert half == prune(tiny, target, text, threshold=0.5)
        assert len(half.tokens) <= len(most.tokens) <= len(all_of_it.tokens)
        for pruned, share in ((half, 0.5), (most, 0.9), (all_of_it, 1.0)):
            peak = tiny.measure([pruned.text], target)[0].peak
            assert peak is not None
            assert pruned.before is not None
            assert peak >= share * pruned.before - 1e-5
    with pytest.raises(ValueError, match="proportion_threshold"):
        prune_text(tiny, pair, PLANTED, 0.5)
    with pytest.raises(ValueError, match="proportion_threshold"):
        prune_text(tiny, pair, PLANTED, -1.0)


def test_the_whole_text_stays_when_no_part_will_do(tiny: Subject) -> None:
    target = tiny.neuron(0, SPLIT)
    pruned = prune(tiny, target, " to-day", threshold=1.0)
    assert (pruned.status, pruned.text, pruned.kept) == (Outcome.PRUNED, " to-day", 1.0)


def test_raising_the_threshold_never_shortens_a_pinned_contiguous_text(tiny: Subject) -> None:
    for target, text in random_cases(tiny)[::2]:
        found = [
            prune(tiny, target, text, threshold=t, contiguous=True, window=0, replacements=0)
            for t in (0.25, 0.5, 0.8, 1.0)
        ]
        lengths = [len(pruned.origins) for pruned in found]
        assert lengths == sorted(lengths)


@pytest.mark.parametrize("start", range(0, 12, 3))
def test_no_smaller_set_of_tokens_would_do(tiny: Subject, start: int) -> None:
    target = tiny.neuron(1, 20)
    ids = tiny.encode(" " + " ".join((WORDS * 2)[start : start + 8]))[:8]
    text = tiny.decode(ids)
    peak = tiny.measure([text], target)[0].peak
    assert peak is not None
    assert peak > 0
    found = prune(tiny, target, text)
    sets = [kept for size in range(1, len(found.tokens)) for kept in combinations(ids, size)]
    readings = tiny.measure([tiny.decode(kept) for kept in sets], target)
    assert all((reading.peak or 0.0) < 0.5 * peak for reading in readings)
