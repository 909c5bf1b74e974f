"""Features of a dictionary and channels of any hook point go all the way, as neurons do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphs.interpret import main
from graphs.report.findings import Findings, as_json
from graphs.session import Session, resumable
from graphs.settings import Choice, SettingError, means, parser
from memory.records import Kind, Origin
from tests.graphs.small_runs import Command, Refused, run, small_means
from tests.tiny_dictionaries import STREAM, saved, tiny_sae

BUDGET = {"max_forward_passes": 4000, "max_iterations": 4}


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random SAE over the first block's residual stream."""
    return saved(tmp_path_factory.mktemp("sae"), tiny_sae("jumprelu"))


@pytest.fixture(scope="module")
def neuron(
    gpt2_folder: Path, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory, dictionary: str
) -> Iterator[tuple[Session, Findings]]:
    """A neuron's run with that dictionary, whose data folder stays open."""
    home = tmp_path_factory.mktemp("neuron")
    with run(small_means(gpt2_folder, corpus_folder, home, sae=dictionary, **BUDGET)) as done:
        yield done


def test_a_feature_goes_from_the_question_to_the_findings(
    command: Command, dictionary: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(layer=None, neuron=None, sae=dictionary, feature=7)) == 0
    shown = capsys.readouterr().out
    assert "L0F7" in shown
    run_id = Path(shown.splitlines()[-1]).stem
    with Session(resumable(home, run_id), run_id=run_id) as session:
        findings = session.findings()
        target = findings.run.target
        assert (target.kind, target.hook, target.name) == (Kind.FEATURE, STREAM, "L0F7")
        assert target.dictionary is not None
        assert target.dictionary.startswith(f"{dictionary}@")
        assert session.bench.store.run(session.run_id).target == target
        assert findings.explanation is not None
        assert findings.best is not None
        reading = session.bench.subject.measure([findings.best.prompt.text], target)[0]
        assert findings.best.peak == pytest.approx(reading.peak, abs=1e-5)
        assert "alignment" not in findings.optimised


def test_any_channel_goes_from_the_question_to_the_findings(gpt2_folder: Path, corpus_folder: Path, home: Path) -> None:
    asked = small_means(
        gpt2_folder, corpus_folder, home, layer=-1, neuron=-1, hook="blocks.0.hook_resid_post", index=3, sign=-1
    )
    with run(asked) as (_, findings):
        assert findings.run.target.kind is Kind.COORDINATE
        assert findings.run.target.name == "L0R3-"
        assert findings.best is not None


def test_a_neuron_is_told_which_features_its_weights_point_at(neuron: tuple[Session, Findings]) -> None:
    _, findings = neuron
    data = json.loads(json.dumps(as_json(findings)))
    sides = data["optimised"]["alignment"]["sides"]
    assert all(0 < side["floor"] < 1 for side in sides)
    assert any(side["reaches"] and side["matches"] for side in sides)
    inverse = data["optimised"]["inverse"]
    assert inverse["gap"] == pytest.approx(inverse["continuous"] - inverse["discrete"], abs=1e-4)


def test_the_front_is_measured_and_no_text_of_it_beats_another_in_both(neuron: tuple[Session, Findings]) -> None:
    session, findings = neuron
    front = findings.front
    assert front
    assert all(record.prompt.origin is Origin.OPTIMISER for record in front)
    pairs = [(record.peak or 0.0, record.surprise or 0.0) for record in front]
    assert pairs == sorted(pairs, reverse=True)
    again = session.bench.subject.measure([record.prompt.text for record in front], findings.run.target)
    assert [record.peak for record in front] == pytest.approx([reading.peak for reading in again], abs=1e-5)
    assert any(len(trigger.substitution) == len(trigger.tokens) > 0 for trigger in findings.triggers)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"layer": None, "neuron": None, "sae": "nowhere", "feature": 1}, "nowhere"),
        ({"layer": None, "neuron": None, "hook": "blocks.0.nothing", "index": 1}, "hook point"),
        ({"layer": None, "neuron": None, "hook": "blocks.0.hook_out", "index": 99}, "0 to 31"),
        ({"masked_lm": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_not_there_is_one_line(
    command: Command, refused: Refused, changed: dict[str, object], said: str
) -> None:
    assert said in refused(command(**changed))


def test_a_feature_out_of_range_is_one_line(command: Command, refused: Refused, dictionary: str) -> None:
    assert "0 to 47" in refused(command(layer=None, neuron=None, sae=dictionary, feature=48))


@pytest.mark.parametrize(
    "words",
    [
        ["--feature", "3", "--layer", "1", "--neuron", "2"],
        ["--hook", "blocks.0.hook_out"],
        ["--layer", "1"],
        ["--sae", "pocket", "--feature", "3", "--negative"],
    ],
)
def test_one_unit_must_be_named_and_no_more(words: list[str]) -> None:
    with pytest.raises(SettingError):
        means(parser().parse_args(words), Choice("pocket", ""), Choice("stdlib", ""), Choice("built-in", ""))


def test_a_feature_of_an_unnamed_dictionary_is_the_bundled_one_for_pocket_only() -> None:
    asked = parser().parse_args(["--feature", "3"])
    assert means(asked, Choice("pocket", ""), Choice("stdlib", ""), Choice("built-in", "")).sae == "pocket"
    with pytest.raises(SettingError, match="--sae"):
        means(asked, Choice("gpt2", ""), Choice("stdlib", ""), Choice("built-in", ""))
