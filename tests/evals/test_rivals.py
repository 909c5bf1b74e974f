"""The rivals: they climb, keep to their clock, and are scored by their texts alone."""

import importlib.util
import math
from collections.abc import Iterator

import pytest
import torch

from evals.pruning import Case, fewest, greedily
from evals.rivals import epo, gcg, nano, swaps
from evals.rivals.course import Course, Method, Run
from evals.rivals.drive import Drive
from evals.rivals.judging import judge, surprises
from memory.records import Target
from tests.tiny_models import write_gpt2
from tools.loading import load
from tools.proposals import expectations, surprise, survives
from tools.subject import Subject

PAIR = 5  # fires at " river" when " apple" stands somewhere before it
RIVALS = [gcg.paper, gcg.narrow, epo.climb, swaps.climb]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load("tiny", write_gpt2(tmp_path_factory.mktemp("rivals")))
    torch.set_num_threads(threads)


def climbed(subject: Subject, target: Target, run: Run) -> tuple[float, float]:
    """The first and the best activation of a run."""
    first, *_, best = [point.activation for point in judge(subject, target, run, limit=-1.0)] * 2
    return first, best


@pytest.mark.parametrize("method", RIVALS)
def test_a_rival_climbs_from_a_silent_start(tiny: Subject, method: Method) -> None:
    target = tiny.neuron(0, PAIR)
    course = Course(tiny, target, 1.0, 0, 6, tuple(tiny.encode(" the old man saw the cat")))
    first, best = climbed(tiny, target, method(course))
    assert first < 0.1
    assert best > 1.0


@pytest.mark.parametrize("method", RIVALS)
def test_a_rival_stands_only_at_texts_of_the_length_within_its_time(tiny: Subject, method: Method) -> None:
    run = method(Course(tiny, tiny.neuron(1, 20), 0.3, 3, 5))
    assert run.steps > 0
    assert all(len(tiny.encode(text)) == 5 for _, text in run.stands)
    times = [at for at, _ in run.stands]
    assert times == sorted(times)
    assert times[-1] <= 0.3


@pytest.mark.parametrize("method", [gcg.narrow, swaps.climb, epo.climb])
def test_another_seed_starts_elsewhere_and_the_same_seed_does_not(tiny: Subject, method: Method) -> None:
    texts = [method(Course(tiny, tiny.neuron(1, 20), 0.05, seed, 5)).stands[0][1] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.skipif(importlib.util.find_spec("nanogcg") is None, reason="the dependency group bench is not installed")
@pytest.mark.filterwarnings("ignore")  # another package's
def test_nanogcg_runs_with_its_own_sampling_and_our_target(tiny: Subject) -> None:
    target = tiny.neuron(0, PAIR)
    run = nano.climb(Course(tiny, target, 1.5, 0, 6))
    assert run.stands[0][1] == "x x x x x x"
    first, best = climbed(tiny, target, run)
    assert best > first


def test_a_start_that_is_too_short_is_filled_up_on_the_left(tiny: Subject) -> None:
    start = tuple(tiny.encode(" apple river"))
    row = Course(tiny, tiny.neuron(0, PAIR), 1.0, 0, 7, start).first_row()
    assert len(row) == 7
    assert row[-2:] == start
    assert survives(tiny, row)


def test_the_slope_is_the_gradient_of_the_score(tiny: Subject) -> None:
    drive = Drive(tiny, tiny.neuron(1, 20))
    row = torch.tensor(tiny.encode(" the old man"))
    table, step = drive.table, 1e-3
    change = table[tiny.encode(" cat")[0]] - table[row[1]]
    moved = table[row].clone()
    moved[1] += step * change
    with torch.no_grad():
        rise = (drive.of_embedded(moved[None]) - drive.of_embedded(table[row][None])).item() / step
    slopes = drive.slopes(row)[1]
    assert float(slopes[tiny.encode(" cat")[0]] - slopes[row[1]]) == pytest.approx(rise, abs=2e-2)


def test_a_text_is_judged_by_what_it_does_not_by_when_it_was_best(tiny: Subject) -> None:
    target = tiny.neuron(0, PAIR)
    texts = [" the cat", " apple river", " river", " apple red river"]
    points = judge(tiny, target, Run(tuple(enumerate(map(str, texts))), 4, 4.0), limit=-1.0)
    assert [point.text for point in points][:2] == texts[:2]
    assert " river" not in [point.text for point in points]
    for point in points:
        assert point.activation == pytest.approx(tiny.measure([point.text], target)[0].peak, abs=1e-5)


def test_a_typical_text_is_kept_though_another_was_higher(tiny: Subject) -> None:
    target = tiny.neuron(0, PAIR)
    texts = [" apple river", " the cat"]
    limit = surprises(tiny, texts)[1]
    run = Run(tuple(enumerate(texts)), 2, 2.0)
    assert len(judge(tiny, target, run, limit=-1.0)) == 1
    assert [p.text for p in judge(tiny, target, run, limit=limit)][-1] in texts
    assert any(p.surprise <= limit for p in judge(tiny, target, run, limit=limit))


def test_surprises_of_many_texts_are_those_of_each_alone(tiny: Subject) -> None:
    texts = [" the cat sat", " red", "", " the old man saw the dog"]
    alone = [surprise(expectations(tiny, row), row) for row in map(tiny.encode, texts) if row]
    found = surprises(tiny, texts)
    assert math.isinf(found.pop(2))
    assert found == pytest.approx(alone, abs=1e-4)


def test_the_fewest_tokens_of_a_planted_pair_are_two(tiny: Subject) -> None:
    case = Case(tiny.neuron(0, PAIR), " red apple sat on the river", 0.0)
    assert fewest(tiny, case) == 2
    assert greedily(tiny, case) == " apple river"
