"""A wait ends in time, wherever it starts."""

import asyncio
import contextvars
import time

import pytest

from agents.deadline import within
from evals.ollama_stub import OllamaStub
from tests.agents.scene import Verse, opened

SPEAKER: contextvars.ContextVar[str] = contextvars.ContextVar("speaker", default="nobody")


async def slowly(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return SPEAKER.get()


def test_the_result_comes_back_and_the_context_goes_along() -> None:
    SPEAKER.set("poet")
    assert within(1.0, slowly(0.0)) == "poet"


def test_time_is_up_when_it_is_up() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.05, slowly(5.0))
    assert time.monotonic() - started < 1.0


def test_an_error_comes_back_as_it_is() -> None:
    async def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        within(1.0, fail())


def test_a_running_loop_does_not_forbid_waiting() -> None:
    async def notebook() -> str:
        return within(1.0, slowly(0.0))

    assert asyncio.run(notebook()) == SPEAKER.get()


def test_a_server_that_is_given_up_is_hung_up_on() -> None:
    with OllamaStub("drip-tokens") as stub:
        opened(stub, timeout_seconds=0.2).ask("Write a verse.", Verse, agent="poet")
        assert stub.hung_up.wait(2.0)
