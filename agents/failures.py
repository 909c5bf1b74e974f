"""Names for the ways in which a call to a language model goes wrong on the wire.

    timeout       no complete answer before the deadline
    unreachable   no connection
    http-NNN      the server answered with that status
    cut-stream    the answer ended before the server said it was done
    empty         the server closed without a word
    protocol      what came back is not the provider's protocol (a proxy's HTML page)
    provider      any other error of a provider's own client library

Refuses to name answers that arrived and make no sense: agents/chat_model.py does.
"""

import sys

# Error base classes of client libraries that are only there when their provider is used.
_LIBRARIES = (
    ("ollama", "ResponseError"),
    ("openai", "OpenAIError"),
    ("anthropic", "AnthropicError"),
    ("groq", "GroqError"),
    ("httpx2", "HTTPError"),
    ("google.genai.errors", "APIError"),
)


class CutStream(ConnectionError):
    """The answer ended before the server said it was done."""


def wire_errors() -> tuple[type[Exception], ...]:
    """The exceptions a chat call may raise through no fault of ours. ValueError covers lines that are not JSON."""
    import httpx

    loaded = [getattr(sys.modules[module], name) for module, name in _LIBRARIES if module in sys.modules]
    return (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL, *loaded)


def failure_status(error: Exception) -> str:
    """The name of a wire error, from the table above."""
    import httpx

    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return f"http-{status}" if status > 0 else "cut-stream"
    if isinstance(error, TimeoutError | httpx.TimeoutException) or "Timeout" in type(error).__name__:
        return "timeout"
    if isinstance(error, CutStream | httpx.RemoteProtocolError | httpx.ReadError):
        return "cut-stream"
    if isinstance(error, OSError | httpx.ConnectError | httpx.InvalidURL) or "Connection" in type(error).__name__:
        return "unreachable"
    if isinstance(error, ValueError):
        return "empty" if "No data received" in str(error) else "protocol"
    return "provider"
