"""`python -m evals.search`: how high each method drives a neuron in equal CPU time, and what the corpus shows for free.

Neurons of the bundled model, drawn by a seed over all layers; three seeds each; texts of 16 tokens; one core a run.
  1. As published: `ours` from the corpus windows it always has; nanoGCG, GCG with 512 and with 64 candidates, EPO and
     random swaps from their own starts.
  2. Seeded: GCG-64, EPO and random swaps from the best of the same windows.
  3. Typical: both once more, counting only texts whose cross-entropy is at most the median of random corpus windows.
  4. Pruning: evals/pruning.py.
Every text is scored again from its string in float32; figures are shares of the corpus maximum (both halves of the
survey). A run is measured at every mark of its trail, so that one run of 20 seconds serves 2 and 6 as well.
Times depend on the machine; compare figures of one call only.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.crew import quieten
from evals.rivals import race
from evals.rivals.standings import SEEDED, Result, means, shares, standing, step_costs

if TYPE_CHECKING:
    from evals.rivals.windows import Ground
    from tools.subject import Subject
    from tools.survey import Survey

LENGTH = 16
PRUNE = "prune"
NAMES = ("ours", "nanogcg", "gcg-512", "gcg-64", "epo", "swaps", f"gcg-64{SEEDED}", f"epo{SEEDED}", f"swaps{SEEDED}")
QUICK_CASES = {"exact": 10, "calls": 3, "greedy": 2}


def figures(results: Sequence[Result], grounds: Sequence["Ground"], marks: Sequence[float], limit: float) -> dict:
    """The shares, wins and medians of all settings at all marks, as plain data."""
    tops = {ground.name: ground.maximum for ground in grounds}
    typical_tops = {ground.name: ground.typical for ground in grounds}
    names = list(dict.fromkeys(result.method for result in results))
    found: dict[str, Any] = {
        key: {} for key in ("seconds", "seeded", "typical", "typical_seeded", "methods", "typical_methods")
    }
    for mark in marks:
        name = f"{mark:g}"
        best, likely = means(results, mark), means(results, mark, limit=limit)
        found["seconds"][name] = standing(best, tops, _published)
        found["seeded"][name] = standing(best, tops, _seeded)
        found["typical"][name] = standing(likely, typical_tops, _published)
        found["typical_seeded"][name] = standing(likely, typical_tops, _seeded)
        for method in names:
            found["methods"].setdefault(method, {})[name] = shares(best, tops, method)
            found["typical_methods"].setdefault(method, {})[name] = shares(likely, typical_tops, method)
    found["per_neuron"] = [_row(results, ground, marks, limit) for ground in grounds]
    found["step_seconds"] = step_costs(results)
    return found


def _published(method: str) -> bool:
    return not method.endswith(SEEDED)


def _seeded(method: str) -> bool:
    return method.endswith(SEEDED)


def _row(results: Sequence[Result], ground: "Ground", marks: Sequence[float], limit: float) -> dict[str, Any]:
    own = [result for result in results if result.neuron == ground.name]
    reached = {f"{mark:g}": means(own, mark).get(ground.name, {}) for mark in marks}
    likely = {f"{mark:g}": means(own, mark, limit=limit).get(ground.name, {}) for mark in marks}
    return {
        "neuron": ground.name,
        "corpus_max": ground.maximum,
        "corpus_max_held_out": ground.held_out,
        "corpus_max_cut": ground.cut,
        "corpus_max_typical": ground.typical,
        "activation": reached,
        "typical": likely,
    }


def table(found: dict[str, Any]) -> str:
    """The figures as aligned text."""
    marks = list(found["seconds"])
    lines = [f"{'median share of the corpus maximum':36}" + "".join(f"{mark + ' s':>9}" for mark in marks)]
    for title, part in (("", "methods"), ("typical: ", "typical_methods")):
        for method, row in found[part].items():
            lines.append(f"{title + method:36}" + "".join(f"{_number(row[mark]):>9}" for mark in marks))
    for part in ("seconds", "seeded", "typical", "typical_seeded"):
        for key in ("win_rate", "beats_corpus_max"):
            cells = "".join(f"{_number(found[part][mark][key]):>9}" for mark in marks)
            lines.append(f"{f'ours, {part}: {key}':36}{cells}")
    lines += [f"{'step of ' + name + ', ms':36}{1000 * cost:9.0f}" for name, cost in found["step_seconds"].items()]
    lines += [f"{'prune: ' + name:36}{_number(value):>9}" for name, value in found[PRUNE].items()]
    facts = f"{found['neurons']} neurons ({found['skipped_dead']} dead ones passed over), {found['seeds']} seeds"
    return "\n".join([*lines, f"{facts}; typical is {found['typical_nats']:.2f} nats a token or less"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def benchmark(arguments: argparse.Namespace, home: Path) -> dict[str, Any]:
    """All figures of one call."""
    import torch

    from evals.rivals.windows import draw, survey_ground, typical_surprise
    from tools import pocket
    from tools.loading import load
    from tools.survey import take

    torch.set_num_threads(1)
    subject = load(pocket.NAME, pocket.FOLDER)
    survey = take(subject, "stdlib", home)
    limit = typical_surprise(subject, survey, length=LENGTH)
    targets, dead = draw(subject, survey, arguments.neurons, seed=arguments.sample_seed)
    grounds = [survey_ground(subject, survey, target, length=LENGTH, limit=limit) for target in targets]
    names = [name for name in arguments.methods if name != PRUNE]
    jobs = [
        race.Job(ground, name, seed, max(arguments.seconds), LENGTH, limit)
        for ground in grounds
        for seed in range(arguments.seeds)
        for name in names
    ]
    results = race.race(jobs, home / f"search-{subject.hash}.jsonl", workers=arguments.workers)
    facts = {"neurons": len(grounds), "seeds": arguments.seeds, "skipped_dead": dead, "typical_nats": limit}
    pruned = _pruned(subject, survey, quick=arguments.quick) if PRUNE in arguments.methods else {}
    return facts | figures(results, grounds, sorted(arguments.seconds), limit) | {PRUNE: pruned}


def _pruned(subject: "Subject", survey: "Survey", *, quick: bool) -> dict[str, Any]:
    from evals import pruning

    sizes = QUICK_CASES if quick else pruning.CASES
    found: dict[str, Any] = {}
    began = time.monotonic()
    for done, (name, part) in enumerate(pruning.PARTS.items(), 1):
        found |= part(subject, survey, sizes[name], seed=0)
        race.report(f"pruning: {name}", done, len(pruning.PARTS), began)
    return found


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments. `--quick` is two neurons, one seed and two seconds."""
    parser = argparse.ArgumentParser(prog="python -m evals.search", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--neurons", type=int, default=12)
    parser.add_argument("--sample-seed", type=int, default=0, help="draws the neurons")
    parser.add_argument("--seeds", type=int, default=3, help="runs of every method on every neuron")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2.0, 6.0, 20.0], help="CPU seconds of a run")
    parser.add_argument("--methods", nargs="+", default=[*NAMES, PRUNE], choices=[*NAMES, PRUNE], metavar="NAME")
    parser.add_argument("--workers", type=int, default=2, help="processes, one a core")
    parser.add_argument("--home", type=Path, help="where the survey and finished runs are kept; a runs folder will do")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    parser.add_argument("--quick", action="store_true", help="two neurons, one seed, two seconds")
    arguments = parser.parse_args(words)
    if min(arguments.neurons, arguments.seeds, arguments.workers, *arguments.seconds) <= 0:
        parser.error("neurons, seeds, seconds and workers must be positive")
    if arguments.quick:
        arguments.neurons, arguments.seeds, arguments.seconds = 2, 1, [2.0]
    return arguments


def main() -> None:
    quieten()
    arguments = parsed()
    if "nanogcg" in arguments.methods and find_spec("nanogcg") is None:
        sys.exit("nanogcg is not installed: uv sync --group bench, or leave it out of --methods")
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        found = benchmark(arguments, home)
    print(table(found))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
