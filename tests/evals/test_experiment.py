"""An eval is a LangSmith experiment where it is asked for and there is a key; else nothing leaves the machine."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evals.experiment import publish
from graphs import tracing

ROWS = [{"name": "a", "solved": True, "correlation": 0.5}, {"name": "b", "solved": False, "correlation": None}]
METRICS = ("solved", "correlation")
DATE = "2026-01-01T00:00:00Z"


class LangSmith:
    """As much of LangSmith's protocol as an experiment needs; `status` other than 200 refuses everything."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[str, bytes]] = []
        self.datasets: list[dict[str, Any]] = []
        self.examples: list[dict[str, Any]] = []

    def answer(self, call: str, body: bytes) -> Any:
        self.requests.append((call, body))
        if self.status != 200:
            return {"error": "refused"}
        if call == "GET /info":
            flags = {"dataset_examples_multipart_enabled": False, "zstd_compression_enabled": False}
            limits = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520}
            scaling = {"scale_up_nthreads_limit": 2, "scale_up_qsize_trigger": 1000}
            return {"version": "0.9", "instance_flags": flags, "batch_ingest_config": limits | scaling}
        if call == "POST /datasets":
            self.datasets.append(json.loads(body) | self._stamp())
            return self.datasets[-1]
        if call == "POST /examples/bulk":
            self.examples += [self._stamp() | row for row in json.loads(body)]
        kept = {"GET /datasets": self.datasets, "GET /examples": self.examples, "POST /examples/bulk": self.examples}
        if call == "POST /sessions":
            return json.loads(body) | {"tenant_id": str(uuid.uuid4()), "start_time": DATE}
        return kept.get(call, {})

    def _stamp(self) -> dict[str, str]:
        return {"id": str(uuid.uuid4()), "created_at": DATE, "tenant_id": str(uuid.uuid4())}


@pytest.fixture
def langsmith(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmith]:
    held = LangSmith()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = json.dumps(held.answer(f"{self.command} {self.path.split('?')[0]}", body)).encode()
            self.send_response(held.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PATCH = _answer

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    for name in (*tracing.SWITCHES, *tracing.KEYS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{listening.server_address[1]}")
    _forget()
    yield held
    listening.shutdown()
    listening.server_close()
    _forget()


def _forget() -> None:
    """LangSmith reads each variable once a process."""
    from langsmith import utils

    forget: Any = utils.get_env_var
    forget.cache_clear()


def test_nothing_is_sent_where_nobody_asked(langsmith: LangSmith, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "for-the-test")
    assert publish("planted", ROWS, METRICS) is None
    assert langsmith.requests == []


def test_without_a_key_nothing_is_sent_and_one_line_says_so(
    langsmith: LangSmith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    assert publish("planted", ROWS, METRICS) == "not traced: LANGSMITH_TRACING is set and LANGSMITH_API_KEY is not"
    assert langsmith.requests == []


def test_with_a_key_the_rows_are_an_experiment_over_their_names(
    langsmith: LangSmith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "for-the-test")
    told = publish("planted", ROWS, METRICS)
    assert told is not None
    assert told.startswith("experiment: neuronaut-planted-")
    assert [example["inputs"] for example in langsmith.examples] == [{"name": "a"}, {"name": "b"}]
    sent = b"".join(body for call, body in langsmith.requests if call == "POST /runs/multipart")
    assert b'"correlation":0.5' in sent
    publish("planted", ROWS, METRICS)
    assert len(langsmith.examples) == 2


def test_what_cannot_be_sent_is_one_line(langsmith: LangSmith, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "for-the-test")
    langsmith.status = 403
    told = publish("planted", ROWS, METRICS)
    assert told is not None
    assert told.startswith("the experiment was not sent: ")
    assert "\n" not in told
