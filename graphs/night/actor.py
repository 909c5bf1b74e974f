"""A worker of an overnight run as an actor of Ray: it is told one target after the other, and never sees the queue.

On the machine of its owner it works in the run's own folder, as a process does, so that whoever comes after a kill goes
on from the last step. On any other machine it trusts no shared file system: the files of a target come with it and go
back with its outcome, and surveys are fetched once. What is lost with such an actor is the target it was working on,
which somebody begins again.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from graphs.bench import ready
from graphs.night.attempt import Done, Outcome, attempted
from graphs.night.folder import Night
from graphs.night.footprint import resident_gb
from graphs.state import STORE
from memory.database import StoreError, StoreLocked
from memory.queue import Item
from memory.store import Store
from tools import corpus
from tools.subject import Subject

SURVEYS, REPORTS = "surveys", "reports"  # in a data folder
FREED = 30.0  # seconds until a store is free again whose last user was killed

Files = dict[str, bytes]  # by their path within a data folder


@dataclass(frozen=True)
class Standing:
    """How an actor stands: its last target, and what was done of that. away: on another machine.

    lacks: what the names of the surveys begin with that it has to be given; empty where it has them.
    """

    pid: int
    rss_gb: float
    away: bool
    lacks: str = ""
    target: str = ""
    done: Done = field(default_factory=Done)


class Actor:
    """What Ray starts. Two methods may run at the same time: `work`, and one of the others."""

    def __init__(self, asked: Night, owner: str, where: str) -> None:
        self._asked, self._night = asked, asked
        self._subject: Subject | None = None
        self._stopping = threading.Event()
        self._done = ("", Done())
        self._away = machine() != owner
        if Path(where).is_dir():
            os.chdir(where)  # a model or corpus may be named by a path from there

    def open(self) -> Standing:
        """Load the model, and look for its surveys."""
        self._subject = ready(self._asked.means)
        if not self._away:
            return self.standing()
        home = Path(tempfile.mkdtemp(prefix="neuronaut-"))
        means = replace(self._asked.means, home=str(home))
        self._night = Night(home / "overnight" / self._asked.name, means, self._asked.workers)
        (home / SURVEYS).mkdir()
        begins = f"{self._subject.hash}-{corpus.fingerprint(means.corpus, without=self._asked.home)}-"
        seen = list(surveys(self._asked.home, begins))
        for folder in seen:
            (home / SURVEYS / folder.name).symlink_to(folder.resolve())
        return replace(self.standing(), lacks="" if seen else begins)

    def fetch(self, files: Files) -> Standing:
        """Keep surveys of the owner."""
        unpack(files, self._night.home)
        return self.standing()

    def standing(self) -> Standing:
        """How it stands now."""
        target, done = self._done
        return Standing(os.getpid(), resident_gb(), self._away, target=target, done=done)

    def work(self, item: Item, files: Files) -> tuple[Outcome, Files, Standing]:
        """Attempt a target. On another machine files come with it, and go back: all that there is of it."""
        assert self._subject is not None

        def beat(done: Done) -> None:
            self._done = (item.name, done)

        unpack(files, self._night.home)
        _freed(self._night.work(item) / STORE)
        outcome = attempted(self._night, item, self._subject, beat=beat, stop=self._stopping.is_set)
        left = packed(self._night, item) if self._away else {}
        if self._away:
            self._night.cleared(item)
        return outcome, left, self.standing()

    def stop(self) -> None:
        """Stop between two steps."""
        self._stopping.set()

    def leave(self) -> None:
        """Remove what was kept on another machine."""
        if self._away:
            shutil.rmtree(self._night.home, ignore_errors=True)


def machine() -> str:
    """The machine that this process runs on, as Ray calls it."""
    import ray

    return ray.get_runtime_context().get_node_id()


def surveys(home: Path, begins: str) -> Iterator[Path]:
    """The folders of the whole surveys in a data folder whose names begin like this."""
    for found in sorted((home / SURVEYS).glob(f"{begins}*/survey.safetensors")):
        yield found.parent


def packed(night: Night, item: Item) -> Files:
    """All files there are of a target."""
    found = [night.shard(item), night.home / REPORTS / f"{item.run_id}.html", *night.work(item).rglob("*")]
    return {str(path.relative_to(night.home)): path.read_bytes() for path in found if path.is_file()}


def unpack(files: Mapping[str, bytes], home: Path) -> None:
    """Write files under a data folder, each whole or not at all."""
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def _freed(store: Path) -> None:
    """Wait while somebody who was killed still has a target's store: the actor of an owner that died."""
    until = time.monotonic() + FREED
    while store.exists() and time.monotonic() < until:
        try:
            Store.open(store).close()
        except StoreLocked:
            time.sleep(0.5)
        except StoreError:
            return  # the attempt will say so
        else:
            return
