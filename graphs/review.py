"""`python -m graphs.review [--home HOME] [--port N]`: pages over the store, for a browser on this machine.

Serves the list of runs, every run with its evidence and its trace, two runs side by side and the state of an overnight
run, on 127.0.0.1 only. Reads a copy of the store, so a run may go on beside it; nothing is written but notes.

Exit status: 0 when it was stopped (Ctrl-C, SIGTERM), 2 with one line for what the person can put right: a port that is
in use or is none, a data folder or store that cannot be read.
"""

import argparse
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from graphs import command
from graphs.command import say

if TYPE_CHECKING:
    from graphs.reviewing.app import Review

ADDRESS, PORT = "127.0.0.1", 8765
WAITING = 64  # connections the system keeps waiting
AT_ONCE = 64  # requests answered at once; the others are told to come again
LAST_WORDS = 3  # seconds for answers under way when it is stopped


def main(words: list[str] | None = None) -> int:
    """Run the command until it is stopped; returns the exit status."""
    return command.run(parser, _serve, words, interrupted=None)


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m graphs.review`."""
    made = argparse.ArgumentParser(prog="python -m graphs.review", description="Pages over the store, for a browser.")
    home = os.environ.get("NEURONAUT_HOME", "runs")
    made.add_argument("--home", default=home, help="where records and reports are kept (NEURONAUT_HOME)")
    made.add_argument("--port", default=str(PORT), help=f"port of {ADDRESS}, 0 for any free one; {PORT} by default")
    return made


def _port(word: str) -> int:
    """The port in a word; raises SettingError for what is none."""
    from graphs.settings import SettingError

    if not (word.isascii() and word.isdecimal()) or len(word) > 5 or int(word) > 65_535:
        raise SettingError(f"--port is a number from 0 to 65535, not {word!r:.40}")
    return int(word)


def _serve(arguments: argparse.Namespace) -> int:
    from graphs import offline
    from graphs.settings import SettingError, home

    folder, port = Path(home(arguments)), _port(arguments.port)
    if not folder.is_dir():
        raise SettingError(f"no data folder {folder}: say where with --home, or make a run first")
    with _listening(port) as listening:
        from graphs.reviewing.app import Review
        from graphs.reviewing.drawing import prepare
        from memory.database import StoreLocked

        offline.settle(wanted=False)
        prepare()
        review = Review(folder)
        try:
            review.overview()
        except StoreLocked as locked:
            say(f"{locked}; the pages come once it has been published or let go")
        try:
            return _answer(review, listening)
        finally:
            review.close()


def _listening(port: int) -> socket.socket:
    """A socket of this machine alone that listens there; raises SettingError when somebody else does."""
    from graphs.settings import SettingError

    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((ADDRESS, port))
        made.listen(WAITING)
    except OSError as error:
        made.close()
        raise SettingError(f"cannot listen on {ADDRESS}:{port} ({error.strerror}): take another --port") from error
    return made


def _answer(review: "Review", listening: socket.socket) -> int:
    import uvicorn

    from graphs.reviewing.app import make_app

    port = listening.getsockname()[1]
    config = uvicorn.Config(
        make_app(review, port=port),
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        limit_concurrency=AT_ONCE,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    signal.signal(signal.SIGTERM, _stopped)
    say(f"http://{ADDRESS}:{port}/")
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _stopped(*_: Any) -> NoReturn:
    """What a SIGTERM comes to once the server has let its requests end."""
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
