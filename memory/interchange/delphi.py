"""EleutherAI's delphi folders: sparse activations of latents, and one text file each for explanation and scores.

Layout: `latents/<hook>/{start}_{end}.safetensors` with `locations` [n, 3] (row, position, latent less `start`),
`activations` float16 [n] and `tokens` int64 [rows, context]; `latents/<hook>/config.json`;
`explanations/<hook>_latent<i>.txt`, a JSON string; `scores/<name>/<hook>_latent<i>.txt`, a JSON list. Its readers ask
for tensors by name, so three things more lie there for ours: the tensors `lengths` [rows] (rows are padded with id 0)
and `sampled` [rows] (1 for a random text), and `vocabulary.json`, the text of every token id.

Carried: token ids exactly, values as float16, 0 where the size is at most 1e-5, every figure. Lost: where a text is
from, authors and methods; more than one claim is refused. Without a vocabulary or `decode` tokens read as `<464>`. Of a
foreign file the STRONGEST rows of each latent are read, and its scores are summed up: balanced accuracy over the
answers there are. Needs numpy and no torch.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from memory.interchange.dossier import Claim, Dossier, Figure, InterchangeError, public_name, read_record, require_whole
from memory.interchange.fields import Fields, parse
from memory.interchange.files import (
    Allowance,
    Files,
    as_json,
    below,
    content,
    parsed,
    read_figure,
    sidecar,
    sidecars,
    signed,
    slug,
    unsigned,
)
from memory.interchange.tensors import Split, read_split
from memory.records import Kind, Record, Target, plain

SILENT = 1e-5  # what delphi does not store
STRONGEST = 40  # rows of a latent that are read from a foreign file
ROOM_OF_TOKEN = 100  # bytes in memory
LARGEST_HALF = 65504.0
SPLIT_NAME = re.compile(r"(\d{1,12})_(\d{1,12})")
LATENT_NAME = re.compile(r"(.+)_latent(\d{1,12})")
NUMBER = re.compile(r"(?:^|\.)(\d{1,5})(?=\.|$)")

Decode = Callable[[int], str]
Place = tuple[str, int]  # folder of the hook, latent


def encode(dossier: Dossier) -> Files:
    """The files of a dossier. Raises InterchangeError for what float16 cannot hold and for a second claim."""
    require_whole((*dossier.records, *dossier.random))
    if len(dossier.claims) > 1:
        raise InterchangeError(f"{dossier.target.name} has {len(dossier.claims)} claims; delphi keeps one a latent")
    hook, index = _place(dossier.target)
    texts = [(record, False) for record in dossier.records] + [(record, True) for record in dossier.random]
    files: Files = {}
    if texts:
        files[f"latents/{hook}/{index}_{index}.safetensors"] = _tensors(texts)
        files[f"latents/{hook}/vocabulary.json"] = as_json(_vocabulary([record for record, _ in texts]))
        files[f"latents/{hook}/config.json"] = as_json(_config(dossier))
    for claim in dossier.claims:
        files[f"explanations/{hook}_latent{index}.txt"] = as_json(claim.text)
        for folder in dict.fromkeys(map(_folder, claim.figures)):
            figures = [plain(each) for each in claim.figures if _folder(each) == folder]
            files[f"scores/{folder}/{hook}_latent{index}.txt"] = as_json(figures)
    return files | sidecar(dossier)


def _vocabulary(records: Sequence[Record]) -> dict[str, str]:
    """The text of every token id. That of a first token, which may lack its space, counts for want of another."""
    named = [list(zip(map(str, record.token_ids), record.tokens, strict=True)) for record in records]
    return dict(pair for pairs in named for pair in pairs[:1]) | dict(pair for pairs in named for pair in pairs[1:])


def read(path: Path, *, only: Collection[int] | None = None, decode: Decode | None = None) -> list[Dossier]:
    """The dossiers of a folder, in order of hook and latent.

    `only`: the latents of these indices. `decode` gives the text of a token id. Raises InterchangeError and OSError.
    """
    if not path.is_dir():
        raise InterchangeError(f"{path}: is no folder; a delphi import needs the one above latents/")
    allowance = Allowance()
    known = {_place(each.target): each for each in sidecars(path, allowance)}
    found: dict[Place, Dossier] = {}
    for file in below(path, "**/*.safetensors"):
        words = _words(file.parent / "vocabulary.json", decode, allowance)
        split = _split(file, allowance)
        for latent in split.latents if only is None else split.latents & set(only):
            place = (file.parent.name, latent)
            if place in found:
                raise InterchangeError(f"{file}: latent {latent} was read from another file already")
            found[place] = _with_texts(_unit(place, known, file), split, latent, words, allowance)
    for folder, told in (("explanations", _explained), ("scores/*", _scored)):
        for place, file in _named(path, folder):
            if only is None or place[1] in only:
                unit = found.get(place) or _unit(place, known, file)
                found[place] = replace(unit, claims=(told(unit, parse(content(file, allowance), str(file)), file),))
    if not found:
        raise InterchangeError(f"{path}: holds no latent in a start_end.safetensors or text file that was asked for")
    return [found[place] for place in sorted(found)]


def _tensors(texts: Sequence[tuple[Record, bool]]) -> bytes:
    from safetensors.numpy import save

    records = [record for record, _ in texts]
    for record in records:
        if len(record.token_ids) != len(record.tokens):
            raise InterchangeError(f"record {record.id} has no token ids, which delphi needs")
        if max(map(abs, record.values)) > LARGEST_HALF:
            raise InterchangeError(f"record {record.id} has an activation beyond float16, which delphi stores")
    lengths = np.array([len(record.tokens) for record in records], np.uint32)
    tokens = np.zeros((len(records), int(lengths.max())), np.int64)
    values = np.zeros(tokens.shape)
    for row, record in enumerate(records):
        tokens[row, : lengths[row]], values[row, : lengths[row]] = record.token_ids, record.values
    rows, positions = np.nonzero(np.abs(values) > SILENT)
    small = np.uint16 if max(tokens.shape) < 2**16 else np.uint32
    return save(
        {
            "locations": np.stack([rows, positions, np.zeros_like(rows)], axis=1).astype(small),
            "activations": values[rows, positions].astype(np.float16),
            "tokens": tokens,
            "lengths": lengths,
            "sampled": np.array([sampled for _, sampled in texts], np.uint8),
        }
    )


def _config(dossier: Dossier) -> dict[str, Any]:
    """What delphi's loader asks for; the corpus is in the file itself, so no dataset is named."""
    records = (*dossier.records, *dossier.random)
    widest = max(len(record.tokens) for record in records)
    return {
        "model_name": public_name(dossier.target.model),
        "dataset_repo": "",
        "dataset_split": "",
        "dataset_name": "",
        "dataset_column": "text",
        "batch_size": 1,
        "ctx_len": widest,
        "cache_ctx_len": widest,
        "n_tokens": widest * len(records),
        "n_splits": 1,
    }


def _with_texts(unit: Dossier, split: Split, latent: int, words: Decode, allowance: Allowance) -> Dossier:
    """The texts of a latent: all rows of a file of ours, the strongest of any other."""
    grid = split.rows_of(latent, most=None if split.whole else STRONGEST)
    strongest: list[Record] = []
    random: list[Record] = []
    for row, values in grid:
        ids = split.tokens[row, : len(values)].tolist()
        allowance.keep(ROOM_OF_TOKEN * len(ids), split.path)
        into = random if split.sampled[row] else strongest
        into.append(read_record(0, [words(each) for each in ids], values, token_ids=ids))
    notes = () if split.tokens.size else ("the file holds no tokens, so there are no texts",)
    return replace(
        unit,
        records=tuple(replace(each, id=n) for n, each in enumerate(strongest, 1)),
        random=tuple(replace(each, id=n) for n, each in enumerate(random, len(strongest) + 1)),
        notes=(*unit.notes, *notes),
    )


def _words(file: Path, decode: Decode | None, allowance: Allowance) -> Decode:
    """Token ids to texts: the tokenizer's, else those of the vocabulary beside the file, else `<464>`."""
    if decode is not None:
        return decode
    if not file.is_file():
        return lambda token: f"<{token}>"
    fields = parsed(file, allowance)
    return lambda token: fields.text(str(token), f"<{token}>")


def _split(file: Path, allowance: Allowance) -> Split:
    if (bounds := SPLIT_NAME.fullmatch(file.stem)) is None:
        raise InterchangeError(f"{file}: is not named start_end.safetensors")
    return read_split(file, int(bounds[1]), int(bounds[2]), allowance)


def _named(path: Path, folder: str) -> Iterator[tuple[Place, Path]]:
    """The text files below `explanations` or `scores/*`, by latent."""
    for file in below(path, f"**/{folder}/*.txt"):
        if (name := LATENT_NAME.fullmatch(file.stem)) is None:
            raise InterchangeError(f"{file}: is not named <hook>_latent<number>.txt")
        yield (name[1], int(name[2])), file


def _explained(_unit: Dossier, value: Any, file: Path) -> Claim:
    return Claim(Fields({"explanation": value}, str(file)).text("explanation"))


def _scored(unit: Dossier, value: Any, file: Path) -> Claim:
    claim = unit.claims[0] if unit.claims else Claim("")
    return replace(claim, figures=(*claim.figures, *_figures(value, file)))


def _figures(value: Any, file: Path) -> list[Figure]:
    where = str(file)
    listed = Fields({"scores": value}, where).many("scores")
    entries = [Fields(each, f"{where}: scores[{number}]") for number, each in enumerate(listed)]
    ours = entries and entries[0].has("metric")
    return [read_figure(entry) for entry in entries] if ours else [_summed(entries, file.parent.name)]


def _summed(entries: Sequence[Fields], scorer: str) -> Figure:
    """Balanced accuracy over the answers there are; unanswered examples are counted, never scored."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    for entry in entries:
        fires, told = entry.truth("activating"), entry.truth("prediction")
        if fires is None:
            raise entry.refuse("activating", "is missing")
        if told is not None:
            right[fires].append(told == fires)
    judged = len(right[True]) + len(right[False])
    coverage = f"{judged} of {len(entries)} examples were answered"
    if not all(right.values()):
        return Figure(scorer, n=judged, reason=f"{coverage}; one of the classes has no answer")
    value = float(np.mean([np.mean(side) for side in right.values()]))
    return Figure(scorer, "as its source", round(value, 6), judged, reason=coverage)


def _unit(place: Place, known: Mapping[Place, Dossier], file: Path) -> Dossier:
    if place in known:
        return known[place]
    (hook, sign), latent = unsigned(place[0]), place[1]
    layer = NUMBER.search(hook)
    if layer is None:
        raise InterchangeError(f"{file}: the hook's name {hook[:60]!r} has no number of a layer")
    return Dossier(Target("", "", hook, int(layer[1]), latent, Kind.FEATURE, sign))


def _place(target: Target) -> Place:
    return signed(slug(target.hook), target), target.index


def _folder(figure: Figure) -> str:
    return slug(figure.metric.replace("/", "-") or "unnamed")
