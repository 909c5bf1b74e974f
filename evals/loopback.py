"""A server on 127.0.0.1 for as long as a `with` lasts; the stubs of services are made of it.

A handler thread ends when its connection does, so a stub may leave a client waiting: `closing` is set at the end.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; a stub's own adds what it answers."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """A connection ends with the server."""
        super().handle_one_request()
        assert isinstance(self.server, Server)
        self.close_connection = self.close_connection or self.server.gone

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def send(self, status: int, data: Any, content_type: str = "application/json", **headers: str) -> None:
        """One whole response: bytes as they are, anything else as JSON. Headers with _ for -."""
        payload = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


class Loopback:
    """The server, alive inside `with`. handler: what answers; it finds its stub in `self.server.stub`."""

    def __init__(self, handler: type[Handler]) -> None:
        self.closing = threading.Event()
        self.hung_up = threading.Event()  # a client went away in the middle of an answer
        self._server = Server(("127.0.0.1", 0), handler)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def vanish(self) -> None:
        """Listen no more, and hang up on everybody once they are answered. May be called by a handler."""
        self._server.gone = True
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.vanish()
        self._thread.join()


class Server(ThreadingHTTPServer):
    """Threads that nobody waits for."""

    daemon_threads = True
    block_on_close = False
    stub: Any
    gone = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what half of the stubs are for."""
        if isinstance(sys.exception(), ConnectionError):
            self.stub.hung_up.set()
        else:
            super().handle_error(request, client_address)
