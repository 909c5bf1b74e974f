"""Puzzles are read, explained with one sentence left out, and scored beside floors."""

import json
from pathlib import Path

import numpy as np
import pytest

from evals import puzzles
from evals.puzzles import FILE, PuzzleError, attempt, examined, figures, main, read_puzzles, table, unseen
from tools.pages import Page

OWN = read_puzzles(FILE)


def test_the_files_format_is_read_with_and_without_activations(tmp_path: Path):
    sentences = [["a", [" b", 7], [" c"]], [["d", 0], " e"]]
    (tmp_path / "p.json").write_text(json.dumps({"x": {"name": "x", "explanation": "", "sentences": sentences}}))
    first, second = read_puzzles(tmp_path / "p.json")["x"]
    assert first.tokens == ("a", " b", " c")
    assert first.values.tolist() == [0, 7, 0]
    assert second.values.tolist() == [0, 0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"x": {}}', '{"x": {"sentences": [["a"]]}}', '{"x": 3}'])
def test_what_is_no_file_of_puzzles_is_refused_in_one_line(tmp_path: Path, text: str):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(PuzzleError) as refused:
        read_puzzles(tmp_path / "p.json")
    assert "\n" not in str(refused.value)


def test_our_own_puzzles_fire_in_several_sentences_and_name_false_explanations():
    assert len(OWN) >= 12
    for puzzle in json.loads(FILE.read_text(encoding="utf-8")).values():
        assert puzzle["explanation"] not in puzzle["false_explanations"]
        assert len(puzzle["false_explanations"]) >= 2
    for pages in OWN.values():
        assert sum(bool(page.values.any()) for page in pages) >= 3
    assert len(examined()) >= 12
    assert not OWN.keys() & examined().keys()


def test_the_left_out_sentence_is_never_learned_from(monkeypatch: pytest.MonkeyPatch):
    pages, seen = OWN["years"], []

    def learner(given: list[Page]):
        seen.append(list(given))
        return puzzles.Rule(0.0)

    monkeypatch.setattr(puzzles, "few_rule", learner)
    unseen(pages)
    assert [[each for each in pages if all(each is not other for other in given)] for given in seen] == [
        [page] for page in pages
    ]


def test_explanations_beat_both_floors_and_a_shuffled_truth_does_not():
    row = attempt("years", OWN["years"])
    assert row["correlation"] > 0.8 > max(row[puzzles.TOKEN], row[puzzles.PREVIOUS])
    assert row["low"] < row["correlation"] <= row["high"]
    draw = np.random.default_rng(3)
    dealt = [Page(page.tokens, draw.permutation(page.values), "dealt") for page in OWN["years"]]
    assert (attempt("dealt", dealt)["correlation"] or 0.0) < 0.4


def test_the_name_of_a_puzzle_changes_nothing():
    pages = OWN["brackets"]
    renamed = [Page(page.tokens, page.values, "elsewhere") for page in pages]
    assert all((a == b).all() for a, b in zip(unseen(pages), unseen(renamed), strict=True))


def test_a_silent_unit_counts_as_zero_and_is_said_to_be_unscored():
    silent = [Page(("a", " b"), np.zeros(2, np.float32), "s"), Page(("c", " d"), np.zeros(2, np.float32), "s")]
    found = figures({"silent": silent}, "test")
    assert found["unscored"] == 1
    assert found["mean_correlation"] == 0.0
    assert found["puzzles"] == {"silent": None}
    assert any("1 constant predictions" in line for line in table(found))


def test_the_command_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = {name: json.loads(FILE.read_text(encoding="utf-8"))[name] for name in ("years", "brackets")}
    (tmp_path / "two.json").write_text(json.dumps(kept))
    main(["--file", str(tmp_path / "two.json"), "--json", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["puzzles"].keys() == {"years", "brackets"}
    assert found["floors"].keys() == {"token_lookup", "previous_token"}
    assert found["mean_correlation"] > max(found["floors"].values())
    assert "mean correlation" in capsys.readouterr().out


def test_a_file_that_is_not_there_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--file", str(tmp_path / "none.json")])
    assert ended.value.code == 2
    assert "none.json" in capsys.readouterr().err
