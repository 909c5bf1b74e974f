"""Which LangSmith is meant, read from the environment: whether runs are traced, where to, and with which key.

Knows the variables LangSmith reads, under its own names and those of LangChain. Tracing that is asked for and cannot
be had is turned off here, so that nothing is sent and nothing warns. Refuses to know what a trace is.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

OLD_SWITCH, OLD_HANDLER = "LANGCHAIN_TRACING", "LANGCHAIN_HANDLER"  # LangChain raises where they are set
SWITCHES = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", OLD_SWITCH, "LANGCHAIN_TRACING_V2")
KEYS = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")
URL, PROJECT = "https://api.smith.langchain.com", "default"
UNSENT = "traces-unsent"  # in the data folder


@dataclass(frozen=True)
class Service:
    """Where traces go: address, key, workspace (for keys of more than one), and the project they are kept in."""

    url: str
    key: str = field(repr=False)
    workspace: str | None = None
    project: str = PROJECT

    @property
    def headers(self) -> dict[str, str]:
        """What every request brings."""
        workspace = {"X-Tenant-Id": self.workspace} if self.workspace else {}
        return {"x-api-key": self.key, "Accept": "application/json"} | workspace


def settle() -> str | None:
    """Turn tracing off when it cannot be had, and return the line that says why; else leave one switch on."""
    asked = _asked()
    os.environ.pop(OLD_HANDLER, None)
    if OLD_SWITCH in os.environ:
        os.environ[OLD_SWITCH] = "false"
    if not asked:
        return None
    found = service()
    if found is not None and found.url.startswith(("http://", "https://")):
        os.environ.update(dict.fromkeys(asked, "false") | {SWITCHES[0]: "true"})
        return None
    os.environ.update(dict.fromkeys(asked, "false"))
    why = f"{KEYS[0]} is not" if found is None else f"LANGSMITH_ENDPOINT is no address: {found.url:.80}"
    return f"not traced: {asked[0]} is set and {why}"


def wanted() -> Service | None:
    """Where runs are to be traced; None where nobody asked for it, or it cannot be had."""
    return service() if _asked() else None


def service() -> Service | None:
    """The service there is a key for."""
    key = _variable("API_KEY")
    if key is None:
        return None
    url = (_variable("ENDPOINT") or URL).rstrip("/")
    return Service(url, key, os.environ.get("LANGSMITH_WORKSPACE_ID") or None, _variable("PROJECT") or PROJECT)


def hidden(part: str) -> bool:
    """Whether whoever runs this wants none of the INPUTS, OUTPUTS or METADATA to be sent."""
    return (_variable(f"HIDE_{part}") or "").lower() not in ("", "0", "false", "no", "off")


def unsent(home: Path) -> Path:
    """The folder of what could not be sent."""
    named = _variable("FAILED_TRACES_DIR")
    return Path(named).expanduser() if named else home / UNSENT


def _asked() -> list[str]:
    return [name for name in SWITCHES if os.environ.get(name, "").strip().lower() == "true"]


def _variable(name: str) -> str | None:
    for prefix in ("LANGSMITH_", "LANGCHAIN_"):
        value = os.environ.get(prefix + name, "").strip().strip("\"'")
        if value:
            return value
    return None
