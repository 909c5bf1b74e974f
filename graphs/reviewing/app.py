"""The application: addresses and the pages behind them.

Knows starlette, which address shows what, and how failures of the store are told. Pages only read, from a copy of the
store that is renewed as they are asked for; one form writes, a note about a run, and it must bring the server's token.
Refuses to know what a page shows (its module) and who may ask (guard.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from graphs.failures import told
from graphs.reviewing import asked, comparison, listing, live, neuron, trace
from graphs.reviewing.drawing import render, style
from graphs.reviewing.guard import Guard, Token
from graphs.reviewing.meaning import Meanings
from graphs.state import STORE
from memory import notes
from memory.database import StoreError, StoreLocked, UnknownRun
from memory.overview import Overview
from memory.recall import Encoder, MiniLM

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
# a browser opens nothing that is a sandbox and asks to be alone among its windows
OF_A_REPORT = {"content-security-policy": REPORT_POLICY, "cross-origin-opener-policy": "unsafe-none"}


class Review:
    """The pages over one data folder. `close` lets the copy of the store go."""

    def __init__(self, home: Path, *, open_encoder: Callable[[], Encoder] = MiniLM) -> None:
        self.home = home
        self.token = Token()
        self._meanings = Meanings(open_encoder)
        self._opening = threading.Lock()
        self._overview: Overview | None = None

    def overview(self) -> Overview:
        """The copy of the store, as new as can be had at once. Raises StoreErrors."""
        with self._opening:
            if self._overview is None:
                self._overview = Overview(self.home / STORE)
        self._overview.renew()
        return self._overview

    def close(self) -> None:
        """Let the copy go."""
        if self._overview is not None:
            self._overview.close()

    def routes(self) -> list[Route]:
        """Every address."""
        return [
            Route("/", self.runs),
            Route("/compare", self.compare),
            Route("/night", self.night),
            Route("/night/report", self.morning),
            Route("/reports/{run_id}.html", self.report),  # as the morning report calls it
            Route("/run/{run_id}", self.run),
            Route("/run/{run_id}/trace", self.trace),
            Route("/run/{run_id}/records", self.records),
            Route("/run/{run_id}/record/{number}", self.record),
            Route("/run/{run_id}/report", self.report),
            Route("/run/{run_id}/note", self.note, methods=["POST"]),
            Route("/review.css", self.style),
        ]

    def runs(self, request: Request) -> Response:
        """The list of runs."""
        overview = self.overview()
        return _dated("list", overview, listing.context(overview, request.query_params, meanings=self._meanings))

    def run(self, request: Request) -> Response:
        """The neuron page."""
        overview = self.overview()
        shown = neuron.context(overview, request.path_params["run_id"], home=self.home)
        return _dated("neuron", overview, shown | {"token": self.token.value})

    def records(self, request: Request) -> Response:
        """The records of a run."""
        overview = self.overview()
        return _dated(
            "records", overview, neuron.record_page(overview, request.path_params["run_id"], request.query_params)
        )

    def record(self, request: Request) -> Response:
        """One record."""
        number = asked.whole(request.path_params, "number", most=2**31 - 1)
        run_id, overview = request.path_params["run_id"], self.overview()
        shown = neuron.one_record(overview, run_id, number or 0)
        if shown is None:
            return _message(404, f"run {run_id:.80} has no record {number}")
        return _dated("record", overview, shown)

    def trace(self, request: Request) -> Response:
        """The steps of a run."""
        overview = self.overview()
        return _dated("trace", overview, trace.context(overview, request.path_params["run_id"], request.query_params))

    def compare(self, request: Request) -> Response:
        """Two runs side by side."""
        overview = self.overview()
        return _dated("compare", overview, comparison.context(overview, request.query_params))

    def night(self, request: Request) -> Response:
        """The live state of an overnight run, with or without a store to read."""
        try:
            overview = self.overview()
        except StoreError:
            overview = None
        return _page("night", **live.context(self.home, overview, still="still" in request.query_params))

    def report(self, request: Request) -> Response:
        """The report that a run wrote at its end."""
        run = self.overview().run(request.path_params["run_id"])
        path = neuron.report_file(self.home, run.id)
        if path is None:
            return _message(404, f"run {run.id:.80} has no finished report")
        return HTMLResponse(path.read_bytes(), headers=OF_A_REPORT)

    def morning(self, _: Request) -> Response:
        """The report that an overnight run wrote at its end."""
        path = live.morning(self.home)
        if path is None:
            return _message(404, "there is no morning report yet")
        return HTMLResponse(path.read_bytes(), headers=OF_A_REPORT)

    async def note(self, request: Request) -> Response:
        """Keep what somebody noted about a run."""
        return await run_in_threadpool(self._keep_note, request.path_params["run_id"], await request.body())

    def _keep_note(self, run_id: str, body: bytes) -> Response:
        try:
            given = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=4)
        except ValueError:
            return _message(400, "this form cannot be read")
        if not self.token.matches(given.get("token", [""])[0]):
            return _message(403, "the server was started anew since this form was shown: load its page again")
        run = self.overview().run(run_id)
        notes.add(self.home, run.id, given.get("text", [""])[0])
        return RedirectResponse(f"/run/{neuron.quoted(run.id)}#notes", status_code=303)

    def style(self, _: Request) -> Response:
        """The style sheet, under an address that changes with it."""
        return Response(style()[0], media_type="text/css", headers={"cache-control": "max-age=86400"})


def make_app(review: Review, *, port: int) -> Guard:
    """The application for a server on this port of this machine."""
    handlers: dict[Any, Any] = {
        asked.BadQuestion: _refused(400),
        notes.NoteError: _refused(400),
        UnknownRun: _refused(404),
        StoreLocked: _refused(503),
        StoreError: _refused(500),
        OSError: _refused(500),
        HTTPException: _http,
    }
    return Guard(Starlette(routes=review.routes(), exception_handlers=handlers), port=port)


def _refused(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _, error: _message(status, told(error))


def _http(_: Request, error: HTTPException) -> Response:
    line = "there is no such page" if error.status_code == 404 else str(error.detail)
    return _message(error.status_code, line)


def _dated(name: str, overview: Overview, shown: dict[str, Any]) -> Response:
    """A page that says how old what it shows is."""
    return _page(name, **shown, published=overview.published)


def _page(name: str, **context: Any) -> Response:
    return HTMLResponse(render(f"{name}.html.j2", **context))


def _message(status: int, line: str) -> Response:
    return HTMLResponse(render("message.html.j2", status=status, line=line[:400]), status_code=status)
