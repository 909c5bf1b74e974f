"""A conversation typed at a real terminal: completion, history, colours, Ctrl-C, Ctrl-D, and going on with a thread."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphs.session import STORE
from memory.records import Origin
from memory.store import Store
from tests.graphs.small_runs import run, small_means

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0  # seconds for one thing to appear, of which starting Python takes most

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A tmux server of its own with one window of 80 columns."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")

    def __enter__(self) -> "Terminal":
        environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        passed = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "50", *passed, "-c", str(ROOT), "sh")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def type(self, text: str, *keys: str) -> None:
        """Type a text, then press keys by name."""
        if text:
            self._tmux("send-keys", "-l", text)
        if keys:
            self._tmux("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        """What stands on the screen and above it."""
        return self._tmux("capture-pane", "-p", "-S", "-2000", *(["-e"] if colours else []))

    def wait(self, *wanted: str, since: int = 0) -> str:
        """The screen from character `since`, once every wanted text stands there."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            shown = self.screen()[since:].rstrip()
            if all(each in shown for each in wanted):
                return shown
            time.sleep(0.1)
        raise AssertionError(f"{wanted} did not appear:\n{self.screen()}")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=False)
        return done.stdout


@pytest.fixture
def told(gpt2_folder: Path, corpus_folder: Path, tmp_path: Path) -> tuple[Path, str]:
    """A data folder and the finished run in it."""
    means = small_means(gpt2_folder, corpus_folder, tmp_path / "home", max_iterations=1, max_forward_passes=200)
    with run(means) as (session, _):
        return tmp_path / "home", session.run_id


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path) as opened:
        yield opened


def test_a_conversation_at_a_terminal(terminal: Terminal, told: tuple[Path, str]) -> None:
    home, run_id = told
    chat = f"{sys.executable} -m graphs.chat --home {home} --llm built-in"
    terminal.type(f"clear; {chat} --run {run_id}", "Enter")
    terminal.wait("help lists the commands", "\n>")
    terminal.type("te", "Tab")
    terminal.wait("> test this:")
    terminal.type("near apple river", "Enter")
    terminal.wait("peak", "it fires")
    assert "\x1b[4m\x1b[30m\x1b[48;" in terminal.screen(colours=True)  # the peak: black on a bright ground, underlined
    terminal.type("why?", "Enter")
    terminal.wait("predicted", "measured")
    terminal.type("", "Up", "Up")
    terminal.wait("> test this: near apple river", since=terminal.screen().index("predicted"))
    terminal.type("", "C-c")
    terminal.wait("(Ctrl-D or quit leaves)")
    terminal.type("compare with 7", "C-u")
    terminal.type("sing me a song", "Enter")
    terminal.wait("The nearest commands:")
    terminal.type("", "C-d")
    terminal.wait(f"--thread chat-{run_id}")
    terminal.type("echo $((40 + 2)) left", "Enter")
    terminal.wait("42 left")  # by then it has let the store go
    assert "test this: near apple river" in (home / "chat_history").read_text(encoding="utf-8")
    with Store.open(home / STORE) as store:
        texts = [record.prompt.text for record in store.records(run_id, origins=[Origin.USER])]
    assert texts.count("near apple river") == 1
