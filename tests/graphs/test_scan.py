"""The scanner's command: a table, a choice, a histogram on disk; what makes no sense is one line."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from graphs.scan import layers, main
from graphs.settings import SettingError, parser
from tests.graphs.small_runs import unprintable


@pytest.fixture
def words(gpt2_folder: Path, corpus_folder: Path, home: Path) -> Callable[..., list[str]]:
    fixed = ["--model", str(gpt2_folder), "--corpus", str(corpus_folder), "--home", str(home)]
    return lambda *more: [*fixed, "--survey-tokens", "6000", *more]


def test_the_best_are_listed_and_the_chosen_ones_histogram_is_saved(
    words: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words("--layers", "0", "--rank", "spread", "--top", "3", "--choose", "2")) == 0
    said = capsys.readouterr().out
    listed = re.findall(r"^\W+([123])\W+0\W+(\d+) ", said, re.MULTILINE)
    assert [place for place, _ in listed] == ["1", "2", "3"]
    second = listed[1][1]
    assert f"--layer 0 --neuron {second}" in " ".join(said.split())
    page = Path(said.strip().splitlines()[-1])
    assert page.name == f"L0N{second}.html"
    told = page.read_text(encoding="utf-8")
    assert "<svg" in told
    assert f"<strong>{second}</strong>" in told
    assert "script" not in told.replace("default-src", "")


def test_a_person_can_be_asked_which_one(
    words: Callable[..., list[str]], home: Path, corpus_folder: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("builtins.input", lambda _: "1")
    assert main(words("--layers", "0", "--choose", "ask", "--least-active", "0.3", "--least-silent", "0.3")) == 0
    shown = capsys.readouterr().out
    [line] = [line for line in shown.splitlines() if line.startswith("explain it: ")]
    asked = parser().parse_args(shlex.split(line)[5:])
    assert (asked.layer, Path(asked.home), Path(asked.corpus)) == (0, home, corpus_folder)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--layers", "77"), "--layers is a list"),
        (("--survey-tokens", "0"), "--survey-tokens must be above zero"),
        (("--layers", "1-0"), "--layers is a list"),
        (("--layers", "x\x1b[31m"), "--layers is a list"),
        (("--top", "0"), "--top must be above zero"),
        (("--least-active", "nan"), "shares between 0 and 1"),
        (("--choose", "9"), "--choose is a place in the list"),
        (("--choose", "-1"), "--choose is a place in the list"),
        (("--least-active", "1", "--least-silent", "1"), "no neuron is active and silent"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_status_2(
    words: Callable[..., list[str]], more: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(*more)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
    assert not unprintable(line)


def test_layers_are_named_one_by_one_or_as_ranges() -> None:
    assert layers(None, 3) == [0, 1, 2]
    assert layers("2,0", 3) == [0, 2]
    assert layers("0-1, 1-2", 3) == [0, 1, 2]
    with pytest.raises(SettingError):
        layers("0-3", 3)
