"""`python -m graphs.chat --run RUN`: a conversation about one neuron, on the same graph and store as its inquiry.

Exit status: 0 when the conversation was left, 2 for what the person can put right (one line), 130 when interrupted
before it began. Everything said is kept under HOME/chats, everything measured in the store.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs import command, flags, offline, tracing
from graphs.command import say
from graphs.settings import SettingError, choose_mind, chosen, elsewhere, home, ollama_url, set_defaults
from memory.records import BUILT_IN

if TYPE_CHECKING:
    from agents.chat_model import ChatModel
    from graphs.talk.desk import Desk
    from memory.records import Run


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(parser, _chat, words, interrupted="stopped; what is done is kept")


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m graphs.chat`."""
    made = flags.parser(
        "python -m graphs.chat",
        "Talk about one neuron: test texts, ask why, go on with its inquiry. A stored run keeps its settings: "
        "sources and budgets are those of a new one, and --llm then only reads what you say.",
    )
    for add in (flags.add_target, flags.add_sources, flags.add_mind, flags.add_budget, flags.add_output):
        add(made)
    set_defaults(made)
    talk = made.add_argument_group("conversation", "for a stored run, or for the unit named above")
    talk.add_argument(
        "--run", metavar="RUN", help="the run to talk about; by default the newest of the unit, or of all"
    )
    talk.add_argument("--thread", metavar="ID", help="the conversation to go on with; by default the run's own")
    talk.add_argument("--ask", action="store_true", help="ask me before each step of the inquiry")
    return made


def _chat(arguments: argparse.Namespace) -> int:
    for name, value in offline.QUIET.items():  # read by libraries when they are imported
        os.environ.setdefault(name, value)
    from graphs.console import terminal
    from graphs.talk.answering import Answering
    from graphs.talk.keyboard import reader
    from graphs.talk.room import Room
    from graphs.talk.transcript import Transcript, default_thread

    folder = Path(home(arguments))
    if line := tracing.settle():
        say(line)
    tracing.start(tracing.unsent(folder))
    run_id = _run_id(arguments, folder)
    chat = _model(arguments)
    with _desk(arguments, folder, run_id) as desk:
        desk.run()
        transcript = Transcript(folder, getattr(arguments, "thread", default_thread(desk.run_id)))
        if transcript.run_id not in (None, desk.run_id):
            raise SettingError(_about_another(transcript.thread, str(transcript.run_id)))
        interactive = sys.stdin.isatty() and sys.stdout.isatty()
        room = Room(desk, transcript, Answering(desk, chat), terminal(), echo=not interactive)
        room.enter()
        room.converse(reader(folder, lambda: _names(desk)))
        again = f"--thread {transcript.thread}{_again(arguments)}{elsewhere(arguments)}"
        say(f"kept; go on with: python -m graphs.chat {again}")
    if line := tracing.flush():
        say(line)
    return 0


def _again(arguments: argparse.Namespace) -> str:
    """The flags that a conversation has to be given again."""
    ask = " --ask" if getattr(arguments, "ask", False) else ""
    return ask + (f" --llm {shlex.quote(arguments.llm)}" if hasattr(arguments, "llm") else "")


def _run_id(arguments: argparse.Namespace, folder: Path) -> str | None:
    """The stored run that is meant, None for a unit without one. Raises SettingError when none is meant, or two are."""
    from graphs.talk.transcript import Transcript, named

    wanted, thread = getattr(arguments, "run", None), getattr(arguments, "thread", None)
    if wanted is not None:
        return _of_run(arguments, folder, named("--run", wanted))
    unit = any(hasattr(arguments, flag) for flag in ("layer", "neuron", "sae", "feature", "hook", "index"))
    if thread is not None and (found := Transcript(folder, thread).run_id) is not None:
        return _of_thread(arguments, folder, thread, named("--run", found))
    if thread is not None and not unit:
        raise SettingError(f"no conversation {thread!r:.80} is kept in {folder}: name its run with --run, or a unit")
    newest = _newest(arguments, folder)
    if newest is None and not unit:
        raise SettingError(
            f"no inquiry is kept in {folder}: name a unit with --layer L --neuron N, a run with --run, or use --home"
        )
    return newest


def _of_run(arguments: argparse.Namespace, folder: Path, run_id: str) -> str:
    """A run that is named. Raises SettingError where there is none, or the arguments name another unit."""
    from graphs.state import STORE
    from graphs.talk.desk import Desk

    if not (folder / STORE).exists():
        raise SettingError(f"no inquiry is kept in {folder}: use --home, or python -m graphs.interpret to make one")
    if not _meant(arguments, Desk(folder, run_id).run()):
        raise SettingError(f"run {run_id} is not about what is named here: leave one of them out")
    return run_id


def _of_thread(arguments: argparse.Namespace, folder: Path, thread: str, run_id: str) -> str:
    """The run of a conversation. Raises SettingError where the arguments name another unit."""
    from graphs.talk.desk import Desk

    if not _meant(arguments, Desk(folder, run_id).run()):
        raise SettingError(_about_another(thread, run_id))
    return run_id


def _about_another(thread: str, run_id: str) -> str:
    return (
        f"conversation {thread} is about run {run_id}, not what is named here: leave that out, or take another --thread"
    )


def _newest(arguments: argparse.Namespace, folder: Path) -> str | None:
    """The newest stored run of the unit that is named, or of all when none is."""
    from graphs.state import STORE
    from graphs.talk.desk import Desk, of_an_inquiry

    if not (folder / STORE).exists():
        return None
    with Desk(folder, "any").reading() as store:
        return next((run.id for run in store.runs() if of_an_inquiry(run) and _meant(arguments, run)), None)


def _meant(arguments: argparse.Namespace, run: "Run") -> bool:
    """Whether a run is of the unit that the arguments name, as far as they do."""
    asked: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("layer", "neuron", "feature", "hook", "index", "sae", "model")
        if hasattr(arguments, name)
    }
    if {"layer", "neuron"} <= asked.keys() or {"hook", "index"} <= asked.keys():
        asked["sign"] = -1 if getattr(arguments, "negative", False) else 1
    return all(run.settings.get(name) == value for name, value in asked.items())


def _desk(arguments: argparse.Namespace, folder: Path, run_id: str | None) -> "Desk":
    from graphs.talk.desk import Desk

    ask = getattr(arguments, "ask", False)
    return Desk(folder, run_id, means=None if run_id else chosen(arguments, say), ask=ask)


def _model(arguments: argparse.Namespace) -> "ChatModel | None":
    """The language model that reads what is no command; None without one. Raises ChatModelError for a named one."""
    mind = choose_mind(getattr(arguments, "llm", "auto"), ollama_url(arguments))
    if mind.name == BUILT_IN:
        return None
    from agents.chat_model import open_chat_model

    seconds = getattr(arguments, "llm_timeout", 60.0)
    return open_chat_model(mind.name, temperature=0.0, timeout_seconds=seconds, base_url=ollama_url(arguments))


def _names(desk: "Desk") -> list[str]:
    """What can be compared with."""
    from graphs.failures import expected_failures
    from graphs.talk import comparing

    try:
        with desk.reading() as store:
            return comparing.names(store, desk.run_id)
    except expected_failures():  # Tab completes nothing then
        return []


if __name__ == "__main__":
    sys.exit(main())
