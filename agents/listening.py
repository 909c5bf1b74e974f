"""What a language model says while it says it, where its provider streams.

`listener` is handed to LangChain with a question; it tells the whole text so far, not every piece. Refuses to know what
the text is good for: what may be believed of an answer is decided when it is whole (agents/chat_model.py).
"""

import time
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

Hear = Callable[[str], None]  # the text so far

PAUSE = 0.05  # seconds in which nothing is told twice


def listener(hear: Hear) -> Any:
    """A LangChain callback handler that tells `hear` the text so far; LangChain logs what `hear` raises."""
    from langchain_core.callbacks import AsyncCallbackHandler

    class Listener(AsyncCallbackHandler):
        def __init__(self) -> None:
            self._text, self._told = "", 0.0

        async def on_llm_start(self, *_: Any, **__: Any) -> None:
            self._text = ""  # a repair turn says it all again

        async def on_llm_new_token(self, token: Any, **_: Any) -> None:
            self._text += str(token)
            if time.monotonic() - self._told >= PAUSE:
                self._told = time.monotonic()
                hear(self._text)

    return Listener()


def half_read(text: str) -> dict[str, Any]:
    """What a JSON object says that has not come to its end yet; its last string may be cut. Empty where it is none."""
    start = text.find("{")
    try:
        found = from_json(text[start:], allow_partial="trailing-strings") if start >= 0 else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
