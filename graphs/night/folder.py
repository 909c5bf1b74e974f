"""Where everything of one overnight run lies, and what is written there. Plain files, each replaced whole.

<home>/overnight/<name>/night.json      what was asked for, and its limits of now
                        queue.sqlite    the targets (memory/queue.py)
                        heartbeat.json  how it stands, every few seconds
                        workers.log     what its workers have to say
                        work/<target>/  the store and checkpoints of a target that is being worked on
                        shards/         stores of finished runs, until they are in the store of <home>; *.damaged stay
                        morning.html    its report
"""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from graphs.settings import SettingError
from graphs.state import CHECKPOINTS, STORE, Means
from memory.database import StoreFull
from memory.queue import Item
from memory.store import Store

FOLDER = "overnight"


@dataclass(frozen=True)
class Night:
    """An overnight run: its folder, the means that all targets share, and its limits."""

    folder: Path
    means: Means
    workers: int
    hours: float | None = None
    llm_calls: int | None = None  # of all targets together
    forward_passes: int | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.name

    @property
    def home(self) -> Path:
        """The data folder it works for."""
        return Path(self.means.home)

    @property
    def shards(self) -> Path:
        """Stores of finished runs."""
        return self.folder / "shards"

    @property
    def heartbeat(self) -> Path:
        """The file that says how it stands."""
        return self.folder / "heartbeat.json"

    def work(self, item: Item) -> Path:
        """The data folder of one target while it is worked on."""
        return self.folder / "work" / item.name

    def shard(self, item: Item) -> Path:
        """The store of a finished run."""
        return self.shards / f"{item.name}.duckdb"

    def means_of(self, item: Item) -> Means:
        """The means of one target's run, in its own folder and with the surveys of all."""
        return replace(self.means, **item.unit, home=str(self.work(item)), surveys=str(self.home))

    def save(self) -> None:
        """Write down what was asked for."""
        asked = {"workers": self.workers, "hours": self.hours, "llm_calls": self.llm_calls}
        asked |= {"forward_passes": self.forward_passes, "means": asdict(self.means)}
        written(self.folder / "night.json", asked)

    def damaged(self, item: Item, store: Path) -> Path:
        """Put a store of a target that cannot be read out of the way; where it is kept now."""
        self.shards.mkdir(parents=True, exist_ok=True)
        return store.replace(self.shard(item).with_suffix(".damaged"))

    def cleared(self, item: Item) -> None:
        """Remove what was left of a target whose run is in the store."""
        self.shard(item).unlink(missing_ok=True)
        shutil.rmtree(self.work(item), ignore_errors=True)

    def handed_over(self, item: Item) -> None:
        """Put the closed store of a target where the owner takes it in, in one move."""
        self.shards.mkdir(parents=True, exist_ok=True)
        store = self.work(item) / STORE
        if store.exists():
            folded(store)
            store.replace(self.shard(item))

    def closed(self, item: Item) -> None:
        """Put the logs of whoever was killed on a target into its files, so that these can be taken elsewhere."""
        folded(self.work(item) / STORE)
        kept = self.work(item) / CHECKPOINTS
        if kept.exists():
            with closing(sqlite3.connect(kept)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def folded(store: Path) -> None:
    """Put the log of a store, whose process was killed, into the one file. Raises StoreErrors.

    DuckDB says nothing when there was no room for that on closing: the log is still there. Nor does it always do it by
    itself when there is room again.
    """
    log = store.with_name(f"{store.name}.wal")
    if log.exists():
        with Store.open(store) as opened:
            opened.checkpoint()
        if log.exists():
            raise StoreFull(f"no space left to put the log of {store} into it; free some and resume")


def night(folder: Path) -> Night:
    """The overnight run of a folder; raises SettingError when there is none, or its file cannot be read."""
    try:
        asked = json.loads((folder / "night.json").read_text(encoding="utf-8"))
        known = {field.name for field in fields(Means)}
        means: dict[str, Any] = {name: value for name, value in asked.pop("means").items() if name in known}
        means["seed_prompts"] = tuple(means.get("seed_prompts", ()))
        means["home"] = str(folder.parent.parent)  # wherever that lies by now
        return Night(folder, Means(**means), **asked)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingError(f"no overnight run can be read in {folder}: {' '.join(str(error).split())[:200]}") from error


def nights(home: Path) -> list[Path]:
    """The folders of all overnight runs of a data folder, the newest first."""
    found = [path.parent for path in (home / FOLDER).glob("*/night.json")]
    return sorted(found, key=lambda folder: (folder / "night.json").stat().st_mtime, reverse=True)


def written(path: Path, data: dict[str, Any]) -> None:
    """Replace a JSON file whole: who reads it never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
