"""`python -m evals.speed`: what an inquiry costs on this machine, from the question to the report.

Measured on the command itself, in fresh processes and a fresh data folder, with the bundled model and no language
model: seconds to `--help`, to the first line, to the first report (survey included) and to the next neuron's, the peak
memory of any of them, and the share of a run that writing its records takes. Times depend on the machine; compare
figures of one call only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from graphs.bench import STORE
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


def measure() -> dict[str, float]:
    """All figures of one call of this benchmark."""
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.speed", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    arguments = parser.parse_args()
    figures = measure()
    for name, value in figures.items():
        print(f"{name:14} {value}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
