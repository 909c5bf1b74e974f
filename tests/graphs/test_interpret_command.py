"""`python -m graphs.interpret`: what it prints, writes and returns."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from evals.ollama_stub import OllamaStub
from graphs.interpret import main
from memory.store import Store
from tests.graphs.small_runs import Command, Refused, remains, small_means, unprintable, write_corpus
from tests.graphs.victims import fork

ROOT = Path(__file__).parents[2]
HOSTILE = " \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b1m \u202egnp \x08\x08 \r bell\x07 </script><b>bold</b> "
JSON_KEYS = {
    "run_id", "model", "target", "verdict", "explanation", "scores", "triggers", "best", "top", "bottom", "counts",
    "timings",
}  # fmt: skip


def test_a_run_prints_its_choices_its_findings_and_last_the_report(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "new" / "findings.json"
    assert main([*command(), "--json", str(data)]) == 0
    shown = capfd.readouterr()
    lines = shown.out.splitlines()
    assert shown.err == ""
    assert lines[0].startswith("model ")
    assert lines[1].startswith("corpus ")
    assert lines[2] == "mind built-in: as asked"
    assert "Top 10" in shown.out
    assert "Bottom 10" in shown.out
    report = Path(lines[-1])
    assert report.is_absolute()
    assert report.suffix == ".html"
    found = json.loads(data.read_text(encoding="utf-8"))
    assert set(found) >= JSON_KEYS
    assert found["run_id"] == report.stem
    assert found["counts"]["generated"] == found["counts"]["accepted_total"] + found["counts"]["rejected_total"]
    assert {"text", "activation", "corpus_max", "share"} <= set(found["best"])
    assert {"text", "rule"} <= set(found["explanation"])
    page = report.read_text(encoding="utf-8")
    assert found["run_id"] in page
    assert "http://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)


def test_a_run_needs_its_language_model_only_until_it_is_finished(
    command: Command, refused: Refused, capfd: pytest.CaptureFixture[str], home: Path
) -> None:
    with OllamaStub() as stub:
        assert main(command(llm="ollama:llama3.2", ollama_url=stub.url)) == 0
    run_id = Path(capfd.readouterr().out.splitlines()[-1]).stem
    assert main(["--resume", run_id, "--home", str(home)]) == 0
    capfd.readouterr()
    with Store.open(home / "neuronaut.duckdb") as store:
        store.finish(run_id, "running")
    assert "Ollama" in refused(["--resume", run_id, "--home", str(home)])


def test_ctrl_c_at_any_moment_is_one_line_that_says_how_to_go_on(command: Command, home: Path, warm: None) -> None:
    del warm

    def interpret(say: Callable[[str], None]) -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job is without
        heard = io.StringIO()
        with redirect_stderr(heard), redirect_stdout(io.StringIO()):
            status = main(command(seed=3))
        say(json.dumps(heard.getvalue().splitlines()))
        return status

    told: list[str] = []
    for wait in (0.15, 0.4, 0.8, 1.8, 4.0):
        if wait > 0.8 and any("--resume" in line for line in told):
            break  # a busy machine takes longer to get as far as a run
        child, pipe = fork(interpret)
        time.sleep(wait)
        os.kill(child, signal.SIGINT)
        with os.fdopen(pipe) as lines:
            said = json.loads(lines.read() or "[]")
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (0, 130), said
        assert len(said) <= 1, said
        told += said
    runs = [re.findall(r"--resume (\S+)", line) for line in told]
    assert any(runs)
    assert all(line.endswith(f" --home {home}") for line in told if "--resume" in line), told
    with Store.open(home / "neuronaut.duckdb") as store:
        known = {run.id for run in store.runs()}
    assert {run for found in runs for run in found} <= known


def test_a_resumed_command_writes_the_report_again(
    home: Path, capfd: pytest.CaptureFixture[str], gpt2_folder: Path, corpus_folder: Path
) -> None:
    from graphs.session import Session

    def stop(node: str, update: dict[str, Any]) -> None:
        if update["step"] == 4:
            raise KeyboardInterrupt(node)

    means = small_means(gpt2_folder, corpus_folder, home)
    with Session(means) as session, pytest.raises(KeyboardInterrupt):
        session.run_search(watch=stop)
    assert main(["--resume", session.run_id, "--home", str(home)]) == 0
    report = Path(capfd.readouterr().out.splitlines()[-1])
    assert report == home.resolve() / "reports" / f"{session.run_id}.html"
    with Session(means) as whole:
        whole.run_search()
        store = whole.bench.store
        assert remains(store, session.run_id) == remains(store, whole.run_id)


@pytest.mark.parametrize(("command", "needed"), [("interpret", ()), ("overnight", ("numpy",)), ("scan", ("numpy",))])
def test_help_answers_without_loading_anything_heavy(command: str, needed: tuple[str, ...]) -> None:
    program = f"import sys\nfrom graphs.{command} import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"torch", "langgraph", "transformers", "transformer_lens", "duckdb", "faiss", "langchain_core", "numpy"}
    assert "--layer" in done.stdout
    assert not loaded & heavy - set(needed)


def test_texts_cannot_reach_the_terminal_raw(command: Command, tmp_path: Path) -> None:
    """Of the command as a program of its own."""
    corpus = write_corpus(tmp_path / "hostile", extra=HOSTILE * 4)
    prompts, found = tmp_path / "prompts.txt", tmp_path / "findings.json"
    prompts.write_text(f"river apple{HOSTILE}\n", encoding="utf-8")
    words = command(corpus=corpus, seed_prompts=prompts, home=tmp_path / "runs", json=found, max_iterations=1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LANG", "TOKENI"))}
    done = subprocess.run(
        [sys.executable, "-m", "graphs.interpret", *words], cwd=ROOT, capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not unprintable(done.stdout)
    report = Path(done.stdout.splitlines()[-1])
    assert report.is_file()
    assert json.loads(found.read_text(encoding="utf-8"))["run_id"] == report.stem
    page = report.read_text(encoding="utf-8")
    assert "<b>bold</b>" not in page
    assert not unprintable(page.replace("\t", ""))
