"""`python -m evals.pruning`: is a pruned text the shortest there is, and what does finding it cost?

1. Exact minimum: corpus texts of up to 12 tokens that end at a peak. Every subset of the tokens is decoded and read as
   a text; the fewest tokens of any that keeps half the activation above the floor is what `prune` has to find.
2. Calls: texts of 200 tokens; batched forward calls and prompts until `prune` is done.
3. Greedy, the usual way: delete the least important token as long as the goal holds, one prompt a call. On contexts of
   48 tokens, its prompts and its time over ours.

Texts are rows of the survey of neurons drawn at random, skipped where the neuron stays silent. The floor is the median
over the survey's sample, but never below zero.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from evals.rivals.windows import draw
from memory.records import Target
from tools.prune import prune
from tools.subject import Subject
from tools.survey import Survey

HALF = "\ufffd"  # what half a character decodes to
KEEP = 0.5  # share of the activation above the floor
SHORT, LONG, MIDDLE = 12, 200, 48  # tokens
NEURONS = 24
LEAST = 1e-3  # a rise above the floor that means anything
CASES = {"exact": 120, "calls": 24, "greedy": 12}


@dataclass(frozen=True)
class Case:
    """A text to prune and what counts as silence there."""

    target: Target
    text: str
    floor: float


def cases(subject: Subject, survey: Survey, count: int, *, seed: int, tokens: tuple[int, int]) -> Iterator[Case]:
    """Texts of a random number of `tokens` (fewest, most) that end at the peak of a random row, with a peak to keep."""
    chance = random.Random(seed)
    targets, _ = draw(subject, survey, NEURONS, seed=seed)
    floors = {t.name: max(0.0, float(np.median(survey.sample(t.layer, t.index)))) for t in targets}
    found = 0
    while found < count:
        target = targets[found % len(targets)]
        row = survey.rows.ids(chance.randrange(len(survey.rows.lengths)))
        end = subject.measure_ids([row], target)[0].position
        size = chance.randint(*tokens)
        if end is None or end + 1 < size:
            continue
        text = subject.decode(row[end + 1 - size : end + 1])
        peak = subject.measure([text], target)[0].peak
        if peak is not None and peak > floors[target.name] + LEAST:
            found += 1
            yield Case(target, text, floors[target.name])


def fewest(subject: Subject, case: Case) -> int:
    """The fewest tokens of any subset's text that keeps enough, by trying all, shortest first."""
    ids = subject.encode(case.text)
    goal = _goal(subject, case)
    texts = {subject.decode(part) for size in range(1, len(ids)) for part in combinations(ids, size)}
    by_length: dict[int, list[str]] = {}
    for text in sorted(texts):
        if HALF not in text or HALF in case.text:
            by_length.setdefault(len(subject.encode(text)), []).append(text)
    for length, some in sorted(by_length.items()):
        if any((r.peak or 0.0) >= goal for r in subject.measure(some, case.target) if r.peak is not None):
            return min(length, len(ids))
    return len(ids)


def greedily(subject: Subject, case: Case) -> str:
    """Delete the least important token, one prompt a call, until the goal would be missed."""
    ids = subject.encode(case.text)
    goal = _goal(subject, case)
    while len(ids) > 1:
        parts = [ids[:i] + ids[i + 1 :] for i in range(len(ids))]
        peaks = [subject.measure([subject.decode(part)], case.target)[0].peak for part in parts]
        best = max(range(len(parts)), key=lambda i: -np.inf if peaks[i] is None else peaks[i])
        if (peaks[best] or 0.0) < goal:
            break
        ids = parts[best]
    return subject.decode(ids)


def exactness(subject: Subject, survey: Survey, count: int, *, seed: int) -> dict[str, Any]:
    """The share of short texts of which `prune` finds a part of the fewest tokens, and by how many it misses."""
    missed: list[int] = []
    for case in cases(subject, survey, count, seed=seed, tokens=(4, SHORT)):
        kept = prune(subject, case.target, case.text, threshold=KEEP, floor=case.floor)
        missed.append(len(kept.tokens) - fewest(subject, case))
    return {
        "exact_cases": count,
        "exact_share": sum(miss <= 0 for miss in missed) / count,
        "exact_worst": max(missed),
        "exact_mean_excess": sum(missed) / count,
    }


def calls(subject: Subject, survey: Survey, count: int, *, seed: int) -> dict[str, Any]:
    """Batched forward passes (`calls`) and prompts of pruning texts of 200 tokens."""
    texts = cases(subject, survey, count, seed=seed, tokens=(LONG, LONG))
    kept = [prune(subject, case.target, case.text, threshold=KEEP, floor=case.floor) for case in texts]
    return {
        "long_cases": count,
        "max_passes": max(each.calls for each in kept),
        "median_passes": median(each.calls for each in kept),
        "max_prompts": max(each.passes for each in kept),
        "median_prompts": median(each.passes for each in kept),
    }


def greed(subject: Subject, survey: Survey, count: int, *, seed: int) -> dict[str, Any]:
    """Greedy over ours, on contexts of 48 tokens: prompts, CPU seconds, tokens kept."""
    costs: list[tuple[int, float, int]] = []
    usual: list[tuple[int, float, int]] = []
    for case in cases(subject, survey, count, seed=seed, tokens=(MIDDLE, MIDDLE)):
        first, began = subject.passes, time.process_time()
        kept = prune(subject, case.target, case.text, threshold=KEEP, floor=case.floor)
        costs.append((subject.passes - first, time.process_time() - began, len(kept.tokens)))
        first, began = subject.passes, time.process_time()
        left = greedily(subject, case)
        usual.append((subject.passes - first, time.process_time() - began, len(subject.encode(left))))
    return {
        "greedy_cases": count,
        "greedy_ratio": _ratio(usual, costs, 0),
        "greedy_time_ratio": _ratio(usual, costs, 1),
        "greedy_tokens": sum(cost[2] for cost in usual) / count,
        "tokens": sum(cost[2] for cost in costs) / count,
    }


PARTS = {"exact": exactness, "calls": calls, "greedy": greed}


def _goal(subject: Subject, case: Case) -> float:
    whole = subject.measure([case.text], case.target)[0].peak
    assert whole is not None
    return case.floor + KEEP * (whole - case.floor)


def _ratio(usual: Sequence[tuple[float, ...]], costs: Sequence[tuple[float, ...]], column: int) -> float:
    return sum(cost[column] for cost in usual) / sum(cost[column] for cost in costs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.pruning", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path("runs"), help="where the survey is kept (default: runs)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    arguments = parser.parse_args()
    from tools import pocket
    from tools.loading import load
    from tools.survey import take

    subject = load(pocket.NAME, pocket.FOLDER)
    survey = take(subject, "stdlib", arguments.home)
    found: dict[str, Any] = {}
    for name, part in PARTS.items():
        found |= part(subject, survey, CASES[name], seed=arguments.seed)
    for name, value in found.items():
        print(f"{name:18} {value:.4g}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
