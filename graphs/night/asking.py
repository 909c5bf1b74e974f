"""From flags to an overnight run: which targets, which limits, in which folder.

Knows the flags of `python -m graphs.overnight`. What cannot be used is a SettingError with one line.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs import flags
from graphs.settings import POCKET, SettingError, home, set_defaults
from memory.notes import safe
from memory.queue import Queue
from tools.scanner import RANKS, scan

if TYPE_CHECKING:
    from graphs.night.folder import Night
    from tools.subject import Subject
    from tools.survey import Survey

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TARGET = re.compile(r"L?(?P<layer>\d{1,6})[N.\s,]\s*(?P<neuron>\d{1,9})", re.IGNORECASE)
FEATURE = re.compile(r"F(?P<feature>\d{1,9})", re.IGNORECASE)

LIMITS = {"workers": "workers", "hours": "hours", "all_llm_calls": "llm_calls", "all_forward_passes": "forward_passes"}

Target = tuple[str, dict[str, Any]]  # its name, and what of the means is its own


@dataclass(frozen=True)
class Limits:
    """Workers, and what the whole night may cost."""

    workers: int
    hours: float | None
    llm_calls: int | None
    forward_passes: int | None


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m graphs.overnight`."""
    made = flags.parser(
        "python -m graphs.overnight",
        "Explain many neurons, one after the other, with nobody watching. Interrupted, it goes on with --resume.",
    )
    which = made.add_argument_group("targets (one way of naming them)")
    which.add_argument("--targets", type=Path, metavar="FILE", help="a file with one a line: 9.652, L9N652 or F117")
    which.add_argument("--sae", metavar="SAE", help="the dictionary of features in that file: RELEASE/ID or a folder")
    which.add_argument("--layer", type=int, help="all neurons of a layer; with the others, only that layer")
    which.add_argument("--neurons", metavar="A-B", help="of that layer, from A to B")
    which.add_argument("--sample", type=int, metavar="N", help="so many neurons at random")
    which.add_argument("--interesting", type=int, metavar="N", help="the N best by --rank of the survey")
    which.add_argument("--rank", choices=sorted(RANKS), default="weighted", help="what interesting means")
    limits = made.add_argument_group("limits of the whole night")
    limits.add_argument("--workers", type=int, help="processes, or actors of Ray; by default one a core")
    limits.add_argument("--ray", metavar="ADDRESS", help="actors of Ray as workers: local, or HOST:PORT of a cluster")
    limits.add_argument("--hours", type=float, help="stop after so long, counted anew at each --resume")
    limits.add_argument("--all-llm-calls", type=int, help="exchanges with language models by all neurons together")
    limits.add_argument("--all-forward-passes", type=int, help="forward passes by all neurons together")
    flags.add_sources(made)
    flags.add_mind(made)
    flags.add_budget(made)
    output = flags.add_output(made)
    output.add_argument("--name", help="what to call it; by date and time")
    output.add_argument("--resume", metavar="NAME", help="go on with one that was stopped; its limits can be changed")
    output.add_argument(
        "--dry-run", action="store_true", help="take the survey, say what it would do and cost, and stop"
    )
    output.add_argument("--status", action="store_true", help="say how the one of --name stands, or the last, and stop")
    output.add_argument(
        "--report",
        action="store_true",
        help="write the morning report of the one of --name, or of the last, again, and stop",
    )
    set_defaults(made)
    return made


def fresh_folder(arguments: argparse.Namespace) -> Path:
    """The folder of a new overnight run. Raises SettingError for a name that is no name, or is taken."""
    name = getattr(arguments, "name", time.strftime("%Y%m%d-%H%M%S"))
    if not NAME.fullmatch(name) or not safe(name):
        raise SettingError(f"--name may hold letters, digits, '.', '_' and '-', not '{name}'")
    folder = Path(home(arguments)) / "overnight" / name
    _untaken(folder)
    return folder


def written_down(asked: Night, targets: list[tuple[str, dict[str, Any], str]]) -> None:
    """Make an overnight run of what was asked. Raises SettingError where another command has taken its name meanwhile.

    targets: name, unit and run id of each.
    """
    from filelock import FileLock

    asked.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(asked.folder / "asking.lock"):
        _untaken(asked.folder)
        for left in asked.folder.glob("queue.sqlite*"):  # of one that was killed before it was written down
            left.unlink()
        Queue(asked.folder).add(targets)
        asked.save()


def _untaken(folder: Path) -> None:
    if (folder / "night.json").exists():
        raise SettingError(f"there is an overnight run {folder.name} already: --resume {folder.name} goes on with it")


def limits(arguments: argparse.Namespace) -> Limits:
    """What the whole night may use. Raises SettingError for numbers that make no sense."""
    given = vars(arguments)
    for name in ("workers", "hours", "all_llm_calls", "all_forward_passes", "sample", "interesting"):
        if name in given and not 0 < given[name] < math.inf:
            raise SettingError(f"--{name.replace('_', '-')} must be above zero, not {given[name]}")
    workers = given.get("workers", os.cpu_count() or 1)
    return Limits(workers, given.get("hours"), given.get("all_llm_calls"), given.get("all_forward_passes"))


def resumed(arguments: argparse.Namespace, known: Night) -> Night:
    """A stopped overnight run under the limits that are given anew. Raises SettingError for any other flag."""
    plain = vars(parser().parse_args([]))
    given = {name for name, value in vars(arguments).items() if plain.get(name) != value}
    if strange := sorted(given - LIMITS.keys() - {"resume", "home", "ray"}):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        raise SettingError(f"--resume {known.name} goes on with what was asked for then: leave out {names}")
    new = limits(arguments)
    return replace(known, **{field: getattr(new, field) for name, field in LIMITS.items() if name in given})


def targets(arguments: argparse.Namespace, subject: Subject, survey: Survey) -> list[Target]:
    """The targets asked for, each once, in the order they are worked on.

    Raises SettingError when none or several ways of naming them were used, and for one that the model has not.
    """
    given = vars(arguments)
    layer = given.get("layer")
    if layer is not None and not 0 <= layer < subject.layers:
        raise SettingError(f"{subject.name} has layers 0 to {subject.layers - 1}, not {layer}")
    ways = [name for name in ("targets", "neurons", "sample", "interesting") if name in given]
    if len(ways) > 1 or (not ways and layer is None) or (ways == ["neurons"] and layer is None):
        raise SettingError(
            "say which neurons, in one way: --targets FILE, --layer L [--neurons A-B], --sample N or --interesting N"
        )
    layers = range(subject.layers) if layer is None else [layer]
    if ways == ["targets"]:
        named = _listed(given["targets"], given.get("sae", POCKET if subject.name == POCKET else None))
        found = [each for each in named if layer is None or each[1].get("layer") == layer]
        if not found:
            raise SettingError(f"{given['targets']} names no neuron of layer {layer}")
    elif ways == ["interesting"]:
        ranked = scan(survey, hooks=list(layers), rank=given["rank"])[: given["interesting"]]
        found = [_neuron(unit.hook, unit.index) for unit in ranked]
    elif ways == ["sample"]:
        every = [(at, index) for at in layers for index in range(subject.width_at(subject.neuron(at, 0).hook))]
        drawn = random.Random(given["seed"]).sample(every, min(given["sample"], len(every)))
        found = [_neuron(*each) for each in drawn]
    else:
        assert layer is not None
        found = [_neuron(layer, index) for index in _range(given.get("neurons"), subject, layer)]
    for _, unit in found:
        if "layer" in unit:
            subject.neuron(unit["layer"], unit["neuron"])
    return list(dict(found).items())


def _neuron(layer: int, index: int) -> Target:
    return f"L{layer}N{index}", {"layer": layer, "neuron": index}


def _range(words: str | None, subject: Subject, layer: int) -> range:
    width = subject.width_at(subject.neuron(layer, 0).hook)
    if words is None:
        return range(width)
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", words)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
    if not first <= last < width:
        raise SettingError(f"--neurons is A-B with both from 0 to {width - 1}, not '{words}'")
    return range(first, last + 1)


def _listed(path: Path, sae: str | None) -> list[Target]:
    """The targets of a file. sae: the dictionary that features are of, where one is known."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingError(f"cannot read {path}: {why}") from error
    found: list[Target] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        neuron, feature = TARGET.fullmatch(words), FEATURE.fullmatch(words)
        if neuron:
            found.append(_neuron(int(neuron["layer"]), int(neuron["neuron"])))
        elif feature and sae is None:
            raise SettingError(f"{path}, line {number}: say which dictionary the feature belongs to, with --sae")
        elif feature:
            found.append((f"F{feature['feature']}", {"feature": int(feature["feature"]), "sae": sae}))
        else:
            raise SettingError(f"{path}, line {number}: '{words[:40]}' is no target such as 9.652, L9N652 or F117")
    if not found:
        raise SettingError(f"{path} names no target")
    return found
