"""From runs to figures: shares of the corpus maximum, who wins, and how often. Pure arithmetic.

For each neuron, method and time: the best activation reached by then, averaged over seeds. For texts of typical
cross-entropy a run may hold none: such a seed loses the neuron for ours, and is left out of a rival's mean.
A win is above every rival; a tie is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

OURS, SEEDED = "ours", "+seed"


@dataclass(frozen=True)
class Result:
    """One run: its rises as (CPU seconds, activation, cross-entropy), and what a step cost in CPU seconds."""

    neuron: str
    seed: int
    method: str
    rises: tuple[tuple[float, float, float], ...]
    step: float | None

    def best(self, seconds: float, limit: float | None = None) -> float | None:
        """The best activation by a time, among texts of cross-entropy <= `limit`; None when there was no text."""
        inside = [peak for at, peak, nats in self.rises if at <= seconds and (limit is None or nats <= limit)]
        return max(inside, default=None)


Means = Mapping[str, Mapping[str, float | None]]  # neuron -> method -> mean over seeds


def means(
    results: Sequence[Result], seconds: float, *, limit: float | None = None
) -> dict[str, dict[str, float | None]]:
    """The mean over seeds of what each method reached on each neuron by a time."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for result in results:
        found.setdefault(result.neuron, {}).setdefault(result.method, []).append(result.best(seconds, limit))
    return {neuron: {name: _mean(name, values) for name, values in row.items()} for neuron, row in found.items()}


def standing(reached: Means, corpus: Mapping[str, float | None], rival: Callable[[str], bool]) -> dict[str, Any]:
    """How ours stands at one time against the methods that `rival` accepts, and against the corpus."""
    rows = {neuron: row for neuron, row in reached.items() if OURS in row}
    if not rows:
        return {"win_rate": None, "beats_corpus_max": None, "median_share": None, "neurons": 0}
    wins = [_wins(row[OURS], [v for name, v in row.items() if name != OURS and rival(name)]) for row in rows.values()]
    shares = [_share(row[OURS], top) for neuron, row in rows.items() if (top := corpus[neuron]) is not None]
    return {
        "win_rate": mean(wins) if any(rival(name) for row in rows.values() for name in row if name != OURS) else None,
        "beats_corpus_max": mean(share > 1 for share in shares) if shares else None,
        "median_share": _finite_median(shares),
        "neurons": len(rows),
    }


def shares(reached: Means, corpus: Mapping[str, float | None], method: str) -> float | None:
    """The median over neurons of a method's share of the corpus maximum; what was not reached is below all."""
    return _finite_median(
        [_share(row[method], top) for neuron, row in reached.items() if method in row and (top := corpus[neuron])]
    )


def step_costs(results: Sequence[Result]) -> dict[str, float]:
    """The median CPU seconds of one step of each method."""
    found: dict[str, list[float]] = {}
    for result in results:
        if result.step is not None:
            found.setdefault(result.method, []).append(result.step)
    return {name: median(values) for name, values in found.items()}


def _mean(method: str, values: Sequence[float | None]) -> float | None:
    had = [value for value in values if value is not None]
    return mean(had) if had and (method != OURS or len(had) == len(values)) else None


def _wins(own: float | None, others: Sequence[float | None]) -> bool:
    return own is not None and all(other is None or own > other for other in others)


def _share(value: float | None, top: float) -> float:
    return float("-inf") if value is None else value / top


def _finite_median(values: Sequence[float]) -> float | None:
    middle = median(values) if values else float("-inf")
    return middle if middle > float("-inf") else None
