"""`python -m graphs.interpret`: what it prints, writes and returns, and one line for whatever a person can put right."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from graphs.interpret import main
from memory.store import Store
from tests.agents.ollama_stub import OllamaStub
from tests.graphs.small_runs import remains, small_means, write_corpus
from tests.graphs.victims import fork
from tests.tiny_models import PAIR, write_gpt2

ROOT = Path(__file__).parents[2]
HOSTILE = " \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b1m \u202egnp \x08\x08 \r bell\x07 </script><b>bold</b> "
JSON_KEYS = {
    "run_id", "model", "target", "verdict", "explanation", "scores", "triggers", "best", "top", "bottom", "counts",
    "timings",
}  # fmt: skip

Command = Callable[..., list[str]]


@pytest.fixture
def command(gpt2_folder: Path, corpus_folder: Path, home: Path) -> Command:
    """The words of a good command, with some of them replaced; None leaves a flag out."""

    def words(**changed: Any) -> list[str]:
        good: dict[str, Any] = {
            "layer": 0, "neuron": PAIR, "model": gpt2_folder, "corpus": corpus_folder, "home": home,
            "survey_tokens": 6000, "max_iterations": 2, "max_forward_passes": 500, "llm": "built-in",
        }  # fmt: skip
        flags = {name: value for name, value in (good | changed).items() if value is not None}
        return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]

    return words


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """Run a command that must end with status 2 and say one line, which is returned."""

    def run(words: list[str]) -> str:
        status = main(words)
        shown = capfd.readouterr()
        assert "Traceback" not in shown.out + shown.err
        lines = shown.err.splitlines()
        assert (status, len(lines)) == (2, 1), shown.err
        assert not unprintable(lines[0])
        assert len(lines[0]) < 500
        return lines[0]

    return run


def unprintable(text: str) -> str:
    """Characters that would do something to a terminal."""
    return "".join(re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text))


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


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"layer": 2}, "layers run from 0 to 1"),
        ({"layer": -1}, "layers run from 0 to 1"),
        ({"neuron": 64}, "neurons run from 0 to 63"),
        ({"neuron": -1}, "neurons run from 0 to 63"),
        ({"layer": None}, "--layer"),
        ({"neuron": None}, "--neuron"),
        ({"model": "nobody/nothing"}, "nobody/nothing"),
        ({"model": "/no/such/folder"}, "/no/such/folder"),
        ({"corpus": "/no/such/corpus"}, "/no/such/corpus"),
        ({"corpus": "hf:nobody/nothing"}, "hf:nobody/nothing"),
        ({"notes": "/no/such/notes"}, "/no/such/notes"),
        ({"notes": "/"}, "cannot read /"),
        ({"notes": sys.executable}, "not UTF-8"),
        ({"seed_prompts": "/no/such/prompts"}, "/no/such/prompts"),
        ({"resume": "garbage"}, "garbage"),
        ({"resume": "../../etc/passwd"}, "passwd"),
        ({"resume": "\x1b[31m\n; DROP TABLE runs"}, "no run"),
        ({"llm": "llama3.2"}, "PROVIDER:MODEL"),
        ({"llm": "nobody:nothing"}, "nobody"),
        ({"llm": "ollama:llama3.2", "ollama_url": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"llm": "ollama:llama3.2", "ollama_url": "http://[::"}, "http://[::"),
        ({"llm": "scripted:/no/such/script"}, "/no/such/script"),
        ({"max_iterations": 0}, "--max-iterations"),
        ({"minutes": "nan"}, "--minutes"),
        ({"min_improvement": "nan"}, "--min-improvement"),
        ({"temperature": "nan"}, "--temperature"),
        ({"position": "--5"}, "--position"),
        ({"position": "²"}, "--position"),
        ({"position": "first"}, "--position"),
        ({"seed": -1}, "--seed"),
        ({"seed": 10**30}, "--seed"),
        ({"max_llm_calls": -1}, "--max-llm-calls"),
        ({"device": "nonsense"}, "nonsense"),
        ({"json": "/proc/nothing/findings.json"}, "/proc/nothing"),
        ({"json": "/"}, "/"),
        ({"home": "/dev/null/home"}, "/dev/null"),
    ],
)
def test_bad_input_is_one_line(
    command: Command, refused: Callable[[list[str]], str], changed: dict[str, Any], told: str
) -> None:
    assert told in refused(command(**changed))


def test_a_device_that_is_not_there_is_one_line(command: Command, refused: Callable[[list[str]], str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("it is there")
    assert "cuda" in refused(command(device="cuda")).lower()


def _empty(folder: Path, good: Path) -> None:
    del folder, good


def _pickle(folder: Path, good: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((good / name).read_bytes())
    import torch

    torch.save({}, folder / "pytorch_model.bin")


def _copied(**files: bytes | None) -> Callable[[Path, Path], None]:
    """The good folder with files replaced (dots as underscores), or left out."""

    def write(folder: Path, good: Path) -> None:
        for file in good.iterdir():
            content = files.get(file.name.replace(".", "_"), file.read_bytes())
            if content is not None:
                (folder / file.name).write_bytes(content)

    return write


def _narrow(folder: Path, good: Path) -> None:
    config = json.loads((good / "config.json").read_text()) | {"n_embd": 48}
    _copied(config_json=json.dumps(config).encode())(folder, good)


def _cut(folder: Path, good: Path) -> None:
    _copied(model_safetensors=(good / "model.safetensors").read_bytes()[:5000])(folder, good)


@pytest.mark.parametrize(
    "write",
    [
        _empty,
        _pickle,
        _cut,
        _narrow,
        _copied(model_safetensors=b"no tensors at all"),
        _copied(config_json=b'{"model_type": "gpt2", '),
        _copied(config_json=b"{}"),
        _copied(config_json=b"[]"),
        _copied(config_json=b'{"model_type": "gpt2", "n_layer": "many"}'),
        _copied(config_json=b'{"model_type": "nothing-known"}'),
        _copied(config_json=b'{"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2}'),
        _copied(config_json=None),
        _copied(tokenizer_json=None, tokenizer_config_json=None, special_tokens_map_json=None),
        _copied(tokenizer_json=b"{"),
    ],
)
def test_a_model_folder_that_cannot_be_loaded_is_one_line(
    command: Command,
    refused: Callable[[list[str]], str],
    gpt2_folder: Path,
    tmp_path: Path,
    write: Callable[[Path, Path], None],
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder, gpt2_folder)
    line = refused(command(model=folder))
    assert str(folder) in line
    assert "safetensors" in line


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.txt": b""},
        {"a.txt": b"\xff\xfe\x00\x01" * 500, "b.bin": bytes(range(256)) * 40},
        {"a.txt": b"one short document that stands alone here and has more than a dozen tokens in it"},
    ],
)
def test_a_corpus_folder_with_nothing_to_read_is_one_line(
    command: Command, refused: Callable[[list[str]], str], tmp_path: Path, files: dict[str, bytes]
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert str(folder) in refused(command(corpus=folder))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b""),
        ("a.txt", b"\x00\x01\x02" * 900),
        ("a.txt", b"\xff\xfe\xfa" * 900),
        ("a.jsonl", b"{not json}\n"),
        ("a.jsonl", b"\xff\xfe"),
        ("a.jsonl", b'{"body": "no text here"}\n'),
        ("a.parquet", b"not parquet"),
        ("a.parquet", b""),
    ],
)
def test_a_corpus_file_with_nothing_to_read_is_one_line(
    command: Command, refused: Callable[[list[str]], str], tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in refused(command(corpus=path))


def test_a_model_missing_in_ollama_names_the_command_that_pulls_it(
    command: Command, refused: Callable[[list[str]], str]
) -> None:
    with OllamaStub(models=()) as stub:
        line = refused(command(llm="ollama:qwen3", ollama_url=stub.url))
    assert "ollama pull qwen3" in line


def test_a_run_needs_its_language_model_only_until_it_is_finished(
    command: Command, refused: Callable[[list[str]], str], capfd: pytest.CaptureFixture[str], home: Path
) -> None:
    with OllamaStub() as stub:
        assert main(command(llm="ollama:llama3.2", ollama_url=stub.url)) == 0
    run_id = Path(capfd.readouterr().out.splitlines()[-1]).stem
    assert main(["--resume", run_id, "--home", str(home)]) == 0
    capfd.readouterr()
    with Store.open(home / "neuronaut.duckdb") as store:
        store.finish(run_id, "running")
    assert "Ollama" in refused(["--resume", run_id, "--home", str(home)])


def test_texts_cannot_reach_the_terminal_raw(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "hostile", extra=HOSTILE * 4)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"river apple{HOSTILE}\n", encoding="utf-8")
    assert main(command(corpus=corpus, seed_prompts=prompts)) == 0
    shown = capfd.readouterr()
    assert not unprintable(shown.out + shown.err)
    page = Path(shown.out.splitlines()[-1]).read_text(encoding="utf-8")
    assert "<b>bold</b>" not in page
    assert not unprintable(page.replace("\t", ""))


def test_ctrl_c_says_how_to_go_on_and_going_on_comes_to_the_same(command: Command, home: Path, warm: None) -> None:
    def interpret(say: Callable[[str], None]) -> int:
        heard = io.StringIO()
        with redirect_stderr(heard), redirect_stdout(io.StringIO()):
            status = main(command(seed=3))
        say(json.dumps(heard.getvalue().splitlines()))
        return status

    told: list[str] = []
    for wait in (0.15, 0.3, 0.45, 0.6, 0.8):
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
    with Store.open(home / "neuronaut.duckdb") as store:
        known = {run.id for run in store.runs()}
    assert {run for found in runs for run in found} <= known


def test_a_resumed_command_writes_the_report_again(
    command: Command, home: Path, capfd: pytest.CaptureFixture[str], gpt2_folder: Path, corpus_folder: Path
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


@contextmanager
def full_disk(folder: Path, *, bytes_left: int) -> Iterator[None]:
    """A small file system of its own at `folder`, with so much room."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={bytes_left}", "none", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kibibytes", [4, 64, 512, 1024, 2048])
def test_a_full_disk_is_one_line_and_loses_nothing(
    command: Command, refused: Callable[[list[str]], str], tmp_path: Path, kibibytes: int
) -> None:
    small = tmp_path / "small"
    with full_disk(small, bytes_left=kibibytes * 1024):
        assert "space" in refused(command(home=small / "home"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        with Store.open(small / "home" / "neuronaut.duckdb") as store:
            begun = [run.id for run in store.runs()]
        resume = ["--resume", begun[0]] if begun else command()
        assert main([*resume, "--home", str(small / "home")]) == 0
        with Store.open(small / "home" / "neuronaut.duckdb") as store:
            assert [run.state for run in store.runs()] == ["finished"]
            assert store.explanation(store.runs()[0].id) is not None


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` mounted read-only."""
    with full_disk(folder, bytes_left=1_000_000):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield


def test_a_read_only_home_is_one_line(command: Command, refused: Callable[[list[str]], str], tmp_path: Path) -> None:
    with read_only(tmp_path / "fixed"):
        assert str(tmp_path / "fixed") in refused(command(home=tmp_path / "fixed" / "home"))
        assert str(tmp_path / "fixed") in refused(command(home=tmp_path / "fixed"))


def test_help_answers_without_loading_anything_heavy() -> None:
    program = "import sys, graphs.interpret\ntry: graphs.interpret.main(['--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"torch", "langgraph", "transformers", "transformer_lens", "duckdb", "faiss", "langchain_core", "numpy"}
    assert "--neuron" in done.stdout
    assert not loaded & heavy


def test_the_command_runs_as_a_program_of_its_own(command: Command, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "hostile", extra=HOSTILE)
    model = write_gpt2(tmp_path / "model")
    words = command(corpus=corpus, model=model, home=tmp_path / "runs", json=tmp_path / "findings.json")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LANG", "TOKENI"))}
    done = subprocess.run(
        [sys.executable, "-m", "graphs.interpret", *words], cwd=ROOT, capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not unprintable(done.stdout)
    report = Path(done.stdout.splitlines()[-1])
    assert report.is_file()
    assert json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))["run_id"] == report.stem
