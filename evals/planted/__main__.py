"""`python -m evals.planted`: are neurons of which the truth is known explained?

Each neuron of the spec file is planted behind the interface of a model, explained by the built-in mind within the
budget of an inquiry (12 rounds of 40 prompts, and the texts of its claims), and scored on text the mind has not seen:
evals/planted/trial.py says how. The same seed gives the same figures, whatever the number of workers.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals import crew
from evals.experiment import publish
from evals.planted.specs import SPECS, Spec, SpecError, read_specs

if TYPE_CHECKING:
    from evals.planted.ground import Ground


def table(found: dict[str, Any], *, width: int = 78) -> list[str]:
    """The figures as aligned text: a line a neuron, the unsolved last."""
    lines = [f"{'':2}{'neuron':28}{'verdict':16}{'corr.':>7}{'floor':>7}{'asked':>7}{'s':>7}"]
    rows = sorted(found["neurons"], key=lambda row: (not row["solved"], row["name"]))
    lines += [_row(row)[:width] for row in rows]
    mean, floor = _number(found["mean_correlation"]), _number(found["mean_floor"])
    return [
        *lines,
        f"solved {found['solved']:.0%} of {found['n']}; mean correlation {mean} beside {floor} of the token table,",
        f"over {found['scored_by_correlation']} neurons that a correlation decides (ceiling 1; {found['unscored']} "
        "constant predictions count as 0)",
    ]


def _row(row: Mapping[str, Any]) -> str:
    cells = f"{_number(row['correlation']):>7}{_number(row['floor']):>7}{row['asked']:>7}{row['seconds']:>7.1f}"
    return f"{'✓' if row['solved'] else '✗':2}{row['name'][:27]:28}{row['verdict']:16}{cells}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="python -m evals.planted", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, default=SPECS, metavar="FILE", help="JSON lines, one planted neuron each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    parser.add_argument("--workers", type=int, default=2, help="processes, one a core")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, help="a folder to keep the rows of the corpus in")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of asking; 0: from the pages alone")
    parser.add_argument("--prompts", type=int, default=40, help="prompts a round")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these neurons of the file")
    arguments = parser.parse_args(words)
    if arguments.workers <= 0 or min(arguments.rounds, arguments.prompts) < 0:
        parser.error("workers must be positive, rounds and prompts not negative")
    return arguments


def figures(specs: Sequence[Spec], ground: "Ground", arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one call, as plain data."""
    from evals.planted.trial import summary
    from evals.planted.worker import begin, work

    given = ground.rows, arguments.seed, arguments.rounds, arguments.prompts
    outcomes = crew.run(
        work,
        specs,
        workers=arguments.workers,
        begin=begin,
        given=given,
        title="planted neurons",
        line=lambda outcome: _row(asdict(outcome)),
    )
    rows = [asdict(outcome) for outcome in outcomes]
    return summary(outcomes) | {"seed": arguments.seed, "neurons": rows}


def main(words: Sequence[str] | None = None) -> None:
    arguments = parsed(words)
    try:
        specs = read_specs(arguments.spec)
    except SpecError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    specs = [spec for spec in specs if not arguments.only or spec.name in arguments.only]
    if not specs:
        print(f"{arguments.spec} has no neuron of these names", file=sys.stderr)
        sys.exit(2)
    crew.quieten()
    from evals.planted.ground import kept_ground
    from evals.planted.neuron import Vocabulary

    found = figures(specs, kept_ground(Vocabulary(), arguments.home), arguments)
    print("\n".join(table(found)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if told := publish("planted", found["neurons"], ("solved", "correlation", "floor", "asked", "seconds")):
        print(told)


if __name__ == "__main__":
    main()
