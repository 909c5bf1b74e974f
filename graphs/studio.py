"""The graphs that `langgraph dev` serves (langgraph.json): an inquiry for Studio, a conversation for chat pages.

Knows how a server's run becomes a run of ours: opened on the given means, kept in the store under its own id, and
closed when the server's run ends, waits for a person or fails, so that other commands find the store free. Checkpoints
are the server's. Asked for a `run_id` that is kept, an inquiry goes on from its last step, even on another server.
"""

import asyncio
import io
import re
import secrets
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.chat_model import ChatModel, open_chat_model
from graphs.console import terminal
from graphs.failures import expected_failures, told
from graphs.inquiry import build
from graphs.legality import most_steps
from graphs.night.attempt import summary
from graphs.report.page import write
from graphs.session import LAST_STEPS, Session
from graphs.settings import SettingError, choose_mind, choose_model
from graphs.state import STORE, Means
from graphs.steps import StepFailed
from graphs.talk.answering import Answering
from graphs.talk.desk import Desk, of_an_inquiry
from graphs.talk.room import Room
from graphs.talk.transcript import Transcript, default_thread, named
from memory.records import BUILT_IN

_working: set[tuple[str, str]] = set()  # data folders and runs: what is stopped on the server may go on for a while
_entering = threading.Lock()


@dataclass
class Asked:
    """What an inquiry is asked with. run_id: one to go on with, or what to call a new one."""

    run_id: str = ""


@dataclass
class Told(Asked):
    """What it came to: the row that an overnight run keeps of it, and where its report lies."""

    came_to: dict[str, Any] = field(default_factory=dict)
    report: str = ""


@dataclass(frozen=True)
class Topic:
    """What a conversation is about: the run that is named, or the newest one of `home`. llm: as for --llm."""

    home: str = "runs"
    run_id: str = ""
    llm: str = BUILT_IN


@cache
def inquiry() -> "CompiledStateGraph[Any, Means, Any, Any]":
    """The supervisor graph within the bookkeeping of a run; its context is Means."""
    steps = build().compile()

    def begin(state: Told, runtime: Runtime[Means]) -> dict[str, Any]:
        return {"run_id": named("run_id", state.run_id) if state.run_id else _fresh_name(runtime.context)}

    async def inquire(state: Told, runtime: Runtime[Means]) -> dict[str, Any]:
        with _alone(runtime.context.home, state.run_id):
            session = await _to_its_end(asyncio.to_thread(_opened, runtime.context, state.run_id))
            try:
                limit: Any = {"recursion_limit": most_steps(session.means) + LAST_STEPS}
                if session.under_way():
                    await steps.ainvoke({"run_id": session.run_id}, limit, context=session.means)
                return await asyncio.to_thread(_ended, session)
            except StepFailed as error:
                session.bench.store.finish(session.run_id, f"failed({error})")
                raise
            finally:
                await asyncio.to_thread(session.bench.close)

    graph = StateGraph(Told, context_schema=Means, input_schema=Asked)
    graph.add_sequence([begin, inquire])
    graph.add_edge(START, "begin")
    return graph.compile(name="inquiry")


@cache
def conversation() -> "CompiledStateGraph[Any, Topic, Any, Any]":
    """A person's messages are lines of a conversation about a run, as in `python -m graphs.chat`."""

    async def answer(state: MessagesState, runtime: Runtime[Topic]) -> dict[str, Any]:
        said = state["messages"]
        elsewhere = asyncio.get_running_loop().run_in_executor  # without the context of the server's graph
        text = await elsewhere(None, _answered, runtime.context or Topic(), str(said[-1].text), len(said) == 1)
        return {"messages": [AIMessage(text)]}

    graph = StateGraph(MessagesState, context_schema=Topic)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return graph.compile(name="conversation")


async def _to_its_end(opening: Coroutine[Any, Any, Session]) -> Session:
    """The session once it is open. Stopped meanwhile, it waits for that, and closes it again."""
    opened = asyncio.ensure_future(opening)
    try:
        return await asyncio.shield(opened)
    except asyncio.CancelledError:
        await asyncio.wait([opened])
        if opened.exception() is None:
            await asyncio.to_thread(opened.result().bench.close)
        raise


@contextmanager
def _alone(home: str, run_id: str) -> Iterator[None]:
    """Work on a run as the only one of this process, which DuckDB would not refuse. Raises SettingError."""
    with _entering:
        if (home, run_id) in _working:
            raise SettingError(f"run {run_id} is still being worked on by this server: ask again when that has ended")
        _working.add((home, run_id))
    try:
        yield
    finally:
        _working.discard((home, run_id))


def _opened(given: Means, run_id: str) -> Session:
    """The session of an inquiry; where means have a tuple, JSON has a list."""
    choose_model(given.model, given.corpus)
    return Session(replace(given, seed_prompts=tuple(given.seed_prompts)), name=run_id)


def _ended(session: Session) -> dict[str, Any]:
    """What a whole run came to."""
    session.finish()
    findings = session.findings()
    page = write(findings, Path(session.means.home) / "reports" / f"{session.run_id}.html")
    return {"came_to": summary(findings), "report": str(page)}


def _fresh_name(means: Means) -> str:
    unit = re.sub(r"[^A-Za-z0-9]+", "-", means.unit)[:80]
    return f"{unit}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _answered(topic: Topic, line: str, first: bool) -> str:
    """The answer to a line; to the first one of a thread also where the run stands."""
    screen, home = io.StringIO(), Path(topic.home)
    try:
        with Desk(home, topic.run_id or _newest(home)) as desk, _alone(topic.home, desk.run_id):
            transcript = Transcript(home, default_thread(desk.run().id))
            room = Room(desk, transcript, Answering(desk, _model(topic)), terminal(screen))
            room.enter()
            if not first:
                screen.seek(0)
                screen.truncate()
            room.hear(line)
    except expected_failures() as error:
        return told(error)
    return _fenced(screen.getvalue() or "kept; the next message goes on with it")


def _newest(home: Path) -> str:
    if (home / STORE).exists():
        with Desk(home, "any").reading() as store:
            for run in filter(of_an_inquiry, store.runs()):
                return run.id
    raise SettingError(f"no inquiry is kept in {home}: let the graph 'inquiry' make one, or name another home")


def _model(topic: Topic) -> ChatModel | None:
    mind = choose_mind(topic.llm, None)
    return None if mind.name == BUILT_IN else open_chat_model(mind.name, temperature=0.0)


def _fenced(text: str) -> str:
    """`text` as Markdown that shows it as it is: inside a fence that it cannot close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}\n{text.rstrip()}\n{fence}"
