"""The guard: what every request must be before it reaches a page, and what every answer carries.

Knows who may ask (this machine, by a loopback name and this port, so that no foreign name that points here is
answered), how large a question may be, and the headers that forbid a page scripts, frames and foreign requests. Also
keeps the token that a form must bring to write. Refuses to know what is on the pages.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_PATH, LONGEST_QUERY, LARGEST_BODY = 600, 2_000, 65_536  # bytes: a note of 4,000 characters takes 9 each at most
METHODS = ("GET", "HEAD", "POST")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Token:
    """The secret of one server's forms, new at every start."""

    def __init__(self) -> None:
        self.value = secrets.token_urlsafe(32)

    def matches(self, given: str) -> bool:
        """Whether a form brought it, in the same time whatever it brought."""
        return hmac.compare_digest(self.value.encode(), given.encode("utf-8", "replace"))


class Guard:
    """Stands before an application: turns away what may not ask, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (refusal := self._refusal(scope)) is not None:
            await _turn_away(*refusal, send=_armed(send))
        else:
            await self._app(scope, receive, _armed(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the line to turn a request away with, or None."""
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, "this server answers to 127.0.0.1 and localhost only"
        if scope["method"] not in METHODS:
            return 405, "only GET and POST are known here"
        if len(scope.get("raw_path") or scope["path"].encode()) > LONGEST_PATH:
            return 414, f"an address here has at most {LONGEST_PATH} bytes"
        if len(scope["query_string"]) > LONGEST_QUERY:
            return 414, f"a question here has at most {LONGEST_QUERY:,} bytes"
        return self._refused_body(scope)

    def _refused_body(self, scope: Scope) -> tuple[int, str] | None:
        lengths, posted = _header(scope, b"content-length"), scope["method"] == "POST"
        if _header(scope, b"transfer-encoding") or (posted and len(lengths) != 1):
            return 411, "say how long the body is"
        if any(not length.isdecimal() or len(length) > 9 or int(length) > LARGEST_BODY for length in lengths):
            return 413, f"a body here has at most {LARGEST_BODY:,} bytes"
        if posted and not self._from_here(scope):
            return 403, "this form was sent from elsewhere"
        return None

    def _from_here(self, scope: Scope) -> bool:
        """Whether a form is one of these pages', as far as the browser says; the token says the rest.

        A page that tells no referrer, as these do, has its forms sent with the origin null.
        """
        sites, origins = _header(scope, b"sec-fetch-site"), _header(scope, b"origin")
        known = {f"http://{host}" for host in self._hosts} | {"null"}
        return all(site in ("same-origin", "none") for site in sites) and all(one.lower() in known for one in origins)


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name]


def _armed(send: Send) -> Send:
    """`send` with the headers on every answer that does not bring its own."""

    async def armed(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            known = {key.lower() for key, _ in given}
            given += [(key.encode(), value.encode()) for key, value in HEADERS.items() if key.encode() not in known]
            message = {**message, "headers": given}
        await send(message)

    return armed


async def _turn_away(status: int, line: str, *, send: Send) -> None:
    body = f"{line}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
