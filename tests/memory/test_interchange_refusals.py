"""Files of strangers that are wrong, too large or up to something: one line that names the file and the field."""

import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from memory.interchange import Claim, Dossier, InterchangeError, delphi, files, neuron_record, neuronpedia
from memory.interchange.dossier import read_record
from memory.interchange.files import Allowance, slug, write
from memory.records import Target

NEURON = Target("gpt2", "", "blocks.9.mlp.out.hook_in", 9, 652)
SOUND = {
    "dataclass_name": "NeuronRecord",
    "neuron_id": {"dataclass_name": "NeuronId", "layer_index": 9, "neuron_index": 652},
    "most_positive_activation_records": [{"tokens": ["a", "b"], "activations": [0.0, 1.5]}],
    "random_sample": [],
}
ROW = {"id": "a", "modelId": "gpt2", "layer": "9-res", "index": "1"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def record_file(folder: Path, **changed: Any) -> Path:
    path = folder / "652.json"
    path.write_text(json.dumps(SOUND | changed))
    return path


def one_line(error: pytest.ExceptionInfo[InterchangeError], *parts: str) -> None:
    message = str(error.value)
    assert all(part in message for part in parts), message
    assert len(message.splitlines()) == 1
    assert len(message) < 500


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"neuron_id": None}, "neuron_id"),
        ({"neuron_id": {"layer_index": -1, "neuron_index": 0}}, "layer_index is outside"),
        ({"neuron_id": {"layer_index": True, "neuron_index": 0}}, "layer_index is no integer"),
        ({"neuron_id": {"layer_index": 1, "neuron_index": 10**400}}, "neuron_index is outside"),
        ({"surprise": 1}, "unknown field surprise"),
        ({"mean": "high"}, "mean is no number"),
        ({"dataclass_name": "Cat"}, "'Cat'"),
        ({"random_sample": {}}, "random_sample is no list"),
        ({"random_sample": [3]}, "random_sample[0]: expected an object"),
        ({"random_sample": [{"tokens": ["a"], "activations": [1.0, 2.0]}]}, "activations has 2 entries for 1 tokens"),
        ({"random_sample": [{"tokens": [], "activations": []}]}, "activations has 0 entries"),
        ({"random_sample": [{"tokens": ["a"], "activations": [float("nan")]}]}, "no finite number"),
        ({"random_sample": [{"tokens": ["a"], "activations": [10**400]}]}, "no finite number"),
        ({"random_sample": [{"tokens": [1], "activations": [1.0]}]}, "tokens holds something that is no string"),
        ({"random_sample": [{"tokens": ["\ud800"], "activations": [1.0]}]}, "half a surrogate"),
        ({"random_sample_by_quantile": [1]}, "random_sample_by_quantile"),
    ],
)
def test_a_wrong_neuron_record_is_refused_by_file_and_field(
    tmp_path: Path, changed: dict[str, Any], field: str
) -> None:
    path = record_file(tmp_path, **changed)
    with pytest.raises(InterchangeError) as error:
        neuron_record.read(path)
    one_line(error, str(path), field)


def test_moments_that_are_no_number_are_unknown(tmp_path: Path) -> None:
    (found,) = neuron_record.read(record_file(tmp_path, mean=float("nan"), variance=None, skewness=float("inf")))
    assert (found.moments.mean, found.moments.variance, found.moments.skewness) == (None, None, None)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe\x00", b"1" * 5000, b'"text"'])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InterchangeError) as error:
        neuron_record.read(path)
    one_line(error, str(path))


@given(value=json_values, name=st.sampled_from(sorted(neuron_record.RECORD_FIELDS)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_in_a_field_ends_in_any_other_error(tmp_path: Path, value: Any, name: str) -> None:
    try:
        neuron_record.read(record_file(tmp_path, **{name: value}))
    except InterchangeError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


@given(changed=st.dictionaries(st.sampled_from(sorted(neuronpedia.ACTIVATION | {"description"})), json_values))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_in_a_row_ends_in_any_other_error(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = tmp_path / "batch-0.jsonl"
    path.write_text(json.dumps(ROW | changed))
    try:
        neuronpedia.read(path)
    except InterchangeError as error:
        assert "line 1" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"index": "../etc"}, "index is no integer"),
        ({"index": "9" * 30}, "index is no integer"),
        ({"layer": "res"}, "layer does not begin with the number"),
        ({"description": 7}, "description is no string"),
        ({"description": "x", "notes": '{"figures": [{"metric": "m", "n": 1, "code": "import os"}]}'}, "unknown field"),
        ({"tokens": ["a"], "values": None}, "values is missing"),
    ],
)
def test_a_wrong_row_is_refused_by_its_line(tmp_path: Path, changed: dict[str, Any], field: str) -> None:
    path = tmp_path / "batch-0.jsonl.gz"
    path.write_bytes(gzip.compress(f"\n{json.dumps(ROW | changed)}".encode()))
    with pytest.raises(InterchangeError) as error:
        neuronpedia.read(path)
    one_line(error, f"{path}, line 2", field)


@pytest.mark.parametrize(
    ("bomb", "problem"),
    [
        (b" " * 2**24, "longer than 1,048,576 bytes"),
        (json.dumps(ROW).encode() + b"\n" + b'"' * 2**24, "line 2: longer than"),
        (b"\n" * 2**22, "unpacked in one import"),
        (json.dumps(ROW).encode().ljust(1000) * 100 + b"\n", "not JSON"),
        ((json.dumps(ROW).encode().ljust(1000) + b"\n") * 1000, "kept in one import"),
    ],
)
def test_a_gzip_bomb_ends_at_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: bytes, problem: str
) -> None:
    monkeypatch.setattr(files, "LONGEST", 2**20)
    monkeypatch.setattr(Allowance.__init__, "__defaults__", (2**23, 2**21))
    path = tmp_path / "batch-0.jsonl.gz"
    path.write_bytes(gzip.compress(bomb))
    with pytest.raises(InterchangeError) as error:
        neuronpedia.read(path)
    one_line(error, str(path), problem)


def test_rows_that_are_not_asked_for_take_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Allowance.__init__, "__defaults__", (20_000, 2**21))
    path = tmp_path / "batch-0.jsonl.gz"
    lines = [json.dumps(ROW | {"index": str(n), "description": "x"}).ljust(1000) for n in range(1000)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    (found,) = neuronpedia.read(path, only=[700])
    assert found.target.index == 700


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"{}" * 900, mtime=0)[:-9]])
def test_half_a_gzip_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "batch-0.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(InterchangeError) as error:
        neuronpedia.read(path)
    one_line(error, str(path))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"locations": np.array([[9, 0, 0]], np.uint16)}, "locations points outside"),
        ({"locations": np.array([[0, 9, 0]], np.uint16)}, "locations points outside"),
        ({"locations": np.array([[0, 0, 9]], np.uint16)}, "locations points outside"),
        ({"locations": np.array([[0, 0, -1]], np.int64)}, "locations points outside"),
        ({"locations": np.array([[0.0, 0, 0]])}, "locations is of type F64"),
        ({"locations": np.zeros((2, 3), np.uint16)}, "locations is [2, 3] for 1 activations"),
        ({"locations": None}, "locations is missing"),
        ({"activations": np.array([np.inf], np.float16)}, "activations holds"),
        ({"activations": np.zeros((1, 1), np.float16)}, "activations has 2 dimensions"),
        ({"tokens": np.zeros(4, np.int64)}, "tokens has 1 dimensions"),
        ({"tokens": np.full((2, 2), -1)}, "tokens holds a negative id"),
        ({"lengths": np.array([1], np.uint32), "sampled": np.zeros(2, np.uint8)}, "lengths has 1 entries for 2 rows"),
    ],
)
def test_a_wrong_tensor_is_refused_by_name(tmp_path: Path, changed: dict[str, Any], field: str) -> None:
    path = tmp_path / "layers.1" / "5_5.safetensors"
    path.parent.mkdir()
    sound = {"locations": np.zeros((1, 3), np.uint16), "activations": np.ones(1, np.float16)}
    tensors = sound | {"tokens": np.ones((2, 2), np.int64)} | changed
    save_file({name: array for name, array in tensors.items() if array is not None}, path)
    with pytest.raises(InterchangeError) as error:
        delphi.read(tmp_path)
    one_line(error, str(path), field)


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("layers.1/5_5.safetensors", b"\x80\x04pickle", "no safetensors file"),
        ("layers.1/weights.safetensors", b"", "start_end"),
        ("explanations/layers.1.txt", b'"x"', "_latent"),
        ("explanations/layers.1_latent5.txt", b"[1]", "explanation is no string"),
        ("explanations/mlp_latent5.txt", b'"x"', "no number of a layer"),
        ("scores/fuzz/layers.1_latent5.txt", b'{"a": 1}', "scores is no list"),
        ("scores/fuzz/layers.1_latent5.txt", b'[{"prediction": true}]', "activating is missing"),
        ("scores/fuzz/layers.1_latent5.txt", b'[{"activating": "yes"}]', "activating is neither"),
    ],
)
def test_a_wrong_delphi_file_is_refused(tmp_path: Path, name: str, content: bytes, field: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InterchangeError) as error:
        delphi.read(tmp_path)
    one_line(error, str(path), field)


@pytest.mark.parametrize("form", [neuron_record, neuronpedia, delphi])
def test_an_empty_folder_says_what_was_looked_for(form: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InterchangeError) as error:
        form.read(tmp_path)
    one_line(error, str(tmp_path), "holds no")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    record_file(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "652.json").symlink_to(tmp_path / "652.json")
    with pytest.raises(InterchangeError, match="leads out of"):
        neuron_record.read(inner)


@pytest.mark.parametrize("name", ["../up.json", "/etc/up.json", "a/../../up.json", "a\x00b", "a\\..\\b", "", "."])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InterchangeError):
        write({name: b""}, tmp_path / "to")
    assert list(tmp_path.rglob("*.json")) == []


def test_a_link_in_the_folder_does_not_lead_a_write_out(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a").symlink_to(tmp_path)
    with pytest.raises(InterchangeError, match="leads out of"):
        write({"a/b.json": b""}, tmp_path / "to")


@given(name=st.text(max_size=20) | st.sampled_from(["..", ".", "../..", "/", "a/..", "-", "a" * 500]))
def test_a_slug_is_one_safe_part_of_a_path_or_refused(name: str) -> None:
    try:
        made = slug(name)
    except InterchangeError:
        return
    assert Path("to", made).name == made
    assert made not in (".", "..")
    assert len(made) <= files.LONGEST_NAME


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path) -> None:
    write({"b.json": b"1"}, tmp_path)
    with pytest.raises(InterchangeError, match="already there"):
        write({"a.json": b"2", "b.json": b"2"}, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b.json": b"1"}


def test_what_a_format_cannot_hold_is_refused_at_export() -> None:
    with_ids = read_record(1, ["a"], [70_000.0], token_ids=[1])
    with pytest.raises(InterchangeError, match="float16"):
        delphi.encode(Dossier(NEURON, (with_ids,)))
    with pytest.raises(InterchangeError, match="token ids"):
        delphi.encode(Dossier(NEURON, (read_record(1, ["a"], [1.0]),)))
    with pytest.raises(InterchangeError, match="2 claims"):
        delphi.encode(Dossier(NEURON, claims=(Claim("a"), Claim("b"))))
    for form in (neuron_record, neuronpedia, delphi):
        with pytest.raises(InterchangeError, match="no finite number"):
            form.encode(Dossier(NEURON, (read_record(1, ["a"], [float("inf")], token_ids=[1]),)))


def test_an_unknown_field_that_holds_nothing_is_no_reason_to_refuse(tmp_path: Path) -> None:
    records = [{"tokens": ["a"], "activations": [1.0], "dfa_values": None, "more": []}]
    (found,) = neuron_record.read(record_file(tmp_path, most_positive_activation_records=records))
    assert found.records[0].values == (1.0,)
