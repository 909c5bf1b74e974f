"""Jobs dealt out to worker processes of one thread each, with a bar that says how long is left.

Knows processes and the terminal. Refuses to know what a job is. Answers come back in the order of the jobs, so that
the number of workers changes nothing but the time.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def quieten() -> None:
    """One thread, no network, no progress bars of others; before torch is imported."""
    os.environ.update(QUIET)


@contextmanager
def bar(title: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar on standard error with the time left; call what it gives with how much is done, how much there is, and a
    line to print above it, if there is one."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr)) as progress:
        task = progress.add_task(title, total=total)

        def told(done: int, whole: int, line: str = "") -> None:
            progress.update(task, completed=done, total=whole)
            if line:
                progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield told


def run(
    work: Callable[[Job], Answer],
    jobs: Sequence[Job],
    *,
    workers: int,
    begin: Callable[..., object],
    given: Iterable[Any] = (),
    title: str,
    line: Callable[[Answer], str] = lambda _: "",
) -> list[Answer]:
    """The answer of `work` to every job, and a line printed for each as it comes. `begin(*given)` runs once in every
    worker. Raises what a job raises."""
    quieten()  # what a worker inherits
    answers: dict[int, Answer] = {}
    with ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), begin, tuple(given)) as pool:
        running = {pool.submit(work, job): number for number, job in enumerate(jobs)}
        try:
            with bar(title, len(jobs)) as told:
                for done, future in enumerate(as_completed(running), 1):
                    answer = answers[running[future]] = future.result()
                    told(done, len(jobs), line(answer))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return [answers[number] for number in range(len(jobs))]
