"""What cannot be run is refused by name before anything runs; what looks like code is text; no answer takes long."""

import time
from typing import Any

import pytest

from memory.records import Clause, Predicate, Rule
from tools.rules import ALWAYS, RuleError, likeness, lines, predict, where
from tools.rules import check as check_rule
from tools.rules.counts import COUNTS
from tools.rules.predicates import DEEPEST, MOST_PARTS, MOST_PREDICATES, NAMES, check, holds
from tools.rules.text import Text

ALL = [name for name in NAMES if name not in likeness.NAMES]  # those embed texts, and have tests of their own
ASKS_TEXT = [name for name in ALL if name not in COUNTS and name != "matches"]


def held(of: str, text: list[str], *listed: str, **more: Any) -> list[bool]:
    """The truth of one predicate at every token."""
    return holds(Predicate(of, listed, **more), Text(text)).tolist()


def deep(levels: int) -> Predicate:
    """A predicate so many nots deep."""
    made = Predicate("token", ("a",))
    for _ in range(levels):
        made = Predicate("not", parts=(made,))
    return made


def wide() -> Predicate:
    """A small thing that stands for 40 to the sixth predicates."""
    made = Predicate("token", ("a",))
    for _ in range(DEEPEST):
        made = Predicate("any", parts=(made,) * MOST_PARTS)
    return made


REFUSED: list[tuple[Any, str]] = [
    (Predicate("os.system\n", ("ls",)), r"nothing is called 'os\.system⏎'"),
    (Predicate("__import__('os').system('ls')"), "nothing is called '__import__"),
    (Predicate("lambda text: True"), "nothing is called 'lambda"),
    (Predicate(["token"], ("a",)), "nothing is called"),  # type: ignore[arg-type]
    (Predicate(None), "nothing is called"),  # type: ignore[arg-type]
    (Predicate("token"), "'token' lists no value"),
    (Predicate("ends", ("a" * 401,)), "value that is no text of at most 400"),
    (Predicate("ends", (b"a",)), "value that is no text"),  # type: ignore[arg-type]
    (Predicate("ends", "abc"), "are no lists"),  # type: ignore[arg-type]
    (Predicate("ends", None), "are no lists"),  # type: ignore[arg-type]
    (Predicate("token", tuple(map(str, range(20_001)))), "20000 values"),
    (Predicate("any", parts=(Predicate("token", ("a",)),) * 41), "more than 40 parts"),
    (Predicate("all", parts=("token",)), "is no predicate"),  # type: ignore[arg-type]
    (Predicate("all"), "'all' has 0 parts"),
    (Predicate("not", parts=(Predicate("token", ("a",)),) * 2), "'not' has 2 parts"),
    (Predicate("token", ("a",), parts=(Predicate("token", ("a",)),)), "'token' has 1 parts"),
    (Predicate("back", low=3, high=2, parts=(Predicate("token", ("a",)),)), "'back' needs bounds"),
    (Predicate("run-of-digits"), "is a count and has no bound"),
    (Predicate("tokens", low=1.5), "no whole number"),  # type: ignore[arg-type]
    (Predicate("tokens", low=True), "no whole number"),
    (Predicate("tokens", high=float("nan")), "no whole number"),  # type: ignore[arg-type]
    (Predicate("tokens", high=float("inf")), "no whole number"),  # type: ignore[arg-type]
    (Predicate("tokens", low="3"), "no whole number"),  # type: ignore[arg-type]
    (Predicate("tokens", low=10**6), "no whole number"),
    (Predicate("near-word", ("a",)), "needs to know how far"),
    (Predicate("near-text", ("a",), high=0), "needs to know how far"),
    (Predicate("word-like", ("a",) * 1001), "at most 1000 examples"),
    (Predicate("text-like", ("a",), low=101), "likeness of 1 to 100 percent"),
    (deep(DEEPEST + 1), f"nested more than {DEEPEST} deep"),
    (deep(5000), f"nested more than {DEEPEST} deep"),
    (wide(), f"more than {MOST_PREDICATES} parts in all"),
]


@pytest.mark.parametrize(("predicate", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_a_predicate_that_cannot_be_run_is_refused_by_name(predicate: Predicate, reason: str) -> None:
    for rule in (
        Rule(0.0, (Clause(ALWAYS, {"": 1.0}, when=predicate),)),
        Rule(0.0, (Clause("token", {}, "", predicate),)),
    ):
        with pytest.raises(RuleError, match=reason) as refused:
            check_rule(rule)
        assert len(str(refused.value).splitlines()) == 1


BOMBS = {
    "(a+)+$": "repeats a repetition",
    "(a*)*b": "repeats a repetition",
    "((a+))+b": "repeats a repetition",
    "(?:a{1,9}){2,}": "repeats a repetition",
    "(x+x+)+y": "repeats a repetition",
    "a{1,1000}": "counts above 100",
    "(a?){101}": "counts above 100",
    r"([\pL\pN]{50}.{50}){2}[^a]{50}": "cannot be read|repeats",
    "(?=a)b": "cannot be read",
    "(?!a)b": "cannot be read",
    "(?<=a)b": "cannot be read",
    "(?<!a)b": "cannot be read",
    r"(a)\1": "cannot be read",
    r"(?P<n>a)(?P=n)": "cannot be read",
    "a" * 201: "longer than 200",
    "(a": "cannot be read",
    "(\n\x1b": "cannot be read",
    "a)|(?:b": "cannot be read",
    "a\\": "cannot be read",
    "\ud800": "half a character",
}


@pytest.mark.parametrize("pattern", BOMBS, ids=range(len(BOMBS)))
def test_a_pattern_that_is_a_bomb_or_cannot_be_read_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(RuleError, match=BOMBS[pattern]) as refused:
        where(Predicate("matches", (pattern,)), 1.0)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("count", [0, 2])
def test_a_match_takes_one_pattern(count: int) -> None:
    with pytest.raises(RuleError):
        check(Predicate("matches", ("a",) * count))


@pytest.mark.parametrize("code", ["__import__('os').system('exit 3')", "lambda: 1", "{{7*7}}", "{0.__class__}", "%s"])
def test_what_looks_like_code_is_only_text(code: str) -> None:
    for of in ASKS_TEXT:
        asked = Predicate(of, (code,), high=5)
        check(asked)
        assert holds(asked, Text(["a", " b"])).tolist() == [False, False], of
    assert held("token", [code], code) == [True]
    rule = Rule(0.0, (Clause("token", {code: 1.0}, code),))
    assert predict(rule, [code, "x"]) == [1.0, 0.0]
    assert all(code in line for line in lines(rule)[1:])


def test_a_huge_rule_is_refused_before_it_is_run() -> None:
    clause = Clause(ALWAYS, {"": 1.0}, when=Predicate("token", ("a",)))
    with pytest.raises(RuleError, match="10000 clauses; 500 is the most"):
        check_rule(Rule(0.0, (clause,) * 10_000))


@pytest.mark.parametrize("levels", [{"": 1.0, "a": 2.0}, {"a": 1.0}, {3: 1.0}, [1.0], None])
def test_a_level_everywhere_is_one_level(levels: Any) -> None:
    with pytest.raises(RuleError, match="'always'"):
        check_rule(Rule(0.0, (Clause(ALWAYS, levels),)))


@pytest.mark.parametrize("level", [float("nan"), float("-inf"), True, "1", None, 10**400, 1e31, 1j])
def test_a_level_that_is_no_number_is_refused(level: Any) -> None:
    with pytest.raises(RuleError, match="not a finite number"):
        check_rule(Rule(0.0, (Clause(ALWAYS, {"": level}),)))
    with pytest.raises(RuleError, match="not a finite number"):
        check_rule(Rule(level))


def test_every_question_of_a_long_text_is_answered_within_a_second(pace: float) -> None:
    piece = [
        "def",
        " parse",
        "_",
        "HTML",
        "2",
        "(",
        "self",
        ",",
        " x",
        ":",
        " 'a",
        '"b',
        "'",
        "\n    ",
        "12",
        ",",
        "000",
        ".",
    ]
    text = Text((piece * 23)[:400])
    listed = tuple(dict.fromkeys([*piece, *text.elements]))
    started = time.monotonic()
    for name in ALL:
        holds(Predicate(name, listed[:1] if name == "matches" else listed, low=1, high=30), text)
    assert time.monotonic() - started < 1.0 * pace


@pytest.mark.parametrize("of", ["earlier-text", "earlier-word", "ends", "word-has", "token"])
def test_as_many_values_as_are_allowed_are_asked_in_seconds(of: str, pace: float) -> None:
    asked = Predicate(of, tuple(f"{n:05}ab" for n in range(20_000)))
    check(asked)
    started = time.monotonic()
    assert not holds(asked, Text(["ab ab", " ab"] * 200)).any()
    assert time.monotonic() - started < 3.0 * pace


@pytest.mark.parametrize("pattern", ["(?:a?){100}a{100}", "a*a*a*a*a*b", ".*.*.*=.*", "(a|aa)+b", "(.*)(.*)(.*)[^a]"])
def test_a_hostile_pattern_on_a_hostile_text_takes_linear_time(pattern: str, pace: float) -> None:
    check(Predicate("matches", (pattern,)))
    seconds = []
    for length in (200, 1600):
        started = time.monotonic()
        held("matches", ["aaaaaaaaaa"] * length, pattern)
        seconds.append(time.monotonic() - started)
    assert seconds[1] < 20 * seconds[0] + 0.5
    assert seconds[1] < 3.0 * pace
