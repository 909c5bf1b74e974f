"""One worker of an overnight run: a process that takes target after target until none is left.

`python -m graphs.night.worker FOLDER OWNER_PID`. A target's run has a data folder of its own, so that whoever takes it
up after a kill goes on from its last step. A run that is whole is handed over as one file; a run that fails is one row
with its reason. SIGTERM, and the owner's death, stop it between two steps.

Exit status: 0 nothing is left to take, or it was asked to stop; 2 for what a person has to put right first.
"""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.chat_model import ChatModelError
from graphs.bench import STORE, subject_of
from graphs.failures import expected_failures, told
from graphs.night.folder import Night, night
from graphs.report.findings import Findings
from graphs.report.page import write
from graphs.session import Session, Stopped
from graphs.steps import StepFailed
from memory.database import StoreError, StoreFull
from memory.queue import Item, Queue
from memory.store import Store
from tools.subject import Subject

MAIN = "simulation, full rule"  # the score that neurons are ranked by


class Worker:
    """Takes targets of one overnight run until none is left or somebody says stop."""

    def __init__(self, asked: Night, owner: int) -> None:
        self._night, self._owner = asked, owner
        self._queue = Queue(asked.folder)
        self._stopping = False

    def stop(self, *_: object) -> None:
        """Stop between two steps."""
        self._stopping = True

    def stopping(self) -> bool:
        """Whether it is to stop, or nobody is left to take in what it finishes."""
        return self._stopping or os.getppid() != self._owner

    def work(self) -> None:
        """Take targets until none is left."""
        subject = subject_of(self._night.means)
        while not self.stopping():
            item = self._queue.take(time.time(), reached=self._reached)
            if item is None:
                return
            self._one(item, subject)

    def _one(self, item: Item, subject: Subject) -> None:
        try:
            findings, passes = self._findings(item, subject)
        except Stopped:
            self._queue.release(item.name)
        except StoreFull:
            self._queue.release(item.name)
            raise
        except (StepFailed, *expected_failures()) as error:
            self._queue.fail(item.name, told(error))
        else:
            write(findings, self._night.home / "reports" / f"{item.run_id}.html")
            self._night.handed_over(item)
            self._queue.finish(item.name, summary(findings) | {"passes": passes})

    def _findings(self, item: Item, subject: Subject) -> tuple[Findings, int]:
        """The findings of a target's run, whose store is closed then, and the forward passes it took."""
        if self._night.shard(item).exists():  # killed between the move and the row: take it back
            self._night.work(item).mkdir(parents=True, exist_ok=True)
            self._night.shard(item).replace(self._night.work(item) / STORE)
        with self._opened(item, subject) as session:

            def watch(node: str, update: dict[str, Any]) -> None:
                self._queue.beat(item.name, step=update.get("step", 0), node=node, rss_gb=resident_gb())

            findings = session.run_search(watch=watch, stop=self.stopping)
            steps = session.bench.store.steps(item.run_id)
            return findings, max((step.update.get("passes", 0) for step in steps), default=0)

    def _opened(self, item: Item, subject: Subject) -> Session:
        """The session of a target; by the built-in mind when the language model has gone, as its run then says."""
        means = self._night.means_of(item)
        try:
            return Session(means, name=item.run_id, subject=subject)
        except ChatModelError as error:
            print(f"{item.name}: {told(error)}; going on with the built-in mind", file=sys.stderr, flush=True)
            return Session(replace(means, llm=None, judge=None), name=item.run_id, subject=subject)

    def _reached(self, item: Item) -> int:
        """The last step that is kept of a target's run."""
        for path in (self._night.work(item) / STORE, self._night.shard(item)):
            if path.exists():
                try:
                    with Store.open(path) as store:
                        return store.last_step(item.run_id)
                except StoreError:
                    return 0
        return 0


def summary(findings: Findings) -> dict[str, Any]:
    """What a run came to, as plain data for the queue: its row of the morning report."""
    score = next((score for score in findings.scores if score.metric == MAIN), None)
    explanation = findings.explanation
    return {
        "mind": findings.mind,
        "verdict": explanation.verdict.value if explanation else "",
        "prose": explanation.text if explanation else "",
        "score": score.value if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "floor": score.floor if score else None,
        "reason": (score.reason or "") if score else "",
        "best": findings.best.peak if findings.best else None,
        "corpus_max": findings.corpus_max,
        "seconds": round(sum(move.seconds for move in findings.steps), 1),
        "records": findings.counts.generated,
        "llm_calls": len(findings.calls),
        "supported": sum(claim.fate.value == "supported" for claim in findings.hypotheses),
        "refuted": sum(claim.fate.value == "refuted" for claim in findings.hypotheses),
    }


def resident_gb() -> float:
    """The memory of this process now, in GB; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError, AttributeError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> int:
    """Run one worker; returns the exit status."""
    folder, owner = Path(sys.argv[1]), int(sys.argv[2])
    try:
        worker = Worker(night(folder), owner)
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the owner, who says stop
        worker.work()
    except expected_failures() as error:
        print(told(error), file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
