"""The conversation itself: a line in, lines out as they come, both kept before they are shown.

Knows the order of things: an open question is answered first, then a command in its own form is done. While no question
is open the language model is asked what any other line means, and last it is read loosely, and said so. A failure that
a person can put right is one line and the conversation goes on; Ctrl-C ends the command that runs, Ctrl-D the
conversation.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agents.listening import Hear
from graphs.failures import expected_failures, told
from graphs.talk import showing
from graphs.talk.answering import Answering
from graphs.talk.commands import LONGEST, Command, Understood, parse
from graphs.talk.desk import BUSY, Desk, Unable
from graphs.talk.doing import Talk
from graphs.talk.drawing import words
from graphs.talk.keyboard import PROMPT, Reader, sound
from graphs.talk.transcript import PERSON, PROGRAM, Transcript

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

EARLIER = 10  # lines shown again when a conversation goes on
HALF = 600  # characters shown of what is being said
CUT = f"the line is longer than {LONGEST:,} characters: only its beginning was read"


class Room:
    """One conversation; `echo` repeats what was read, for a script."""

    def __init__(
        self, desk: Desk, transcript: Transcript, answering: Answering, console: "Console", *, echo: bool = False
    ) -> None:
        self._desk, self._transcript, self._answering = desk, transcript, answering
        self._console, self._echo = console, echo
        self._talk = Talk(desk)

    def enter(self) -> None:
        """Say where the run stands, and what was said last time."""
        earlier = self._transcript.said(EARLIER)
        with self._desk.reading() as store:
            opening = list(showing.standing(store, self._desk.run_id))
        self._talk.last = self._desk.last_tested()
        self._transcript.begin(self._desk.run_id)
        for line in [*opening, *self._status()]:
            self._show(line)
        if earlier:
            self._console.print(words(f"the last of conversation {self._transcript.thread}:", "dim"))
        for said in earlier:
            mark = PROMPT if said.who == PERSON else "  "
            self._show(words(f"{mark}{said.text}", "dim"))

    def converse(self, read: Reader) -> None:
        """Hear lines until there is none left, or one says quit."""
        while True:
            try:
                line = read()
            except EOFError:
                return
            except KeyboardInterrupt:
                self._console.print(words("(Ctrl-D or quit leaves)", "dim"))
                continue
            if self._echo:
                self._console.print(words(f"{PROMPT}{line}"))
            if line.strip() and not self.hear(line):
                return

    def hear(self, line: str) -> bool:
        """Do what a line says, whatever comes of it; whether the conversation goes on."""
        before = [said.text for said in self._transcript.said(EARLIER)] if self._answering.name else []
        whole = sound(line)
        line, cut = whole[:LONGEST], len(whole) > LONGEST
        self._transcript.keep(PERSON, line)
        self._desk.begin()
        try:
            approval, understood = self._talk.answer(line), parse(line)
            if approval is None and understood.exact and understood.command == Command("quit"):
                return False
            self._say([words(CUT, "yellow")] * cut)
            self._say(self._answered(line, understood, before) if approval is None else approval)
        except KeyboardInterrupt:
            self._say([words("stopped; what is done is kept", "yellow")])
        except Unable as failure:
            self._say([words(str(failure), "yellow")])
        except expected_failures() as failure:
            self._say([words(told(failure), "red")])
        return True

    def _answered(self, line: str, understood: Understood, before: Sequence[str]) -> Iterator["Text"]:
        command = understood.command if understood.exact else None
        if command is None and not self._talk.asked:
            command = yield from self._read(line, understood, before)
        if command is not None:
            yield from self._talk.do(command)
        if self._talk.asked and (command is None or command.name != "next"):
            yield words(f"the question is still open: {self._talk.answers}", "yellow")

    def _read(
        self, line: str, understood: Understood, before: Sequence[str]
    ) -> Generator["Text", None, Command | None]:
        """What a line means that is no command in its own form; None where it is answered in words, or by nothing."""
        if self._answering.name:
            with self._listening() as hear:
                command, answer, failure = self._answering.understood(line, before, self._talk.last, hear)
            if answer:
                yield words(self._unmeasured(answer))
                return None
            if command is not None:
                yield words(f"I understood: {command.line}", "dim")
                return command
            yield words(f"{self._answering.name} gave no answer ({failure}); reading the line myself", "dim")
        yield words(_reading(understood), "dim" if understood.command else "yellow")
        return understood.command

    @contextmanager
    def _listening(self) -> Iterator[Hear | None]:
        """Show what a language model says while it says it: at a terminal, and gone when the answer is whole."""
        if not self._console.is_terminal:
            yield None
            return
        from rich.live import Live

        waiting = words(f"{self._answering.name} reads it", "dim")
        with Live(waiting, console=self._console, transient=True) as live:
            yield lambda said: live.update(words(self._unmeasured(said[-HALF:]), "dim")) if said else None

    def _unmeasured(self, said: str) -> str:
        """What a language model says, as its own word."""
        return f"{self._answering.name} says, not measured: {said}"

    def _say(self, lines: Iterable["Text"]) -> None:
        for line in lines:
            self._transcript.keep(PROGRAM, line.plain)
            self._show(line)

    def _show(self, line: "Text") -> None:
        """Print a line; what does not fit goes on below its own beginning."""
        indent = len(line.plain) - len(line.plain.lstrip())
        room = self._console.width - indent
        pieces = (
            [line] if line.no_wrap or line.cell_len <= self._console.width else line[indent:].wrap(self._console, room)
        )
        for piece in pieces:
            if piece is not line:
                piece.rstrip()
                piece.pad_left(indent)
            self._console.print(piece, no_wrap=True, overflow="ellipsis")

    def _status(self) -> Iterator["Text"]:
        if self._desk.busy():
            yield words(BUSY, "yellow")
        if self._answering.name:
            yield words(f"{self._answering.name} reads what is no command", "dim")
        if self._desk.ask:
            yield words("next asks you before each worker, and again what was left open", "dim")
        yield words("help lists the commands", "dim")


def _reading(understood: Understood) -> str:
    if understood.command is not None:
        return f"I understood: {understood.command.line}"
    return f"I did not understand that. The nearest commands: {'  ·  '.join(understood.nearest)}"
