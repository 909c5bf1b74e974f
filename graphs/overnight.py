"""`python -m graphs.overnight --sample 200`: many neurons, one after the other, with nobody watching.

Exit status: 0 when every target has met its end (set aside is an end, with its reason), 2 for what the person can put
right (one line, nothing lost), 3 when targets are left: it was stopped, a limit was reached, or workers cannot go on;
`--resume NAME` goes on from there. SIGTERM and Ctrl-C stop it between two steps, or after a minute; a second one ends
it at once. A step that was cut off is done again.
"""

import argparse
import json
import shlex
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs import command, tracing
from graphs.command import say, survey_watcher
from graphs.settings import SettingError, choose_model, chosen, elsewhere, home

if TYPE_CHECKING:
    from graphs.night.crew import Crew
    from graphs.night.folder import Night
    from memory.experiments import Experiment


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(_parser, _overnight, words, interrupted="stopped before it began; nothing is lost")


def _parser() -> argparse.ArgumentParser:
    from graphs.night.asking import parser

    return parser()


def _overnight(arguments: argparse.Namespace) -> int:
    from graphs.night.folder import night

    given = vars(arguments)
    if "status" in given:
        return _status(_newest(arguments))
    if "report" in given:
        return _report(night(_newest(arguments)))
    ray = given.get("ray")
    if ray is not None:
        from graphs.night.address import check

        check(ray)
    if line := tracing.settle():
        say(line)
    if "resume" in given:
        from graphs.night.asking import resumed

        asked = resumed(arguments, night(_newest(arguments)))
        choose_model(asked.means.model, asked.means.corpus)
    else:
        found = _asked(arguments)
        if found is None:
            return 0
        asked = found
    return _run(asked, ray, again=_again(arguments, asked))


def _asked(arguments: argparse.Namespace) -> "Night | None":
    """A new overnight run with its targets in the queue; None when it was only asked what it would cost."""
    from graphs.bench import subject_of, target_of
    from graphs.night import asking
    from graphs.night.ahead import read_pages
    from graphs.night.folder import Night
    from tools.ahead import cost
    from tools.survey import take

    limits, folder = asking.limits(arguments), asking.fresh_folder(arguments)
    flags = {name: value for name, value in vars(arguments).items() if name not in ("layer", "neurons")}
    shared = chosen(argparse.Namespace(**flags, layer=0, neuron=0), say)
    asked = Night(folder, shared, limits.workers, limits.hours, limits.llm_calls, limits.forward_passes)
    subject = subject_of(shared)
    survey = take(
        subject, shared.corpus, asked.home, bank=subject.neurons, tokens=shared.survey_tokens, progress=survey_watcher()
    )
    targets = asking.targets(arguments, subject, survey)
    ids = [f"{name}-{asked.name}" for name, _ in targets]
    _estimated(asked, ids, None if "ray" in vars(arguments) else cost(subject, survey, len(targets)))
    if "dry_run" in vars(arguments):
        return None
    features = [target_of(subject, replace(shared, **unit)) for _, unit in targets if "feature" in unit]
    for bank in map(subject.bank, features[:1]):  # they have it in common, and no worker should have to read it
        take(subject, shared.corpus, asked.home, bank=bank, tokens=shared.survey_tokens, progress=survey_watcher())
    asking.written_down(asked, [(name, unit, run_id) for (name, unit), run_id in zip(targets, ids, strict=True)])
    if "ray" not in vars(arguments):  # actors may be elsewhere
        try:
            read_pages(asked, subject, survey, progress=survey_watcher("pages"))
        except KeyboardInterrupt:
            say(_again(arguments, asked))
            raise
    return asked


def _again(arguments: argparse.Namespace, asked: "Night") -> str:
    """How to go on with it, for a person."""
    ray = f" --ray {shlex.quote(arguments.ray)}" if hasattr(arguments, "ray") else ""
    return f"go on with: python -m graphs.overnight --resume {asked.name}{elsewhere(arguments)}{ray}"


def _run(asked: "Night", ray: str | None, *, again: str) -> int:
    from graphs.night.owner import Owner
    from graphs.night.report import line
    from memory.experiments import track_experiment

    crew = _crew(asked, ray)
    with track_experiment(asked.name, {"workers": asked.workers, "hours": asked.hours}, home=asked.home) as figures:
        owner = Owner(asked, say=_Status(figures).told, crew=crew)
        asked.save()  # its limits may be new
        crew.open()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, owner.stop)
        why = owner.run()
    tracing.flush()
    say(f"ended: {why}")
    status = _report(asked)
    beat = json.loads(asked.heartbeat.read_text(encoding="utf-8"))
    say(line(beat, now=time.time()))
    if beat["left"] or beat["waiting"]:
        say(again)
        return 3
    return status


def _crew(asked: "Night", ray: str | None) -> "Crew":
    if ray is None:
        from graphs.night.crew import Processes

        return Processes(asked)
    from graphs.night.cluster import Cluster

    return Cluster(asked, ray)


def _report(asked: "Night") -> int:
    from graphs.console import terminal
    from graphs.night.report import blocks, gathered, write

    morning = gathered(asked)
    console = terminal()
    for block in blocks(morning):
        console.print(block)
    print(write(morning, asked.folder / "morning.html").resolve())
    return 0


def _status(folder: Path) -> int:
    from graphs.night.report import line

    try:
        beat = json.loads((folder / "heartbeat.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"overnight run {folder.name} has no heartbeat yet") from error
    say(line(beat, now=time.time()))
    return 0


def _newest(arguments: argparse.Namespace) -> Path:
    """The folder of the overnight run that was named, or of the newest one."""
    from graphs.night.asking import NAME
    from graphs.night.folder import FOLDER, nights

    kept, name = Path(home(arguments)), vars(arguments).get("resume", vars(arguments).get("name"))
    if name is not None:
        folder = kept / FOLDER / name
        if not NAME.fullmatch(name) or not (folder / "night.json").exists():
            known = ", ".join(each.name for each in nights(kept)[:5]) or "none"
            raise SettingError(f"no overnight run '{name}'; the newest are {known}")
        return folder
    found = nights(kept)
    if not found:
        raise SettingError(f"no overnight run in {kept}")
    return found[0]


def _estimated(asked: "Night", ids: list[str], ahead: tuple[int, int] | None) -> None:
    """Say what it would cost. Raises SettingError where the store has runs of these names already."""
    from graphs.night import estimate
    from graphs.state import STORE
    from memory.database import StoreLocked
    from memory.snapshot import Snapshot

    path = asked.home / STORE
    cost, each = None, None
    try:
        with Snapshot(path) as store:
            cost = estimate.past(store, asked)
            known = [run.id for run in store.runs()]
            each = path.stat().st_size / len(known) if known else None
            if taken := sorted({*known} & {*ids}):
                raise SettingError(f"the store has run {taken[0]} of an earlier one: take another --name")
    except StoreLocked:
        pass  # nobody has published a copy yet: the estimate says that it knows nothing
    for told in estimate.told(asked, len(ids), cost, bytes_a_run=each, ahead=ahead):
        say(told)


class _Status:
    """The live status line: on a terminal one line that is written over, else one a minute. Once a minute its figures
    are kept (memory/experiments.py)."""

    def __init__(self, figures: "Experiment") -> None:
        self._last = self._logged = -60.0
        self._state = ""
        self._figures = figures

    def told(self, beat: dict[str, Any]) -> None:
        from graphs.night.report import GOING, line

        words = line(beat, now=time.time())
        changed, self._state = beat["state"] != self._state, beat["state"]
        if time.monotonic() - self._logged >= 60 or changed:
            self._logged = time.monotonic()
            memory = {"rss_gb": beat["rss_gb"], "workers_gb": sum(each["rss_gb"] for each in beat["workers"])}
            with suppress(OSError):  # its folder may be full or gone: the night goes on
                self._figures.log(done=beat["done"], left=beat["left"], hours=beat["hours"], **memory)
        if sys.stdout.isatty():
            print(f"\r\x1b[2K{words[:118]}", end="" if beat["state"] in GOING else "\n", flush=True)
        elif time.monotonic() - self._last >= 60 or changed:
            self._last = time.monotonic()
            say(words)


if __name__ == "__main__":
    sys.exit(main())
