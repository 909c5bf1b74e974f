"""Can the model hub be reached? Decided once at the start, so that nothing later waits for it.

Knows the hub's cache on disk and one short probe. Sets the environment the hub's libraries read before they are
imported: offline unless the probe answered, and quiet always.
"""

import os
import threading
import urllib.request
from http.client import HTTPException
from pathlib import Path

PROBE_SECONDS = 1.5
QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "LANGGRAPH_STRICT_MSGPACK": "true",
}


def settle(*, wanted: bool) -> bool:
    """Set the environment and say whether the hub may be asked. No probe is sent unless somebody `wanted` the hub."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not allowed():
        return False
    reachable = wanted and answers()
    if not reachable:
        os.environ["HF_HUB_OFFLINE"] = "1"
    return reachable


def allowed() -> bool:
    """Whether the environment lets the hub be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() not in ("1", "true", "yes", "on")


def answers(seconds: float = PROBE_SECONDS) -> bool:
    """Whether the hub answers one request in time; a name look-up that hangs counts as no."""
    found: list[bool] = []

    def probe() -> None:
        address = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        try:
            request = urllib.request.Request(f"{address}/gpt2/resolve/main/config.json", method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds):
                found.append(True)
        except (OSError, ValueError, HTTPException):
            found.append(False)

    thread = threading.Thread(target=probe, daemon=True, name="hub probe")
    thread.start()
    thread.join(seconds)
    return bool(found and found[0])


def cached(repository: str) -> bool:
    """Whether a model of the hub lies in the cache, weights included."""
    folder = _cache() / f"models--{repository.replace('/', '--')}" / "snapshots"
    return any(folder.glob("*/config.json")) and any(folder.glob("*/*.safetensors"))


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = Path(os.environ.get("HF_HOME", base / "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
