"""What the house promises about itself: the environment it reads is the one it lists."""

import ast
import os
import re
from pathlib import Path

import pytest

from graphs.command import read_dotenv

ROOT = Path(__file__).parents[1]
READ_BY_LIBRARIES = {
    "LANGSMITH_TRACING",
    "LANGSMITH_API_KEY",
    "LANGSMITH_ENDPOINT",
    "LANGSMITH_PROJECT",
    "LANGSMITH_FAILED_TRACES_DIR",
    "LANGSMITH_HIDE_INPUTS",
    "LANGSMITH_HIDE_OUTPUTS",
    "LANGSMITH_HIDE_METADATA",
}
NOT_OURS_TO_LIST = {"XDG_CACHE_HOME", "HF_HUB_CACHE"}  # where HF_HOME lies when it is not set, and its one folder
ROOMS = ("graphs", "agents", "tools", "memory")


def names_read(source: str) -> set[str]:
    """The literal names that a module asks the environment for."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        reads = isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv")
        subscript = isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ"
        literal = node.args[0] if reads and isinstance(node, ast.Call) else None
        literal = node.slice if subscript and isinstance(node, ast.Subscript) else literal
        if isinstance(literal, ast.Constant):
            found.add(literal.value)
    return found


def test_the_example_lists_exactly_the_environment_that_is_read() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    listed = [line.partition("=")[0] for line in lines if not line.startswith("#")]
    read = {name for file in (ROOT / "graphs").rglob("*.py") for name in names_read(file.read_text(encoding="utf-8"))}
    assert len(set(listed)) == len(listed)
    assert set(listed) == (read - NOT_OURS_TO_LIST) | READ_BY_LIBRARIES


def test_every_line_of_the_example_has_a_comment_and_no_secret() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    for comment, setting in zip(lines[::2], lines[1::2], strict=True):
        assert re.fullmatch(r"# \S.{9,100}", comment)
        assert re.fullmatch(r"[A-Z_]+=\S*", setting)
        assert "KEY" not in setting or setting.endswith("=")


def test_the_example_as_it_is_changes_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_ENDPOINT", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEURONAUT_HOME", "mine")
    before = dict(os.environ)
    with monkeypatch.context() as copied:
        copied.setattr(os, "environ", dict(os.environ))
        read_dotenv(ROOT / ".env.example")
        assert os.environ == {"OLLAMA_HOST": "http://127.0.0.1:11434"} | before


def test_only_graphs_reads_the_environment() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for room in ROOMS
        if room != "graphs"
        for file in (ROOT / room).rglob("*.py")
        if names_read(file.read_text(encoding="utf-8")) and file.name != "train.py"
    }
    assert readers == set()
