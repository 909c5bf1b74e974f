"""`python -m graphs.interpret --layer 9 --neuron 652`: one neuron, from the question to the report.

Exit status: 0 with a report, 2 for what the person can put right (one line, nothing lost), 1 when a step failed (the
run keeps what it measured), 130 when interrupted.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs import command, statistics, tracing
from graphs.command import say
from graphs.settings import choose_model, chosen, elsewhere, home, parser

if TYPE_CHECKING:
    from graphs.console import Screen
    from graphs.report.findings import Findings
    from graphs.session import Session
    from graphs.state import Means


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(parser, _interpret, words, interrupted="stopped; what is done is kept")


def _interpret(arguments: argparse.Namespace) -> int:
    run_id = getattr(arguments, "resume", None)
    data: Path | None = getattr(arguments, "json", None)
    _require_writable(data)
    if line := tracing.settle():
        say(line)
    asked = _resumed(arguments, run_id) if run_id else chosen(arguments, say)
    from graphs.console import Screen, summary
    from graphs.report.page import write
    from graphs.session import Session
    from graphs.steps import StepFailed

    title = f"{asked.unit} of {asked.model}"
    with Screen(title) as screen, Session(asked, run_id=run_id, progress=_survey_watcher(screen)) as session:
        screen.note(f"run {session.run_id}")
        try:
            findings = session.run_search(watch=_watcher(screen, session))
        except KeyboardInterrupt:
            again = f"--resume {session.run_id}{elsewhere(arguments)}"
            say(f"stopped; go on with: python -m graphs.interpret {again}", error=True)
            return 130
        except StepFailed as error:
            again = f"--resume {session.run_id}{elsewhere(arguments)}"
            say(f"{error}; what was measured is kept: {again} tries again", error=True)
            return 1
    summary(findings)
    page = write(findings, Path(asked.home) / "reports" / f"{findings.run.id}.html")
    _write_json(findings, data)
    if line := tracing.flush():
        say(line)
    print(page.resolve())
    return 0


def _resumed(arguments: argparse.Namespace, run_id: str) -> "Means":
    say(f"resuming {run_id}")
    from graphs.session import resumable

    kept = resumable(Path(home(arguments)), run_id)
    choose_model(kept.model, kept.corpus)
    return kept


def _survey_watcher(screen: "Screen") -> Any:
    began = time.monotonic()
    first: list[int] = []

    def watch(done: int, total: int) -> None:
        first.append(done)
        screen.survey(done, total, (done - first[0]) / max(0.1, time.monotonic() - began))

    return watch


def _watcher(screen: "Screen", session: "Session") -> Any:
    def watch(node: str, update: dict[str, Any]) -> None:
        if node == "supervisor":
            screen.stage(update["goto"].replace("_", " "), update["why"])
        elif "why" in update:
            screen.note(update["why"])
        if update.get("best") is not None:
            highest = session.bench.pages.distribution.highest
            screen.best(update["best"], update["best"] / highest if highest > 0 else None)
        if node in ("hypothesis", "experiment"):
            screen.hypotheses(session.bench.store.hypotheses(session.run_id))
        rounds = update.get("visits", {}).get("experiment", 0)
        if node == "output_side" or (node == "experiment" and rounds % statistics.EVERY == 0):
            screen.note(statistics.line(session.bench.store, session.run_id, seconds=update["seconds"]))
        screen.budget(
            {
                "rounds": (rounds, session.means.max_iterations),
                "passes": (update.get("passes", 0), session.means.max_forward_passes),
            }
        )

    return watch


def _write_json(findings: "Findings", path: Path | None) -> None:
    from graphs.report.findings import as_json

    if path is not None:
        path.write_text(json.dumps(as_json(findings), ensure_ascii=False, indent=1), encoding="utf-8")


def _require_writable(path: Path | None) -> None:
    """Raise OSError now rather than after the run when the findings could not be written there."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()


if __name__ == "__main__":
    sys.exit(main())
