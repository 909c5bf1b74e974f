"""`langgraph dev` serves what langgraph.json names: on loopback, without a network, by the same nodes and store."""

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from graphs.session import STORE, Session
from graphs.settings import SettingError
from graphs.state import Means
from graphs.studio import Topic, _alone, _to_its_end, conversation
from memory.store import Store
from tests.graphs.small_runs import small_means

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("langgraph_api") is None, reason="the group 'studio' is not installed"
)
ROOT = Path(__file__).parents[2]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server runs, and what it keeps."""
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[httpx.Client]:
    """The development server, started as the docs say, with somebody to ask it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--config", str(ROOT / "langgraph.json")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-browser", "--no-reload"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client,
    ):
        try:
            _until_ready(client, process, folder / "log")
            yield client
        finally:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()


def _until_ready(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            if client.get("/ok").json()["ok"]:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def means(gpt2_folder: Path, corpus_folder: Path, folder: Path) -> dict[str, Any]:
    """The context of a run of one round, as a page would send it."""
    home = folder / "home"
    return asdict(small_means(gpt2_folder, corpus_folder, home, max_iterations=1, max_forward_passes=200))


@pytest.fixture
def ask(server: httpx.Client) -> Ask:
    """Run a graph on a thread, and return the thread's state."""

    def run(thread: str | None, assistant: str, **body: Any) -> dict[str, Any]:
        thread = thread or server.post("/threads", json={}).json()["thread_id"]
        server.post(f"/threads/{thread}/runs/wait", json={"assistant_id": assistant, **body}).raise_for_status()
        return server.get(f"/threads/{thread}/state").json() | {"thread": thread}

    return run


def test_both_graphs_are_there_with_their_nodes_and_the_means_as_context(server: httpx.Client) -> None:
    found = {each["graph_id"]: each["assistant_id"] for each in server.post("/assistants/search", json={}).json()}
    assert set(found) == {"inquiry", "conversation"}
    drawn = server.get(f"/assistants/{found['inquiry']}/graph", params={"xray": True}).json()
    assert {"inquire:survey", "inquire:supervisor", "inquire:explainer"} <= {node["id"] for node in drawn["nodes"]}
    schemas = server.get(f"/assistants/{found['inquiry']}/schemas").json()
    assert schemas["context_schema"]["properties"]["model"]["default"] == "pocket"
    assert list(schemas["input_schema"]["properties"]) == ["run_id"]


def test_an_inquiry_waits_for_a_person_and_ends_in_the_store(ask: Ask, means: dict[str, Any]) -> None:
    asked = {"context": means | {"ask": True}}
    state = ask(None, "inquiry", input={"run_id": "mine"}, **asked)
    stops = []
    while state["next"]:
        stops.append(state["tasks"][0]["interrupts"][0]["value"]["node"])
        with Store.open(Path(means["home"]) / STORE) as store:  # nobody else has it open meanwhile
            assert store.run("mine").state == "running"
        state = ask(state["thread"], "inquiry", command={"resume": "yes"}, **asked)
    assert stops[0] == "hypothesis"
    assert stops[-1] == "explainer"
    told = state["values"]
    assert told["came_to"]["verdict"]
    assert Path(told["report"]).exists()
    with Store.open(Path(means["home"]) / STORE) as store:
        assert store.run("mine").state == "finished"
        steps = store.steps("mine")
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert {"survey", "supervisor", "explainer", *stops} <= {step.node for step in steps}


def test_an_inquiry_that_cannot_begin_says_why_in_its_line(ask: Ask, means: dict[str, Any]) -> None:
    state = ask(None, "inquiry", input={"run_id": ""}, context=means | {"layer": 77})
    assert "has no layer 77" in state["tasks"][0]["error"]
    state = ask(None, "inquiry", input={"run_id": "../up"}, context=means)
    assert "is no name" in state["tasks"][0]["error"]


def test_a_conversation_talks_about_the_newest_run_of_its_home(ask: Ask, means: dict[str, Any]) -> None:
    ask(None, "inquiry", input={"run_id": "talked-about"}, context=means | {"ask": True})  # it waits after two steps

    def said(line: str, thread: str | None = None, **context: Any) -> tuple[str, str]:
        message = {"role": "user", "content": line}
        state = ask(thread, "conversation", input={"messages": [message]}, context={"home": means["home"], **context})
        return state["values"]["messages"][-1]["content"], state["thread"]

    first, thread = said("show top 1")
    assert "run talked-about: running" in " ".join(first.split())
    assert first.startswith("```\n")
    assert first.endswith("\n```")
    assert "record" in said("test this: the river apple", thread)[0]
    assert "→ hypothesis" in said("next", thread)[0]
    assert "no inquiry is kept" in said("why", home=str(Path(means["home"]) / "none"))[0]
    assert "no run 'nobody'" in said("why", run_id="nobody")[0]


def test_half_a_surrogate_in_a_message_is_measured_as_a_question_mark(means: dict[str, Any], tmp_path: Path) -> None:
    topic = Topic(home=str(tmp_path), run_id="begun")
    asked: dict[str, Any] = means | {"home": topic.home}
    with Session(Means(**asked), name="begun"):
        pass
    said: Any = {"messages": [HumanMessage("test this: a\ud800b river")]}
    answer = asyncio.run(conversation().ainvoke(said, context=topic))["messages"][-1].text
    assert "peak" in answer
    with Store.open(tmp_path / STORE) as store:
        assert [record.prompt.text for record in store.records("begun")] == ["a?b river"]


def test_only_pages_that_are_named_may_talk_to_it(server: httpx.Client) -> None:
    def preflight(origin: str) -> int:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return server.options("/threads", headers=headers).status_code

    assert preflight("https://smith.langchain.com") == 200
    assert preflight("https://elsewhere.example") == 400


def test_what_is_stopped_while_it_opens_is_closed_again_before_the_run_is_free() -> None:
    begun, closed = threading.Event(), threading.Event()

    def opened() -> Any:
        begun.set()
        time.sleep(0.3)
        return SimpleNamespace(bench=SimpleNamespace(close=closed.set))

    async def stopped() -> None:
        line = asyncio.ensure_future(_to_its_end(asyncio.to_thread(opened)))
        await asyncio.to_thread(begun.wait)
        line.cancel()
        with pytest.raises(asyncio.CancelledError):
            await line
        assert closed.is_set()

    asyncio.run(stopped())


def test_what_was_stopped_and_still_goes_on_keeps_its_run_to_itself() -> None:
    with _alone("runs", "one"):
        with pytest.raises(SettingError, match="run one is still being worked on"), _alone("runs", "one"):
            pass
        with _alone("runs", "two"), _alone("elsewhere", "one"):
            pass
    with _alone("runs", "one"):
        pass
