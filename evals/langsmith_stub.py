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
from typing import Any

from evals.loopback import Handler, Loopback, Server

Body = dict[str, Any]

TENANT, PROJECT = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("tenant", "project"))
RETRY_AFTER = 30  # seconds, as the service says with 429
LIMITS = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520}
SCALING = {"scale_up_nthreads_limit": 2, "scale_up_qsize_trigger": 1000, "scale_down_nempty_trigger": 4}
INFO = {"version": "0.13.0", "instance_flags": {}, "batch_ingest_config": LIMITS | SCALING}


class LangSmithStub(Loopback):
    """The server, alive inside `with`."""

    def __init__(self, mode: str = "ok") -> None:
        super().__init__(_Handler)
        self.mode = mode
        self.requests: list[tuple[str, bytes]] = []
        self.feedback: list[Body] = []
        self._runs: dict[str, Body] = {}
        self._keeping = threading.Lock()

    @property
    def runs(self) -> list[Body]:
        """The spans that arrived."""
        with self._keeping:
            return list(self._runs.values())

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


class _Handler(Handler):
    @property
    def stub(self) -> LangSmithStub:
        assert isinstance(self.server, Server)
        return self.server.stub

    def _answered(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = f"{self.command} {self.path.partition('?')[0]}"
        self.stub.requests.append((call, body))
        MODES[self.stub.mode](self, call, body)

    do_GET = do_POST = do_PATCH = do_DELETE = _answered


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
