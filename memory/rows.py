"""Nouns to rows and back, exactly.

Knows which column holds which field: a cell is a scalar, a list of scalars, or JSON text where the field is itself made
of nouns or is a free dictionary. Refuses to know when rows are written. Records and candidates, of which there are
many, are mapped by hand; the others by their field names.
"""

import json
from dataclasses import Field, fields
from typing import Any, TypeVar

from memory.records import Candidate, Origin, Prompt, Record, Run, Status, Step, Target, plain, revive

Noun = TypeVar("Noun")
Row = dict[str, Any]

JSON_CELLS = frozenset({"rule", "full", "certificates"})
PROMPT_COLUMNS = "text, origin, parent, hypothesis, predicted, source"
RECORD_COLUMNS = f'id, step, {PROMPT_COLUMNS}, tokens, token_ids, "values", peak, "position", status, surprise'
CANDIDATE_COLUMNS = f"step, {PROMPT_COLUMNS}, reason, detail"
RUN_COLUMNS = 'id, model, model_hash, hook, layer, "index", kind, sign, dictionary, seed, settings, state, traces'


def record_row(run_id: str, record: Record) -> Row:
    """The row of an activation record."""
    return _prompt_row(record.prompt) | {
        "run_id": run_id,
        "id": record.id,
        "step": record.step,
        "tokens": record.tokens,
        "token_ids": record.token_ids,
        "values": record.values,
        "peak": record.peak,
        "position": record.position,
        "status": record.status.value,
        "surprise": record.surprise,
    }


def record(row: tuple[Any, ...]) -> Record:
    """The record in a row of RECORD_COLUMNS."""
    identity, step, *prompt, tokens, token_ids, values, peak, position, status, surprise = row
    return Record(
        id=identity,
        step=step,
        prompt=_prompt(*prompt),
        tokens=tuple(tokens),
        token_ids=tuple(token_ids),
        values=tuple(values),
        peak=peak,
        position=position,
        status=Status(status),
        surprise=surprise,
    )


def candidate_row(run_id: str, seq: int, candidate: Candidate) -> Row:
    """The row of a candidate, the `seq`-th of its step."""
    mine = {"run_id": run_id, "step": candidate.step, "seq": seq}
    return mine | _prompt_row(candidate.prompt) | {"reason": candidate.reason, "detail": candidate.detail}


def candidate(row: tuple[Any, ...]) -> Candidate:
    """The candidate in a row of CANDIDATE_COLUMNS."""
    step, *prompt, reason, detail = row
    return Candidate(step=step, prompt=_prompt(*prompt), reason=reason, detail=detail)


def run_row(run: Run) -> Row:
    """The row of a run, its target spread over columns."""
    mine = {"id": run.id, "seed": run.seed, "settings": json.dumps(plain(run.settings)), "state": run.state}
    return mine | {"traces": json.dumps(run.traces)} | plain(run.target)


def run(row: tuple[Any, ...]) -> Run:
    """The run in a row of RUN_COLUMNS."""
    identity, *cells, seed, settings, state, traces = row
    names = [field.name for field in fields(Target)]
    target = revive(Target, dict(zip(names, cells, strict=True)))
    return Run(identity, target, seed, json.loads(settings), state, json.loads(traces or "{}"))


def noun_row(noun: Any) -> Row:
    """The row of any other noun: one cell a field."""
    cells = plain(noun)
    return {name: json.dumps(cell) if name in JSON_CELLS and cell is not None else cell for name, cell in cells.items()}


def step_rows(step: Step) -> dict[str, list[Row]]:
    """All the rows that a step adds to other tables, by table."""
    place = {"run_id": step.run_id, "step": step.number}
    nouns = {
        "hypotheses": step.hypotheses,
        "triggers": step.triggers,
        "explanations": () if step.explanation is None else (step.explanation,),
        "scores": step.scores,
        "llm_calls": step.calls,
    }
    return {
        "records": [record_row(step.run_id, record) for record in step.records],
        "candidates": [candidate_row(step.run_id, seq, candidate) for seq, candidate in enumerate(step.candidates)],
    } | {table: [place | {"seq": seq} | noun_row(each) for seq, each in enumerate(new)] for table, new in nouns.items()}


def columns(kind: type[Any]) -> str:
    """The columns that `noun` wants."""
    return ", ".join(f'"{field.name}"' for field in _fields(kind))


def noun(kind: type[Noun], row: tuple[Any, ...]) -> Noun:
    """The noun in a row of `columns(kind)`."""
    cells = {field.name: cell for field, cell in zip(_fields(kind), row, strict=True)}
    for name in JSON_CELLS & cells.keys():
        cells[name] = json.loads(cells[name]) if cells[name] is not None else None
    return revive(kind, cells)


def _fields(kind: type[Any]) -> tuple[Field[Any], ...]:
    return fields(kind)


def _prompt_row(prompt: Prompt) -> Row:
    return {
        "text_key": prompt.key,
        "text": prompt.text,
        "origin": prompt.origin.value,
        "parent": prompt.parent,
        "hypothesis": prompt.hypothesis,
        "predicted": prompt.predicted,
        "source": prompt.source,
    }


def _prompt(
    text: str, origin: str, parent: int | None, hypothesis: str | None, predicted: bool | None, source: str | None
) -> Prompt:
    return Prompt(text, Origin(origin), parent, hypothesis, predicted, source)
