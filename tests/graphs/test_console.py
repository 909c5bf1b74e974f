"""The terminal: harmless text, 80 columns, one live panel on a terminal and plain lines anywhere else."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from graphs.console import Screen, clean, gauge, sparkline, summary
from graphs.report.findings import Findings
from memory.records import Fate, Hypothesis
from tests.graphs.sample_findings import HOSTILE, dead, hostile, record, sample, with_calls

COLOUR = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def printed(findings: Findings) -> str:
    stream = io.StringIO()
    summary(findings, stream=stream)
    return stream.getvalue()


def used(screen: Screen) -> None:
    with screen as shown:
        shown.stage("survey", "nothing is known yet")
        for done in range(0, 101):
            shown.survey(done * 1000, 100_000, 31_000.0)
        shown.best(2.0, 0.5)
        shown.best(1.5, 0.4)
        shown.best(8.0, 2.0)
        shown.hypotheses([Hypothesis("h1", "self fires")])
        shown.hypotheses([Hypothesis("h1", "self fires", fate=Fate.SUPPORTED)])
        shown.hypotheses([Hypothesis("h1", "self fires", fate=Fate.SUPPORTED)])
        shown.budget({"prompts": (3, 10), "LLM calls": (0, 0)})
        shown.note(HOSTILE)


def test_clean_leaves_nothing_that_a_terminal_obeys() -> None:
    assert clean("a\x1b[31m\r\n\u202e\x9b1m") == "a\\x1b[31m\\r\\n\\u202e\\x9b1m"
    assert clean("[bold]été[/bold]") == "[bold]été[/bold]"


@pytest.mark.parametrize("made", [sample, dead, hostile, with_calls])
def test_the_summary_fits_eighty_columns_and_is_harmless(made: Callable[[], Findings]) -> None:
    text = printed(made())
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


def test_wide_characters_fit_as_well() -> None:
    wide = record(1, "漢字" * 60 + " self")
    assert max(cell_len(line) for line in printed(replace(sample(), best=wide, top=(wide,))).splitlines()) <= 80


def test_the_summary_tells_everything_in_its_order() -> None:
    text = printed(sample())
    wanted = ["L2N117  n-gram", "Fires on self", "Rule", "Scores", "Minimal triggers", "Strongest prompt"]
    wanted += ["What kills", "Top 10", "Bottom 10", "Statistics"]
    assert [text.index(words) for words in wanted] == sorted(text.index(words) for words in wanted)
    for words in (
        "0.76 to 0.85",
        "floor 0.44",
        "104% of the corpus maximum",
        "412 generated = 330 accepted + 82 rejected",
    ):
        assert words in text


def test_the_summary_of_a_dead_neuron_claims_nothing() -> None:
    text = printed(dead())
    for words in ("no verdict", "No explanation was reached", "unscored", "no prompt made it fire", "nothing fired"):
        assert words in text


def test_markup_in_a_text_is_not_read_as_markup() -> None:
    assert "[bold red]x[/]" in printed(replace(sample(), corpus="[bold red]x[/]"))


def test_a_pipe_gets_plain_lines_and_only_news() -> None:
    stream = io.StringIO()
    used(Screen("L2N117", stream=stream))
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert sum("tokens/s" in line for line in lines) == 11
    assert sum("best" in line for line in lines) == 2
    assert sum("h1" in line for line in lines) == 2
    assert "\\x1b[31mred" in lines[-1]


def test_a_terminal_gets_a_panel_that_goes_away() -> None:
    stream = Terminal()
    used(Screen("L2N117", stream=stream))
    written = stream.getvalue()
    assert "╭" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1
    assert "\u202e" not in written
    assert "\x07" not in written


def test_a_panel_stays_when_the_inquiry_fails_and_the_cursor_comes_back() -> None:
    stream = Terminal()

    def fail() -> None:
        with Screen("L2N117", stream=stream) as shown:
            shown.note("about to fail")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        fail()
    end = COLOUR.sub("", stream.getvalue().rpartition("╭")[2])
    assert "about to fail" in end
    assert "\x1b[?25h" in stream.getvalue()


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    summary(sample(), stream=stream)
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d)[;m]", stream.getvalue())


def test_a_stream_that_knows_only_ascii_is_no_reason_to_fail() -> None:
    bytes_written = io.BytesIO()
    stream = io.TextIOWrapper(bytes_written, encoding="ascii")
    summary(sample(), stream=stream)
    stream.flush()
    assert b"Fires on self" in bytes_written.getvalue()


def test_sparklines_and_gauges_hold_for_any_numbers() -> None:
    assert sparkline([]) == ""
    assert sparkline([3, 3, 3]) == "▁▁▁"
    assert sparkline([0, 7]) == "▁█"
    assert len(sparkline(range(100), width=10)) == 10
    assert gauge(-1, width=4) == "────"
    assert gauge(9, width=4) == "━━━━"


def test_importing_the_console_imports_nothing_heavy() -> None:
    code = "import sys, graphs.console; print([m for m in ('rich', 'jinja2', 'numpy', 'torch') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"
