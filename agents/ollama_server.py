"""What an Ollama server has to offer, asked over HTTP with a deadline.

Knows which models are installed and which of them can chat. Refuses to know what is said to a model: that is
agents/chat_model.py. Proxies of the environment are not used: the server is this machine or a neighbour.
"""

from collections.abc import Coroutine
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from agents.deadline import within

if TYPE_CHECKING:
    import ssl

    import httpx

Result = TypeVar("Result")

DEFAULT_URL = "http://127.0.0.1:11434"
DEFAULT_PORT = 11434


class OllamaError(Exception):
    """The server cannot be used, or not with this model; the message is one line for a person."""


def server_url(base_url: str | None) -> str:
    """The server's address; `host` and `host:port`, as in OLLAMA_HOST, are completed."""
    if not base_url:
        return DEFAULT_URL
    if "://" in base_url:
        return base_url.rstrip("/")
    return f"http://{base_url}" if ":" in base_url else f"http://{base_url}:{DEFAULT_PORT}"


def require_model(base_url: str | None, model: str, *, seconds: float = 5.0) -> None:
    """Return when the server has the model and the model can chat; otherwise raise OllamaError."""
    url = server_url(base_url)
    status, shown = _within_reach(url, _show(_client(url), model), seconds=seconds)
    if status == 404:
        raise OllamaError(f"Ollama at {url} has no model {model!r}: run `ollama pull {model}`")
    if status != 200:
        raise OllamaError(f"Ollama at {url} answered HTTP {status} when asked about the model {model!r}")
    if not _chats(shown):
        raise OllamaError(f"The model {model!r} cannot chat: it only offers {', '.join(shown['capabilities'])}")


def reachable_ollama(base_url: str | None, model: str | None = None, *, seconds: float = 1.0) -> bool:
    """Whether a server answers in time and has the model (or, without a name, any model that can chat)."""
    return choose_model(base_url, wanted=model, seconds=seconds) is not None


def choose_model(base_url: str | None, *, wanted: str | None = None, seconds: float = 1.0) -> str | None:
    """The wanted model when it is installed, else None; without a wish, the first installed model that can chat."""
    url = server_url(base_url)
    try:
        return _within_reach(url, _choose(_client(url), wanted), seconds=seconds)
    except OllamaError:
        return None


def model_digest(base_url: str | None, model: str, *, seconds: float = 5.0) -> str | None:
    """The digest of the weights the server has under this name; None where it does not tell."""
    url = server_url(base_url)
    try:
        entries = _within_reach(url, _list(_client(url)), seconds=seconds)
    except OllamaError:
        return None
    found = [entry.get("digest") for entry in entries if entry.get("name") in (model, f"{model}:latest")]
    return str(found[0]) if found and found[0] else None


def _within_reach(url: str, work: Coroutine[Any, Any, Result], *, seconds: float) -> Result:
    """The result of a request to the server; every way in which it can fail becomes an OllamaError."""
    import httpx

    try:
        return within(seconds, work)
    except (TimeoutError, httpx.TimeoutException):
        raise OllamaError(f"Ollama at {url} did not answer within {seconds:g} s") from None
    except (OSError, httpx.TransportError, httpx.InvalidURL) as error:
        raise OllamaError(f"No Ollama at {url} ({_line(error)}): start it with `ollama serve`") from None
    except (ValueError, httpx.HTTPError):
        raise OllamaError(f"What answers at {url} is not an Ollama server") from None


async def _choose(client: "httpx.AsyncClient", wanted: str | None) -> str | None:
    async with client:
        for name in [str(entry.get("name", "")) for entry in await _listed(client)]:
            if wanted and name not in (wanted, f"{wanted}:latest"):
                continue
            status, shown = await _shown(client, name)
            if status == 200 and _chats(shown):
                return wanted or name
    return None


async def _list(client: "httpx.AsyncClient") -> list[dict[str, Any]]:
    async with client:
        return await _listed(client)


async def _listed(client: "httpx.AsyncClient") -> list[dict[str, Any]]:
    listed = _object((await client.get("/api/tags")).raise_for_status()).get("models")
    return [entry for entry in listed or [] if isinstance(entry, dict)]


async def _show(client: "httpx.AsyncClient", model: str) -> tuple[int, dict[str, Any]]:
    async with client:
        return await _shown(client, model)


async def _shown(client: "httpx.AsyncClient", model: str) -> tuple[int, dict[str, Any]]:
    response = await client.post("/api/show", json={"model": model})
    return response.status_code, _object(response) if response.is_success else {}


@cache
def trusted() -> "ssl.SSLContext":
    """Whom a server has to be certified by: read once a process, which takes longer than a request does."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def _client(url: str) -> "httpx.AsyncClient":
    import httpx

    try:
        return httpx.AsyncClient(
            base_url=url, timeout=None, trust_env=False, verify=trusted()
        )  # `within` ends every wait
    except httpx.InvalidURL as error:
        raise OllamaError(f"{url!r} is not the address of a server: {_line(error)}") from None


def _chats(shown: dict[str, Any]) -> bool:
    """Servers before 0.6.4 do not list capabilities; their models get the benefit of the doubt."""
    return "completion" in (shown.get("capabilities") or ["completion"])


def _object(response: "httpx.Response") -> dict[str, Any]:
    data = response.json()
    if not isinstance(data, dict):
        raise ValueError("a JSON object was expected")
    return data


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
