"""The command that writes a run's findings for other tools, and lists what theirs hold."""

import gzip
import json
from pathlib import Path

import pytest

from graphs import exchange
from graphs.state import STORE
from memory.interchange import neuron_record, neuronpedia
from memory.records import Explanation, Origin, Prompt, Record, Rule, Run, Score, Status, Step, Target, Verdict
from memory.store import Store
from tests.graphs.small_runs import run, small_means, unprintable

TARGET = Target("tiny", "hash", "blocks.1.mlp.out.hook_in", 1, 7)
SCORES = (
    Score("simulation, compact rule", "held-out text", 0.7, 900, 0.6, 0.8, 0.3, "token table"),
    Score.unscored("fuzzing", "held-out text", "no judge"),
)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A data folder with a run of three corpus texts, one prompt of its own and a measurement that failed."""
    corpus = [
        Record(n, 1, Prompt(f"x{n}\x1b", Origin.CORPUS, source=f"f{n}.py:1"), ("x", f"{n}\x1b"), (1, n), (0.0, v), v, 1)
        for n, v in enumerate((1.0, 3.0, 2.0), 1)
    ]
    own = Record(4, 1, Prompt("mine", Origin.HYPOTHESIS), ("mine",), (9,), (8.0,), 8.0, 0)
    failed = Record(5, 1, Prompt("", Origin.CORPUS), (), (), (), None, None, Status.EMPTY)
    said = Explanation(Verdict.TOKEN_SET, "digits\x1b[31m", Rule(0.0), author="a model")
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("r1", TARGET, 0, {}))
        records = (*corpus, own, failed)
        store.commit(Step("r1", 1, "survey", {}, records=records, explanation=said, scores=SCORES))
    return tmp_path


def exported(home: Path, form: str, *more: str, run_id: str = "r1") -> Path:
    words = ["export", "--run", run_id, "--format", form, "--to", str(home / form), "--home", str(home), *more]
    assert exchange.main(words) == 0
    return home / form


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert exchange.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not unprintable(line)
    return line


@pytest.mark.parametrize("form", exchange.FORMATS)
def test_an_export_is_listed_by_an_import(kept: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = exported(kept, form)
    written = capsys.readouterr().out.splitlines()
    assert [Path(line).is_file() for line in written] == [True] * len(written)
    assert exchange.main(["import", "--format", form, "--from", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "1 neurons, 3 records, 1 explanations" in shown
    assert "L1N7" in shown
    assert "digits\\x1b[31m" in shown
    assert not unprintable(shown)


@pytest.mark.parametrize("form", exchange.FORMATS)
def test_an_import_gives_the_corpus_texts_strongest_first_as_data(
    kept: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported(kept, form, "--texts", "2")
    capsys.readouterr()
    assert exchange.main(["import", "--format", form, "--from", str(folder), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [record["values"] for record in found["records"]] == [[0.0, 3.0], [0.0, 2.0]]
    assert [record["prompt"]["origin"] for record in found["records"]] == ["corpus", "corpus"]
    assert found["claims"][0]["text"] == "digits\x1b[31m"
    assert found["target"]["index"] == 7


def test_the_notes_state_every_score_with_its_floor_and_what_is_missing(kept: Path) -> None:
    (found,) = neuron_record.read(exported(kept, "neuron-record"))
    notes = "\n".join(found.notes)
    assert "held-out text: 0.700, n 900, 95 % 0.600 to 0.800, floor 0.300 (token table)" in notes
    assert "fuzzing on held-out text: not scored (no judge)" in notes
    assert "explanation by a model, verdict token-set" in notes
    assert "no random texts and no moments" in notes


def test_a_run_nobody_knows_is_one_line_and_status_2(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--format", "delphi", "--to", str(kept / "to"), "--home", str(kept), "--run", "\x1bnobody"]
    assert "nobody" in refused(words, capsys)
    assert not (kept / "to").exists()


def test_an_export_overwrites_nothing(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = exported(kept, "neuronpedia")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    words = ["export", "--run", "r1", "--format", "neuronpedia", "--to", str(folder), "--home", str(kept)]
    capsys.readouterr()
    assert "already there" in refused(words, capsys)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("form", exchange.FORMATS)
def test_a_file_that_is_not_there_or_not_sound_is_one_line(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "batch-\x1b[31m.jsonl"
    bad.write_text("{nonsense")
    for path in (tmp_path / "nowhere", bad):
        refused(["import", "--format", form, "--from", str(path)], capsys)


def test_no_run_is_made_from_a_run_that_no_inquiry_made(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(kept / STORE) as store:
        store.begin(Run("r2", TARGET, 0, {"command": "prune"}))
    words = ["export", "--format", "neuron-record", "--to", str(kept / "to"), "--home", str(kept), "--run", "r2"]
    assert "another command" in refused([*words, "--random", "3"], capsys)


def test_a_real_run_is_exported_with_random_texts_of_the_half_agents_may_see(
    gpt2_folder: Path, corpus_folder: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with run(small_means(gpt2_folder, corpus_folder, home, max_iterations=1)) as (session, findings):
        unseen = {Path(page.source).name for page in session.bench.pages.held_out}
        expected = session.bench.pages.distribution
    words = ["export", "--run", findings.run.id, "--home", str(home), "--random", "12"]
    for form in exchange.FORMATS:
        assert exchange.main([*words, "--format", form, "--to", str(tmp_path / form)]) == 0
    (found,) = neuron_record.read(tmp_path / "neuron-record")
    assert len(found.random) == 12
    assert found.moments.mean == pytest.approx(expected.mean)
    assert found.moments.variance == pytest.approx(expected.deviation**2)
    assert max(max(record.values) for record in found.records) == pytest.approx(expected.highest, abs=1e-4)
    assert found.claims[0].text == findings.explanation.text if findings.explanation else not found.claims
    rows = neuronpedia.read(tmp_path / "neuronpedia")[0].random
    assert len(rows) == 12
    assert {type(record.prompt.source) for record in rows} == {str}
    assert not {record.prompt.source for record in rows} & unseen
    for path in tmp_path.rglob("*.json*"):
        data = path.read_bytes()
        shown = gzip.decompress(data) if path.suffix == ".gz" else data
        assert str(gpt2_folder.parent).encode() not in shown
        assert str(corpus_folder).encode() not in shown
    capsys.readouterr()
    for form in exchange.FORMATS:
        assert exchange.main(["import", "--format", form, "--from", str(tmp_path / form)]) == 0
    assert capsys.readouterr().out.count("1 neurons") == 3
    for path in tmp_path.rglob("vocabulary.json"):
        path.unlink()
    words = ["import", "--format", "delphi", "--from", str(tmp_path / "delphi"), "--json"]
    assert exchange.main([*words, "--model", str(gpt2_folder)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["records"][0]["tokens"] == list(found.records[0].tokens)
