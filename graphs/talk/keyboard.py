"""Where a conversation's lines come from: a person at a terminal, or a pipe.

At a terminal prompt_toolkit edits the line: history is kept at HOME/chat_history, Tab completes commands, run ids and
neurons. Anything else is read line by line and echoed, so that a script's output reads as a conversation. Of a line
longer than is read one character more is kept, which tells that it is. Refuses to know what a line means.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from graphs.talk.commands import FORMS, LONGEST, TEXTUAL

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

HISTORY = "chat_history"
PROMPT = "> "
COMPARE = "compare with "  # behind which names are completed

Reader = Callable[[], str]  # the next line; EOFError at the end, KeyboardInterrupt for Ctrl-C


def openings() -> list[str]:
    """What can be typed to begin each command: those with a text up to where the text begins."""
    texts = [f"{FORMS[name].usage.partition(':')[0]}: " for name in ("test", "hypothesis", "note")]
    return [*texts, *(form.usage for name, form in FORMS.items() if name not in TEXTUAL), COMPARE, "edit h-"]


def completions(line: str, names: Iterable[str]) -> list[str]:
    """Whole lines that `line` can be completed to; `names` are runs and neurons."""
    typed = line.lstrip().lower()
    if typed.startswith(COMPARE):
        return [f"{COMPARE}{name}" for name in names if name.lower().startswith(typed[len(COMPARE) :])]
    return [each for each in openings() if each.lower().startswith(typed)]


def reader(home: Path, names: Callable[[], Sequence[str]], *, source: TextIO | None = None) -> Reader:
    """Lines from `source` (default: standard input), with editing and history where both ends are a terminal."""
    stream = source or sys.stdin
    if source is None and stream.isatty() and sys.stdout.isatty():
        return _edited(home, names)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")

    def read() -> str:
        line = rest = stream.readline(LONGEST + 2)
        if not line:
            raise EOFError
        while len(line) > LONGEST and rest and not rest.endswith("\n"):
            rest = stream.readline(LONGEST)
        return sound(line)

    return read


def sound(line: str) -> str:
    """A line as valid Unicode without its end, cut to one character more than is read."""
    return line.rstrip("\r\n")[: LONGEST + 1].encode("utf-8", "replace").decode("utf-8")


def _edited(home: Path, names: Callable[[], Sequence[str]]) -> Reader:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.history import FileHistory

    home.mkdir(parents=True, exist_ok=True)
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(home / HISTORY)),
        auto_suggest=AutoSuggestFromHistory(),
        completer=_completer(names),
        complete_while_typing=False,
    )
    return lambda: sound(session.prompt(PROMPT))


def _completer(names: Callable[[], Sequence[str]]) -> "Completer":
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    class Lines(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            del complete_event
            typed = document.text_before_cursor
            for line in completions(typed, names() if typed.lstrip().lower().startswith(COMPARE) else []):
                yield Completion(line, start_position=-len(typed))

    return Lines()
