"""`python -m graphs.compare RUN_A RUN_B`: two runs on the texts both have measured.

Runs may differ in neuron, sign or model; only texts measured in both are compared, so nothing is measured here.
"""

import argparse
import os
import sys
from pathlib import Path

from graphs import command

SHOWN = 20


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(parser, _compare, words, interrupted="stopped; nothing is lost")


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m graphs.compare`."""
    made = argparse.ArgumentParser(prog="python -m graphs.compare", description=(__doc__ or "").splitlines()[0])
    made.add_argument("run_a")
    made.add_argument("run_b")
    made.add_argument("--home", default=os.environ.get("NEURONAUT_HOME", "runs"), help="where records are kept")
    return made


def _compare(arguments: argparse.Namespace) -> int:
    import numpy as np
    from rich.table import Table

    from graphs.console import clean, terminal
    from graphs.settings import home
    from graphs.state import STORE
    from memory.store import Store
    from tools.scoring import correlation

    run_a, run_b = arguments.run_a, arguments.run_b
    with Store.open(Path(home(arguments)) / STORE) as store:
        names = [f"{run.target.name} of {run.target.model}" for run in map(store.run, (run_a, run_b))]
        pairs = store.compare(run_a, run_b)
    table = Table(title=f"{len(pairs)} texts measured in both", expand=True)
    for name, style in zip((*names, "text"), ("cyan", "magenta", ""), strict=True):
        table.add_column(clean(name), style=style, justify="left" if name == "text" else "right")
    for pair in sorted(pairs, key=lambda each: -max(each.first, each.second))[:SHOWN]:
        table.add_row(f"{pair.first:.2f}", f"{pair.second:.2f}", clean(pair.text[-60:]))
    console = terminal()
    console.print(table)
    both = np.array([[pair.first, pair.second] for pair in pairs]).reshape(-1, 2)
    found = correlation([both[:, 0]], [both[:, 1]]) if len(both) > 2 else None
    console.print("too few texts for a correlation" if found is None else f"correlation of the peaks {found:+.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
