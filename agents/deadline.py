"""Waits for a coroutine, and never longer than it was told to.

Knows one event loop in one daemon thread, started by the first wait, so that a wait also works where a loop is already
running (a notebook). When the time is up the coroutine is cancelled, which closes its connection: a server that sends
one byte a second for ever is hung up on like one that sends nothing. Refuses to know what is waited for.
"""

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

Result = TypeVar("Result")

GRACE_SECONDS = 2.0  # for the cancellation itself, should the coroutine block its thread


def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result; raises whatever it raised, or TimeoutError when `seconds` have passed."""
    future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), _loop())
    try:
        return future.result(max(seconds, 0.0) + GRACE_SECONDS)
    finally:
        future.cancel()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="language-model-calls", daemon=True).start()
    return loop
