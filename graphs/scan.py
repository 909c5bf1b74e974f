"""`python -m graphs.scan`: which neurons of a model are worth a look, by the figures of its survey.

Prints the best of a rank, chooses one (the first, or the one that was asked for), writes its histogram as a page, and
says how to explain it. tools/scanner.py has the figures and the ranks.
"""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphs import command
from graphs.command import survey_watcher
from graphs.settings import SettingError, check_numbers, choose_corpus, choose_model, elsewhere, home, set_defaults

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from graphs.report.findings import Histogram
    from tools.scanner import Scanned
    from tools.subject import Subject
    from tools.survey import Survey

BINS = 60
COLUMNS = ("layer", "neuron", "score", "variance", "range", "mean", "median", "active", "kurtosis")


def parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    from graphs import flags
    from tools.scanner import RANKS

    made = flags.parser("python -m graphs.scan", (__doc__ or "").splitlines()[0].partition(": ")[2])
    which = made.add_argument_group("what is looked at")
    which.add_argument("--layers", metavar="LIST", help="such as 0,3-5; all of them without")
    which.add_argument("--rank", choices=sorted(RANKS), default="weighted", help="what is best")
    which.add_argument("--top", type=int, default=5, help="how many are listed")
    which.add_argument("--silent", type=float, default=0.0, help="the size up to which an activation is none")
    which.add_argument("--least-active", type=float, default=0.001, metavar="SHARE", help="of tokens that are active")
    which.add_argument("--least-silent", type=float, default=0.0, metavar="SHARE", help="of tokens that are silent")
    which.add_argument("--choose", metavar="N", help="the N-th of the list, or ask; the first without")
    flags.add_reading(made)
    flags.add_output(made)
    set_defaults(made)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(parser, _scan, words, interrupted="nothing was chosen")


def _scan(arguments: argparse.Namespace) -> int:
    from graphs.console import clean, terminal
    from tools.scanner import scan

    given = vars(arguments)
    shares = (given["least_active"], given["least_silent"])
    if given["top"] <= 0 or not all(0.0 <= share <= 1.0 for share in shares) or not given["silent"] >= 0.0:
        raise SettingError("--top must be above zero, --silent not below it, and shares between 0 and 1")
    subject, survey, corpus = _surveyed(arguments)
    ranked = scan(
        survey,
        hooks=layers(given.get("layers"), subject.layers),
        rank=given["rank"],
        silent=given["silent"],
        least_active=given["least_active"],
        least_silent=given["least_silent"],
    )
    if not ranked:
        raise SettingError("no neuron is active and silent on such shares of the tokens")
    listed = ranked[: given["top"]]
    console = terminal()
    console.print(_table(listed, rank=given["rank"], of=len(ranked)))
    unit = listed[_choice(given.get("choose"), len(listed))]
    page = _written(unit, survey, listed, given["rank"], model=subject.name, folder=Path(home(arguments)) / "scans")
    said = [name for name in ("model", "corpus", "survey_tokens") if given.get(name) is not None]
    source = "".join(f" --{name.replace('_', '-')} {shlex.quote(str(given[name]))}" for name in said)
    asked = f"--layer {unit.hook} --neuron {unit.index}{source}{elsewhere(arguments)}"
    console.print(clean(f"explain it: python -m graphs.interpret {asked}"), soft_wrap=True)
    console.print(clean(f"read on {corpus}, {survey.tokens:,} tokens"))
    print(page.resolve())
    return 0


def layers(words: str | None, count: int) -> list[int]:
    """The layers that words such as "0,3-5" name; all without words. Raises SettingError."""
    if words is None:
        return list(range(count))
    found: set[int] = set()
    for part in words.split(","):
        ends = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if not first <= last < count:
            raise SettingError(f"--layers is a list such as 0,3-5 of layers 0 to {count - 1}, not '{words[:40]}'")
        found |= set(range(first, last + 1))
    return sorted(found)


def _surveyed(arguments: argparse.Namespace) -> "tuple[Subject, Survey, str]":
    """The model, its survey, and what that was read on."""
    from graphs.state import Means
    from tools.loading import load
    from tools.pocket import FOLDER, NAME
    from tools.survey import take

    given = vars(arguments)
    model = choose_model(given.get("model"), given.get("corpus"))
    corpus = choose_corpus(given.get("corpus"), model.name)
    subject = load(model.name, FOLDER if model.name == NAME else None, given.get("device", Means.device))
    if (tokens := given.get("survey_tokens")) is not None:
        check_numbers({"survey_tokens": tokens})
    folder, watch = Path(home(arguments)), survey_watcher()
    survey = take(subject, corpus.name, folder, bank=subject.neurons, tokens=tokens, progress=watch)
    return subject, survey, corpus.name


def _table(listed: "Sequence[Scanned]", *, rank: str, of: int) -> "Table":
    from rich.table import Table

    table = Table(title=f"best by {rank}, of {of:,} neurons")
    for column in ("", *COLUMNS):
        table.add_column(column, justify="right")
    for place, unit in enumerate(listed, 1):
        table.add_row(str(place), *_cells(unit))
    return table


def _cells(unit: "Scanned") -> list[str]:
    figures = (unit.score, unit.variance, unit.range, unit.mean, unit.median)
    return [
        str(unit.hook),
        str(unit.index),
        *(f"{x:.3g}" for x in figures),
        f"{unit.active:.1%}",
        f"{unit.kurtosis:.3g}",
    ]


def _choice(words: str | None, most: int) -> int:
    """The place in the list that was chosen, from 0. Raises SettingError, KeyboardInterrupt where nobody answers."""
    if words == "ask":
        try:
            words = input(f"which one, 1 to {most}? ").strip() or "1"
        except EOFError:
            raise KeyboardInterrupt from None
    if words is None:
        return 0
    if not words.isdecimal() or not 1 <= int(words) <= most:
        raise SettingError(f"--choose is a place in the list, 1 to {most}, or ask; not '{words[:20]}'")
    return int(words) - 1


def _written(
    unit: "Scanned", survey: "Survey", listed: "Sequence[Scanned]", rank: str, *, model: str, folder: Path
) -> Path:
    """The page of a chosen neuron: its histogram, and the list it was chosen from."""
    from markupsafe import Markup

    from graphs.report import charts
    from graphs.report.page import HERE, environment, styled, write_whole
    from tools.pages import distribution

    values = survey.sample(unit.hook, unit.index)
    peaks = survey.extremes(unit.hook, unit.index, half="evidence", side="top").values
    known = distribution(values, peaks)
    drawn = charts.histogram(_histogram(values), firing=known.firing, best=None, corpus_max=known.highest)
    page = environment(HERE).get_template("scan.html.j2")
    rows = [(each is unit, _cells(each)) for each in listed]
    told = page.render(
        name=f"L{unit.hook}N{unit.index}", model=model, rank=rank, columns=COLUMNS, rows=rows,
        histogram=Markup(drawn), tokens=len(values), **styled(),
    )  # fmt: skip
    return write_whole(told, folder / f"L{unit.hook}N{unit.index}.html")


def _histogram(values: "np.ndarray") -> "Histogram":
    import numpy as np

    from graphs.report.findings import Histogram

    counts, edges = np.histogram(values, bins=BINS)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))


if __name__ == "__main__":
    sys.exit(main())
