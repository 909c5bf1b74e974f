"""A planted neuron does what its spec says, and an explanation of it is scored on text that the mind has not seen."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from agents.mind import Evidence
from agents.scorer import LeakError
from agents.statistical.mind import Statistical
from evals import crew
from evals.planted.__main__ import main, table
from evals.planted.ground import Ground, Stand, ground_of, survey_ground
from evals.planted.matching import Pattern
from evals.planted.neuron import Planted, Vocabulary
from evals.planted.specs import SPECS, Part, Spec, SpecError, read_specs
from evals.planted.trial import attempt, summary
from memory.records import Clause, Explanation, Hypothesis, Rule, Verdict
from tools import pocket

REGEXES = (
    r"\bcat", r"cat\b", r"cat$", r"[a-c]+", r"(?:ab|c)+d?", r"(?s)a.*b", r"(?m)^c", r"(?i)CAT", r"a(?=b)", r"(?<!a)b",
    r"\A.{3}", r"", r"x*", r"(a|b)c\1", r"\n *a", r"(?:a|)b?", r"a(?!b)", r"(?i:k)a", r"\d{2,}", r"[^a]",
)  # fmt: skip
WORDS = ["def", "self", "return", "value", "if", "not", "None", "of", "the", "x", "=", "(", ")", ":", "#", "12", "7"]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary()


@pytest.fixture(scope="module")
def ground(vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder, draw = tmp_path_factory.mktemp("text"), np.random.default_rng(3)
    for number in range(240):
        words = draw.choice(WORDS, draw.integers(80, 160))
        rare = " quartz" if number % 24 == 0 else ""
        (folder / f"{number}.txt").write_text("\n".join(" ".join(part) for part in np.array_split(words, 8)) + rare)
    return survey_ground(vocabulary, tokens=1_000_000, spec=str(folder))


def planted(vocabulary: Vocabulary, *parts: Part, seed: int = 0, otherwise: float = 0.0, noise: float = 0.0) -> Planted:
    return Planted(Spec("n", parts, otherwise, noise), vocabulary, seed=seed)


def values(neuron: Planted, text: str) -> list[float]:
    [reading] = neuron.measure([text])
    return list(reading.values)


@given(st.text("abcdk xX1\n", max_size=24), st.sampled_from(REGEXES))
def test_the_filters_never_lose_a_match(text: str, regex: str) -> None:
    pattern, ends = Pattern(regex), range(len(text) + 1)
    assert pattern.places(text, ends) == [pattern.holds(text, end) for end in ends]


def test_a_pattern_sees_the_texts_end_where_the_token_ends() -> None:
    assert Pattern(r"cat\b").places("concatenate", [6, 7]) == [True, False]
    assert Pattern(r"\bcat$").holds("cat and dog", 3)


def test_a_neuron_fires_where_its_regex_ends_and_not_before(vocabulary: Vocabulary) -> None:
    neuron = planted(vocabulary, Part(r"\bself\b", None, 2.0), otherwise=-1.0)
    [reading] = neuron.measure(["return self.value"])
    assert [token for token, value in zip(reading.tokens, reading.values, strict=True) if value == 2.0] == [" self"]
    assert set(reading.values) == {2.0, -1.0}
    assert (reading.peak, reading.position) == (2.0, reading.tokens.index(" self"))


def test_unless_silences_what_it_matches_at_the_same_token(vocabulary: Vocabulary) -> None:
    neuron = planted(vocabulary, Part(r"\bself\b", r"\(self", 1.0))
    assert max(values(neuron, "def f(self")) == 0.0
    assert max(values(neuron, "def f(self): self")) == 1.0


def test_the_values_of_lines_that_hold_add_up(vocabulary: Vocabulary) -> None:
    neuron = planted(vocabulary, Part(r"\d", None, 1.0), Part(r"\d{2,}", None, 0.5), otherwise=-2.0)
    assert set(values(neuron, "x = 7")) == {-2.0, 1.0}
    assert values(neuron, "x = 77")[-1] == 1.5


def test_characters_in_pieces_are_read_with_the_text_so_far(vocabulary: Vocabulary) -> None:
    neuron = planted(vocabulary, Part("☃", None, 1.0))
    [reading] = neuron.measure(["a snowman ☃ stands"])
    assert "\ufffd" in reading.tokens
    assert sum(reading.values) == 1.0


@given(st.text("ab 1\n(", min_size=1, max_size=20), st.text("ab 1\n(", max_size=10))
def test_noise_hangs_on_the_seed_and_the_text_so_far_alone(text: str, later: str) -> None:
    tokenizer = Vocabulary()
    first, again, other = (planted(tokenizer, Part("a", None, 1.0), noise=0.5, seed=seed) for seed in (1, 1, 2))
    ids = tokenizer.encode(text)
    [short], [long] = first.measure_ids([ids]), again.measure_ids([ids + tokenizer.encode(later)])
    assert short.values == long.values[: len(ids)]
    assert other.measure_ids([ids])[0].values != short.values


def test_noise_has_the_deviation_it_is_said_to_have(vocabulary: Vocabulary) -> None:
    neuron = planted(vocabulary, Part("(?!)", None, 1.0), noise=0.3)
    drawn = [value for n in range(30) for value in values(neuron, f"{n} " + " and then" * 60)]
    assert np.std(drawn) == pytest.approx(0.3, rel=0.06)
    assert abs(np.mean(drawn)) < 0.03


def test_the_tokenizer_is_the_bundled_models(vocabulary: Vocabulary) -> None:
    own = AutoTokenizer.from_pretrained(pocket.FOLDER)
    for text in ("def f(self):\n    return 'naïve ☃'", "\ud800x", "<|endoftext|> 0x1F", ""):
        clean = text.encode("utf-8", "replace").decode("utf-8")
        ids = vocabulary.encode(text)
        assert ids == own.encode(clean, add_special_tokens=False)
        assert vocabulary.decode(ids) == own.decode(ids, clean_up_tokenization_spaces=False)


def test_the_shipped_specs_can_be_read_and_are_many() -> None:
    specs = read_specs()
    assert len(specs) >= 70
    assert all(spec.truth for spec in specs)
    assert {spec.verdict for spec in specs} == {None, Verdict.DEAD, Verdict.DENSE}
    assert sum(len(spec.parts) > 1 for spec in specs) >= 3


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object"),
        ('{"name": "a"}', "'when' must be a text"),
        ('{"name": "", "when": "a"}', "'name' must be a text"),
        ('{"name": "a", "when": "("}', "'when' is not a regular expression"),
        ('{"name": "a", "when": "a", "unless": "["}', "'unless' is not a regular expression"),
        ('{"name": "a", "when": "a", "value": NaN}', "'value' must be a number"),
        ('{"name": "a", "when": "a", "noise": -1}', "'noise' must be a number"),
        ('{"name": "a", "when": "a", "unles": "b"}', "is 'unless' meant?"),
        ('{"name": "a", "when": "a", "verdict": "asleep"}', "no verdict is called 'asleep'"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_the_command_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, complaint: str
) -> None:
    file = tmp_path / "specs.jsonl"
    file.write_text('{"name": "good", "when": "a"}\n\n' + line + "\n")
    with pytest.raises(SystemExit) as ended:
        main(["--spec", str(file)])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(told.splitlines()) == 1
    assert f"{file} line 3" in told
    assert complaint in told


def test_a_spec_may_carry_notes_and_leave_out_what_is_usual(tmp_path: Path) -> None:
    file = tmp_path / "specs.jsonl"
    file.write_text('{"name": "a", "when": "b", "unless": null, "group": "set"}\n')
    assert read_specs(file) == [Spec("a", (Part("b", None, 1.0),))]
    with pytest.raises(SpecError, match="cannot be read"):
        read_specs(tmp_path / "none.jsonl")


def test_what_is_scored_was_never_shown_and_a_rare_neuron_can_be_scored(ground: Ground, vocabulary: Vocabulary) -> None:
    stand = Stand(ground, planted(vocabulary, Part("quartz", None, 1.0)), tokens=800)
    shown = {page.tokens for page in stand.evidence}
    assert not shown & {page.tokens for page in stand.held_out}
    assert not {stand.source(row) for row in [*stand.top, *stand.bottom]} & {
        ground.rows.sources[row] for row in ground.held_out
    }
    assert sum(page.values.sum() for page in stand.held_out) >= 1
    assert stand.distribution.highest == 1.0
    assert max(page.values.max() for page in stand.evidence) == 1.0


def test_the_strongest_rows_are_the_highest_of_all(ground: Ground, vocabulary: Vocabulary) -> None:
    neuron = planted(vocabulary, Part("self", None, 1.0), noise=0.5)
    peaks = sorted((neuron.measure_ids([ground.rows.ids(row)])[0].peak or 0.0 for row in ground.evidence), reverse=True)
    stand = Stand(ground, neuron, tokens=800)
    assert [neuron.measure_ids([ground.rows.ids(row)])[0].peak for row in stand.top] == peaks[:20]


class Says(Statistical):
    """A mind that asks nothing and always gives the same explanation."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list:
        del evidence, wanted, seed
        return []

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        del evidence, seed
        return self.explanation


def tried(ground: Ground, vocabulary: Vocabulary, rule: Rule, verdict: Verdict, spec: Spec):
    return attempt(spec, ground, vocabulary, Says(Explanation(verdict, "It is so.", rule)))


SELF = Spec("self", (Part(r"\bself\b", None, 1.0),), noise=0.2, truth="self")
KNOWS = Rule(0.0, (Clause("token", {" self": 1.0, "self": 1.0}),))


def test_the_truth_itself_is_solved_whatever_its_scale(ground: Ground, vocabulary: Vocabulary) -> None:
    found = tried(ground, vocabulary, KNOWS, Verdict.SINGLE_TOKEN, SELF)
    assert found.solved
    assert found.correlation == pytest.approx(1.0)
    assert found.floor is not None
    assert found.ceiling == 1.0
    assert found.low == pytest.approx(1.0)
    assert found.asked > 0


def test_saying_nothing_is_unscored_and_counts_as_nothing(ground: Ground, vocabulary: Vocabulary) -> None:
    nothing = tried(ground, vocabulary, Rule(0.0), Verdict.UNEXPLAINED, SELF)
    known = tried(ground, vocabulary, KNOWS, Verdict.SINGLE_TOKEN, SELF)
    assert nothing.correlation is None
    assert "constant" in nothing.reason
    assert summary([nothing, known])["mean_correlation"] == pytest.approx(0.5)
    assert summary([nothing, known])["solved"] == 0.5
    assert summary([nothing, known])["unscored"] == 1


def test_what_never_fires_is_solved_by_its_verdict_alone(ground: Ground, vocabulary: Vocabulary) -> None:
    dead = Spec("dead", (Part("qqzz", None, 1.0),))
    assert tried(ground, vocabulary, Rule(0.0), Verdict.DEAD, dead).solved
    assert not tried(ground, vocabulary, KNOWS, Verdict.SINGLE_TOKEN, dead).solved


def test_a_verdict_of_its_own_decides(ground: Ground, vocabulary: Vocabulary) -> None:
    dense = Spec("on", (Part("[^:]", None, 1.0),), verdict=Verdict.DENSE)
    assert tried(ground, vocabulary, Rule(1.0), Verdict.DENSE, dense).solved
    assert not tried(ground, vocabulary, KNOWS, Verdict.TOKEN_SET, dense).solved


class Peeks(Says):
    """A mind that has come by a page that is to be scored, and asks about it."""

    def __init__(self, explanation: Explanation, text: str) -> None:
        super().__init__(explanation)
        self.text = text

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list:
        del evidence, wanted, seed
        return [Hypothesis("peek", "It is on this page.", (self.text,), (), author="Peeks")]


def test_a_page_that_the_mind_has_seen_is_not_scored(ground: Ground, vocabulary: Vocabulary) -> None:
    page = vocabulary.decode(ground.rows.ids(ground.held_out[0]))
    mind = Peeks(Explanation(Verdict.SINGLE_TOKEN, "It is so.", KNOWS), page)
    with pytest.raises(LeakError):
        attempt(SELF, ground, vocabulary, mind, rounds=1, prompts_a_round=1)


def test_the_built_in_mind_explains_a_plain_neuron_the_same_way_twice(ground: Ground, vocabulary: Vocabulary) -> None:
    found = [attempt(SELF, ground, vocabulary, Statistical(), rounds=2, prompts_a_round=10) for _ in range(2)]
    assert found[0].solved
    assert [(each.correlation, each.explanation, each.rule, each.asked) for each in found[:1]] == [
        (each.correlation, each.explanation, each.rule, each.asked) for each in found[1:]
    ]
    figures = summary(found) | {"neurons": [vars(each) for each in found]}
    assert json.loads(json.dumps(figures))["solved"] == 1.0
    assert "solved 100% of 2" in "\n".join(table(figures))


def test_the_halves_are_in_the_surveys_own_random_order(ground: Ground) -> None:
    assert set(ground.evidence) == set(np.flatnonzero(~ground.rows.held_out).tolist())
    assert ground_of(ground.rows).evidence == ground.evidence
    assert list(ground.evidence) != sorted(ground.evidence)


def test_a_crew_answers_in_the_order_of_the_jobs(capfd: pytest.CaptureFixture[str]) -> None:
    jobs: Sequence[int] = [9, 1, 4, 0]
    assert crew.run(math.factorial, jobs, workers=2, begin=os.getpid, title="powers") == [362880, 1, 24, 1]
    assert "powers" in capfd.readouterr().err


def test_what_a_job_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="factorial"):
        crew.run(math.factorial, [3, -1], workers=1, begin=os.getpid, title="powers")


def test_the_shipped_file_is_one_json_object_a_line() -> None:
    rows = [json.loads(line) for line in SPECS.read_text(encoding="utf-8").splitlines()]
    assert all({"name", "when", "unless", "value", "otherwise", "noise", "truth"} <= row.keys() for row in rows)
