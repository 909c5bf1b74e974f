"""What a person sees in the terminal: progress while an inquiry runs, and the summary at its end.

Knows rich, and only when there is something to draw. On a terminal the progress is one live panel; anywhere else
(a pipe, a log, TERM=dumb) it is plain lines, written when something has changed. NO_COLOR is respected. Text from
models, corpora and people passes through `clean` first, and is never read as markup. Refuses to know how an inquiry
works.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from graphs.report.visible import number, percent, visible
from memory.records import Fate, Hypothesis

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

    from graphs.report.findings import Findings

MARKS = {Fate.SUPPORTED: ("✓", "green"), Fate.REFUTED: ("✗", "red")}
WIDEST = 80
EVENTS, BARS = 5, "▁▂▃▄▅▆▇█"


def clean(text: str) -> str:
    """`text` on one line and harmless: control characters, escapes, bidi overrides and line breaks shown as escapes."""
    return visible(text)


def terminal(stream: TextIO | None = None) -> "Console":
    """A rich console at most 80 columns wide that never fails for a character the stream cannot write."""
    from rich.console import Console

    target = stream or sys.stdout
    reconfigure = getattr(target, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    console = Console(file=target, highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST)
    return console


def summary(findings: "Findings", *, stream: TextIO | None = None) -> None:
    """Print the end report of one run."""
    from graphs.report.summary import blocks

    console = terminal(stream)
    for block in blocks(findings):
        console.print(block)


def sparkline(values: Sequence[float], *, width: int = 24) -> str:
    """The last `width` values as bars between the lowest and the highest of them."""
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, spread = min(shown), max(shown) - min(shown)
    return "".join(BARS[round((value - low) / spread * (len(BARS) - 1)) if spread else 0] for value in shown)


def gauge(share: float, *, width: int = 16) -> str:
    """A share of a whole as a bar of `width` characters."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return "━" * full + "─" * (width - full)


class Screen:
    """The progress of one inquiry; use as a context manager. Any method may be called at any time, from one thread.

    What is shown is replaced, never changed in place, because rich draws from a thread of its own. The live panel is
    taken down at the end, so that the summary follows; when the inquiry ended in an error it stays.
    """

    def __init__(self, title: str, *, stream: TextIO | None = None) -> None:
        self._console = terminal(stream)
        self._title, self._began = clean(title), time.monotonic()
        self._stage, self._why, self._reading = "starting", "", ""
        self._best: tuple[float, ...] = ()
        self._share: float | None = None
        self._hypotheses: tuple[Hypothesis, ...] = ()
        self._budget: dict[str, tuple[float, float]] = {}
        self._events: tuple[str, ...] = ()
        self._tenth = -1
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            from rich.live import Live

            self._live = Live(get_renderable=self._panel, console=self._console, refresh_per_second=4, transient=True)
            self._live.start(refresh=True)
        else:
            self._line(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.transient = error is None
            self._live.stop()
            self._live = None

    def stage(self, name: str, why: str = "") -> None:
        """Which step runs now, and why."""
        self._stage, self._why, self._reading = clean(name), clean(why), ""
        self._line(f"{self._stage}{f': {self._why}' if why else ''}")

    def survey(self, done: int, total: int, tokens_per_second: float) -> None:
        """How far the reading of the corpus is, in tokens. Plain output has a line for every tenth."""
        share = done / total if total > 0 else 0.0
        speed = f"{tokens_per_second:,.0f} tokens/s"
        self._reading = f"{gauge(share)} {percent(share)} of {total:,} tokens, {speed}"
        tenth = int(share * 10)
        if tenth != self._tenth:
            self._tenth = tenth
            self._line(f"read {done:,} of {total:,} tokens, {speed}")

    def best(self, value: float, share: float | None = None) -> None:
        """The best activation so far, and its share of the corpus maximum."""
        gained = not self._best or value > self._best[-1]
        self._best = (*self._best, value)[-200:]
        self._share = share
        if gained:
            self._line(f"best {number(value)}{_of_corpus(share)}")

    def hypotheses(self, known: Sequence[Hypothesis]) -> None:
        """All hypotheses with their fates. Plain output has a line for each that is new or has changed."""
        before = {hypothesis.id: hypothesis.fate for hypothesis in self._hypotheses}
        self._hypotheses = tuple(known)
        for hypothesis in known:
            if before.get(hypothesis.id) != hypothesis.fate:
                self._line(f"{clean(hypothesis.id)} {hypothesis.fate.value}: {clean(hypothesis.statement)}")

    def budget(self, spent: Mapping[str, tuple[float, float]]) -> None:
        """What is used up, and the limit, by name."""
        self._budget = {clean(name): pair for name, pair in spent.items()}

    def note(self, line: str) -> None:
        """One event worth a line."""
        self._events = (*self._events, clean(line))[-EVENTS:]
        self._line(self._events[-1])

    def _line(self, words: str) -> None:
        if self._live is None:
            from rich.text import Text

            passed = time.monotonic() - self._began
            self._console.print(Text(f"{passed:6.1f}s  {words}"), soft_wrap=True)

    def _panel(self) -> "RenderableType":
        from rich.console import Group
        from rich.panel import Panel

        rows = [self._row("now", f"{self._stage}{f'  {self._why}' if self._why else ''}", style="bold")]
        if self._reading:
            rows.append(self._row("reading", self._reading))
        if self._best:
            told = f"{number(self._best[-1])}{_of_corpus(self._share)}  {sparkline(self._best)}"
            rows.append(self._row("best", told, style="yellow"))
        for place, hypothesis in enumerate(self._hypotheses[-6:]):
            mark, colour = MARKS.get(hypothesis.fate, ("○", ""))
            tally = f" {hypothesis.hits}:{hypothesis.misses}" if hypothesis.hits or hypothesis.misses else ""
            words = f"{mark}{tally} {clean(hypothesis.statement)}"
            rows.append(self._row("" if place else "hypotheses", words, style=colour))
        for place, (name, (used, limit)) in enumerate(self._budget.items()):
            share = used / limit if limit > 0 else 1.0
            words = f"{gauge(share)} {used:,.0f} of {limit:,.0f} {name}"
            rows.append(self._row("" if place else "budget", words, style="red" if share > 0.9 else ""))
        for place, words in enumerate(self._events):
            rows.append(self._row("" if place else "events", words, style="dim"))
        passed = f"{time.monotonic() - self._began:.0f} s"
        return Panel(
            Group(*rows), title=_plain(self._title), subtitle=passed, title_align="left", subtitle_align="right"
        )

    def _row(self, name: str, words: str, *, style: str = "") -> "Text":
        from rich.text import Text

        row = Text(no_wrap=True, overflow="ellipsis")
        row.append(f"{name:<12}", "dim")
        return row.append(words, style)


def _of_corpus(share: float | None) -> str:
    return "" if share is None else f", {percent(share)} of the corpus maximum"


def _plain(words: str) -> "Text":
    from rich.text import Text

    return Text(words, no_wrap=True, overflow="ellipsis")
