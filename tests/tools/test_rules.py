"""A rule is data that can be run on any tokens, looks at nothing that comes later, and reads as one plain line."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.records import Clause, Rule
from tools import rules
from tools.rules import DESCRIPTIONS, FEATURES, JOIN, START, RuleError, check, lines, predict, shown, size, values

PIECES = [
    *(
        "\n",
        "\n\n",
        " ",
        "    ",
        "\t",
        "\r",
        "\x0c",
        '"',
        "'",
        '"""',
        "'''",
        "#",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        " if",
    ),
    *(" x", "the", "12", "don", "'t", "_", "É", "字", "\u202e", "\x1b[31m", "\ufffd", "\ud800", JOIN, START, ""),
]
tokens = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=25)
quickly = settings(max_examples=80, deadline=None)


def everything(tokens: list[str]) -> Rule:
    """A rule over every feature that gives each value found in the tokens an amount of its own."""
    levels = {f: {v: 0.1 + n for n, v in enumerate(dict.fromkeys(values(f, tokens)))} for f in FEATURES}
    return Rule(0.5, tuple(Clause(feature, table) for feature, table in levels.items()))


@quickly
@given(tokens)
def test_every_feature_gives_one_text_to_every_token(text: list[str]) -> None:
    for feature in FEATURES:
        found = values(feature, text)
        assert len(found) == len(text)
        assert all(isinstance(value, str) for value in found)


@quickly
@given(tokens, tokens, tokens)
def test_what_comes_later_changes_no_prediction(text: list[str], later: list[str], other: list[str]) -> None:
    rule = everything(text + later)
    alone = predict(rule, text)
    assert predict(rule, text + later)[: len(text)] == alone
    assert predict(rule, text + other)[: len(text)] == alone


@quickly
@given(tokens)
def test_a_prediction_is_the_base_and_the_amounts_that_apply(text: list[str]) -> None:
    rule = everything(text)
    told = predict(rule, text)
    for place in range(len(text)):
        amounts = [clause.levels.get(values(clause.feature, text)[place], 0.0) for clause in rule.clauses]
        assert told[place] == pytest.approx(0.5 + sum(amounts))


def test_no_tokens_no_predictions() -> None:
    assert predict(Rule(1.0), []) == []
    assert predict(Rule(1.5), ["a", "b"]) == [1.5, 1.5]


@quickly
@given(tokens)
def test_what_a_person_reads_never_breaks_the_line(text: list[str]) -> None:
    told = lines(everything(text), limit=100) + [shown(value) for f in FEATURES for value in values(f, text)]
    for line in told:
        line.encode("utf-8")
        assert not [mark for mark in line if unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_white_space_and_parts_are_made_visible() -> None:
    assert shown(" self") == "‘·self’"
    assert shown("a b") == "‘a b’"
    assert shown("\n    ") == "‘⏎····’"
    assert shown(f"{START}{JOIN}\t(") == "(start) → ‘⇥(’"
    assert shown("\x1b\u202e\ud800\x85") == "‘\\x1b\\u202e\\ud800\\x85’"


def test_lines_tell_the_strongest_first_and_count_the_rest() -> None:
    rule = Rule(-0.25, (Clause("token", {"a": 1.0, "b": -3.0, "c": 2.0}), Clause("inside", {"code": 0.5})))
    assert lines(rule, limit=2) == [
        "start at -0.25",
        "the token is: ‘b’ -3.00, ‘c’ +2.00, and 1 more",
        "it stands inside: ‘code’ +0.50",
    ]


@pytest.mark.parametrize("run", [check, lines, lambda rule: predict(rule, ["a"])])
def test_an_unknown_feature_is_refused_by_name_in_one_line(run: object) -> None:
    rule = Rule(0.0, (Clause("os.system\n", {"a": 1.0}),))
    with pytest.raises(RuleError, match=r"no feature is called 'os\.system") as refused:
        run(rule)  # type: ignore[operator]
    assert "\n" not in str(refused.value)
    assert "line-opening" in str(refused.value)
    with pytest.raises(RuleError):
        rules.table("nothing", {})


@pytest.mark.parametrize("level", [float("nan"), float("inf"), "3", None, True])
def test_a_level_that_is_no_number_is_refused_by_name(level: float) -> None:
    with pytest.raises(RuleError, match="clause on 'pair' is not a finite number"):
        check(Rule(0.0, (Clause("pair", {"a": 1.0, "b": level}),)))
    with pytest.raises(RuleError, match="base of the rule is not a finite number"):
        check(Rule(level))


def test_a_million_listed_values_are_refused() -> None:
    rule = Rule(0.0, tuple(Clause("token", {str(n): 1.0 for n in range(250_000)}) for _ in range(4)))
    assert size(rule) == 10**6
    with pytest.raises(RuleError, match="1000000 values; 200000 is the most"):
        check(rule)


def test_a_sound_rule_comes_back_itself() -> None:
    rule = Rule(0.0, (Clause("token", {" self": 2.0}), Clause("previous", {"(": -1})))
    assert check(rule) is rule
    assert rules.table("token", {"a": 1.0}, "on a") == Clause("token", {"a": 1.0}, "on a")


def test_every_feature_has_words_for_a_person() -> None:
    assert FEATURES.keys() == DESCRIPTIONS.keys()


def test_features_say_what_they_are_called() -> None:
    text = [
        "def",
        " do",
        "_it",
        "(",
        "self",
        ",",
        " x",
        ")",
        ":",
        "\n    ",
        "if",
        " x",
        " ==",
        " 'don",
        "'t",
        "'",
        "\n",
    ]
    found = {feature: dict(zip(range(len(text)), values(feature, text), strict=True)) for feature in FEATURES}
    assert found["word"][2] == "do_it"
    assert found["previous"][0] == START
    assert found["second-previous"][4] == "_it"
    assert found["pair"][4] == f"({JOIN}self"
    assert found["class-pair"][1] == f"lower case{JOIN}lower case"
    assert found["previous-word"][3] == "do_it"
    assert found["line-opening"][8] == "def"
    assert found["line-opening"][12] == "if"
    assert found["inside"][5] == "("
    assert found["inside"][8] == "code"
    assert found["column"][10] == "1"
    assert found["indentation"][12] == "4"
    assert found["position"][16] == "13 to 19"


def test_an_apostrophe_in_a_word_opens_no_string() -> None:
    assert set(values("inside", ["I", " don", "'t", " know", " Tom's", " cat"])) == {"code"}
    assert values("inside", ["x", " =", " f", "'a", "'"]) == ["code", "code", "code", "string '", "code"]
    assert values("inside", ["print", "('", "a", "')"]) == ["code", "string '", "string '", "code"]


def test_a_tab_is_space_and_a_line_end_is_not() -> None:
    classes = ["spaces", "spaces", "newline", "newline", "spaces"]
    assert values("class", [" ", "\t", "\n", "\r\n    ", ""]) == classes
