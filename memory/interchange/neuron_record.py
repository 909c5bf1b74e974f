"""OpenAI's NeuronRecord JSON (neuron-explainer, of "Language models can explain neurons in language models", 2023).

Layout: `collated-activations/{layer}/{index}.json` is a NeuronRecord, `explanations/{layer}/{index}.jsonl` a
NeuronSimulationResults; every object names its dataclass. A unit read downwards lies in folders that end in
`-negative`, its values times -1. The format's own reader refuses fields it does not know, so nothing is added, and on
import an unknown field is refused by name. NaN and null moments mean unknown.

Carried: tokens and values exactly, random texts, moments, an explanation's prose and its simulation correlation.
Lost: token ids, the source of a text, authors, methods and all other figures; the sidecar keeps the target and notes.
`random_sample_by_quantile` holds the same random texts in five groups by their peaks, from ten texts up.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from memory.interchange.dossier import Claim, Dossier, Figure, InterchangeError, Moments, read_record, require_whole
from memory.interchange.fields import Fields
from memory.interchange.files import (
    NEGATIVE,
    SIDECARS,
    Allowance,
    Files,
    as_json,
    as_rows,
    below,
    parsed,
    rows,
    sidecar,
    sidecars,
    signed,
)
from memory.records import Kind, Record, Target

NAME = "dataclass_name"
RECORD, RESULTS = "NeuronRecord", "NeuronSimulationResults"
MOMENTS = ("mean", "variance", "skewness", "kurtosis")
FIGURES = {  # their name: the metrics it can hold, best first; the prose is about the compact rule
    "ev_correlation_score": ("ev_correlation_score", "simulation, compact rule", "simulation, full rule"),
    "rsquared_score": ("rsquared_score",),
    "absolute_dev_explained_score": ("absolute_dev_explained_score",),
}
GROUPS, FEWEST_GROUPED = 5, 10
MOST_RECORDS = 10_000
RECORD_FIELDS = {
    NAME,
    "neuron_id",
    "random_sample",
    "random_sample_by_quantile",
    "quantile_boundaries",
    *MOMENTS,
    "most_positive_activation_records",
}

Place = tuple[int, int, int]  # layer, index, sign


def encode(dossier: Dossier) -> Files:
    """The files of a dossier. Raises InterchangeError for a record without values."""
    target = dossier.target
    require_whole((*dossier.records, *dossier.random))
    place = f"{target.layer}/{target.index}"
    groups, boundaries = _groups(dossier.random)
    record = _named(
        RECORD,
        neuron_id=_neuron_id(target),
        random_sample=[_activations(each) for each in dossier.random],
        random_sample_by_quantile=groups,
        quantile_boundaries=boundaries,
        **{name: getattr(dossier.moments, name) for name in MOMENTS},
        most_positive_activation_records=[_activations(each) for each in dossier.records],
    )
    files = {f"{signed('collated-activations', target)}/{place}.json": as_json(record)}
    if dossier.claims:
        told = [_scored(claim) for claim in dossier.claims]
        results = _named(RESULTS, neuron_id=_neuron_id(target), scored_explanations=told)
        files[f"{signed('explanations', target)}/{place}.jsonl"] = as_rows([results])
    return files | sidecar(dossier)


def read(path: Path, *, only: Collection[int] | None = None) -> list[Dossier]:
    """The dossiers of one NeuronRecord file, or of all files below a folder, in order of layer and index.

    `only`: the units of these indices. Raises InterchangeError and OSError.
    """
    allowance = Allowance()
    known = {_place(each.target): each for each in sidecars(path, allowance)}
    found: dict[Place, Dossier] = {}
    for file, fields in _objects(path, allowance):
        place = _read_place(fields, file)
        if only is not None and place[1] not in only:
            continue
        allowance.keep(fields.room, fields.where)
        unit = found.get(place) or known.get(place) or _unknown(place)
        match fields.text(NAME):
            case "NeuronSimulationResults":
                found[place] = replace(unit, claims=(*unit.claims, *_claims(fields)))
            case "NeuronRecord" if unit.records or unit.random:
                raise fields.refuse("neuron_id", "was read from another file already")
            case "NeuronRecord":
                found[place] = _with_texts(unit, fields)
            case other:
                raise fields.refuse(NAME, f"is {other[:60]!r}, not {RECORD} or {RESULTS}")
    if not found:
        raise InterchangeError(f"{path}: holds no NeuronRecord .json and no explanations .jsonl that was asked for")
    return [found[place] for place in sorted(found)]


def _objects(path: Path, allowance: Allowance) -> Iterator[tuple[Path, Fields]]:
    files = [path] if not path.is_dir() else [*below(path, "**/*.json"), *below(path, "**/*.jsonl")]
    for file in files:
        if file.suffix == ".jsonl":
            yield from ((file, each) for each in rows(file, allowance))
        elif file.parent.name != SIDECARS:
            yield file, parsed(file, allowance)


def _unknown(place: Place) -> Dossier:
    layer, index, sign = place
    return Dossier(Target("", "", f"blocks.{layer}.mlp.out.hook_in", layer, index, Kind.NEURON, sign))


def _with_texts(unit: Dossier, fields: Fields) -> Dossier:
    fields.require_only(RECORD_FIELDS)
    records = _records(fields, "most_positive_activation_records", first=1)
    random = _records(fields, "random_sample", first=len(records) + 1)
    if not random and fields.has("random_sample_by_quantile"):
        groups = fields.many("random_sample_by_quantile")
        merged = Fields({"random": [each for group in groups for each in _listed(fields, group)]}, fields.where)
        random = _records(merged, "random", first=len(records) + 1)
    moments = Moments(**{name: fields.number(name) for name in MOMENTS})
    return replace(unit, records=tuple(records), random=tuple(random), moments=moments)


def _listed(fields: Fields, group: Any) -> list[Any]:
    if not isinstance(group, list):
        raise fields.refuse("random_sample_by_quantile", "holds something that is no list")
    return group


def _records(fields: Fields, name: str, *, first: int) -> list[Record]:
    found = []
    for number, value in enumerate(fields.many(name, most=MOST_RECORDS)):
        each = Fields(value, f"{fields.where}: {name}[{number}]")
        each.require_only({NAME, "tokens", "activations"})
        found.append(read_record(first + number, *each.tokens_and_values("tokens", "activations")))
    return found


def _claims(fields: Fields) -> Iterator[Claim]:
    for number, value in enumerate(fields.many("scored_explanations", most=MOST_RECORDS)):
        each = Fields(value, f"{fields.where}: scored_explanations[{number}]")
        simulation = each.below("scored_simulation")
        values = {name: simulation.number(name) for name in FIGURES}
        figures = tuple(Figure(name, value=value) for name, value in values.items() if value is not None)
        yield Claim(each.text("explanation"), figures=figures)


def _read_place(fields: Fields, file: Path) -> Place:
    unit = fields.below("neuron_id")
    sign = -1 if file.parent.parent.name.endswith(NEGATIVE) else 1
    return unit.integer("layer_index"), unit.integer("neuron_index"), sign


def _place(target: Target) -> Place:
    return target.layer, target.index, target.sign


def _named(name: str, **values: Any) -> dict[str, Any]:
    return {NAME: name, **values}


def _neuron_id(target: Target) -> dict[str, Any]:
    return _named("NeuronId", layer_index=target.layer, neuron_index=target.index)


def _activations(record: Record) -> dict[str, Any]:
    return _named("ActivationRecord", tokens=list(record.tokens), activations=list(record.values))


def _scored(claim: Claim) -> dict[str, Any]:
    known = {each.metric: each.value for each in claim.figures if each.value is not None}
    values = {name: next((known[each] for each in names if each in known), None) for name, names in FIGURES.items()}
    simulation = _named("ScoredSimulation", scored_sequence_simulations=[], **values)
    return _named("ScoredExplanation", explanation=claim.text, scored_simulation=simulation)


def _groups(random: Sequence[Record]) -> tuple[list[list[dict[str, Any]]] | None, list[float | None] | None]:
    """Random texts in groups of equal size by their peaks, and the bounds between; both ends are open (null)."""
    if len(random) < FEWEST_GROUPED:
        return None, None
    ranked = sorted(random, key=lambda record: max(record.values))
    starts = [len(ranked) * n // GROUPS for n in range(GROUPS + 1)]
    groups = [ranked[low:high] for low, high in pairwise(starts)]
    inner = [max(group[0].values) for group in groups[1:]]
    return [[_activations(each) for each in group] for group in groups], [None, *inner, None]
