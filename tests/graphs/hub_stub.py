"""Servers on 127.0.0.1 that stand in for the model hub, and remember what was asked of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Visits:
    """The requests a server got: (method and path, body)."""

    url: str
    requests: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def server(status: int = 200, body: bytes = b"{}", *, hangs: bool = False) -> Iterator[Visits]:
    """A server that answers everything with `status` and `body`, or with nothing at all until the block ends."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            visits.requests.append((f"{self.command} {self.path}", sent))
            if hangs:
                closing.wait(30)
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET = do_POST = do_PATCH = _answer

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads, listening.block_on_close = True, False
    visits = Visits(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield visits
    finally:
        closing.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
