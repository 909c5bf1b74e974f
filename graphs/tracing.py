"""LangSmith: whether a run is traced, and that nobody waits for it.

Knows the environment LangSmith reads. Tracing that is asked for without a key is turned off here, so that nothing is
sent and nothing warns; LangGraph does the tracing itself.
"""

import os

SWITCHES = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2")
KEYS = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")
FLUSH_SECONDS = 3.0


def settle() -> str | None:
    """Turn tracing off when there is no key for it, and return the line that says so."""
    asked = [name for name in SWITCHES if os.environ.get(name, "").strip().lower() == "true"]
    if not asked or any(os.environ.get(name, "").strip() for name in KEYS):
        return None
    os.environ.update(dict.fromkeys(asked, "false"))
    return f"not traced: {asked[0]} is set and {KEYS[0]} is not"


def flush() -> None:
    """Send what is traced, or give up on it in time."""
    from langsmith.utils import tracing_is_enabled

    if tracing_is_enabled():
        from langsmith.run_trees import get_cached_client

        get_cached_client().flush(timeout=FLUSH_SECONDS)
