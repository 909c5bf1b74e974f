"""What is written in the field's formats is read back, as far as each format can carry it."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save_file

from memory.interchange import Claim, Dossier, Figure, InterchangeError, Moments, delphi, neuron_record, neuronpedia
from memory.interchange.dossier import claim_of, public_source, read_record
from memory.interchange.files import write
from memory.records import Explanation, Kind, Record, Rule, Score, Target, Verdict

NEURON = Target("gpt2", "0f3a", "blocks.9.mlp.out.hook_in", 9, 652)
FORMATS = (neuron_record, neuronpedia, delphi)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["\ufffd", "\n", "\x1b[0m", '"']
)
finite = st.floats(allow_nan=False, allow_infinity=False)
half = st.floats(width=16, allow_nan=False, allow_infinity=False)
figures = st.builds(
    Figure,
    metric=st.sampled_from(["simulation, full rule", "detection (AUC)", "detection [AUC]"]),
    split=st.sampled_from(["held-out text", "seen"]),
    value=st.none() | finite,
    n=st.integers(0, 10**6),
    low=st.none() | finite,
    floor=st.none() | finite,
    floor_name=words,
    reason=words,
)
claims = st.builds(
    Claim, words, words, words, st.lists(figures, max_size=2, unique_by=lambda f: (f.metric, f.split)).map(tuple)
)
targets = st.builds(
    Target,
    model=st.sampled_from(["gpt2", "EleutherAI/pythia-70m"]),
    model_hash=words,
    hook=st.sampled_from(["blocks.9.mlp.out.hook_in", "blocks.2.hook_out", "embed.hook_out"]),
    layer=st.integers(0, 99),
    index=st.integers(0, 2**31),
    kind=st.sampled_from(Kind),
    sign=st.sampled_from([1, -1]),
    dictionary=st.just("res/jb@12") | st.none(),
)
moments = st.builds(Moments, *[st.none() | finite] * 4)
texts = st.lists(st.lists(st.tuples(words, half, st.integers(0, 2**40)), min_size=1, max_size=3), max_size=3)


def numbered(rows: Sequence[Sequence[tuple[str, float, int]]], *, first: int = 1) -> tuple[Record, ...]:
    """Records of (token, value, id) rows, the strongest first."""
    ranked = sorted(rows, key=lambda row: -max(value for _, value, _ in row))
    return tuple(
        read_record(n, [t for t, _, _ in row], [v for _, v, _ in row], token_ids=[i for _, _, i in row])
        for n, row in enumerate(ranked, first)
    )


@st.composite
def dossiers(draw: st.DrawFn) -> Dossier:
    records = numbered(draw(texts))
    random = numbered(draw(texts), first=len(records) + 1)
    notes = tuple(draw(st.lists(words, max_size=2)))
    return Dossier(draw(targets), records, random, (draw(claims),), draw(moments), notes, "2026-01-02T03:04:05+00:00")


def there_and_back(form: ModuleType, dossier: Dossier) -> Dossier:
    with TemporaryDirectory() as folder:
        write(form.encode(dossier), Path(folder))
        (found,) = form.read(Path(folder))
    return found


def without_ids(records: Sequence[Record]) -> tuple[Record, ...]:
    return tuple(replace(record, token_ids=()) for record in records)


@given(dossier=dossiers())
@settings(max_examples=40, deadline=None)
def test_a_neuron_record_carries_texts_moments_prose_and_the_target(dossier: Dossier) -> None:
    found = there_and_back(neuron_record, dossier)
    assert found.target == dossier.target
    assert (found.records, found.random) == (without_ids(dossier.records), without_ids(dossier.random))
    assert (found.moments, found.notes, found.made) == (dossier.moments, dossier.notes, dossier.made)
    assert [claim.text for claim in found.claims] == [claim.text for claim in dossier.claims]
    assert there_and_back(neuron_record, found) == found


@given(dossier=dossiers())
@settings(max_examples=40, deadline=None)
def test_neuronpedia_carries_everything_but_token_ids_and_moments(dossier: Dossier) -> None:
    found = there_and_back(neuronpedia, dossier)
    lost = replace(dossier, moments=Moments(), records=without_ids(dossier.records), random=without_ids(dossier.random))
    assert found == lost


@given(dossier=dossiers())
@settings(max_examples=40, deadline=None)
def test_delphi_carries_token_ids_and_values_above_its_silence(dossier: Dossier) -> None:
    found = there_and_back(delphi, dossier)
    for before, after in ((dossier.records, found.records), (dossier.random, found.random)):
        assert [record.token_ids for record in after] == [record.token_ids for record in before]
        heard = [tuple(v if abs(v) > delphi.SILENT else 0.0 for v in record.values) for record in before]
        assert [record.values for record in after] == heard
    assert (found.target, found.notes, found.claims[0].text) == (dossier.target, dossier.notes, dossier.claims[0].text)
    assert set(found.claims[0].figures) == set(dossier.claims[0].figures)


def example() -> Dossier:
    row = [(" a", 0.5, 1), (" cat", 2.0, 2), (".", -0.25, 3)]
    weak = [(" the", 0.1, 4), (" dog", 0.0, 5)]
    score = Score("simulation, compact rule", "held-out text", 0.7, 900, 0.6, 0.8, 0.3, "token table", 0.9)
    explanation = Explanation(Verdict.TOKEN_SET, "animals", Rule(0.0))
    return Dossier(NEURON, numbered([row]), numbered([weak], first=2), (claim_of(explanation, [score]),), made="2026")


def test_a_neuron_record_has_the_fields_and_names_that_its_own_reader_expects() -> None:
    files = neuron_record.encode(example())
    record = json.loads(files["collated-activations/9/652.json"])
    assert set(record) == {
        "dataclass_name", "neuron_id", "random_sample", "random_sample_by_quantile", "quantile_boundaries",
        "mean", "variance", "skewness", "kurtosis", "most_positive_activation_records",
    }  # fmt: skip
    assert record["neuron_id"] == {"dataclass_name": "NeuronId", "layer_index": 9, "neuron_index": 652}
    assert record["most_positive_activation_records"] == [
        {"dataclass_name": "ActivationRecord", "tokens": [" a", " cat", "."], "activations": [0.5, 2.0, -0.25]}
    ]
    results = json.loads(files["explanations/9/652.jsonl"])
    assert results["dataclass_name"] == "NeuronSimulationResults"
    assert results["scored_explanations"][0]["scored_simulation"]["ev_correlation_score"] == 0.7


def test_random_texts_are_grouped_by_their_peaks_between_open_ends() -> None:
    random = numbered([[(" x", float(n), n)] for n in range(20)])
    record = json.loads(neuron_record.encode(Dossier(NEURON, random=random))["collated-activations/9/652.json"])
    assert record["quantile_boundaries"] == [None, 4.0, 8.0, 12.0, 16.0, None]
    peaks = [[max(each["activations"]) for each in group] for group in record["random_sample_by_quantile"]]
    assert peaks == [[4.0 * n + m for m in range(4)] for n in range(5)]


def test_neuronpedia_rows_have_the_columns_of_its_bulk_exports() -> None:
    files = neuronpedia.encode(example())
    assert {name.rsplit("/", 1)[-1] for name in files if name.endswith("l") and name.startswith("gpt2/9-neurons/")} == {
        "release.jsonl", "model.jsonl", "sourceset.jsonl", "source.jsonl",
    }  # fmt: skip
    row = json.loads(gzip.decompress(files["gpt2/9-neurons/explanations/batch-652.jsonl.gz"]))
    assert set(row) == {
        "id", "modelId", "layer", "index", "description", "authorId", "typeName", "explanationModelName", "notes",
        "createdAt",
    }  # fmt: skip
    assert (row["modelId"], row["layer"], row["index"], row["description"]) == ("gpt2", "9-neurons", "652", "animals")
    first = json.loads(gzip.decompress(files["gpt2/9-neurons/activations/batch-652.jsonl.gz"]).splitlines()[0])
    assert (first["maxValue"], first["maxValueTokenIndex"], first["minValue"]) == (2.0, 1, -0.25)


def test_delphi_tensors_are_those_its_loader_reads() -> None:
    files = delphi.encode(example())
    tensors = load(files["latents/blocks.9.mlp.out.hook_in/652_652.safetensors"])
    assert tensors["locations"].tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert tensors["activations"].dtype == np.float16
    assert tensors["tokens"].tolist() == [[1, 2, 3], [4, 5, 0]]
    assert json.loads(files["latents/blocks.9.mlp.out.hook_in/config.json"])["model_name"] == "gpt2"
    assert json.loads(files["explanations/blocks.9.mlp.out.hook_in_latent652.txt"]) == "animals"


@pytest.mark.parametrize("form", FORMATS)
def test_both_sides_of_a_unit_fit_in_one_folder(form: ModuleType, tmp_path: Path) -> None:
    up = replace(example(), claims=())
    down = replace(up, target=replace(NEURON, sign=-1), records=numbered([[(" no", 1.0, 9)]]), random=())
    for dossier in (up, down):
        files = form.encode(dossier)
        write({name: data for name, data in files.items() if not (tmp_path / name).exists()}, tmp_path)
    assert sorted(each.target.sign for each in form.read(tmp_path)) == [-1, 1]
    assert {len(each.records[0].tokens) for each in form.read(tmp_path)} == {3, 1}


@pytest.mark.parametrize("form", FORMATS)
def test_without_the_sidecar_a_unit_still_has_its_place(form: ModuleType, tmp_path: Path) -> None:
    write({n: d for n, d in form.encode(example()).items() if not n.startswith("neuronaut/")}, tmp_path)
    (found,) = form.read(tmp_path, only=[652])
    assert (found.target.layer, found.target.index, found.target.hook) == (9, 652, NEURON.hook)
    assert found.records[0].values == example().records[0].values
    with pytest.raises(InterchangeError, match="asked for"):
        form.read(tmp_path, only=[651])


@pytest.mark.parametrize("form", FORMATS)
def test_a_model_in_a_folder_leaves_no_path_of_the_machine(form: ModuleType) -> None:
    target = replace(NEURON, model="/home/someone/models/tiny")
    for name, data in form.encode(replace(example(), target=target)).items():
        shown = gzip.decompress(data) if name.endswith(".gz") else data
        assert b"someone" not in shown
        assert "someone" not in name


def test_no_format_says_in_which_folder_of_the_machine_a_text_lay() -> None:
    assert public_source("/home/someone/texts/04.txt:1") == "04.txt:1"
    assert public_source("C:\\Users\\someone\\04.txt:1") == "04.txt:1"
    for kept in (None, "", "json/decoder.py:3", "hf:NeelNanda/pile-10k:7"):
        assert public_source(kept) == kept


def test_a_foreign_delphi_file_gives_the_strongest_texts_of_each_latent(tmp_path: Path) -> None:
    folder = tmp_path / "latents" / "layers.5.mlp"
    folder.mkdir(parents=True)
    locations = np.array([[0, 1, 3], [1, 0, 3], [1, 2, 3], [2, 2, 0]], np.uint16)
    tensors = {"locations": locations, "activations": np.array([1, 2, 0.5, 4], np.float16)}
    save_file(tensors | {"tokens": np.arange(9).reshape(3, 3)}, folder / "100_199.safetensors")
    first, second = delphi.read(tmp_path, decode=lambda token: f"t{token} ")
    assert (first.target.name, second.target.name, first.target.kind) == ("L5F100", "L5F103", Kind.FEATURE)
    assert [record.values for record in second.records] == [(2.0, 0.0, 0.5), (0.0, 1.0, 0.0)]
    assert second.records[0].tokens == ("t3 ", "t4 ", "t5 ")
    assert delphi.read(tmp_path)[1].records[0].tokens == ("<3>", "<4>", "<5>")


def test_scores_of_delphi_are_balanced_over_the_answers_there_are(tmp_path: Path) -> None:
    path = tmp_path / "scores" / "detection" / "layers.5_latent7.txt"
    path.parent.mkdir(parents=True)
    answers = [(True, True), (True, False), (False, False), (False, False), (True, None)]
    path.write_text(json.dumps([{"activating": a, "prediction": p, "str_tokens": ["x"]} for a, p in answers]))
    (found,) = delphi.read(tmp_path)
    (figure,) = found.claims[0].figures
    assert (figure.metric, figure.value, figure.n) == ("detection", 0.75, 4)
    assert figure.reason == "4 of 5 examples were answered"
    assert figure.floor is None


def test_a_neuronpedia_row_of_others_keeps_its_author_and_names_what_is_not_read(tmp_path: Path) -> None:
    row = {"id": "c1", "modelId": "gpt2-small", "layer": "8-res-jb", "index": "14", "description": "a song"}
    more = {"authorId": "x", "typeName": "np_max-act", "explanationModelName": "gpt-4o-mini", "embedding": [1]}
    path = tmp_path / "batch-0.jsonl"
    path.write_text(json.dumps(row | more | {"notes": "written by hand"}) + "\n")
    (found,) = neuronpedia.read(path)
    assert found.claims == (Claim("a song", "gpt-4o-mini", "np_max-act"),)
    assert (found.target.layer, found.target.index, found.target.dictionary) == (8, 14, "res-jb")
    assert found.notes == ("columns not read: embedding",)
