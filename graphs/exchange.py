"""`python -m graphs.exchange export --run RUN --format FORMAT --to FOLDER`, and `import`: the field's file formats.

An export is what the store holds of a run: the strongest corpus texts with their values, the explanation and its
scores; `--random N` opens the run's model as well and adds N random texts and the moments. All of them are from the
evidence half of the corpus, so what no agent has seen stays unseen; the notes say so. An import lists what it read.

Exit status: 0, or 2 with one line for a file, run or folder that cannot be used.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs import command

if TYPE_CHECKING:
    from memory.interchange import Dossier, Figure, Moments
    from memory.records import Record
    from memory.store import Store
    from tools.pages import Page
    from tools.subject import Subject

FORMATS = {"neuron-record": "neuron_record", "neuronpedia": "neuronpedia", "delphi": "delphi"}
TEXTS = 20
SHOWN = 40
SEEN = "the texts were open to whoever wrote the explanation: score it on others"


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(_parser, _act, words, interrupted="stopped; nothing is lost")


def _act(arguments: argparse.Namespace) -> int:
    _export(arguments) if arguments.act == "export" else _import(arguments)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m graphs.exchange", description=(__doc__ or "").splitlines()[0])
    acts = parser.add_subparsers(dest="act", required=True)
    out = acts.add_parser("export", help="write a run's findings for other tools")
    out.add_argument("--run", required=True, help="the run's id")
    out.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="nothing in it is overwritten")
    out.add_argument("--texts", type=_count, default=TEXTS, help="how many of the strongest corpus texts (20)")
    out.add_argument("--random", type=_count, default=0, metavar="N", help="also N random texts, read with the model")
    out.add_argument("--home", default=os.environ.get("NEURONAUT_HOME", "runs"), help="where records are kept")
    back = acts.add_parser("import", help="list what files of other tools hold")
    back.add_argument("--from", dest="source", required=True, type=Path, metavar="PATH", help="a folder or a file")
    back.add_argument("--index", type=_count, action="append", help="only this unit; may be given again")
    back.add_argument("--model", help="whose tokenizer knows delphi's token ids")
    back.add_argument("--json", action="store_true", help="everything that was read, as data")
    for each in (out, back):
        each.add_argument("--format", required=True, choices=FORMATS)
    return parser


def _count(word: str) -> int:
    """An argparse type; raises ValueError."""
    if (number := int(word)) < 0:
        raise ValueError(word)
    return number


def _export(arguments: argparse.Namespace) -> None:
    from graphs.console import clean
    from graphs.settings import home
    from graphs.state import STORE
    from memory.interchange import write
    from memory.store import Store

    folder = Path(home(arguments))
    with Store.open(folder / STORE) as store:
        dossier = dossier_of(store, arguments.run, texts=arguments.texts)
    if arguments.random:
        dossier = _with_random(dossier, folder, arguments.run, arguments.random)
    else:
        dossier = replace(dossier, notes=(*dossier.notes, "no random texts and no moments: --random N adds them"))
    if arguments.format == "delphi":
        dossier = _with_ids(dossier)
    for path in write(_module(arguments.format).encode(dossier), arguments.to):
        print(clean(str(path)))


def dossier_of(store: "Store", run_id: str, *, texts: int = TEXTS) -> "Dossier":
    """What the store holds of a run, ready to export. Raises UnknownRun."""
    from memory.interchange import Dossier
    from memory.interchange.dossier import claim_of
    from memory.records import Origin

    run = store.run(run_id)
    ranked = store.records(run_id, order="peak_desc", origins=[Origin.CORPUS])
    records = tuple(record for record in ranked if record.peak is not None and record.values)[:texts]
    explanation = store.explanation(run_id)
    claims = (claim_of(explanation, store.scores(run_id)),) if explanation is not None else ()
    notes = [f"run {run_id}, seed {run.seed}, {run.state}: {len(records)} of its strongest corpus texts", SEEN]
    notes += ["values are times -1: the unit is read downwards"] if run.target.sign < 0 else []
    for claim in claims:
        notes += [f"explanation by {claim.author}, {claim.method}", *map(_line, claim.figures)]
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Dossier(run.target, records, claims=claims, notes=tuple(notes), made=made)


def _with_random(dossier: "Dossier", home: Path, run_id: str, wanted: int) -> "Dossier":
    """The dossier with random texts of the evidence half, and the moments over all of those the run read."""
    from graphs.bench import Bench
    from graphs.session import resumable
    from graphs.settings import choose_model

    means = replace(resumable(home, run_id), llm=None)
    choose_model(means.model, means.corpus)
    bench = Bench(means)
    try:
        pages = bench.pages.random
        random = tuple(
            _record(n, page, bench.subject) for n, page in enumerate(pages[:wanted], len(dossier.records) + 1)
        )
    finally:
        bench.close()
    note = f"{len(random)} random texts of the corpus; moments over {sum(len(p.tokens) for p in pages)} tokens"
    return replace(dossier, random=random, moments=_moments(pages), notes=(*dossier.notes, note))


def _record(number: int, page: "Page", subject: "Subject") -> "Record":
    """The record of a page; without token ids where its text, cut within a character, is not read back as it was."""
    from memory.interchange.dossier import read_record

    ids = subject.encode("".join(page.tokens))
    known = ids if subject.tokens(ids) == page.tokens else ()
    return read_record(number, page.tokens, page.values.tolist(), token_ids=known, source=page.source)


def _with_ids(dossier: "Dossier") -> "Dossier":
    """The dossier without the random texts whose token ids are not known."""
    random = tuple(record for record in dossier.random if record.token_ids)
    note = f"{len(dossier.random) - len(random)} random texts left out: cut within a character, they have no token ids"
    notes = dossier.notes if len(random) == len(dossier.random) else (*dossier.notes, note)
    return replace(dossier, random=random, notes=notes)


def _moments(pages: "Sequence[Page]") -> "Moments":
    import numpy as np

    from memory.interchange import Moments

    if not pages:
        return Moments()
    values = np.concatenate([page.values for page in pages]).astype(float)
    mean, deviation = float(values.mean()), float(values.std())
    if deviation == 0:
        return Moments(mean, 0.0)
    standard = (values - mean) / deviation
    return Moments(mean, deviation**2, float((standard**3).mean()), float((standard**4).mean()))


def _import(arguments: argparse.Namespace) -> None:
    from memory.records import plain

    only = None if arguments.index is None else set(arguments.index)
    extra = {"decode": _decoder(arguments.model)} if arguments.model and arguments.format == "delphi" else {}
    dossiers: list[Dossier] = _module(arguments.format).read(arguments.source, only=only, **extra)
    if arguments.json:
        print(json.dumps(plain(dossiers), allow_nan=False))
        return
    _list(dossiers)


def _decoder(model: str) -> Any:
    from graphs.settings import choose_model
    from tools import pocket
    from tools.loading import load

    choose_model(model, "")
    return load(model, pocket.FOLDER if model == pocket.NAME else None).token


def _list(dossiers: "Sequence[Dossier]") -> None:
    from rich.table import Table

    from graphs.console import clean, terminal
    from graphs.report.visible import number

    records = sum(len(each.records) + len(each.random) for each in dossiers)
    claims = sum(len(each.claims) for each in dossiers)
    table = Table(title=f"{len(dossiers)} neurons, {records} records, {claims} explanations", expand=True)
    for name in ("unit", "model", "records", "highest", "explanation"):
        table.add_column(name, justify="right" if name in ("records", "highest") else "left", overflow="fold")
    for each in dossiers[:SHOWN]:
        peak = max((record.peak or 0.0 for record in each.records), default=None)
        said = "; ".join(f"{claim.text[:200]} ({claim.author or 'no author'})" for claim in each.claims[:3])
        count = str(len(each.records) + len(each.random))
        table.add_row(each.target.name, clean(each.target.model[:40]), count, number(peak), clean(said))
    console = terminal()
    console.print(table)
    if len(dossiers) > SHOWN:
        console.print(f"and {len(dossiers) - SHOWN} more; --json has them all")
    for note in dict.fromkeys(note for each in dossiers[:SHOWN] for note in each.notes):
        console.print(clean(note))


def _line(figure: "Figure") -> str:
    """A figure with everything that must stand beside it, in one line."""
    if figure.value is None:
        return f"{figure.metric} on {figure.split}: not scored ({figure.reason})"
    interval = "" if figure.low is None or figure.high is None else f", 95 % {figure.low:.3f} to {figure.high:.3f}"
    floor = "no floor" if figure.floor is None else f"floor {figure.floor:.3f} ({figure.floor_name})"
    return f"{figure.metric} on {figure.split}: {figure.value:.3f}, n {figure.n}{interval}, {floor}"


def _module(name: str) -> Any:
    return import_module(f"memory.interchange.{FORMATS[name]}")


if __name__ == "__main__":
    sys.exit(main())
