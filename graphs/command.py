"""What every command does around its work: the environment is read, then the arguments, and how it ended is told.

Exit status: the work's own; 2 for what the person can put right, and 130 when interrupted, with one line each.
Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from graphs import tracing


def run(
    parser: Callable[[], argparse.ArgumentParser],
    work: Callable[[argparse.Namespace], int],
    words: Sequence[str] | None,
    *,
    interrupted: str | None,
) -> int:
    """The exit status of `work` on what the arguments say. interrupted: what is said then; None where it is no news."""
    from graphs.failures import expected_failures, told

    try:
        read_dotenv()
        return work(parser().parse_args(words))
    except KeyboardInterrupt:
        if interrupted is None:
            return 0
        say(interrupted, error=True)
        return 130
    except expected_failures() as error:
        say(told(error), error=True)
        return 2
    finally:
        if line := tracing.flush():  # of a run that failed or was stopped; a finished one has told it
            say(line)


def read_dotenv(path: Path | None = None) -> None:
    """Take from .env what the environment lacks; a name without a value there is not set (.env.example has many)."""
    from dotenv import dotenv_values, find_dotenv

    for name, value in dotenv_values(path or find_dotenv()).items():
        if value:
            os.environ.setdefault(name, value)


def say(line: str, *, error: bool = False) -> None:
    """Print a line at once, with nothing in it that does something to a terminal; an error goes to stderr."""
    from graphs.console import clean

    print(clean(line), file=sys.stderr if error else sys.stdout, flush=True)


def survey_watcher(what: str = "survey") -> Callable[[int, int], None]:
    """Says every ten seconds how much of a corpus has been read."""
    last = time.monotonic()

    def watch(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            say(f"{what}: {done:,} of {total:,} tokens")

    return watch
