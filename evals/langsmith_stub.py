"""A server on 127.0.0.1 that speaks as much of LangSmith's protocol as a run needs, and misbehaves on request.

    with LangSmithStub("429") as stub:
        ... LANGSMITH_ENDPOINT=stub.url ...

`mode` is a key of MODES and may be changed between requests. `runs` are the spans in the order they arrived, each one
dict with what was posted and patched put together (`inputs`, `outputs`, `extra` and `error` among it); `feedback` the
scores; `requests` every request as (method and path without its question, body). What is refused is only in `requests`.
"""

import json
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]

TENANT, PROJECT = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("tenant", "project"))
RETRY_AFTER = 30  # seconds, as the service says with 429
LIMITS = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520}
SCALING = {"scale_up_nthreads_limit": 2, "scale_up_qsize_trigger": 1000, "scale_down_nempty_trigger": 4}
INFO = {"version": "0.13.0", "instance_flags": {}, "batch_ingest_config": LIMITS | SCALING}


class LangSmithStub:
    """The server, alive inside `with`."""

    def __init__(self, mode: str = "ok") -> None:
        self.mode = mode
        self.requests: list[tuple[str, bytes]] = []
        self.feedback: list[Body] = []
        self.closing = threading.Event()
        self._runs: dict[str, Body] = {}
        self._keeping = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def runs(self) -> list[Body]:
        """The spans that arrived."""
        with self._keeping:
            return list(self._runs.values())

    def __enter__(self) -> "LangSmithStub":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def keep(self, name: str, content: Any) -> None:
        """Put one part of a batch where it belongs: post.ID, patch.ID, patch.ID.outputs, feedback.ID and the like."""
        kind, identity, *field = name.split(".")
        with self._keeping:
            if kind == "feedback":
                self.feedback.append(content)
            elif kind in ("post", "patch"):
                known = self._runs.setdefault(identity, {})
                new = {field[0]: content} if field else content
                known.update({key: value for key, value in new.items() if value is not None})


def parts(body: bytes, content_type: str) -> dict[str, Any]:
    """The JSON parts of a multipart body, by name."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    found = {}
    for piece in body.split(b"--" + boundary)[1:-1]:
        head, _, content = piece.strip(b"\r\n").partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        found[name] = json.loads(content)
    return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stub: LangSmithStub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what some of this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def stub(self) -> LangSmithStub:
        assert isinstance(self.server, _Server)
        return self.server.stub

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def _answered(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = f"{self.command} {self.path.partition('?')[0]}"
        self.stub.requests.append((call, body))
        MODES[self.stub.mode](self, call, body)

    do_GET = do_POST = do_PATCH = do_DELETE = _answered

    def send(self, status: int, data: Any, **headers: str) -> None:
        """One whole response."""
        payload = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _ok(handler: _Handler, call: str, body: bytes) -> None:
    if call == "POST /runs/multipart":
        for name, content in parts(body, handler.headers["Content-Type"]).items():
            handler.stub.keep(name, content)
        handler.send(202, {})
    elif call == "POST /feedback":
        handler.stub.keep("feedback.", json.loads(body))
        handler.send(200, {})
    elif call == "GET /info":
        handler.send(200, INFO)
    elif call == "GET /sessions":
        handler.send(200, [{"id": PROJECT, "tenant_id": TENANT, "name": "default"}])
    else:
        handler.send(404, {"detail": "no such page"})


def _malformed(handler: _Handler, call: str, body: bytes) -> None:
    if call.startswith("GET"):
        handler.send(200, b'{"version": 3, "batch_ingest')
    else:
        _ok(handler, call, body)


def _fails(status: int, detail: str, **headers: str) -> "Mode":
    return lambda handler, _call, _body: handler.send(status, {"detail": detail}, **headers)


def _hang(handler: _Handler, call: str, body: bytes) -> None:
    del call, body
    handler.stub.closing.wait(60)


Mode = Callable[[_Handler, str, bytes], None]

MODES: dict[str, Mode] = {
    "ok": _ok,
    "malformed": _malformed,  # whatever is asked; what is sent arrives
    "400": _fails(400, "this batch cannot be read"),
    "401": _fails(401, "invalid token"),
    "403": _fails(403, "forbidden"),
    "429": _fails(429, "rate limit exceeded", Retry_After=str(RETRY_AFTER)),
    "500": _fails(500, "internal error"),
    "503": _fails(503, "service unavailable"),
    "hang": _hang,
}
