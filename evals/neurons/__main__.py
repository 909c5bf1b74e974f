"""`python -m evals.neurons`: are the explanations of random neurons better than floors of their own size?

Neurons of a model, layer and index uniform, are explained by the built-in mind within the budget of an inquiry and
scored on the half of the corpus that nobody has seen: evals/neurons/trial.py says how, and what the floors are. The
same seed gives the same figures, whatever the number of workers.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals import crew
from evals.experiment import publish

if TYPE_CHECKING:
    from evals.neurons.trial import Outcome

KEPT = ("correlation", "floor", "beats_floor")
METRICS = (*(f"{form}_{key}" for form in ("full", "compact") for key in KEPT), "share_of_full", "auc", "seconds")


def table(found: dict[str, Any]) -> list[str]:
    """The figures as aligned text: a line a layer, then all."""
    heads = ("full", "floor", "beats", "compact", "floor", "beats", "of full", "AUC", "floor")
    lines = [f"{'layer':>6}{'n':>5}" + "".join(f"{head:>8}" for head in heads)]
    for layer, row in [*found["by_layer"].items(), ("all", found)]:
        full, compact = row["full"], row["compact"]
        cells = [full["mean"], full["floor"], full["beats_floor"], compact["mean"], compact["floor"]]
        cells += [compact["beats_floor"], compact["share_of_full"], row["auc"], row["auc_floor"]]
        lines.append(f"{layer:>6}{row['n']:>5}" + "".join(f"{_number(cell):>8}" for cell in cells))
    out = found["abstained"]
    return [
        *lines,
        f"abstained on {out['count']} ({out['overturned']} overturned by a wider search); {found['constant']} constant",
        f"ceiling {found['ceiling']:g}; {found['seconds']:.1f} seconds a neuron",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(outcome: "Outcome") -> str:
    """One neuron, as soon as it is known: its forms beside their floors, and what is said of it."""
    forms = "; ".join(
        f"{name} {_number(form.correlation)} beside {_number(form.floor)}"
        for name, form in (("full", outcome.full), ("compact", outcome.compact))
    )
    return f"{outcome.name:8} {outcome.verdict:12} {forms}  {outcome.explanation[:120]}"


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="python -m evals.neurons", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="pocket", help="pocket, a hub name or a folder")
    parser.add_argument("--corpus", default="stdlib", help="what to read: stdlib, a folder, a file, hf:DATASET")
    parser.add_argument("--sample", type=int, default=100, help="how many neurons")
    parser.add_argument("--seed", type=int, default=0, help="draws the neurons")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    parser.add_argument("--workers", type=int, default=2, help="processes, one a core")
    parser.add_argument("--home", type=Path, help="where the survey is kept; a runs folder will do")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of asking; 0: from the pages alone")
    parser.add_argument("--prompts", type=int, default=40, help="prompts a round")
    parser.add_argument("--survey-tokens", type=int, metavar="N", help="by default what suits the model's size")
    arguments = parser.parse_args(words)
    if min(arguments.sample, arguments.workers) <= 0 or min(arguments.rounds, arguments.prompts) < 0:
        parser.error("sample and workers must be positive, rounds and prompts not negative")
    return arguments


def measured(arguments: argparse.Namespace, home: Path) -> dict[str, Any]:
    """All figures of one call. Raises SubjectError and CorpusError."""
    from evals.neurons.figures import figures
    from evals.neurons.trial import Budget
    from evals.neurons.worker import Field, begin, drawn, opened, work

    field = Field(arguments.model, arguments.corpus, home, arguments.sample, arguments.seed, arguments.survey_tokens)
    budget = Budget(arguments.rounds, arguments.prompts, arguments.seed)
    with crew.bar("survey") as told:
        subject, _ = opened(field, told)
    targets = drawn(subject, field.sample, field.seed)
    del subject
    given = field, budget
    outcomes = crew.run(work, targets, workers=arguments.workers, begin=begin, given=given, title="neurons", line=_line)
    rows = [asdict(outcome) for outcome in outcomes]
    return figures(outcomes) | {"model": arguments.model, "seed": arguments.seed, "neurons": rows}


def main(words: Sequence[str] | None = None) -> None:
    arguments = parsed(words)
    crew.quieten()
    from tools.corpus import CorpusError
    from tools.subject import SubjectError

    with tempfile.TemporaryDirectory() as folder:
        try:
            found = measured(arguments, arguments.home or Path(folder))
        except (CorpusError, SubjectError) as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    print("\n".join(table(found)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rows = [
        row | {f"{form}_{key}": row[form][key] for form in ("full", "compact") for key in KEPT}
        for row in found["neurons"]
    ]
    if told := publish(f"neurons-{arguments.model}", rows, METRICS):
        print(told)


if __name__ == "__main__":
    main()
