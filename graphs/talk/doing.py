"""What each command does, as lines that come as they are made. What is shown as measured is in the store before.

`Talk` is one conversation's side of a run: the desk, the text talked about last, and where the inquiry stands. What
cannot be done is one line. Refuses to read a person's words (commands.py) and to know a screen (room.py).
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from graphs.state import FINISHED
from graphs.talk import arguing, changing, comparing, drawing, showing
from graphs.talk.commands import Command
from graphs.talk.desk import BUSY, Desk, Unable
from graphs.talk.drawing import words
from memory.queries import Queries
from memory.records import Origin, Prompt

if TYPE_CHECKING:
    from rich.text import Text

    from graphs.talk.going import Going

WAIT = "one moment: the model is being loaded"

Lines = Iterator["Text"]


class Talk:
    """One conversation about the run on a desk; `last` is the id of the record talked about."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._going: Going | None = None
        self.last: int | None = None
        self._done: dict[str, Callable[[Command], Lines]] = {
            "test": self._test, "why": self._why, "prune": self._prune, "kills": self._kills, "compare": self._compare,
            "next": self._next, "hypothesis": self._claim, "edit": self._edit, "note": self._note,
        }  # fmt: skip

    @property
    def asked(self) -> bool:
        """Whether the inquiry waits for a person's answer."""
        return self._going is not None and self._going.question is not None

    @property
    def answers(self) -> str:
        """Which answers the open question takes, in words."""
        question = self._going.question if self._going is not None else None
        nodes = [node for node in question["allowed"] if node != question["node"]] if question is not None else []
        return f"yes, no, or another node: {', '.join(nodes)}" if nodes else "yes or no"

    def do(self, command: Command) -> Lines:
        """Do it; raises Unable, and the failures of graphs/failures.py."""
        if command.name in self._done:
            yield from self._done[command.name](command)
        elif command.name == "help":
            yield from showing.help_lines()
        else:
            with self.desk.reading() as store:
                yield from self._aged(store)
                yield from self._shown(store, command)

    def answer(self, line: str) -> Lines | None:
        """What an answer to the open question sets off; None for a line that is no answer, or without a question."""
        if self._going is None or (question := self._going.question) is None:
            return None
        from graphs.approval import declined, taken

        if declined(line):
            self._going.question = None
            return iter([words("nothing was started; next asks again")])
        node = taken(line, question)
        if node is None:
            return None
        return self._approved(node, question["node"])

    def _aged(self, store: Queries) -> Lines:
        if age := self.desk.age(store):
            yield words(age, "yellow")

    def _shown(self, store: Queries, command: Command) -> Lines:
        run_id = self.desk.run_id
        if command.name in ("top", "bottom"):
            return showing.listed(store, run_id, strongest=command.name == "top", most=command.number)
        show = {
            "explanation": showing.explained,
            "hypotheses": showing.claimed,
            "scores": showing.scored,
            "similar": showing.alike,
        }[command.name]
        return show(store, run_id)

    def _opening(self) -> Lines:
        """Open the model; raises Unable at once where nothing can be measured."""
        if self.desk.opened:
            return
        if self.desk.busy():
            raise Unable(BUSY)
        yield words(WAIT, "dim")
        self.desk.session()

    def _test(self, command: Command) -> Lines:
        yield from self._opening()
        spread, policy = self.desk.session().bench.pages.distribution, self.desk.session().means.position
        known = self.desk.session().bench.store.next_record_id(self.desk.run_id)
        record = self.desk.measured("test", [Prompt(command.text, Origin.USER)])[0]
        self.last = record.id
        yield drawing.heat(record, spread.highest)
        if unread := drawing.unread(record):
            yield words(unread, "yellow")
        again = "measured before: " if record.id < known else ""
        yield words(again + drawing.peak_line(record, spread.highest, spread.firing, policy=policy))

    def _why(self, command: Command) -> Lines:
        del command
        with self.desk.reading() as store:
            yield from self._aged(store)
            found = store.records(self.desk.run_id, ids=[self.last]) if self.last is not None else []
            yield from (
                showing.fired(store, self.desk.run_id, found[0])
                if found
                else showing.explained(store, self.desk.run_id)
            )
            if found:
                yield words("  (explain tells the whole explanation)", "dim")

    def _prune(self, command: Command) -> Lines:
        del command
        yield from self._opening()
        yield from changing.pruned(self.desk, changing.strongest(self.desk))

    def _kills(self, command: Command) -> Lines:
        del command
        yield from self._opening()
        yield from changing.killed(self.desk, changing.talked_about(self.desk, self.last))

    def _compare(self, command: Command) -> Lines:
        with self.desk.reading() as store:
            yield from self._aged(store)
            other = comparing.found(store, self.desk.run_id, command.text)
            if other is not None:
                yield from showing.side_by_side(store, self.desk.run_id, other.id)
                return
        name = comparing.unit(command.text)
        if name == self.desk.run().target.name:
            raise Unable(f"{name} is what this conversation is about, and there is no other run of it here")
        yield from self._opening()
        yield from comparing.measured(self.desk, name)

    def _next(self, command: Command) -> Lines:
        del command
        finished = self.desk.run().state == FINISHED
        if finished and not arguing.unanswered(self.desk):
            raise Unable("the inquiry is finished; test this: TEXT or hypothesis: CLAIM go on asking")
        yield from self._opening()
        yield from arguing.weighed_now(self.desk) if finished else self._advanced()

    def _approved(self, node: str, proposed: str) -> Lines:
        yield from self._opening()
        self.desk.commit("approval", {"approved": node, "proposed": proposed})
        yield from self._advanced(node)

    def _advanced(self, answer: str | None = None) -> Lines:
        from graphs.talk.going import Going

        self._going = self._going or Going()
        return self._going.advance(self.desk.session(), answer)

    def _claim(self, command: Command) -> Lines:
        yield from self._opening()
        yield from arguing.stated(self.desk, command.text)

    def _edit(self, command: Command) -> Lines:
        name, _, said = command.text.partition(":")
        old = arguing.meant(self.desk, name.strip(), said)
        yield from self._opening()
        yield from arguing.stated(self.desk, said, command="edit", old=old)

    def _note(self, command: Command) -> Lines:
        self.desk.note(command.text)
        yield words("noted")
