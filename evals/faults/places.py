"""An overnight run on a disk that is full, in a folder that may not be written, under a clock that jumps.

Small disks are file systems in memory (tmpfs), which only root may mount: without, the part is unscored and says so.
The clock is the one that Python's `time.time` reads, moved from outside while the run goes on.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evals.crew import bar
from evals.faults.audit import Audit, audited
from evals.faults.services import LIMIT, Ended, command
from evals.faults.siege import Night
from memory.queue import Queue

NAME = "place"
ROOM, FILLED = 96, 2  # MiB: of the small disk, and what is left of it when it is filled
DAYS = 86_400.0
CLOCK = """\
import time as _time, pathlib as _pathlib
_real, _moved = _time.time, _pathlib.Path({path!r})
_time.time = lambda: _real() + float(_moved.read_text() or 0)
"""


def places(model: str, corpus: str, home: Path) -> dict[str, Any]:
    """By place: whether a night of two neurons ended under a name, and what it said."""
    words = ["--model", model, "--corpus", corpus, "--survey-tokens", "30000", "--max-iterations", "1"]
    words += ["--llm", "built-in", "--sample", "2", "--workers", "1", "--name", NAME]
    found: dict[str, Any] = {}
    with bar("places", len(PARTS)) as told:
        for done, (name, part) in enumerate(PARTS.items(), 1):
            place = home / name.replace(" ", "-")
            place.mkdir()
            try:
                found[name] = part(words, place)
            except Unmounted as error:
                found[name] = {"named": True, "told": f"unscored({error})"}
            told(done, len(PARTS))
    return found


class Unmounted(RuntimeError):
    """A small disk could not be made."""


@contextmanager
def _disk(folder: Path, options: str) -> Iterator[None]:
    try:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
        )
    except OSError:
        made = None
    if made is None or made.returncode != 0:
        raise Unmounted("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fixed(words: list[str], home: Path) -> dict[str, Any]:
    """A night in a folder that may not be written."""
    with _disk(home, "size=1m,ro"):
        ended = command("graphs.overnight", words, home)
    lines = ended.err.strip().splitlines()
    return {"named": ended.status == 2 and len(lines) == 1, "told": " ".join(lines)[:160], "status": ended.status}


def full(words: list[str], home: Path) -> dict[str, Any]:
    """A night on a disk that fills up once its survey is taken; then there is room again."""
    with _disk(home, f"size={ROOM}m"):
        command("graphs.overnight", [*words, "--dry-run"], home)
        filler = home / "filler"
        left = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
        filler.write_bytes(b"\0" * max(0, left - FILLED * 2**20))
        full = command("graphs.overnight", words, home)
        filler.unlink()
        begun = (home / "overnight" / NAME / "night.json").exists()
        again = command("graphs.overnight", ["--resume", NAME] if begun else words, home)
        row = _row(again, home)
    said = (full.err.strip().splitlines() or [line for line in full.out.splitlines() if "space" in line] or [""])[-1]
    named = full.status in (2, 3) and "space" in full.err + full.out
    return row | {"named": row["named"] and named, "told": f"{said[:100]}; with room again: {row['told']}"}


def jumping(words: list[str], home: Path) -> dict[str, Any]:
    """A night whose clock goes back a day while it works, and then three forward."""
    hands, hooks = home / "moved", home / "hooks"
    hooks.mkdir()
    hands.write_text("0")
    (hooks / "sitecustomize.py").write_text(CLOCK.format(path=str(hands)))
    path = os.pathsep.join([str(hooks), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    line = [sys.executable, "-m", "graphs.overnight", *words, "--home", str(home)]
    began, jumps = time.monotonic(), [-DAYS, 3 * DAYS]
    with subprocess.Popen(
        line, env=os.environ | {"PYTHONPATH": path}, stdout=-3, stderr=subprocess.PIPE, text=True
    ) as run:
        while run.poll() is None and time.monotonic() - began < LIMIT:
            time.sleep(0.2)
            if jumps and _steps(home) >= 3 * (3 - len(jumps)):
                hands.with_suffix(".new").write_text(str(jumps.pop(0)))
                hands.with_suffix(".new").replace(hands)
        run.kill()
        _, err = run.communicate()
    ended = Ended(run.returncode, "", err, time.monotonic() - began)
    row = _row(ended, home)
    return row | {"named": row["named"] and not jumps}


def _steps(home: Path) -> int:
    folder = home / "overnight" / NAME
    return sum(item.step for item in Queue(folder).items()) if (folder / "night.json").exists() else 0


def _row(ended: Ended, home: Path) -> dict[str, Any]:
    """How a night that should have ended well did."""
    night = Night(home / "overnight" / NAME, statuses=[ended.status if ended.status is not None else -9])
    if ended.status != 0:
        return {
            "named": False,
            "told": (ended.err.strip().splitlines() or ["it hung"])[-1][:160],
            "status": ended.status,
        }
    found: Audit = audited(home, [night])
    wrong = [*found.lost, *found.duplicates, *found.torn, *found.unnamed]
    told = f"{found.kept} kept, {found.set_aside} set aside" + "".join(f"; {line}" for line in wrong[:3])
    return {"named": not wrong and found.kept == 2, "told": told, "status": 0}


PARTS = {"read-only folder": fixed, "full disk": full, "clock jumps": jumping}
