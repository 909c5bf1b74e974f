"""The way to LangSmith: what is sent is trimmed, kept until it arrived, waited for in bounds, and sent again later."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import requests

from evals.langsmith_stub import MODES, LangSmithStub
from graphs import tracing
from graphs.tracing import delivery, link, outbox, spans, wire
from graphs.tracing.__main__ import main as command
from graphs.tracing.service import Service, service
from graphs.tracing.trimming import ITEMS, TEXT, told_metadata, trimmed
from memory.records import Explanation, Origin, Prompt, Record, Rule, Verdict
from tests.graphs.traces import asked_for, longest, roots, within

ROOT = Path(__file__).parents[2]
URL = "https://langsmith.example"
SAID = {
    "400": "refuses a batch (400)",
    "401": "refuses the key (401)",
    "403": "refuses the key (403)",
    "429": "takes no more for now (429)",
    "500": "is unavailable (500)",
    "503": "is unavailable (503)",
    "hang": "does not answer",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "unsent it's"


@contextmanager
def traced(name: str = "L0N5") -> Iterator[None]:
    """A root with an agent and a tool in it, as a run would make them."""
    import langsmith

    client = spans._open[0].client
    on = langsmith.tracing_context(enabled=True)  # the environment is read once a process
    with on, langsmith.trace(name, "chain", client=client), tracing.span("mind.route", allowed=["a"]) as told:
        with tracing.span("measure", "tool", texts=2):
            pass
        told(node="a")
        yield


def test_a_span_outside_of_a_trace_is_none_and_imports_nothing() -> None:
    program = (
        "import sys\nfrom graphs import tracing\n"
        "with tracing.span('measure', 'tool', texts=1) as told:\n    told(records=1)\n"
        "assert not {'langsmith', 'requests', 'langchain_core'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_spans_arrive_within_each_other_and_leave_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with LangSmithStub() as stub, asked_for(monkeypatch, stub.url, folder):
        tracing.start(folder)
        with tracing.span("alone"):
            pass
        with traced():
            pass
        assert tracing.flush() is None
    assert [root["name"] for root in roots(stub.runs)] == ["L0N5"]
    assert within(stub.runs, "L0N5") == {"mind.route"}
    assert within(stub.runs, "mind.route") == {"measure"}
    assert capfd.readouterr() == ("", "")
    assert list(folder.iterdir()) == []
    assert "GET /info" not in {call for call, _ in stub.requests}


@pytest.mark.parametrize("mode", SAID)
def test_whatever_a_service_does_it_is_one_line_and_every_batch_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], mode: str
) -> None:
    monkeypatch.setattr(link, "SECONDS", 0.6)
    with LangSmithStub(mode) as stub, asked_for(monkeypatch, stub.url, folder):
        tracing.start(folder)
        with traced():
            pass
        began = time.monotonic()
        tracing.flush()
        assert time.monotonic() - began < 2.0
        shown = capfd.readouterr()
        kept = outbox.waiting(folder)
        assert kept
        batches = f"{len(kept)} batch{'es' if len(kept) > 1 else ''}"
        quoted = "'" + str(folder).replace("'", "'\"'\"'") + "'"
        way = f"{batches} kept in {folder}; python -m graphs.tracing --replay {quoted} sends them"
        assert shown.err.splitlines() == [f"not traced: LangSmith {SAID[mode]}: {way}"]
        assert shown.out == ""


def test_a_service_that_is_not_there_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with LangSmithStub() as gone:
        url = gone.url
    with asked_for(monkeypatch, url, folder):
        tracing.start(folder)
        with traced():
            pass
        tracing.flush()
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("not traced: LangSmith cannot be reached: ")
    assert command(["--replay", str(folder)]) == 2


def test_answers_that_cannot_be_read_do_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with LangSmithStub("malformed") as stub, asked_for(monkeypatch, stub.url, folder):
        tracing.start(folder)
        with traced():
            pass
        tracing.flush()
    assert len(stub.runs) == 3
    assert capfd.readouterr() == ("", "")


def test_the_key_follows_no_redirection(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.asked.append(self.path)
            self.send_response(302)
            self.send_header("location", f"{stub.url}/stolen")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    with LangSmithStub() as stub, HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with asked_for(monkeypatch, f"http://127.0.0.1:{server.server_port}", folder), requests.Session() as http:
            asked = service()
            assert asked is not None
            assert wire.project_address(http, asked, timeout=(2, 2)) is None
        server.shutdown()
    assert Elsewhere.asked
    assert stub.requests == []


def late(handler: Any, call: str, body: bytes) -> None:
    """Unavailable, and slow to say so: the process is ending by then."""
    time.sleep(0.4)
    MODES["503"](handler, call, body)


@pytest.mark.parametrize("mode", ["503", "late"])
def test_a_service_that_comes_back_gets_everything_and_nobody_hears_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], mode: str
) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.05)
    monkeypatch.setitem(MODES, "late", late)
    with LangSmithStub(mode) as stub, asked_for(monkeypatch, stub.url, folder):
        tracing.start(folder)
        with traced():
            pass
        until = time.monotonic() + 5
        while not stub.requests and time.monotonic() < until:
            time.sleep(0.01)
        stub.mode = "ok"
        tracing.flush()
    assert len(stub.runs) == 3
    assert capfd.readouterr() == ("", "")
    assert list(folder.iterdir()) == []


def test_a_process_that_just_ends_ends_in_time_and_says_one_line(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nimport langsmith\nfrom graphs import tracing\n"
        "tracing.start(Path(sys.argv[1]))\n"
        "with langsmith.trace('L0N5', 'chain', client=tracing.spans._open[0].client):\n"
        "    with tracing.span('measure', 'tool'):\n        pass\n"
        "print(time.time(), flush=True)\n"
    )
    with LangSmithStub("hang") as stub:
        asked = {"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "k", "LANGSMITH_ENDPOINT": stub.url}
        command = [sys.executable, "-c", program, str(folder)]
        environment = asked | {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90)
        ended = time.time()
    assert done.returncode == 0
    assert ended - float(done.stdout) < link.SECONDS + 4.0  # the end of the interpreter, on a busy machine, included
    [line] = done.stderr.splitlines()
    assert line.startswith("not traced: LangSmith does not answer: ")
    assert outbox.waiting(folder)


def test_what_was_kept_arrives_later_and_is_then_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with LangSmithStub("401") as stub, asked_for(monkeypatch, stub.url, folder):
        tracing.start(folder)
        with traced():
            pass
        tracing.flush()
        capfd.readouterr()
        batches = len(outbox.waiting(folder))
        assert command([str(folder)]) == 0
        assert command(["--replay", str(folder)]) == 2
        shown = capfd.readouterr()
        assert shown.out.splitlines()[0] == f"{batches} wait in {folder}; --replay sends them"
        assert shown.err == "not sent: LangSmith refuses the key (401); what has not arrived is kept\n"
        assert len(outbox.waiting(folder)) == batches
        stub.mode = "ok"
        (folder / "trace_0.json").write_text("{")
        assert command(["--replay"]) == 2
        shown = capfd.readouterr()
        assert shown.out == f"sent {batches} of {batches + 1} batches from {folder}\n"
        assert "trace_0.json is no batch" in shown.err
        (folder / "trace_0.json").unlink()
        (folder / "trace_1.json").mkdir()  # as little to be read as another person's
        assert command(["--replay"]) == 2
        assert "not sent: LangSmith was not asked: Is a directory" in capfd.readouterr().err
        (folder / "trace_1.json").rmdir()
        assert command(["--replay"]) == 0
        assert capfd.readouterr().out == f"nothing waits in {folder}\n"
    assert within(stub.runs, "mind.route") == {"measure"}
    assert all(run["end_time"] for run in stub.runs)


def test_without_a_key_nothing_is_replayed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    outbox.Outbox(folder, URL).put(outbox.Batch({}, b"x"))
    with LangSmithStub() as stub, asked_for(monkeypatch, stub.url, folder, LANGSMITH_API_KEY=None):
        assert command(["--replay", str(folder)]) == 2
    assert capfd.readouterr().err == "nothing was sent: LANGSMITH_API_KEY is not set\n"
    assert stub.requests == []


def test_a_file_with_another_destination_is_never_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    body = base64.b64encode(b"x").decode()
    evil = {"version": 1, "endpoint": "../api-key", "headers": {"x-api-key": "mine"}, "body_base64": body}
    (folder / "trace_1.json").write_text(json.dumps(evil))
    box = outbox.Outbox(folder, "https://me:secret@langsmith.example/api/v1")
    kept = box.put(outbox.Batch({}, b"for somebody else"))
    assert kept is not None
    assert "secret" not in kept.read_text()
    for name, headers in (("trace_2", {"Content-Type": "a\r\nb: c"}), ("trace_3", {"Content-Type": " a"})):
        odd = {"version": 1, "endpoint": outbox.ENDPOINT, "headers": headers, "body_base64": body}
        (folder / f"{name}.json").write_text(json.dumps(odd))
    (folder / "trace_4.json").write_text(json.dumps(odd | {"headers": {}, "body_base64": "é"}))
    with LangSmithStub() as stub, asked_for(monkeypatch, stub.url, folder):
        assert command(["--replay", str(folder)]) == 2
        assert stub.requests == []
        assert len(outbox.waiting(folder)) == 5
        good = outbox.Outbox(folder, stub.url).put(
            outbox.Batch({"Content-Type": "multipart/form-data; boundary=b"}, b"--b--")
        )
        assert good is not None
        assert command(["--replay", str(folder)]) == 2
        assert len(stub.requests) == 1  # what is wrong with others holds up nobody
        assert not good.exists()


def test_what_a_model_is_made_of_and_whole_answers_in_errors_are_not_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hide in (None, "True"):
        with LangSmithStub() as stub, asked_for(monkeypatch, stub.url, folder, LANGSMITH_HIDE_OUTPUTS=hide):
            tracing.start(folder)
            client = spans._open[0].client
            made, now = uuid.uuid4(), datetime.now(UTC)
            told = {"id": made, "trace_id": made, "dotted_order": f"{now:%Y%m%dT%H%M%S%fZ}{made}", "start_time": now}
            client.create_run("asked", {}, "llm", serialized={"repr": "http://me:secret@box"}, **told)
            error = "OutputParserException('Invalid json output: " + "an answer " * 1000
            client.update_run(made, error=error, end_time=now, trace_id=made, dotted_order=told["dotted_order"])
            tracing.flush()
        [run] = stub.runs
        assert "secret" not in json.dumps(run, default=str)
        assert run["error"].startswith("OutputParserException")
        assert len(run["error"]) <= 2000
        assert ("an answer" in run["error"]) is (hide is None)


def test_variables_of_tracers_that_are_no_more_break_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ | {"LANGCHAIN_HANDLER": "langchain", "LANGCHAIN_TRACING": "1"})
    assert tracing.settle() is None
    assert "LANGCHAIN_HANDLER" not in os.environ
    assert os.environ["LANGCHAIN_TRACING"] == "false"


@pytest.mark.parametrize(
    ("url", "pages"),
    [
        ("https://api.smith.langchain.com", "https://smith.langchain.com"),
        ("https://eu.api.smith.langchain.com", "https://eu.smith.langchain.com"),
        ("http://localhost:1980/api/v1", "http://localhost:1980"),
        ("https://langsmith.example", "https://langsmith.example"),
    ],
)
def test_pages_of_a_server_of_ones_own_are_on_that_server(url: str, pages: str) -> None:
    class Http:
        def get(self, *_: Any, **__: Any) -> SimpleNamespace:
            found = [{"tenant_id": str(uuid.UUID(int=1)), "id": str(uuid.UUID(int=2))}]
            return SimpleNamespace(status_code=200, json=lambda: found)

    found = wire.project_address(Http(), Service(url, "key"), timeout=(1.0, 1.0))  # type: ignore[arg-type]
    assert found == f"{pages}/o/{uuid.UUID(int=1)}/projects/p/{uuid.UUID(int=2)}"


def test_batches_are_for_their_owner_hold_no_key_and_stay_within_a_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_BYTES", 450)
    box = outbox.Outbox(folder, URL)
    path = box.put(outbox.Batch({"Content-Type": "text/plain"}, b"x" * 100))
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert outbox.read(path, URL) == outbox.Batch({"Content-Type": "text/plain"}, b"x" * 100)
    assert box.put(outbox.Batch({}, b"y" * 200)) is None
    assert (box.lost, len(list(folder.iterdir()))) == (1, 1)
    assert "holds" in box.why
    box.sent(path)
    for _ in range(4):
        again = box.put(outbox.Batch({}, b"z" * 100))
        assert again is not None
        box.sent(again)
    elsewhere = outbox.Outbox(folder, URL).put(outbox.Batch({}, b"z" * 100))  # another worker's counts as well
    assert elsewhere is not None
    assert box.put(outbox.Batch({}, b"y" * 200)) is None


def test_a_folder_that_cannot_be_written_loses_batches_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with LangSmithStub() as stub, asked_for(monkeypatch, stub.url, tmp_path / "file"):
        tracing.start(tmp_path / "file")
        with traced():
            pass
        tracing.flush()
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("not traced: ")
    assert "lost" in line


class Colour(Enum):
    RED = [1.0] * 50


@dataclass
class Odd:
    values: tuple[float, ...]
    record: Record
    anything: Any


def test_a_payload_keeps_words_and_figures_and_no_arrays_records_or_long_lists() -> None:
    tokens = tuple(f" t{n}" for n in range(90))
    record = Record(7, 1, Prompt("a text", Origin.SEED), tokens, tuple(range(90)), (0.5,) * 90, 0.5, 3)
    explanation = Explanation(Verdict.CONTEXT, "x" * 9000, Rule(0.0), tuple(range(300)))
    payload = {
        "best": 1.5, "none": None, "floats": [0.5] * 48, "array": np.zeros((3, 4)), "tokens": list(tokens),
        "records": [record] * 30, "curve": [[n, 0.5] for n in range(31)], "explanation": explanation,
        "prompts": [{"text": "a", "origin": "seed", "parent": None}] * 9, "nested": {str(n): n for n in range(99)},
        "odd": Odd((0.1,) * 8, record, object()), "colour": Colour.RED, "set": {1, 2}, "bytes": b"x" * 10_000,
        "circle": [],
    }  # fmt: skip
    payload["circle"].append(payload["circle"])
    told = trimmed(payload)
    assert (told["best"], told["none"], told["floats"], told["array"]) == (1.5, None, "48 numbers", "3 x 4 numbers")
    assert told["tokens"] == [*tokens[:ITEMS], "and 85 more"]
    assert told["records"][0] == "record 7: 0.5 on 'a text'"
    assert (told["curve"], told["prompts"][0]) == ("31 rows of numbers", "seed: a")
    assert told["explanation"]["evidence"] == "300 numbers"
    assert len(told["explanation"]["text"]) < TEXT + 40
    assert told["nested"]["..."] == "and 59 more"
    assert told["odd"] == {"values": "8 numbers", "record": "record 7: 0.5 on 'a text'", "anything": "a object"}
    assert (told["colour"], told["set"], told["bytes"]) == ("50 numbers", [1, 2], "a bytes")
    assert longest(told) <= ITEMS + 1
    assert len(json.dumps(told)) < 6000
    assert told_metadata({"model": "gpt2", "langgraph_path": ["a", "b"]}) == {"model": "gpt2"}


def test_a_payload_that_looks_like_a_record_is_still_a_payload() -> None:
    assert trimmed({"tokens": ["a"], "values": [1.0], "id": 3}) == {"payload": "record 3: None on ''"}


def test_the_key_is_in_no_description_of_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with asked_for(monkeypatch, "http://127.0.0.1:9/", tmp_path, LANGSMITH_WORKSPACE_ID="w"):
        found = service()
    assert found is not None
    assert (found.url, found.headers["X-Tenant-Id"]) == ("http://127.0.0.1:9", "w")
    assert "for-the-test" not in repr(found)
