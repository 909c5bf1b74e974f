"""How a line of a conversation is read: which command it is, for certain or loosely, and what starts nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.talk import claims
from graphs.talk.commands import FORMS, LONGEST, MOST_SHOWN, TEXTUAL, Command, made, parse
from graphs.talk.keyboard import completions, openings
from tests.agents.statistical.planted import pages


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("test this: import os", Command("test", "import os")),
        ("TEST THIS:  a\\nb", Command("test", "a\nb")),
        ("why?", Command("why")),
        ("why", Command("why")),
        ("explain", Command("explanation")),
        ("prune the best", Command("prune")),
        ("what kills it?", Command("kills")),
        ("show top 10", Command("top", number=10)),
        ("show top", Command("top", number=10)),
        ("show bottom 5", Command("bottom", number=5)),
        ("show top 999999", Command("top", number=MOST_SHOWN)),
        ("scores", Command("scores")),
        ("compare with 9.653", Command("compare", "9.653")),
        ("compare with L9N653", Command("compare", "L9N653")),
        ("compare with L6F123", Command("compare", "L6F123")),
        ("compare with L9N652-?", Command("compare", "L9N652-")),
        ("compare it with F117-all", Command("compare", "F117-all")),
        ("compare with mine", Command("compare", "mine")),
        ("compare L9N6-all", Command("compare", "L9N6-all")),
        ("next", Command("next")),
        ("what else fires like this?", Command("similar")),
        ("hypothesis: it fires on x", Command("hypothesis", "it fires on x")),
        ("edit h-3: it fires on y", Command("edit", "h-3: it fires on y")),
        ("note: odd", Command("note", "odd")),
        ("help", Command("help")),
        ("quit", Command("quit")),
    ],
)
def test_a_command_in_its_own_form_is_understood_exactly(line: str, command: Command) -> None:
    assert parse(line) == parse(f"  {line}\t")
    understood = parse(line)
    assert (understood.command, understood.exact) == (command, True)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('could you please test "the red apple"?', Command("test", "the red apple")),
        ("does it fire on 'import os'?", Command("test", "import os")),
        ("why did that fire?", Command("why")),
        ("what does it do?", Command("explanation")),
        ("what stops this neuron", Command("kills")),
        ("what stops it?", Command("kills")),
        ("how can I silence this neuron", Command("kills")),
        ("what would break it", Command("kills")),
        ("can it be silenced?", Command("kills")),
        ("what makes it stop firing?", Command("kills")),
        ("give me the weakest 7, please", Command("bottom", number=7)),
        ("how does it compare with 9.653?", Command("compare", "9.653")),
        ("Compare its activation with 9.653", Command("compare", "9.653")),
        ("compare L9N652 with L6F123, please", Command("compare", "L6F123")),
        ("please go on", Command("next")),
        ("ok, continue, please", Command("next")),
        ("can you go on with the inquiry?", Command("next")),
        ("are there similar neurons", Command("similar")),
        ("can you test what it's doing on 'import os'?", Command("test", "import os")),
        ("does it fire on Python's 'import'?", Command("test", "import")),
        ("what about 'don't stop'?", Command("test", "don't stop")),
        ("how about \"a 'b' c\"", Command("test", "a 'b' c")),
        ("why does it fire on 'import'?", Command("why")),
        ("What does this neuron do?", Command("explanation")),
        ("what does L9N652 do?", Command("explanation")),
        ("tell me what it does", Command("explanation")),
        ("what does it fire on?", Command("explanation")),
        ("show me the 5 strongest texts", Command("top", number=5)),
        ("top 5 strongest", Command("top", number=5)),
        ("top texts of L9N652", Command("top", number=10)),
        ("the 3 weakest", Command("bottom", number=3)),
        ("prune it", Command("prune")),
    ],
)
def test_a_looser_line_is_read_and_known_to_be_a_reading(line: str, command: Command) -> None:
    understood = parse(line)
    assert (understood.command, understood.exact) == (command, False)


@pytest.mark.parametrize("line", ["tell me a joke", "test this:", "note:   ", "drop table runs;", "../../etc/passwd"])
def test_a_line_that_is_no_command_has_near_ones(line: str) -> None:
    understood = parse(line)
    assert understood.command is None
    assert 1 <= len(understood.nearest) <= 3


@pytest.mark.parametrize(
    "line",
    [
        "try:\n    import os\nexcept ImportError: pass",
        "try: import os",
        "while True:\n    break",
        "for line in lines:\n    if not line:\n        continue\n    print('x')",
        "for line in lines: continue",
        'subprocess.run("ls")',
        "does it fire on line breaks?",
        "don't stop",
        "please stop",
        "it never stops it",
        "the train stops this morning",
        "to be continued in the next step",
        "please test " + "the red apple " * 12 + "'a river'",
        "please don't measure 'secret'",
        'never test "x"',
        "don't compare it with 9.653",
        'does it fire on "import" or "from"?',
    ],
)
def test_pasted_code_and_ordinary_sentences_start_nothing(line: str) -> None:
    assert parse(line).command is None


def test_a_long_line_is_read_at_once() -> None:
    began = time.monotonic()
    assert parse(("test' " * LONGEST)[:LONGEST]).command is None
    assert time.monotonic() - began < 2.0


@given(st.text(max_size=300))
def test_any_line_is_read_as_a_command_there_is_or_as_none(line: str) -> None:
    understood = parse(line)
    assert understood.exact <= (understood.command is not None)
    if understood.command is None:
        assert understood.nearest
    else:
        assert understood.command.name in FORMS
        assert 0 <= understood.command.number <= MOST_SHOWN


@given(st.sampled_from(sorted(FORMS)), st.text(max_size=80), st.integers(-5, 10**6))
def test_every_command_has_a_line_that_is_read_back_as_itself(name: str, text: str, number: int) -> None:
    text = {"compare": "9.653", "edit": f"h-3: {text.strip() or 'x'}"}.get(name, text)
    command = made(name, text=text.replace("\\", ""), number=number)
    if command is None:
        assert name in TEXTUAL
        assert not text.replace("\\", "").strip()
    elif command.text == command.text.strip():
        assert parse(command.line).command == command


def test_tab_completes_commands_runs_and_neurons() -> None:
    assert "test this: " in completions("te", [])
    assert completions("compare with 9", ["9.653", "4.1"]) == ["compare with 9.653"]
    assert set(completions("", [])) == set(openings())
    assert completions("zzz", ["9.653"]) == []
    for opening in openings():
        assert opening in completions(opening[:3], [])


def test_a_pasted_text_of_several_lines_is_taken_as_it_is() -> None:
    pasted = 'print("a\\n")\nprint("b")'
    assert parse(f"test this: {pasted}").command == Command("test", pasted)
    assert parse(Command("test", pasted).line).command == Command("test", pasted)


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("it fires on 'self'", True),
        ("it likes “self” or “key”", True),
        ("it never fires on 'self'", False),
        ("it fires on 'self' but not on 'key'", False),
        ("it fires on 'self' only after 'key'", False),
        ("it doesn't fire on 'self'", False),
        ("it fires on self", False),
    ],
)
def test_only_a_claim_that_says_no_more_than_what_it_fires_on_is_tested_by_what_it_quotes(
    words: str, quoted: bool
) -> None:
    claim = claims.tested(claims.read_claim(words), pages("single token", seed=1, number=8), seed=0)
    assert bool(claim.triggers) is bool(claim.non_triggers) is quoted


def test_claims_about_a_word_and_about_its_capitals_are_two() -> None:
    assert claims.read_claim("it fires on 'The'").id != claims.read_claim("it fires on 'the'").id
