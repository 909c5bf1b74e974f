"""The command: snippets in, triggers and lists out; bad input is one line and exit status 2."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory.records import Origin, Prompt, Record, Run, Step, Target
from memory.store import Store
from tests.tiny_models import PAIR, WORDS, write_gpt2
from tools.augment import Effect
from tools.prune import run_iterative_multi_token_on_snippets
from tools.prune.__main__ import main
from tools.prune.snippets import STORE, split
from tools.subject import Subject

ROOT = Path(__file__).parents[2]
FIRES, SILENT = " the red apple on the mat, far from the blue river", " the cat sat on the mat"
UNIT = ["--layer", "0", "--neuron", str(PAIR)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_gpt2(tmp_path_factory.mktemp("model")))


@pytest.fixture
def snippets(tmp_path: Path) -> str:
    path = tmp_path / "snippets.txt"
    path.write_text(f"{FIRES}\n\n{SILENT}\n", encoding="utf-8")
    return str(path)


def told(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The one line that a failing command says."""
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_a_dictionary_that_cannot_be_had_and_a_side_that_is_not_there_are_one_line(
    folder: str, snippets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    feature = ["--model", folder, "--file", snippets, "--sae", "nobody", "--feature", "1"]
    assert "nobody" in told(capsys, feature)
    assert "--negative needs --layer" in told(capsys, [*feature, "--negative"])
    assert "--negative needs --layer" in told(capsys, ["--model", folder, "--run", "r", "--negative"])


def test_snippets_are_pruned_and_walked_from(tiny: Subject, pair: Target) -> None:
    fires, silent = run_iterative_multi_token_on_snippets(tiny, pair, [FIRES, SILENT], steps=2)
    assert fires.pruned.text == " apple river"
    assert fires.walk is not None
    assert fires.walk.text == " apple river"
    assert fires.negative
    assert {edit.effect for edit in fires.negative} == {Effect.DECREASED}
    assert silent.pruned.status.value == "below-floor"
    assert (silent.walk, silent.positive, silent.negative) == (None, [], [])
    records = fires.records(5, step=1)
    assert len(records) == len(fires.walk.edits) + 2
    assert [record.id for record in records] == list(range(5, 5 + len(records)))
    assert [record.prompt.parent for record in records[:2]] == [None, 5]
    assert [record.prompt.origin for record in records[:3]] == [Origin.USER, Origin.PRUNE, Origin.SWAP]


def test_the_command_prints_trigger_importance_and_both_lists(
    folder: str, snippets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*UNIT, "--model", folder, "--file", snippets]) == 0
    out = capsys.readouterr().out
    assert "pruned      ' apple river'" in out
    assert "importance  ' apple': deleted +" in out
    assert "    positive    " in out
    assert "    negative    " in out
    assert "%" in out
    assert "below-floor: the text does not fire" in out


def test_json_is_the_only_output(folder: str, snippets: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        *UNIT,
        "--model",
        folder,
        "--file",
        snippets,
        "--json",
        "--contiguous",
        "--window",
        "0",
        "--threshold",
        ".4",
    ]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["target"]["layer"], found["target"]["index"]) == (0, PAIR)
    fires, silent = found["snippets"]
    assert fires["pruned"] == FIRES[len(" the red") :]
    assert len(fires["importance"]) == len(fires["substitution"]) == len(fires["tokens"])
    assert fires["kept"] >= 0.4
    assert all(edit["change"] <= -0.8 for edit in fires["negative"])
    assert all(edit["change"] >= -0.5 for edit in fires["positive"])
    assert silent["status"] == "below-floor"
    assert silent["positive"] == silent["negative"] == []


def test_blocks_hold_several_lines() -> None:
    assert split(" one\ntwo \n\n") == [" one", "two "]
    assert split("one\r\ntwo\n---\n\n---  \nthree") == ["one\ntwo", "three"]
    assert split("a --- b\n----") == ["a --- b", "----"]


def test_standard_input_is_read(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FIRES.encode())))
    assert main([*UNIT, "--model", folder, "--file", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["snippets"][0]["pruned"] == " apple river"


def test_the_strongest_records_of_a_run_are_taken_and_everything_is_kept(
    tiny: Subject, pair: Target, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [SILENT, FIRES, " apple river"]
    origins = [Origin.SEED, Origin.CORPUS, Origin.PRUNE]
    records = [
        Record(i, 1, Prompt(text, origin), r.tokens, r.token_ids, r.values, r.peak, r.position)
        for i, (text, origin, r) in enumerate(zip(texts, origins, tiny.measure(texts, pair), strict=True), 1)
    ]
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("earlier", pair, 0, {}))
        store.commit(Step("earlier", 1, "survey", {}, records=tuple(records)))
    home = ["--home", str(tmp_path), "--model", folder]
    assert main(["--run", "earlier", "--top", "1", "--keep", "--json", *home]) == 0
    [found] = json.loads(capsys.readouterr().out)["snippets"]
    assert (found["snippet"], found["source"], found["pruned"]) == (FIRES, "earlier#2", " apple river")
    with Store.open(tmp_path / STORE) as store:
        [kept] = [run for run in store.runs() if run.id != "earlier"]
        assert len(store.records(kept.id)) == found["measured"] + 2
        assert [trigger.text for trigger in store.triggers(kept.id)] == [" apple river"]
        assert (kept.target.index, kept.state) == (PAIR, "finished")
    assert "no run 'other'" in told(capsys, ["--run", "other", *home])


@pytest.mark.parametrize("unit", [UNIT, ["--hook", "blocks.1.hook_out", "--index", "3"]])
def test_the_strongest_rows_of_a_corpus_are_taken(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: list[str]
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(24):
        words = WORDS[number:] + WORDS[:number]
        (texts / f"{number}.txt").write_text(" ".join(words * 2))
    words = [*unit, "--model", folder, "--corpus", str(texts), "--home", str(tmp_path), "--top", "2", "--json"]
    assert main([*words, "--survey-tokens", "2000", "--steps", "1", "--n", "1"]) == 0
    found = json.loads(capsys.readouterr().out)["snippets"]
    assert len(found) == 2
    assert all(".txt:1" in each["source"] and each["status"] == "pruned" for each in found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--file", "FILE"], "say which unit"),
        (["--layer", "0", "--file", "FILE"], "say which unit"),
        ([*UNIT], "say where the snippets are"),
        ([*UNIT, "--file", "FILE", "--run", "x"], "say where the snippets are"),
        ([*UNIT, "--file", "none.txt"], "cannot read none.txt"),
        ([*UNIT, "--file", "EMPTY"], "holds no snippet"),
        ([*UNIT, "--file", "BINARY"], "not UTF-8"),
        ([*UNIT, "--file", "FILE", "--threshold", "1.5"], "--threshold: must be above 0"),
        ([*UNIT, "--file", "FILE", "--window", "-1"], "--window must not be negative"),
        ([*UNIT, "--file", "FILE", "--steps", "0"], "--steps: must be"),
        ([*UNIT, "--run", "x"], "there is no store"),
        (["--layer", "9", "--neuron", "0", "--file", "FILE"], "layers run from 0 to 1"),
        (["--layer", "0", "--neuron", "64", "--file", "FILE"], "neurons run from 0 to 63"),
        (["--hook", "blocks.0.hook_nope", "--index", "0", "--file", "FILE"], "blocks.0.hook_"),
        (["--hook", "blocks.0.hook_out", "--file", "FILE"], "--hook NAME --index N"),
        ([*UNIT, "--file", "FILE", "--masked-lm", "FOLDER"], "cannot load masked language model"),
        ([*UNIT, "--corpus", "nowhere"], "corpus 'nowhere' does not exist"),
        ([*UNIT, "--file", "FILE", "--model", "no/such-model"], "cannot load model"),
    ],
)
def test_bad_input_is_one_line(
    folder: str, snippets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "empty").write_text("\n \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    names = {"FILE": snippets, "FOLDER": str(tmp_path), "EMPTY": str(tmp_path / "empty")}
    names["BINARY"] = str(tmp_path / "binary")
    asked = [names.get(word, word) for word in words]
    model = [] if "--model" in asked else ["--model", folder]
    assert said in told(capsys, [*model, "--home", str(tmp_path / "home"), *asked])


def test_help_needs_nothing_heavy(pace: float) -> None:
    code = (
        "import sys; from tools.prune.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules, 'duckdb' in sys.modules)"
    )
    began = time.monotonic()
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False False"
    assert "--masked-lm" in found.stdout
    assert time.monotonic() - began < 5 * pace


@pytest.mark.parametrize(
    ("model", "masked", "offline"),
    [("pocket", None, True), ("FOLDER", "FOLDER", True), ("no/such-model", None, False), ("pocket", "no/such", False)],
)
def test_a_local_model_needs_no_hub(
    folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    masked: str | None,
    offline: bool,
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    asked = ["--model", model] + (["--masked-lm", masked] if masked else [])
    told(capsys, [*UNIT, *(folder if word == "FOLDER" else word for word in asked), "--file", "none.txt"])
    assert ("HF_HUB_OFFLINE" in os.environ) is offline
