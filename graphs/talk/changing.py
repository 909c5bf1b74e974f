"""Texts changed within a conversation: cut to what keeps the unit firing, and altered until it stops.

What is measured is committed to the run, each text once, before it is shown. Changes are made to a text's trigger, not
to the text itself, where it is long: in a long text hardly any single change matters. Refuses to know who asked.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from graphs.report.visible import number, percent
from graphs.talk import drawing, showing
from graphs.talk.desk import Desk, Unable
from graphs.talk.drawing import words
from memory.records import Origin, Prompt, Record, Trigger
from tools.augment import IterativeMultiTokenAugmenter, swaps
from tools.prune import prune
from tools.rules import shown

if TYPE_CHECKING:
    from rich.text import Text

SHORT = 12  # tokens of a text that is changed as it stands
SWAPPED_TOKENS, SWAPS, SHOWN = 8, 6, 8  # tokens changed before the peak, new ones for each, and rows shown
ENOUGH = 3  # single changes that stop it; with fewer, several words are changed
EDITS, EDIT_STEPS, MOST_EDITS = 4, 3, 64  # new words for each, words changed, and texts measured for each of them
DROPS, END = 6, 44  # tokens of a trigger told, and characters of a text


def strongest(desk: Desk) -> Record:
    """The strongest natural text; raises Unable where nothing was measured."""
    with desk.reading() as store:
        found = store.records(desk.run_id, limit=1, order="peak_desc", origins=showing.NATURAL)
    if not found or found[0].peak is None:
        raise Unable("nothing was measured yet, so there is nothing to change")
    return found[0]


def talked_about(desk: Desk, last: int | None) -> Record:
    """The text talked about last where it fires, else the strongest."""
    firing = desk.session().bench.pages.distribution.firing
    with desk.reading() as store:
        found: Sequence[Record] = [] if last is None else store.records(desk.run_id, ids=[last])
    return found[0] if found and (found[0].peak or 0.0) >= firing else strongest(desk)


def pruned(desk: Desk, record: Record) -> Generator["Text", None, Record]:
    """Cut a text to its trigger; returns the trigger's record. Raises Unable where nothing can be kept."""
    bench = desk.session().bench
    yield words(f"pruning record {record.id}, {number(record.peak)}:")
    yield drawing.record_line(record)
    cut = prune(bench.subject, bench.target, record, floor=bench.pages.distribution.floor)
    trigger = cut.trigger(record.id)
    if trigger is None:
        raise Unable(_joined(cut.warning, drawing.unread(record)))
    if cut.warning:
        yield words(cut.warning, "yellow")
    known = trigger in bench.store.triggers(desk.run_id)
    prompt = Prompt(trigger.text, Origin.PRUNE, parent=record.id)
    kept = desk.measured("prune", [prompt], triggers=() if known else [trigger])[0]
    yield drawing.heat(kept, bench.pages.distribution.highest)
    yield words(
        f"{len(trigger.tokens)} of {len(record.tokens)} tokens keep {percent(trigger.kept)} of it: "
        f"{number(trigger.activation)}, {cut.passes} passes. record {kept.id}"
    )
    yield words(f"  without it: {_drops(trigger)}", "dim")
    return kept


def killed(desk: Desk, record: Record) -> "Iterator[Text]":
    """Change one token at a time, then several words where that does not do; what stops the unit, measured."""
    bench = desk.session().bench
    floor, firing = bench.pages.distribution.floor, bench.pages.distribution.firing
    start = record if len(record.tokens) <= SHORT else (yield from pruned(desk, record))
    if start.peak is None or start.position is None or start.peak < firing:
        raise Unable(_joined(f"record {start.id} does not fire, so there is nothing to stop", drawing.unread(start)))
    yield words(f"changing one token at a time of record {start.id}, {number(start.peak)}:")
    yield drawing.record_line(start)
    first = max(0, start.position - SWAPPED_TOKENS + 1)
    found = swaps(
        bench.subject, bench.target, start.prompt.text, per_token=SWAPS, floor=floor,
        positions=range(first, start.position + 1),
    )  # fmt: skip
    single = {
        Prompt(swap.text, Origin.SWAP, parent=start.id): f"{shown(swap.old)} → {shown(swap.new)}" for swap in found
    }
    if (yield from _fallen(desk, start, single, "single changes")) >= ENOUGH:
        return
    walker = IterativeMultiTokenAugmenter(
        bench.subject, bench.target, bench.words, n=EDITS, beam=2, most=MOST_EDITS, floor=floor
    )
    edits = walker.walk(start.prompt.text, EDIT_STEPS, "minimise").edits
    several = {Prompt(edit.text, Origin.EDIT, parent=start.id): f"“{edit.text[-END:]}”" for edit in edits}
    yield from _fallen(desk, start, several, f"texts up to {EDIT_STEPS} words away")


def _fallen(desk: Desk, start: Record, told: dict[Prompt, str], kind: str) -> Generator["Text", None, int]:
    """Measure changed texts, show which fell furthest, and return how many no longer fire."""
    firing = desk.session().bench.pages.distribution.firing
    read = desk.measured("kills", list(told))
    rows = {record.id: (record, change) for record, change in zip(read, told.values(), strict=True)}
    ranked = sorted((row for row in rows.values() if row[0].values), key=lambda row: (row[0].peak or 0.0, row[0].id))
    stopped = sum((record.peak or 0.0) < firing for record, _ in ranked)
    yield words(f"{stopped} of {len(ranked)} {kind} stop it (below {number(firing)})", "bold")
    for record, change in ranked[:SHOWN]:
        style = "red" if (record.peak or 0.0) < firing else ""
        yield words(f"  {change:<46} {number(start.peak)} → {number(record.peak)}  record {record.id}", style)
    return stopped


def _joined(*said: str) -> str:
    return "; ".join(filter(None, said))


def _drops(trigger: Trigger) -> str:
    ranked = sorted(zip(trigger.importance, trigger.tokens, strict=False), reverse=True)
    return "  ".join(f"{shown(token)} {-drop:+.2f}" for drop, token in ranked[:DROPS])
