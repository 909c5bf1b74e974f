"""`python -m evals.speed`: what an inquiry costs on this machine, and how quick the model is read.

Measured on the command itself, in fresh processes and a fresh data folder, with the bundled model and no language
model: seconds to `--help`, to the first line, to the first report (survey included) and to the next neuron's, the peak
memory of any of them, and the share of a run that writing its records takes. Then the ratios of evals/pace.py and the
costs of evals/dedup.py. Times depend on the machine; compare figures of one call only.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals import dedup
from graphs.state import STORE
from memory.experiments import track_experiment
from memory.records import Step
from memory.store import Store

COMMAND = (sys.executable, "-m", "graphs.interpret")
FIRST, NEXT = ("9", "652"), ("4", "101")


@dataclass(frozen=True)
class Cost:
    """One call of the command: seconds to its first line and to its end, and its peak memory in GB."""

    first_line: float
    whole: float
    peak_gb: float


def call(*words: str) -> Cost:
    """Run the command with arguments and see what it costs. Raises RuntimeError when it fails."""
    began = time.monotonic()
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first_line = time.monotonic() - began
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with status {process.returncode}")
    return Cost(first_line, time.monotonic() - began, usage.ru_maxrss / 1e6)


def store_share(home: Path) -> float:
    """Seconds to write a run's steps into a fresh store, as a share of the seconds its steps took."""
    with Store.open(home / STORE) as kept:
        run = kept.runs()[-1]
        steps = [_whole(kept, run.id, step) for step in kept.steps(run.id)]
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / STORE) as fresh:
        fresh.begin(run)
        began = time.monotonic()
        for step in steps:
            fresh.commit(step)
        return (time.monotonic() - began) / sum(step.seconds for step in steps)


def _whole(store: Store, run_id: str, step: Step) -> Step:
    records = tuple(record for record in store.records(run_id) if record.step == step.number)
    candidates = tuple(each for each in store.candidates(run_id) if each.step == step.number)
    return replace(step, records=records, candidates=candidates)


def pace(what: str) -> dict[str, float]:
    """One measurement of evals/pace.py, on one thread of a process of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "evals.pace", what],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    return json.loads(told.stdout.splitlines()[-1])


def readings() -> dict[str, Any]:
    """How quick the model is read, and what a look for similar prompts costs."""
    small, large, survey = pace("pocket"), pace("gpt2-shape"), pace("survey")
    with tempfile.TemporaryDirectory() as folder:
        known = dedup.costs(Path(folder))
    return {
        "measure_ratio": round(small["ratio"], 1),
        "measure_ratio_late": round(small["late_ratio"], 1),
        "prompts_per_second": round(small["prompts"]),
        "measure_ratio_gpt2_shape": round(large["ratio"], 1),
        "measure_ratio_gpt2_shape_late": round(large["late_ratio"], 1),
        "prompts_per_second_gpt2_shape": round(large["prompts"], 1),
        "survey_overhead": round(survey["overhead"], 3),
        "survey_overhead_gpt2_shape": round(large["overhead"], 3),
        "survey_share_of_bare": round(survey["share_of_bare"], 3),
        "survey_tokens_per_second": round(survey["tokens"]),
        "dedup_ms": {str(size): round(cost, 4) for size, cost in known.items()},
        "dedup_ratio_1000": round(dedup.naive(1000) / known[1000]),
    }


def inquiries() -> dict[str, float]:
    """What whole runs of the command cost."""
    with tempfile.TemporaryDirectory() as folder:
        shared = ("--model", "pocket", "--llm", "built-in", "--home", folder)
        help_ = min((call("--help") for _ in range(3)), key=lambda cost: cost.whole)
        first = call("--layer", FIRST[0], "--neuron", FIRST[1], *shared)
        later = call("--layer", NEXT[0], "--neuron", NEXT[1], *shared)
        share = store_share(Path(folder))
    return {
        "help_s": round(help_.whole, 3),
        "first_line_s": round(first.first_line, 3),
        "first_run_s": round(first.whole, 2),
        "next_run_s": round(later.whole, 2),
        "peak_gb": round(max(first.peak_gb, later.peak_gb), 2),
        "store_share": round(share, 4),
    }


def measured(home: Path | None) -> dict[str, Any]:
    """All figures; with a data folder also kept in it as the experiment "speed" (memory/experiments.py)."""
    if home is None:
        return {**readings(), **inquiries()}
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    with track_experiment("speed", machine, home=home) as tracked:
        figures = {**readings(), **inquiries()}
        tracked.log(**figures)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.speed", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="also keep them there, beside those of other days")
    arguments = parser.parse_args()
    figures = measured(arguments.home)
    for name, value in figures.items():
        print(f"{name:30} {value}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
