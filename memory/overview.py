"""The overview: a list of runs with what was concluded and the main score, chosen, sorted and counted by the store.

Knows which explanation and which score of a run count: the latest explanation, and of the scores the one that a report
shows first. Adds these questions to those about one run (memory/excerpts.py). Refuses to write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from memory.excerpts import Excerpts
from memory.queries import LATEST
from memory.records import HELD_OUT, Kind, Target

NAME = re.compile(r"L?(\d{1,4})([.:NFRHC])(\d{1,9})(-?)", re.IGNORECASE)  # a point or colon is a neuron's
KINDS = {"N": Kind.NEURON, "F": Kind.FEATURE, "R": Kind.COORDINATE, "H": Kind.HEAD, "C": Kind.CHANNEL}
KINDS |= dict.fromkeys(".:", Kind.NEURON)

Sorting = Literal["started", "name", "verdict", "explanation", "score", "gain", "state", "model"]
SORTINGS: dict[Sorting, str] = {
    "started": "started",
    "name": 'layer {0}, "index" {0}, sign',
    "verdict": "verdict",
    "explanation": "lower(text)",
    "score": "value",
    "gain": "value - floor",
    "state": "state",
    "model": "model",
}
COLUMNS = (
    'id, model, model_hash, hook, layer, "index", kind, sign, dictionary, state, epoch(started),'
    " verdict, text, metric, value, low, high, floor"
)
TOLD = f"""
WITH told AS ({LATEST}), named AS (
    SELECT runs.*, told.verdict, told.text, CASE kind WHEN 'mlp_neuron' THEN 'n' WHEN 'sae_feature' THEN 'f'
        WHEN 'residual_coordinate' THEN 'r' WHEN 'attention_head' THEN 'h' ELSE 'c' END AS letter
    FROM runs LEFT JOIN told ON told.run_id = runs.id
)
"""
SCORED = f""", latest AS (
    SELECT run_id, metric, split, value, low, high, floor, starts_with(split, '{HELD_OUT}') AS unseen,
        min(step * 100000 + seq) OVER (PARTITION BY run_id, metric, split) AS place
    FROM scores
    QUALIFY row_number() OVER (PARTITION BY run_id, metric, split ORDER BY step DESC, seq DESC) = 1
), main AS (
    SELECT * FROM latest
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY NOT unseen, value IS NULL, place) = 1
), lines AS (
    SELECT named.*, main.metric, main.value, main.low, main.high, main.floor
    FROM named LEFT JOIN main ON main.run_id = named.id
)
"""
CHOSEN = """
    ($words IS NULL OR contains(lower(concat_ws(' ', text, verdict, id, model)), $words)
        OR starts_with(format('l{}{}{}', layer, letter, "index"), $words))
    AND ($verdict IS NULL OR coalesce(verdict, '') = $verdict) AND ($layer IS NULL OR layer = $layer)
    AND ($model IS NULL OR model = $model) AND ($ids IS NULL OR list_contains($ids::VARCHAR[], id))
"""


@dataclass(frozen=True)
class Line:
    """A run in a list: its target, what was concluded, and the main score. `started` in seconds since the epoch.

    The main score is the first with a value on held-out text, as in a report; None where there is none.
    """

    run_id: str
    target: Target
    state: str
    started: float
    verdict: str | None
    text: str | None
    metric: str | None
    value: float | None
    low: float | None
    high: float | None
    floor: float | None


@dataclass(frozen=True)
class Choice:
    """Which runs of the list: words they contain, a verdict ("" is none), a layer, a model, or these ids."""

    words: str | None = None
    verdict: str | None = None
    layer: int | None = None
    model: str | None = None
    ids: tuple[str, ...] | None = None


class Overview(Excerpts):
    """A copy of the store with the questions of pages. Raises StoreLocked when there is no copy and it is owned."""

    def lines(
        self, choice: Choice, *, sort: Sorting = "started", descending: bool = True, limit: int, offset: int = 0
    ) -> list[Line]:
        """Runs of the list in order; runs without what is sorted by come last."""
        turn = "DESC" if descending else "ASC"
        order = SORTINGS[sort].format(turn) if "{" in SORTINGS[sort] else f"{SORTINGS[sort]} {turn} NULLS LAST"
        sql = f"{TOLD}{SCORED} SELECT {COLUMNS} FROM lines WHERE {CHOSEN} ORDER BY {order}, started DESC, id"
        wanted = _wanted(choice) | {"limit": limit, "offset": offset}
        return [_line(row) for row in self._fetch(f"{sql} LIMIT $limit OFFSET $offset", wanted)]

    def line_count(self, choice: Choice) -> int:
        """How many runs that are."""
        return self._fetch(f"{TOLD} SELECT count(*) FROM named WHERE {CHOSEN}", _wanted(choice))[0][0]

    def verdicts(self) -> dict[str, int]:
        """How many runs ended with each verdict, the most frequent first; "" is none."""
        sql = f"{TOLD} SELECT coalesce(verdict, ''), count(*) FROM named GROUP BY 1 ORDER BY 2 DESC, 1"
        return dict(self._fetch(sql))

    def layers(self) -> list[int]:
        """The layers that were looked at."""
        return [layer for (layer,) in self._fetch("SELECT DISTINCT layer FROM runs ORDER BY 1")]

    def models(self) -> list[str]:
        """The models that were looked at."""
        return [model for (model,) in self._fetch("SELECT DISTINCT model FROM runs ORDER BY 1")]

    def resolve(self, words: str) -> str | None:
        """The run of this id, or the newest about the neuron of this name (L9N652, 9.652); None without either."""
        if self._fetch("SELECT 1 FROM runs WHERE id = ?", [words]):
            return words
        if (named := NAME.fullmatch(words.strip())) is None:
            return None
        layer, letter, index, minus = named.groups()
        sql = (
            'SELECT id FROM runs WHERE layer = ? AND "index" = ? AND kind = ? AND sign = ?'
            " ORDER BY started DESC, id LIMIT 1"
        )
        found = self._fetch(sql, [int(layer), int(index), KINDS[letter.upper()].value, -1 if minus else 1])
        return found[0][0] if found else None

    def others(self, run_id: str, *, limit: int) -> list[str]:
        """Other runs about the same unit of the same model, newest first."""
        sql = (
            'SELECT b.id FROM runs a JOIN runs b USING (model, hook, layer, "index", sign)'
            " WHERE a.id = ? AND b.id <> a.id ORDER BY b.started DESC, b.id LIMIT ?"
        )
        return [run for (run,) in self._fetch(sql, [run_id, limit])]


def _wanted(choice: Choice) -> dict[str, Any]:
    return {
        "words": choice.words.lower() if choice.words else None,
        "verdict": choice.verdict,
        "layer": choice.layer,
        "model": choice.model,
        "ids": None if choice.ids is None else list(choice.ids),
    }


def _line(row: tuple[Any, ...]) -> Line:
    identity, model, model_hash, hook, layer, index, kind, sign, dictionary, *rest = row
    return Line(identity, Target(model, model_hash, hook, layer, index, Kind(kind), sign, dictionary), *rest)
