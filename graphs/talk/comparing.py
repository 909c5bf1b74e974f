"""Another unit beside the one that is talked about: by its run where it has one, else measured on the same texts.

A run is named by its id, and a unit as everywhere (L9N652, L9N652-, L6F123), a plain neuron also as 9.652. A full stop
behind it is no part of a name. Refuses to know how two runs are set side by side (showing.py).
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from graphs.report.visible import number
from graphs.talk import showing
from graphs.talk.desk import Desk, Unable
from graphs.talk.drawing import words
from memory.queries import Queries
from memory.records import Kind, Run, Target

if TYPE_CHECKING:
    from rich.text import Text

    from tools.subject import Subject

COMPARED = 10  # texts measured on another unit
_UNIT = re.compile(r"L?(\d{1,4})([.:NFRHC])(\d{1,9})(-?)", re.IGNORECASE)


def names(store: Queries, run_id: str) -> list[str]:
    """What a run can be compared with: units of its model, and other runs by id."""
    model, runs = store.run(run_id).target.model, [run for run in store.runs() if run.id != run_id]
    units = [name for run in runs if run.target.model == model for name in _names(run.target)]
    return list(dict.fromkeys([*units, *(run.id for run in runs)]))


def found(store: Queries, run_id: str, said: str) -> Run | None:
    """The other run of this id, else the newest one of a unit of this name of the same model."""
    own, runs = store.run(run_id).target, [run for run in store.runs() if run.id != run_id]
    by_id = {run.id: run for run in runs}
    if (known := by_id.get(said) or by_id.get(_bare(said))) is not None:
        return known
    name = _unit(said)
    return next((run for run in runs if (run.target.name, run.target.model) == (name, own.model)), None)


def measured(desk: Desk, name: str) -> "Iterator[Text]":
    """This run's strongest texts on a unit that has no run; the peaks are kept. Raises Unable and SubjectError."""
    session = desk.session()
    target = _target(session.bench.subject, name)
    with desk.reading() as store:
        top = store.records(desk.run_id, limit=COMPARED, order="peak_desc", origins=showing.NATURAL)
    texts = [record.prompt.text for record in top]
    readings = session.bench.subject.measure(texts, target, policy=session.means.position)
    peaks = {record.id: reading.peak for record, reading in zip(top, readings, strict=True)}
    desk.commit("compare", {"compared": {"with": target.name, "peaks": [[*pair] for pair in peaks.items()]}})
    yield words(f"{target.name} has no run here; this run's strongest texts on both:", "bold")
    yield words(f"  {session.bench.target.name:>7} {target.name:>7}", "dim")
    for record in top:
        yield words(f"  {number(record.peak):>7} {number(peaks[record.id]):>7}  {record.prompt.text[-54:]}")


def unit(said: str) -> str:
    """The name of the unit that is said. Raises Unable for anything else."""
    if (name := _unit(said)) is None:
        raise Unable(f"no run {said!r:.80} is in this store, and a neuron is written LAYER.NEURON")
    return name


def _target(subject: "Subject", name: str) -> Target:
    parts = _UNIT.fullmatch(name)
    assert parts is not None, "a unit's own name"
    layer, letter, index, minus = parts.groups()
    if letter == "N":
        return subject.neuron(int(layer), int(index), -1 if minus else 1)
    target = subject.feature(int(index)) if letter == "F" else None
    if target is None or target.name != name:
        raise Unable(f"{name} has no run here, and cannot be measured without one")
    return target


def _names(target: Target) -> list[str]:
    plain = target.kind is Kind.NEURON and target.sign > 0
    return [f"{target.layer}.{target.index}", target.name] if plain else [target.name]


def _bare(said: str) -> str:
    return said.rstrip(".")


def _unit(said: str) -> str | None:
    """The name of the unit that is said, None for anything else."""
    if (parts := _UNIT.fullmatch(_bare(said))) is None:
        return None
    layer, letter, index, minus = parts.groups()
    return f"L{int(layer)}{'N' if letter in '.:' else letter.upper()}{int(index)}{minus}"
