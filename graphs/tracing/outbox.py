"""The outbox: a folder of batches that wait to be sent, each one file that is there whole or not at all.

LangSmith's client is given a session that puts its requests here instead of on the wire, so that a batch is on disk
before anybody tries to send it, and a kill or a silent service loses none. A file is what the client itself would have
written for a failed batch: endpoint, headers and body. No file holds the key.
"""

import base64
import io
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

ENDPOINT = "runs/multipart"
KEPT_HEADERS = ("Content-Type", "Content-Encoding")
PATTERN = "trace_*.json"
MOST_BYTES = 100 * 1024 * 1024  # of a folder; what does not fit is lost, and counted


class BadBatch(ValueError):
    """A file that is no batch. The message is one line."""


@dataclass(frozen=True)
class Batch:
    """What is posted to LangSmith in one request."""

    headers: dict[str, str]
    body: bytes


class Outbox:
    """Keeps batches for the service at `url` in a folder.

    `lost` counts those that could not be kept, `why` says what kept the last from it.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self._url = folder, _public(url)
        self.lost, self.why = 0, ""
        self._put = 0

    def put(self, batch: Batch) -> Path | None:
        """The file that the batch is in now; None when it could not be kept."""
        data = {"version": 1, "url": self._url, "endpoint": ENDPOINT, "headers": batch.headers}
        content = json.dumps(data | {"body_base64": base64.b64encode(batch.body).decode()}).encode()
        self._put += 1
        path = self.folder / f"trace_{time.time():.6f}_{os.getpid():08x}{self._put:06d}.json"
        try:
            if _held(self.folder) + len(content) > MOST_BYTES:
                raise OSError(0, f"{self.folder} holds {MOST_BYTES // 1024**2} MB already")
            self.folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".tmp")
            part.touch(0o600)
            part.write_bytes(content)
            part.replace(path)
        except OSError as error:
            self.lost, self.why = self.lost + 1, error.strerror or str(error)
            return None
        return path

    def sent(self, path: Path) -> None:
        """Remove a batch that has arrived."""
        path.unlink(missing_ok=True)


def waiting(folder: Path) -> list[Path]:
    """The batches of a folder, oldest first."""
    return sorted(folder.glob(PATTERN))


def _held(folder: Path) -> int:
    """Bytes of all batches in a folder, which other processes fill and empty too."""
    held = 0
    for path in folder.glob(PATTERN):
        with suppress(FileNotFoundError):  # sent meanwhile
            held += path.stat().st_size
    return held


def read(path: Path, url: str) -> Batch:
    """The batch in a file, if it is for the service at `url`. Raises BadBatch; FileNotFoundError when it was sent."""
    try:
        data = json.loads(path.read_bytes())
        if data["endpoint"].strip("/") != ENDPOINT:
            raise BadBatch(f"{path.name} is for another endpoint than {ENDPOINT}")
        if (meant := data.get("url", _public(url))) != _public(url):
            raise BadBatch(f"{path.name} is for {meant!s:.200}")
        headers = {name: str(value) for name, value in data["headers"].items() if name in KEPT_HEADERS}
        if not all(value.isprintable() and value == value.strip() for value in headers.values()):
            raise BadBatch(f"{path.name} has headers that cannot be sent")
        return Batch(headers, base64.b64decode(data["body_base64"], validate=True))
    except BadBatch:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadBatch(f"{path.name} is no batch: {type(error).__name__}") from error


def _public(url: str) -> str:
    """An address without a name and a password that may be in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def session(outbox: Outbox, put: Callable[[Path], None]) -> "requests.Session":
    """A session without a wire: every request is a batch in the outbox, whose file `put` is told of."""
    import requests
    from requests.adapters import BaseAdapter

    class Keeping(BaseAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            del args, kwargs
            body = request.body if isinstance(request.body, bytes) else request.body.read()
            headers = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
            path = outbox.put(Batch(headers, body))
            if path is not None:
                put(path)
            answer = requests.Response()
            answer.status_code, answer.request, answer.url = 202, request, request.url
            answer.raw = io.BytesIO(b"{}")
            return answer

        def close(self) -> None:
            """Nothing is open."""

    class Wireless(requests.Session):
        def get_adapter(self, url: str | bytes) -> BaseAdapter:
            """The same for every address, whatever the client mounts."""
            del url
            return keeping

    keeping = Keeping()
    return Wireless()
