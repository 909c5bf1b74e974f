"""Two runs side by side: what was concluded, the scores by name, and the texts measured in both.

Knows which figures of two runs belong beside each other. Refuses to know how they are drawn.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphs.report import wording
from graphs.report.heat import Scale
from graphs.reviewing import asked
from graphs.reviewing.drawing import drawings
from memory.database import UnknownRun
from memory.overview import Choice, Overview
from memory.queries import Pair
from memory.records import Explanation, Run, Score

TEXTS = 40
SUGGESTED = 100


@dataclass(frozen=True)
class Side:
    """One of the two."""

    run: Run
    explanation: Explanation | None
    rule: list[wording.RuleLine]
    scores: dict[tuple[str, str], Score]
    records: int


def context(overview: Overview, given: Mapping[str, str]) -> dict[str, Any]:
    """Everything the comparison shows; without two runs, only what is asked for. Raises UnknownRun."""
    words = [asked.text(given, name) for name in ("a", "b")]
    shown = {
        "words": words,
        "sides": [],
        "pairs": [],
        "runs": overview.lines(Choice(), limit=SUGGESTED),
        "texts": 0,
        "correlation": None,
        "scores": [],
    }
    if None in words:
        return shown
    sides = [_side(overview, word or "") for word in words]
    pairs = overview.compare(sides[0].run.id, sides[1].run.id)
    return shown | {
        "sides": sides,
        "pairs": sorted(pairs, key=lambda pair: -max(pair.first, pair.second))[:TEXTS],
        "texts": len(pairs),
        "correlation": _correlation(pairs),
        "scores": _beside(*sides),
        "sentence": wording.score_sentence,
        "draw": drawings(Scale(0.0, 0.0)),
        "highest": max((peak for pair in pairs for peak in (pair.first, pair.second)), default=0.0),
    }


def _side(overview: Overview, word: str) -> Side:
    run_id = overview.resolve(word)
    if run_id is None:
        raise UnknownRun(f"no run and no unit {word!r:.80}; a unit is named like L9N652")
    explanation = overview.concluded(run_id)
    scores = {(score.metric, score.split): score for score in overview.scores(run_id)}
    rule = wording.rule_lines(explanation.rule) if explanation else []
    return Side(overview.run(run_id), explanation, rule, scores, overview.counts(run_id)["records"])


def _beside(one: Side, other: Side) -> list[tuple[str, Score | None, Score | None]]:
    """The scores of both by metric, in the order of the first; of a metric with several splits the first."""
    firsts, seconds = ({metric: score for (metric, _), score in reversed(side.scores.items())} for side in (one, other))
    metrics = dict.fromkeys((*reversed(firsts), *reversed(seconds)))
    return [(metric, firsts.get(metric), seconds.get(metric)) for metric in metrics]


def _correlation(pairs: list[Pair]) -> float | None:
    firsts, seconds = [pair.first for pair in pairs], [pair.second for pair in pairs]
    if len(pairs) < 3 or len(set(firsts)) == 1 or len(set(seconds)) == 1:
        return None
    return statistics.correlation(firsts, seconds)
