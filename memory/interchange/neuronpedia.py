"""Neuronpedia's bulk rows: what its exports hold and its importer reads.

Layout: `{model}/{layer}-{set}/` with release, model, sourceset and source.jsonl, and
`features|activations|explanations/batch-N.jsonl.gz`. On import every `batch-*.jsonl(.gz)` is read, and a row is told by
its columns: `description` makes an explanation, `tokens` an activation, anything else a feature.

Carried: tokens and values exactly, random texts (rows with `binContains`), where a text is from (`dataIndex`), prose,
author (`explanationModelName`), method (`typeName`) and, as JSON in `notes`, every figure. Lost: token ids, moments.
Units read downwards are a set of their own that ends in `-negative`. Columns that are not read are named in the
dossier's notes; `embedding` and the like come and go in that database.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from memory.interchange.dossier import (
    Claim,
    Dossier,
    Figure,
    InterchangeError,
    public_name,
    public_source,
    read_record,
    require_whole,
)
from memory.interchange.fields import Fields, parse
from memory.interchange.files import (
    Allowance,
    Files,
    as_rows,
    below,
    read_figure,
    rows,
    sidecar,
    sidecars,
    signed,
    slug,
    unsigned,
)
from memory.records import Kind, Record, Target, plain

AUTHOR = "neuronaut"  # an id of theirs where they want one
SETS = {Kind.NEURON: "neurons", Kind.COORDINATE: "residual", Kind.HEAD: "heads", Kind.CHANNEL: "channels"}
TOP = -1.0  # binContains of a text that is there for its strength

UNIT = {"modelId", "layer", "index"}
EXPLANATION = UNIT | {
    "id",
    "description",
    "authorId",
    "typeName",
    "explanationModelName",
    "notes",
    "createdAt",
}
ACTIVATION = UNIT | {
    "id",
    "tokens",
    "values",
    "maxValue",
    "maxValueTokenIndex",
    "minValue",
    "creatorId",
    "dataIndex",
    "createdAt",
    "binContains",
}
FEATURE = UNIT | {"creatorId", "createdAt", "maxActApprox", "hookName", "sourceSetName", "hasVector"}

Place = tuple[str, str, int]  # model, layer-set, index


def encode(dossier: Dossier) -> Files:
    """The files of a dossier. Raises InterchangeError for a record without values."""
    target, made = dossier.target, dossier.made
    require_whole((*dossier.records, *dossier.random))
    model, source, index = _place(target)
    family = source.partition("-")[2]
    unit = {"modelId": model, "layer": source, "index": str(index)}
    owned = {"creatorId": AUTHOR, "createdAt": made}
    activations = [unit | owned | _activation(each, TOP, unit) for each in dossier.records]
    activations += [unit | owned | _activation(each, 1.0, unit) for each in dossier.random]
    said = [
        unit
        | {
            "id": _identity(unit, claim.text, number),
            "description": claim.text,
            "authorId": AUTHOR,
            "typeName": claim.method,
            "explanationModelName": claim.author,
            "notes": json.dumps({"figures": plain(claim.figures)}, allow_nan=False),
            "createdAt": made,
        }
        for number, claim in enumerate(dossier.claims)
    ]
    peaks = [max(each.values) for each in (*dossier.records, *dossier.random)]
    feature = {"maxActApprox": max(peaks, default=0.0), "hookName": target.hook, "sourceSetName": family}
    batch, folder = f"batch-{index}.jsonl.gz", f"{model}/{source}"
    files = {f"{folder}/features/{batch}": as_rows([unit | owned | feature | {"hasVector": False}], packed=True)}
    if activations:
        files[f"{folder}/activations/{batch}"] = as_rows(activations, packed=True)
    if said:
        files[f"{folder}/explanations/{batch}"] = as_rows(said, packed=True)
    return files | _about(folder, model, family, source, dossier) | sidecar(dossier)


def read(path: Path, *, only: Collection[int] | None = None) -> list[Dossier]:
    """The dossiers of one batch file, or of all below a folder, in order of model, source and index.

    `only`: the units of these indices. Raises InterchangeError and OSError.
    """
    allowance = Allowance()
    known = {_place(each.target): each for each in sidecars(path, allowance)}
    found: dict[Place, Dossier] = {}
    for file in below(path, "**/batch-*.jsonl*") if path.is_dir() else [path]:
        for row in rows(file, allowance):
            place = row.text("modelId"), row.text("layer"), row.integer("index", written=True)
            if only is None or place[2] in only:
                allowance.keep(row.room, row.where)
                unit = found.get(place) or known.get(place) or Dossier(_target(place, row))
                found[place] = _with_row(unit, row)
    if not found:
        raise InterchangeError(f"{path}: holds no batch-N.jsonl.gz with a row that was asked for")
    return [_in_order(found[place]) for place in sorted(found)]


def _with_row(unit: Dossier, row: Fields) -> Dossier:
    if row.has("description"):
        unread = row.others(EXPLANATION)
        unit = replace(unit, claims=(*unit.claims, _claim(row)), made=unit.made or row.text("createdAt", ""))
    elif row.has("tokens"):
        unread = row.others(ACTIVATION)
        tokens, values = row.tokens_and_values("tokens", "values")
        record = read_record(0, tokens, values, source=row.text("dataIndex", "") or None)
        sampled = (row.number("binContains") or TOP) > 0
        both = (unit.random, (*unit.random, record)) if sampled else (unit.records, (*unit.records, record))
        unit = replace(unit, random=both[1]) if sampled else replace(unit, records=both[1])
    else:
        unread = row.others(FEATURE)
        hook = row.text("hookName", "") or unit.target.hook
        unit = replace(unit, target=replace(unit.target, hook=hook))
    line = f"columns not read: {', '.join(unread)}"
    return replace(unit, notes=(*unit.notes, line)) if unread and line not in unit.notes else unit


def _claim(row: Fields) -> Claim:
    author = row.text("explanationModelName", "") or row.text("authorId", "").removeprefix(AUTHOR)
    return Claim(row.text("description"), author, row.text("typeName", ""), _figures(row))


def _figures(row: Fields) -> tuple[Figure, ...]:
    """The figures in our own notes; a note of anybody else is prose, and holds none."""
    notes = row.text("notes", "")
    if not notes.startswith('{"figures":'):
        return ()
    held = Fields(parse(notes, f"{row.where}: notes"), f"{row.where}: notes")
    return tuple(read_figure(Fields(each, held.where)) for each in held.many("figures", most=1000))


def _in_order(unit: Dossier) -> Dossier:
    """The texts with the strongest first, all numbered from 1."""
    strongest = sorted(unit.records, key=lambda record: -max(record.values))
    return replace(
        unit,
        records=tuple(replace(each, id=n) for n, each in enumerate(strongest, 1)),
        random=tuple(replace(each, id=n) for n, each in enumerate(unit.random, len(strongest) + 1)),
    )


def _place(target: Target) -> Place:
    family = slug((target.dictionary or "features").split("@")[0]) if target.kind is Kind.FEATURE else SETS[target.kind]
    return slug(public_name(target.model)), f"{target.layer}-{signed(family, target)}", target.index


def _target(place: Place, row: Fields) -> Target:
    """What a row says of a unit that no sidecar knows: a set of its own name is a dictionary."""
    model, source, index = place
    number, _, family = source.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise row.refuse("layer", "does not begin with the number of a layer")
    layer = int(number)
    family, sign = unsigned(family)
    if family in ("", SETS[Kind.NEURON]):
        return Target(model, "", f"blocks.{layer}.mlp.out.hook_in", layer, index, Kind.NEURON, sign)
    return Target(model, "", row.text("hookName", ""), layer, index, Kind.FEATURE, sign, family)


def _activation(record: Record, contains: float, unit: dict[str, Any]) -> dict[str, Any]:
    values = list(record.values)
    return {
        "id": _identity(unit, record.prompt.text, record.id),
        "tokens": list(record.tokens),
        "values": values,
        "maxValue": max(values),
        "maxValueTokenIndex": values.index(max(values)),
        "minValue": min(values),
        "dataIndex": public_source(record.prompt.source),
        "binContains": contains,
    }


def _about(folder: str, model: str, family: str, source: str, dossier: Dossier) -> Files:
    """The four files of one row each that say what the batches belong to."""
    owned = {"creatorId": AUTHOR, "createdAt": dossier.made}
    name = f"{AUTHOR}-{model}"
    about: dict[str, dict[str, Any]] = {
        "release": {"name": name, "description": f"Units of {model}", "creatorName": AUTHOR, "urls": []},
        "model": {"id": model, "instruct": False, "displayName": model, "displayNameShort": model}
        | {"updatedAt": dossier.made},
        "sourceset": {"modelId": model, "name": family, "releaseName": name, "creatorName": AUTHOR}
        | {"description": f"{dossier.target.kind.value} of {model}", "type": dossier.target.kind.value, "urls": []},
        "source": {"id": source, "modelId": model, "setName": family, "notes": " ".join(dossier.notes)},
    }
    return {f"{folder}/{kind}.jsonl": as_rows([row | owned]) for kind, row in about.items()}


def _identity(unit: dict[str, Any], text: str, number: int) -> str:
    """25 characters, the same for the same row, as their ids are."""
    parts: Sequence[str] = (*unit.values(), text, str(number))
    return "c" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
