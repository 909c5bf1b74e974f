"""The search benchmark: what it says of finished runs, and that it never repeats one."""

import json
from pathlib import Path

import pytest

from evals.rivals.race import Job, edition, race
from evals.rivals.standings import Result
from evals.rivals.windows import Ground
from evals.search import NAMES, figures, parsed, table

GROUND = Ground(3, 7, 4.0, 3.5, 4.1, 2.0, 0.5, (" a", " b"), (1, 2))
MARKS = (2.0, 6.0)


def line(job: Job, activation: float) -> dict[str, object]:
    rise = {"seconds": 1.0, "activation": activation, "surprise": 3.0, "text": " a"}
    own = {"neuron": job.ground.name, "seed": job.seed, "method": job.method}
    return {"key": job.key, **own, "seconds": 6.0, "steps": 12, "rises": [rise]}


def test_a_finished_run_is_read_and_not_repeated_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    jobs = [Job(GROUND, method, 0, 6.0, 16, 3.6) for method in ("ours", "epo")]
    file = tmp_path / "runs.jsonl"
    lines = [json.dumps(line(job, 5.0 + i)) for i, job in enumerate(jobs)]
    file.write_text("\n".join([lines[0], lines[1][:40], lines[1]]) + "\n", encoding="utf-8")
    found = race(jobs, file, workers=2)
    assert [(result.method, result.best(2.0)) for result in found] == [("ours", 5.0), ("epo", 6.0)]
    assert found[0].step == 0.5


@pytest.mark.parametrize("other", [{"seconds": 20.0}, {"seed": 1}, {"method": "swaps"}, {"limit": 2.0}])
def test_a_run_of_other_settings_is_another_run(other: dict[str, object]) -> None:
    settings = {"ground": GROUND, "method": "epo", "seed": 0, "seconds": 6.0, "length": 16, "limit": 3.6}
    assert Job(**settings).key != Job(**(settings | other)).key  # pyright: ignore[reportArgumentType]


def test_the_product_and_the_rivals_age_apart() -> None:
    assert edition("ours") != edition("epo") == edition("swaps+seed")


def test_the_figures_have_every_setting_at_every_mark() -> None:
    runs = [
        Result("L3N7", 0, "ours", ((1.0, 6.0, 3.0), (5.0, 8.0, 9.0)), 0.1),
        Result("L3N7", 0, "epo", ((1.0, 5.0, 9.0),), 0.5),
        Result("L3N7", 0, "epo+seed", ((1.0, 7.0, 3.0),), 0.5),
    ]
    found = figures(runs, [GROUND], MARKS, 3.6)
    assert found["seconds"]["2"] == {"win_rate": 1, "beats_corpus_max": 1, "median_share": 1.5, "neurons": 1}
    assert found["seeded"]["2"]["win_rate"] == 0
    assert found["seeded"]["6"]["win_rate"] == 1
    assert found["typical"]["6"]["median_share"] == 3.0
    assert found["methods"]["epo"] == {"2": 1.25, "6": 1.25}
    assert found["typical_methods"]["epo"]["6"] is None
    assert found["per_neuron"][0]["activation"]["6"] == {"ours": 8.0, "epo": 5.0, "epo+seed": 7.0}
    facts = {"neurons": 1, "seeds": 1, "skipped_dead": 0, "typical_nats": 3.6, "prune": {"exact_share": 0.9}}
    shown = table(json.loads(json.dumps(found | facts)))
    assert "exact_share" in shown
    assert shown.splitlines()[1].split() == ["ours", "1.5", "2"]


def test_quick_is_two_neurons_one_seed_two_seconds() -> None:
    quick = parsed(["--quick"])
    assert (quick.neurons, quick.seeds, quick.seconds) == (2, 1, [2.0])
    assert set(NAMES) < set(quick.methods)


@pytest.mark.parametrize("words", [["--neurons", "0"], ["--seconds", "-1"], ["--methods", "luck"]])
def test_nonsense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(words)
    assert "error" in capsys.readouterr().err
