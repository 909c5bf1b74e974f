"""`--ray ADDRESS`: what it may be, and with which settings Ray is started or joined there.

`local` is a Ray of this machine that listens on loopback, with a token of its own; anything else a cluster that runs.
Whatever cannot be used is a SettingError with one line, within half a minute: Ray itself would try for minutes.
"""

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from graphs.offline import QUIET
from graphs.settings import SettingError

LOCAL = "local"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KNOCK, ANSWER = 5.0, 25.0  # seconds for a port to open, and for the Ray behind it to say that it is well
STORE_BYTES = 100_000_000  # of shared memory for Ray of this machine, through which next to nothing passes
INSTALL = "--ray needs Ray: uv sync --extra cluster (or pip install 'ray>=2.50')"
NO_CLUSTER = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on every system: loopback stays loopback
OURS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # actors run in this environment, not in one made for them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # on this machine all workers share what accelerators there are
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # an actor that died is told in the status, not across it
}


def check(address: str) -> None:
    """Raise SettingError where no Ray can be started or joined: it is not installed, or does not answer there."""
    if importlib.util.find_spec("ray") is None:
        raise SettingError(INSTALL)
    if address == LOCAL:
        return
    try:
        socket.create_connection(_parsed(address), timeout=KNOCK).close()
    except OSError as error:
        raise SettingError(f"--ray {address}: nobody answers there ({error.strerror or 'too late'})") from error
    os.environ.update(OURS | (NO_CLUSTER if _parsed(address)[0] in LOOPBACK else {}))
    well = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        subprocess.run(well, check=True, capture_output=True, timeout=ANSWER)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise SettingError(f"--ray {address}: what listens there is no Ray, or not well") from error


def alone(folder: str, *, cores: int) -> dict[str, Any]:
    """The settings of a Ray that only this process can reach, with its files in `folder`."""
    os.environ.update(OURS | NO_CLUSTER | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    return {
        "address": LOCAL,
        "num_cpus": cores,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
        "_node_ip_address": LOOPBACK[0],
        "_temp_dir": folder,
    }


def joined(address: str) -> dict[str, Any]:
    """The settings of a cluster that was checked, whose actors use the model hub as this process does."""
    passed = {name: os.environ[name] for name in (*QUIET, "HF_HUB_OFFLINE") if name in os.environ}
    return {"address": address, "runtime_env": {"env_vars": passed}}


def short_folder() -> str | None:
    """Where Ray's sockets may lie, whose paths must be short; None for the usual place for temporary files."""
    return "/tmp" if Path("/tmp").is_dir() else None


def _parsed(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingError(f"--ray is {LOCAL} or HOST:PORT, not '{address}'")
    return host.strip("[]"), int(port)
