"""The README says what is true: its drawing is the graph, its flags exist, its snippets run."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [body for name, body in found if name == language]


def test_the_drawing_is_the_graph() -> None:
    from graphs.inquiry import build

    assert blocks("mermaid") == [build().compile().get_graph().draw_mermaid(with_styles=False)]


def test_every_command_parses() -> None:
    from graphs.settings import parser

    lines = [line for block in blocks("") for line in block.splitlines()]
    commands = [line for line in lines if "graphs.interpret" in line]
    assert len(commands) >= 4
    for line in commands:
        words = shlex.split(line)
        arguments = parser().parse_args(words[words.index("graphs.interpret") + 1 :])
        assert getattr(arguments, "layer", getattr(arguments, "feature", getattr(arguments, "index", -1))) >= 0


def test_every_command_of_the_other_entrances_parses() -> None:
    from graphs import chat, review, scan
    from graphs.night import asking

    parsers = {"overnight": asking.parser, "chat": chat.parser, "review": review.parser, "scan": scan.parser}
    lines = [line for block in blocks("") for line in block.splitlines()]
    for name, parser in parsers.items():
        commands = [shlex.split(line) for line in lines if f"graphs.{name}" in line]
        assert commands
        for words in commands:
            assert parser().parse_args(words[words.index(f"graphs.{name}") + 1 :])


def test_every_flag_exists() -> None:
    from graphs import chat
    from graphs.night import asking
    from graphs.settings import parser

    known = "".join(each().format_help() for each in (parser, asking.parser, chat.parser))
    flags = set(re.findall(r"`(--[a-z-]+)`", README)) - {"--help"}
    assert flags
    assert {flag for flag in flags if flag not in known} == set()


def test_every_dependency_has_its_row() -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    table = README.split("## Dependencies", 1)[1]
    names = [re.split(r"[<>=~ ]", line)[0] for line in declared]
    assert [name for name in names if name not in table] == []


def test_the_python_snippet_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (snippet,) = blocks("python")
    monkeypatch.chdir(tmp_path)
    quick = snippet.replace("max_iterations=3", "max_iterations=1, survey_tokens=4_000, max_forward_passes=300")
    exec(compile(quick, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 11


def test_every_linked_file_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_tests_that_the_page_on_security_names_exist() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    written = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 20
    assert {name for name in named if not any(f"def {name}(" in text for text in written.values())} == set()
