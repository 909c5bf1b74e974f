"""Delivery: batches from the outbox to LangSmith, by one daemon thread that nobody waits for longer than they say.

A batch that arrived is removed from the outbox; any other stays there. While a run goes on, a service that is silent or
busy is tried again after a while; a key that is refused is not tried twice. Once something has arrived, the service is
asked for the address of the project. When it is closed, what waits is tried once more. Refuses to know what is in a
batch, and what an answer means (wire.py).
"""

import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from graphs.tracing.outbox import BadBatch, Outbox, read
from graphs.tracing.service import Service
from graphs.tracing.wire import Timeout, Trouble, project_address, send

if TYPE_CHECKING:
    import requests

TIMEOUT: Timeout = (2.0, 10.0)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds; doubled in between
ASKING, EVERY = 10, 0.3  # times the project is asked for, and seconds between: a new one takes a moment to exist


class Delivery:
    """Sends what it is told of, in order. Any thread may call any method; `close` ends it."""

    def __init__(self, service: Service, outbox: Outbox) -> None:
        self._service, self._outbox = service, outbox
        self._changed = threading.Condition()
        self._waiting: deque[Path] = deque()
        self._refused, self._why = 0, ""
        self._troubled = self._given_up = False
        self._pause, self._not_before = FIRST_PAUSE, 0.0
        self._arrived, self._asked, self._ask_again = False, 0, 0.0
        self._project: str | None = None
        self._patient = False  # the service asked for patience
        self._until: float | None = None  # set when it is closed
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """Send this batch as well."""
        with self._changed:
            self._waiting.append(path)
            self._changed.notify_all()

    def project(self, seconds: float) -> str | None:
        """The address of the project, waited for as long as it may still come."""
        with self._changed:
            self._changed.wait_for(lambda: self._project or self._troubled or self._asked >= ASKING, seconds)
            return self._project

    def close(self, seconds: float) -> tuple[int, str]:
        """Try once more what waits, for so long; returns how many batches are left, and why."""
        with self._changed:
            self._until, self._not_before = time.monotonic() + seconds, 0.0
            self._given_up |= self._patient
            self._changed.notify_all()
        self._thread.join(seconds)
        with self._changed:
            return len(self._waiting) + self._refused, self._why or "does not answer"

    def _run(self) -> None:
        import requests

        with requests.Session() as http:
            while self._has_work():
                if self._asks():
                    self._ask(http)
                else:
                    self._send(http)

    def _has_work(self) -> bool:
        """Wait until there is something to send or to ask; False when it is closed and there is not."""
        with self._changed:
            while not self._asks() and not self._sends():
                if self._until is not None:
                    return False
                self._changed.wait(self._rest())
            return True

    def _sends(self) -> bool:
        return bool(self._waiting) and not self._given_up and time.monotonic() >= self._not_before

    def _asks(self) -> bool:
        return self._may_ask() and time.monotonic() >= self._ask_again

    def _may_ask(self) -> bool:
        unknown = self._arrived and self._project is None and self._asked < ASKING
        return unknown and not self._troubled and self._until is None

    def _rest(self) -> float | None:
        """Seconds until there is something to do by itself; None when there is nothing."""
        times = [self._not_before] if self._waiting and not self._given_up else []
        times += [self._ask_again] if self._may_ask() else []
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _ask(self, http: "requests.Session") -> None:
        found = project_address(http, self._service, timeout=self._timeout())
        with self._changed:
            self._project, self._asked = found, self._asked + 1
            self._ask_again = time.monotonic() + EVERY
            self._changed.notify_all()

    def _send(self, http: "requests.Session") -> None:
        with self._changed:
            path, last = self._waiting[0], self._until is not None
        try:
            trouble = send(http, self._service, read(path, self._service.url), timeout=self._timeout())
        except FileNotFoundError:  # sent by a replay meanwhile
            trouble = None
        except (OSError, BadBatch) as error:
            trouble = Trouble(f"was not sent a batch: {error}", "next")
        if trouble is None:
            self._outbox.sent(path)
        with self._changed:
            self._settle(trouble, last)
            self._changed.notify_all()

    def _settle(self, trouble: Trouble | None, last: bool) -> None:
        """What an attempt at the first batch that waits came to. last: it began when all was closed."""
        if trouble is None or trouble.then == "next":
            self._waiting.popleft()
            self._arrived |= trouble is None
            self._troubled, self._patient, self._pause = False, False, FIRST_PAUSE
            if trouble is not None:
                self._refused, self._why = self._refused + 1, trouble.words
            return
        self._troubled, self._why, self._patient = True, trouble.words, trouble.pause > 0
        closed = self._until is not None
        self._given_up = trouble.then == "none" or last or (closed and self._patient)
        self._not_before = 0.0 if closed else time.monotonic() + max(trouble.pause, self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _timeout(self) -> Timeout:
        with self._changed:
            left = TIMEOUT[1] if self._until is None else max(0.05, self._until - time.monotonic())
        return min(TIMEOUT[0], left), min(TIMEOUT[1], left)
