"""The trace of a run: every step with its node, time and reason, what it measured and turned down, and every exchange.

Knows how the parts of a step are brought together, a page of steps at a time. Refuses to know how they are drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphs.reviewing import asked
from graphs.reviewing.drawing import STEPS, address
from memory.excerpts import Tally
from memory.overview import Overview
from memory.records import Candidate, LlmCall, Step

REJECTED = 400  # proposals turned down that a page shows
LONGEST = 6_000  # characters of a step's own result
OWN = frozenset({"step", "why", "goto", "visits", "passes", "llm_calls", "seconds"})  # told elsewhere in the row


@dataclass(frozen=True)
class Turn:
    """One step as the page tells it. `passes` were sent through the model in it, `since` seconds after the start."""

    step: Step
    since: float
    why: str
    goto: str
    passes: int
    tally: Tally
    calls: list[LlmCall]
    rejected: list[Candidate]
    result: str


def context(overview: Overview, run_id: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Everything the trace shows. Raises UnknownRun and BadQuestion."""
    run, steps = overview.run(run_id), overview.steps(run_id)
    page = asked.page(given)
    nodes = list(dict.fromkeys(step.node for step in steps))
    node = asked.text(given, "node")
    turns = _turns(steps, overview.tallies(run_id))
    chosen = [turn for turn in turns if node in (None, turn.step.node)]
    shown = chosen[(page - 1) * STEPS : page * STEPS]
    seconds: dict[str, float] = {}
    for step in steps:
        seconds[step.node] = seconds.get(step.node, 0.0) + step.seconds
    return {
        "run": run,
        "target": run.target,
        "turns": _filled(overview, run_id, shown),
        "paging": asked.Paging(page, STEPS, len(chosen)),
        "turned": lambda number: address("trace", node=node, page=number),
        "nodes": nodes,
        "node": node,
        "seconds": seconds,
        "total": sum(seconds.values()),
        "longest": max((turn.step.seconds for turn in turns), default=0.0),
    }


def _turns(steps: list[Step], tallies: dict[int, Tally]) -> list[Turn]:
    turns, since, before = [], 0.0, 0
    for step in steps:
        passes = _count(step.update.get("passes"), otherwise=before)
        why, goto = (str(step.update.get(name) or "") for name in ("why", "goto"))
        tally = tallies.get(step.number, Tally(0, None, {}))
        turns.append(Turn(step, since, why, goto, max(0, passes - before), tally, [], [], _result(step)))
        since, before = since + step.seconds, passes
    return turns


def _filled(overview: Overview, run_id: str, turns: list[Turn]) -> list[Turn]:
    """The turns with their exchanges and with what was turned down in them."""
    if not turns:
        return []
    first, last = turns[0].step.number, turns[-1].step.number
    calls = overview.calls_by_step(run_id, first=first, last=last)
    by_step = {turn.step.number: turn for turn in turns}
    for candidate in overview.turned_down(run_id, steps=by_step, limit=REJECTED):
        by_step[candidate.step].rejected.append(candidate)
    for turn in turns:
        turn.calls.extend(calls.get(turn.step.number, []))
    return turns


def _result(step: Step) -> str:
    """The step's own result as JSON, without what the row tells anyway."""
    own = {name: value for name, value in step.update.items() if name not in OWN and value not in ([], {}, None)}
    text = json.dumps(own, ensure_ascii=False, indent=1) if own else ""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... {len(text) - LONGEST:,} characters more"


def _count(value: Any, *, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
