"""What an overnight run would cost, from what runs of the same model have cost on this machine. Refuses to guess.

Where there is no finished run to judge by, time and disk are unknown and said to be; the budgets bound the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from statistics import median

from graphs.night.folder import Night
from graphs.report.visible import counted, number
from memory.queries import Queries


@dataclass(frozen=True)
class Cost:
    """Medians over finished runs: seconds, forward passes and exchanges of one; n: how many runs."""

    n: int
    seconds: float
    passes: float
    llm_calls: float


def past(store: Queries, night: Night) -> Cost | None:
    """What the last finished runs of this model, mind and number of rounds have cost; None where there is none."""
    means = night.means
    alike = [
        run
        for run in store.runs()
        if run.state == "finished"
        and run.target.model == means.model
        and run.settings.get("llm") == means.llm
        and run.settings.get("max_iterations") == means.max_iterations
    ][:50]
    found = []
    for run in alike:
        steps = store.steps(run.id)
        passes = max((step.update.get("passes", 0) for step in steps), default=0)
        found.append((sum(step.seconds for step in steps), passes, len(store.calls(run.id))))
    if not found:
        return None
    seconds, passes_, calls = (median(column) for column in zip(*found, strict=True))
    return Cost(len(found), seconds, passes_, calls)


def told(
    night: Night, targets: int, cost: Cost | None, *, bytes_a_run: float | None, ahead: tuple[int, int] | None = None
) -> Iterator[str]:
    """Lines for a person. ahead: the passes that reading ahead takes, and the bytes that are kept of it."""
    means = night.means
    yield (
        f"{counted(targets, 'target')}, {counted(night.workers, 'worker')}, "
        f"at most {counted(means.max_iterations, 'round')} each"
    )
    if ahead is not None:
        yield f"read ahead: {ahead[0]:,} forward passes, and {number(ahead[1] / 1e9)} GB of disk until targets are done"
    if cost is None:
        yield "time and disk: unknown, since the store has no finished run of this model under these budgets"
        yield f"forward passes: at most {targets * means.max_forward_passes:,}"
        yield f"exchanges with a language model: at most {_most_calls(night, targets):,}"
        return
    hours = ceil(targets / night.workers) * cost.seconds / 3600
    basis = f"{counted(cost.n, 'finished run')} of {means.model}"
    yield f"time: about {number(hours)} hours, if workers do not slow each other down (median of {basis})"
    yield f"forward passes: about {round(targets * cost.passes):,}, at most {targets * means.max_forward_passes:,}"
    calls, most = round(targets * cost.llm_calls), _most_calls(night, targets)
    yield f"exchanges with a language model: about {calls:,}, at most {most:,}"
    if bytes_a_run is not None:
        yield f"disk: about {number(targets * bytes_a_run / 1e9)} GB of records"


def _most_calls(night: Night, targets: int) -> int:
    return 0 if night.means.llm is None and night.means.judge is None else targets * night.means.max_llm_calls
