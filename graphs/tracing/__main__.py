"""`python -m graphs.tracing --replay [FOLDER]`: send the traces that could not be sent when they were made.

What arrives is removed from the folder, what does not stays. Exit status: 0 when everything is sent, 2 when something
is left or there is no key (one line says why).
"""

import argparse
import sys
from pathlib import Path

from graphs import command
from graphs.command import say
from graphs.failures import told
from graphs.tracing.outbox import BadBatch, read, waiting
from graphs.tracing.service import KEYS, Service, service, unsent
from graphs.tracing.wire import Timeout, send

TIMEOUT: Timeout = (5.0, 30.0)


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return command.run(_parser, _told, words, interrupted="stopped; what has not arrived is kept")


def _parser() -> argparse.ArgumentParser:
    from graphs.flags import add_output, parser

    made = parser("python -m graphs.tracing", "Traces that could not be sent to LangSmith: how many, or send them.")
    made.add_argument("--replay", action="store_true", help="send them")
    made.add_argument("folder", nargs="?", metavar="FOLDER", help="where they lie; by default in the data folder")
    add_output(made)
    return made


def _told(arguments: argparse.Namespace) -> int:
    from graphs.settings import home

    folder = Path(arguments.folder) if getattr(arguments, "folder", None) else unsent(Path(home(arguments)))
    batches = waiting(folder)
    if not batches:
        say(f"nothing waits in {folder}")
        return 0
    if "replay" not in vars(arguments) or not arguments.replay:
        say(f"{len(batches)} wait in {folder}; --replay sends them")
        return 0
    asked = service()
    if asked is None:
        say(f"nothing was sent: {KEYS[0]} is not set", error=True)
        return 2
    sent, trouble = _replayed(batches, asked)
    say(f"sent {sent} of {len(batches)} batches from {folder}")
    if trouble:
        say(f"not sent: LangSmith {trouble}; what has not arrived is kept", error=True)
    return 2 if trouble else 0


def _replayed(batches: list[Path], asked: Service) -> tuple[int, str]:
    """How many arrived, and what was wrong with the last that did not."""
    import requests

    sent, wrong = 0, ""
    with requests.Session() as http:
        for path in batches:
            try:
                trouble = send(http, asked, read(path, asked.url), timeout=TIMEOUT)
            except BadBatch as error:
                wrong = f"was not asked: {error}"
                continue
            except FileNotFoundError:  # somebody else has sent it
                trouble = None
            except OSError as error:  # such as another person's
                wrong = f"was not asked: {told(error)}"
                continue
            if trouble is None:
                path.unlink(missing_ok=True)
                sent += 1
                continue
            wrong = trouble.words
            if trouble.then != "next":
                break
    return sent, wrong


if __name__ == "__main__":
    sys.exit(main())
