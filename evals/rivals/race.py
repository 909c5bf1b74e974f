"""The runs themselves: worker processes of one thread each, and a file that remembers every finished run.

1. The neurons are dealt out among the workers; each worker has a process, and a model, of its own.
2. A run ends as one line of JSON in the home folder, so that an interrupted benchmark repeats only what was under way.
3. A line counts only for the same model, time and edition: the source files that the method's figures depend on.

Knows jobs and files. What a method does is in its own file; what its texts are worth, in judging.py.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.crew import quieten
from evals.rivals.standings import OURS, SEEDED, Result

if TYPE_CHECKING:
    from evals.rivals.windows import Ground
    from tools.subject import Subject

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Job:
    """One run of one method on one neuron."""

    ground: "Ground"
    method: str
    seed: int
    seconds: float
    length: int
    limit: float

    @property
    def key(self) -> str:
        """What makes a kept line the answer to this job."""
        parts = [self.ground, self.method, self.seed, self.seconds, self.length, self.limit, edition(self.method)]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def race(jobs: Sequence[Job], file: Path, *, workers: int) -> list[Result]:
    """Run what `file` does not hold yet, and return everything. Raises what a method raises."""
    kept = _kept(file)
    waiting = [job for job in jobs if job.key not in kept]
    for job, line in _finished(waiting, workers):
        kept[job.key] = line
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"key": job.key, **line}) + "\n")
    return [_result(job, kept[job.key]) for job in jobs]


@cache
def edition(method: str) -> str:
    """A fingerprint of the source that a method's figures depend on: the product's for ours, else the rivals'."""
    rivals = ROOT / "evals" / "rivals"
    product = rivals / "ours.py"
    paths = [product, *(ROOT / "tools").rglob("*.py")] if method == OURS else {*rivals.glob("*.py")} - {product}
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _finished(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    neurons = list(dict.fromkeys(job.ground.name for job in jobs))
    shares = [{*neurons[i::workers]} for i in range(workers)]
    pools = [ProcessPoolExecutor(1, get_context("spawn"), initializer=quieten) for _ in shares]
    began = time.monotonic()
    try:
        running: dict[Future[dict[str, Any]], Job] = {
            pool.submit(_run, job): job
            for pool, share in zip(pools, shares, strict=True)
            for job in jobs
            if job.ground.name in share
        }
        for done, future in enumerate(as_completed(running), 1):
            job = running[future]
            yield job, future.result()
            report(f"{job.ground.name} seed {job.seed} {job.method}", done, len(jobs), began)
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def report(what: str, done: int, total: int, began: float) -> None:
    """One line of progress with the time left, on standard error."""
    left = (time.monotonic() - began) / done * (total - done)
    print(f"{done}/{total} {what}; {left / 60:.1f} minutes left", file=sys.stderr, flush=True)


def _run(job: Job) -> dict[str, Any]:
    """In a worker: run one job and judge it."""
    import torch

    from evals.rivals.course import Course
    from evals.rivals.judging import judge
    from evals.rivals.roster import METHODS

    torch.set_num_threads(1)
    subject = _subject()
    target = subject.neuron(job.ground.layer, job.ground.index)
    start = job.ground.start if job.method.endswith(SEEDED) else None
    course = Course(
        subject,
        target,
        job.seconds,
        job.seed,
        job.length,
        start,
        windows=job.ground.windows,
        sigma=job.ground.sigma,
        typical=job.limit,
    )
    run = METHODS[job.method](course)
    points = judge(subject, target, run, limit=job.limit)
    return {
        "neuron": job.ground.name,
        "seed": job.seed,
        "method": job.method,
        "seconds": run.seconds,
        "steps": run.steps,
        "rises": [asdict(point) for point in points],
    }


@cache
def _subject() -> "Subject":
    from tools import pocket
    from tools.loading import load

    return load(pocket.NAME, pocket.FOLDER)


def _kept(file: Path) -> dict[str, dict[str, Any]]:
    """The finished lines by key; a line torn by a kill is not one."""
    found: dict[str, dict[str, Any]] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[row["key"]] = row
    return found


def _result(job: Job, line: dict[str, Any]) -> Result:
    rises = tuple((point["seconds"], point["activation"], point["surprise"]) for point in line["rises"])
    step = line["seconds"] / line["steps"] if line["steps"] else None
    return Result(line["neuron"], line["seed"], job.method, rises, step)
