"""`python -m evals.faults`: what does a run survive?

Four parts, on the bundled model: an overnight run whose processes are killed (siege.py, audit.py); an inquiry whose
Ollama misbehaves, and one whose LangSmith does (services.py); disks that are full or fixed, and a clock that jumps
(places.py). Nothing is changed outside a temporary folder; small disks need root, and are unscored without.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evals import crew

PARTS = ("kills", "llm", "trace", "place")


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="python -m evals.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="between two kills, on average")
    parser.add_argument(
        "--targets", type=int, default=90, help="neurons a night; nights follow until all kills are done"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="of a neuron; by default as many as an inquiry has")
    parser.add_argument("--model", default="pocket", help="pocket, a hub name or a folder")
    parser.add_argument("--corpus", default="stdlib")
    parser.add_argument("--survey-tokens", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="draws the neurons and the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as data")
    arguments = parser.parse_args(words)
    if min(arguments.kills, arguments.targets, arguments.workers) <= 0 or arguments.every <= 0:
        parser.error("kills, targets, workers and every must be positive")
    return arguments


def killed(arguments: argparse.Namespace, home: Path) -> dict[str, Any]:
    """The figures of nights whose processes are killed."""
    from evals.faults.audit import audited
    from evals.faults.siege import Siege

    words = ["--model", arguments.model, "--corpus", arguments.corpus, "--llm", "built-in"]
    words += ["--workers", str(arguments.workers)]
    words += ["--survey-tokens", str(arguments.survey_tokens)] if arguments.survey_tokens else []
    words += ["--max-iterations", str(arguments.rounds)] if arguments.rounds else []
    with crew.bar("kills", arguments.kills) as told:
        siege = Siege(
            home, words, targets=arguments.targets, kills=arguments.kills, every=arguments.every,
            seed=arguments.seed, told=lambda done: told(done, arguments.kills),
        )  # fmt: skip
        siege.run()
    found = audited(home, siege.nights)
    worked = sum(sum(steps.values()) for steps in found.seconds.values())
    opening = sum(again.opening(found.seconds.get(again.run_id, {})) for again in siege.again)
    repeated = sum(kill.lost for kill in siege.kills) + opening
    wrong = {name: getattr(found, name) for name in ("lost", "duplicates", "torn", "unnamed")}
    return {
        "kills": len(siege.kills),
        "killed": {who: sum(kill.who == who for kill in siege.kills) for who in ("owner", "worker")},
        **{name: len(lines) for name, lines in wrong.items()},
        "wrong": {name: lines for name, lines in wrong.items() if lines},
        "acknowledged_records": sum(len(kept) for night in siege.nights for _, kept in night.acknowledged.values()),
        "targets": {"kept": found.kept, "set_aside": found.set_aside},
        "repeated_share": round(repeated / (worked + repeated), 4) if worked else None,
        "seconds": {"steps": round(worked, 1), "repeated": round(repeated, 1), "opening": round(opening, 1)},
    }


def table(found: dict[str, Any]) -> list[str]:
    """The figures as text."""
    lines: list[str] = []
    if "kills" in found:
        killed, ends = found["killed"], found["targets"]
        lines.append(f"{found['kills']} kills (owner {killed['owner']}, workers {killed['worker']}):")
        lines += [f"{found[name]:>8} {name}" for name in ("lost", "duplicates", "torn", "unnamed")]
        lines += [f"         {line}" for each in found["wrong"].values() for line in each[:8]]
        lines.append(f"{found['acknowledged_records']:>8} acknowledged records of killed runs were looked for")
        lines.append(f"{ends['kept']:>8} targets kept, {ends['set_aside']} set aside with a reason")
        share = found["repeated_share"]
        lines.append(f"{'-' if share is None else f'{share:.1%}':>8} of the work was done twice")
    for part in ("llm_faults", "trace_faults", "place_faults"):
        for name, row in found.get(part, {}).items():
            lines.append(f"{'✓' if row['named'] else '✗'} {part[:-7]:6} {name:22} {row['told']}"[:118])
    return lines


def measured(arguments: argparse.Namespace, home: Path) -> Iterator[dict[str, Any]]:
    """The figures of one part after the other, each as soon as it is known."""
    from evals.faults import places, services

    if "kills" in arguments.only:
        yield killed(arguments, home)
    shared: dict[str, Callable[..., Any]] = {"llm": services.llm, "trace": services.traces, "place": places.places}
    for part, run in shared.items():
        if part in arguments.only:
            yield {f"{part}_faults": run(arguments.model, arguments.corpus, home)}


def main(words: Sequence[str] | None = None) -> int:
    """Returns 1 where anything was lost, doubled, torn or without a name."""
    arguments = parsed(words)
    crew.quieten()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in measured(arguments, Path(folder)):
            print("\n".join(table(part)), flush=True)
            found |= part
            if arguments.json is not None:
                arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    wrong = any(found.get(name) for name in ("lost", "duplicates", "torn", "unnamed"))
    rows = [row for part in PARTS for row in found.get(f"{part}_faults", {}).values()]
    return int(wrong or not all(row["named"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
