"""From the store to the findings of a report: everything one run measured and concluded, gathered."""

from collections.abc import Iterator, Sequence
from typing import Any

from agents.conversation import AGENT as TALKING
from graphs.bench import Bench
from graphs.report.findings import Change, Counts, CurvePoint, Findings, Histogram, Move
from memory.records import BUILT_IN, DERIVED, Origin, Record, Step, revive
from tools.augment import Effect, Side, effect, relative_change, side
from tools.effects import Effects, told

RANKED = 10
KINDS = {Effect.INCREASED: "raises", Effect.NEUTRAL: "keeps", Effect.DECREASED: "lowers"}


def gather(bench: Bench, run_id: str) -> Findings:
    """The findings of a run as it stands. The corpus maximum is that of the evidence half."""
    store = bench.store
    run = store.run(run_id)
    records = store.records(run_id)
    ranked = store.records(run_id, order="peak_desc", origins=[o for o in Origin if o not in DERIVED])
    measured = [record for record in ranked if record.peak is not None]
    edges, counts = bench.pages.histogram()
    steps = store.steps(run_id)
    tally = store.counts(run_id)
    strongest = store.records(run_id, order="peak_desc", limit=1)
    return Findings(
        run=run,
        mind=run.settings.get("llm") or BUILT_IN,
        corpus=bench.means.corpus,
        distribution=bench.pages.distribution,
        corpus_max=bench.pages.distribution.highest,
        histogram=Histogram(edges, counts),
        explanation=store.explanation(run_id),
        scores=tuple(store.scores(run_id)),
        hypotheses=tuple(store.hypotheses(run_id)),
        triggers=tuple(store.triggers(run_id)),
        top=tuple(measured[:RANKED]),
        bottom=tuple(reversed(measured[-RANKED:])),
        best=strongest[0] if strongest and strongest[0].peak is not None else None,
        changes=tuple(_changes(records, bench.pages.distribution.floor)),
        curve=tuple(_curve(records)),
        fluent=tuple(_fluent(records)),
        optimised=_latest(steps, "optimised"),
        effects=_effects(_latest(steps, "effects")),
        examination=_latest(steps, "examination"),
        edits=tuple(record for record in records if record.prompt.origin is Origin.EDIT and record.peak is not None),
        corpus_top=tuple(r for r in measured if r.prompt.origin is Origin.CORPUS)[:RANKED],
        evidence=tuple(records),
        calls=tuple(call for call in store.calls(run_id) if call.agent != TALKING),
        steps=tuple(Move(s.number, s.node, s.seconds, str(s.update.get("why", ""))) for s in steps),
        counts=Counts(tally["generated"], tally["accepted_by"], tally["rejected_by"]),
        timings=_timings(bench, [(step.node, step.seconds) for step in steps]),
        warnings=tuple(_warnings(records)),
    )


def _latest(steps: Sequence[Step], name: str) -> dict[str, Any]:
    """What the last step that said something under this name said."""
    return next((step.update[name] for step in reversed(steps) if name in step.update), {})


def _effects(known: dict[str, Any]) -> dict[str, Any]:
    """The output side with its sentence."""
    return known | {"told": told(revive(Effects, known))} if known else {}


def _changes(records: Sequence[Record], floor: float) -> Iterator[Change]:
    """Every single-token swap beside its parent; equal token counts, so that exactly one place differs."""
    by_id = {record.id: record for record in records}
    for record in records:
        parent = by_id.get(record.prompt.parent or 0)
        if record.prompt.origin is not Origin.SWAP or parent is None or record.peak is None or parent.peak is None:
            continue
        places = [
            n for n, pair in enumerate(zip(parent.token_ids, record.token_ids, strict=False)) if pair[0] != pair[1]
        ]
        change = relative_change(record.peak, parent.peak, floor=floor)
        kind = KINDS.get(effect(change))
        if change is not None and side(change) is Side.NEGATIVE:
            kind = "kills"
        if kind is None or len(places) != 1 or len(parent.tokens) != len(record.tokens):
            continue
        yield Change(
            kind,
            parent.prompt.text,
            record.prompt.text,
            parent.tokens[places[0]],
            record.tokens[places[0]],
            parent.peak,
            record.peak,
            (parent.id, record.id),
        )


def _fluent(records: Sequence[Record]) -> list[Record]:
    """The optimiser's records whose cross-entropy is known, highest first."""
    known = [record for record in records if record.surprise is not None and record.peak is not None]
    return sorted(known, key=lambda record: (-(record.peak or 0.0), record.surprise or 0.0, record.id))


def _curve(records: Sequence[Record]) -> Iterator[CurvePoint]:
    best: float | None = None
    for number, record in enumerate(records, 1):
        if record.peak is not None and (best is None or record.peak > best):
            best = record.peak
            yield CurvePoint(number, best, record.prompt.origin.value)
    if best is not None:
        yield CurvePoint(len(records), best, records[-1].prompt.origin.value)


def _timings(bench: Bench, steps: Sequence[tuple[str, float]]) -> dict[str, float]:
    spent = dict(bench.seconds)
    for node, seconds in steps:
        spent[node] = spent.get(node, 0.0) + seconds
    return {name: round(seconds, 3) for name, seconds in spent.items()}


def _warnings(records: Sequence[Record]) -> Iterator[str]:
    cut = sum(record.status.value == "truncated" for record in records)
    if cut:
        yield f"{cut} texts were longer than the model's context and were cut"
    failed = sum(record.peak is None for record in records)
    if failed:
        yield f"{failed} measurements failed; they count nowhere"
