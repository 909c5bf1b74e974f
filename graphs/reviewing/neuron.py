"""One run: its findings as far as the store alone knows them, its records a page at a time, one record.

Knows which questions give the parts of graphs/report/findings.py. What only the survey knows, the distribution over the
corpus, is left unknown: the report that the run wrote at its end has it. Refuses to know how anything is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from agents.mind import Distribution
from graphs.report import wording
from graphs.report.findings import Counts, CurvePoint, Findings
from graphs.reviewing import asked
from graphs.reviewing.drawing import address, drawings, run_drawings, scale_of
from memory import notes
from memory.overview import Overview
from memory.queries import ORDERS, Order
from memory.records import BUILT_IN, DERIVED, Fate, Origin, Record

RANKED, FLUENT, OTHERS, SWAPS = 10, 400, 8, 12
SIZE = 50
UNKNOWN = Distribution(0, math.nan, math.nan, math.nan, math.nan, math.nan, (), math.nan, math.nan)
FATES = (Fate.SUPPORTED, Fate.REFUTED, Fate.UNTESTED, Fate.PROPOSED, Fate.REPLACED)


@dataclass(frozen=True)
class Swap:
    """A text with one place changed, beside the one it was made from."""

    parent: Record
    record: Record

    @property
    def change(self) -> float:
        """What the change did to the activation."""
        return (self.record.peak or 0.0) - (self.parent.peak or 0.0)


def context(overview: Overview, run_id: str, *, home: Path) -> dict[str, Any]:
    """Everything the neuron page shows. Raises UnknownRun."""
    found = findings(overview, run_id)
    swaps = _swaps(overview, run_id)
    best = (found.best,) if found.best else ()
    scale = scale_of((*found.top, *found.bottom, *found.corpus_top, *best, *found.front))
    fates = {fate: sum(each.fate is fate for each in found.hypotheses) for fate in FATES}
    kept, broken = notes.read(home, run_id)
    return {
        "f": found,
        "target": found.run.target,
        "rule": wording.proven_lines(found),
        "sentence": wording.score_sentence,
        "draw": run_drawings(found, scale),
        "scale": scale,
        "fates": {fate.value: number for fate, number in fates.items() if number},
        "hypotheses": sorted(found.hypotheses, key=lambda each: (FATES.index(each.fate), -each.hits)),
        "swaps": swaps,
        "largest": max([peak for swap in swaps for peak in (swap.parent.peak, swap.record.peak) if peak], default=0.0),
        "origins": overview.origins(run_id),
        "total": overview.counts(run_id)["records"],
        "others": overview.others(run_id, limit=OTHERS),
        "notes": kept,
        "noted": overview.noted(run_id),
        "broken_notes": broken,
        "can_note": notes.safe(run_id),
        "longest_note": notes.LONGEST,
        "report": report_file(home, run_id) is not None,
    }


def findings(overview: Overview, run_id: str) -> Findings:
    """What the store alone knows of a run's findings. Raises UnknownRun."""
    run = overview.run(run_id)
    plain = [origin for origin in Origin if origin not in DERIVED]
    strongest = overview.records(run_id, order="peak_desc", limit=1)
    corpus_top = overview.records(run_id, order="peak_desc", limit=RANKED, origins=[Origin.CORPUS])
    tally, explanation = overview.counts(run_id), overview.concluded(run_id)
    gains = [CurvePoint(*row) for row in overview.gains(run_id)]
    if gains:
        gains.append(CurvePoint(tally["records"], gains[-1].best, gains[-1].origin))
    return Findings(
        run=run,
        mind=str(run.settings.get("llm") or BUILT_IN),
        corpus=str(run.settings.get("corpus", "")),
        distribution=UNKNOWN,
        corpus_max=next((row.peak for row in corpus_top if row.peak is not None), math.nan),
        explanation=explanation,
        scores=tuple(overview.scores(run_id)),
        hypotheses=tuple(overview.hypotheses(run_id)),
        triggers=tuple(overview.triggers(run_id)),
        top=tuple(overview.records(run_id, order="peak_desc", limit=RANKED, origins=plain)),
        bottom=tuple(overview.records(run_id, order="peak_asc", limit=RANKED, origins=plain)),
        best=strongest[0] if strongest and strongest[0].peak is not None else None,
        curve=tuple(gains),
        fluent=tuple(overview.fluent(run_id, limit=FLUENT)),
        optimised=overview.said(run_id, "optimised") or {},
        effects=overview.said(run_id, "effects") or {},
        examination=overview.said(run_id, "examination") or {},
        corpus_top=tuple(corpus_top),
        evidence=tuple(_cited(overview, run_id, explanation)),
        counts=Counts(tally["generated"], tally["accepted_by"], tally["rejected_by"]),
    )


def report_file(home: Path, run_id: str) -> Path | None:
    """The finished report of a run, None where there is none or its id is not a file's name."""
    path = home / "reports" / f"{run_id}.html"
    return path if notes.safe(run_id) and path.is_file() and not path.is_symlink() else None


def record_page(overview: Overview, run_id: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Everything the table of records shows. Raises UnknownRun and BadQuestion."""
    run = overview.run(run_id)
    order = cast(Order, asked.one_of(given, "order", tuple(ORDERS), otherwise="peak_desc"))
    chosen = {
        "origin": asked.one_of(given, "origin", ("", *Origin), otherwise="") or None,
        "step": asked.whole(given, "step", most=1_000_000),
        "hypothesis": asked.text(given, "hypothesis"),
        "words": asked.text(given, "words"),
    }
    page = asked.page(given)
    found, total = overview.record_page(run_id, order=order, limit=SIZE, offset=(page - 1) * SIZE, **chosen)
    base = f"/run/{quoted(run_id)}/records"
    return {
        "run": run,
        "target": run.target,
        "records": found,
        "paging": asked.Paging(page, SIZE, total),
        "order": order,
        "chosen": chosen,
        "origins": overview.origins(run_id),
        "turned": lambda number: address(base, **chosen, order=order, page=number),
        "sorted_by": lambda name: address(base, **chosen, order=name),
        "draw": drawings(scale_of(found)),
    }


def one_record(overview: Overview, run_id: str, number: int) -> dict[str, Any] | None:
    """Everything the page of one record shows, None where there is no such record. Raises UnknownRun."""
    run, record = overview.run(run_id), overview.record(run_id, number)
    if record is None:
        return None
    parent = None if record.prompt.parent is None else overview.record(run_id, record.prompt.parent)
    return {
        "run": run,
        "target": run.target,
        "record": record,
        "parent": parent,
        "claim": next((each for each in overview.hypotheses(run_id) if each.id == record.prompt.hypothesis), None),
        "draw": drawings(scale_of([record])),
    }


def _cited(overview: Overview, run_id: str, explanation: Any) -> list[Record]:
    """The records that the certificates of an explanation name."""
    certificates = explanation.certificates if explanation else ()
    ids = {number for each in certificates for pair in each.pairs for number in pair}
    return overview.records(run_id, ids=ids) if ids else []


def _swaps(overview: Overview, run_id: str) -> list[Swap]:
    """Texts with one token exchanged, those first in which that changed most."""
    made = [row for row in overview.records(run_id, origins=[Origin.SWAP], limit=FLUENT) if row.peak is not None]
    ids = {row.prompt.parent for row in made if row.prompt.parent is not None}
    parents = {row.id: row for row in overview.records(run_id, ids=ids)} if ids else {}
    pairs = [Swap(parents[row.prompt.parent], row) for row in made if row.prompt.parent in parents]
    return sorted(pairs, key=lambda swap: -abs(swap.change))[:SWAPS]


def quoted(run_id: str) -> str:
    """A run's id as a part of an address."""
    return quote(run_id.encode("utf-8", "replace"), safe="")
