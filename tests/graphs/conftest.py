"""What whole inquiries run on, made once."""

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from agents.statistical import choice, hypotheses, prose
from agents.statistical.reading import Reading
from graphs import bench
from graphs.interpret import main
from graphs.night.folder import Night
from graphs.reviewing.app import Review
from graphs.state import Means
from memory.queue import Queue
from memory.recall import WIDTH, MiniLM
from tests.graphs import review_home
from tests.graphs.nights import NEURONS, Begun, worked
from tests.graphs.small_runs import Command, Refused, run, small_means, unprintable, write_corpus
from tests.tiny_models import PAIR, write_gpt2, write_llama
from tools.subject import Subject


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 with planted neurons in layer 0."""
    return write_gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with a gated MLP."""
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dozen short documents."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


class Remembering:
    """A sentence encoder that encodes each text once a process."""

    def __init__(self, encoder: MiniLM) -> None:
        self.load, self._encode = encoder.load, encoder.encode
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """As memory/recall.py says."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= zip(new, self._encode(new), strict=True) if new else ()
        return np.stack([self._known[text] for text in texts]) if texts else np.empty((0, WIDTH), np.float32)


class Grown:
    """What is grown on a reading, once a process for pages that say the same: most of a tiny inquiry's time.

    Whatever differs, in a token, a value or the rule it starts from, is grown anew.
    """

    def __init__(self, grow: Callable[..., Any]) -> None:
        self._grow, self._known = grow, dict[Any, Any]()

    def __call__(self, reading: Reading, *start: Any) -> Any:
        texts = tuple(text.tokens for block in reading.blocks for text in block)
        columns = tuple(column.feature for column in reading.columns)
        key = texts, reading.measured.tobytes(), reading.pages.tobytes(), reading.fitted, columns, repr(start)
        if key not in self._known:
            self._known[key] = self._grow(reading, *start)
        return self._known[key]


COMPACT = Grown(choice.compact_rule)
GROWN = (
    (choice, "compact_rule", COMPACT), (hypotheses, "compact_rule", COMPACT),
    (choice, "fullest_rule", Grown(choice.fullest_rule)), (prose, "full_rule", Grown(prose.full_rule)),
    (hypotheses, "_rivals", Grown(hypotheses._rivals)),
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """For the tests of this folder only, with the fixtures they ask for."""
    with pytest.MonkeyPatch.context() as patch:
        if item.path.is_relative_to(Path(__file__).parent):
            for module, name, grown in GROWN:
                patch.setattr(module, name, grown)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def loaded_once(gpt2_folder: Path, llama_folder: Path) -> Iterator[None]:
    """The tiny models, and what sentences mean, are worked out once a process, as in the worker of a night."""
    load, encoder, known = bench.subject_of, Remembering(bench._encoder()), dict[tuple[str, str], Subject]()

    def subject_of(means: Means) -> Subject:
        if means.sae or means.feature is not None or Path(means.model) not in (gpt2_folder, llama_folder):
            return load(means)
        if (key := (means.model, means.device)) not in known:
            known[key] = load(means)
        known[key].dictionary = None  # one that another test has attached
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "subject_of", subject_of)
        patch.setattr(bench, "_encoder", lambda: encoder)
        yield


@pytest.fixture(scope="session")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for surveys, which are taken once."""
    made = tmp_path_factory.mktemp("surveyed")
    (made / "surveys").mkdir()
    return made


@pytest.fixture(scope="module")
def home(surveyed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of one file's tests: in a store that grows, closing takes longer and longer."""
    made = tmp_path_factory.mktemp("home")
    (made / "surveys").symlink_to(surveyed / "surveys")
    return made


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to review."""
    return review_home.make(tmp_path_factory.mktemp("review") / "runs")


@pytest.fixture(scope="module")
def review(reviewed: Path) -> Iterator[Review]:
    """What shows it."""
    made = Review(reviewed, open_encoder=review_home.Words)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(review: Review) -> TestClient:
    """Somebody who asks for its pages."""
    return review_home.browser(review)


@pytest.fixture(scope="session")
def warm(gpt2_folder: Path, corpus_folder: Path, surveyed: Path) -> None:
    """Everything that is loaded once is loaded: what is forked from here on begins at once."""
    with run(small_means(gpt2_folder, corpus_folder, surveyed)):
        pass


@pytest.fixture(scope="session")
def begun(gpt2_folder: Path, corpus_folder: Path, surveyed: Path, warm: None) -> Begun:
    """Begins an overnight run of three neurons in a data folder, over a survey that was taken before."""
    del warm

    def begin(folder: Path) -> Night:
        means = small_means(gpt2_folder, corpus_folder, folder, max_iterations=1, max_forward_passes=200)
        made = Night(folder / "overnight" / "one", means, workers=1)
        if not (folder / "surveys").exists():
            (folder / "surveys").symlink_to(surveyed / "surveys")
        made.save()
        Queue(made.folder).add([(f"L0N{n}", {"layer": 0, "neuron": n}, f"L0N{n}-one") for n in NEURONS])
        return made

    return begin


@pytest.fixture
def asked(begun: Begun, tmp_path: Path) -> Night:
    """An overnight run that nobody has worked on yet."""
    return begun(tmp_path)


@pytest.fixture(scope="session")
def finished(begun: Begun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of one whose worker has done everything, and whose owner has not looked yet."""
    folder = tmp_path_factory.mktemp("finished")
    worked(begun(folder))
    return folder


@pytest.fixture
def done(begun: Begun, finished: Path, tmp_path: Path) -> Night:
    """A copy of it."""
    shutil.copytree(finished, tmp_path, symlinks=True, dirs_exist_ok=True)
    return begun(tmp_path)


@pytest.fixture
def command(gpt2_folder: Path, corpus_folder: Path, home: Path) -> Command:
    """The words of a good command, with some of them replaced; None leaves a flag out."""

    def words(**changed: Any) -> list[str]:
        good: dict[str, Any] = {
            "layer": 0, "neuron": PAIR, "model": gpt2_folder, "corpus": corpus_folder, "home": home,
            "survey_tokens": 6000, "max_iterations": 2, "max_forward_passes": 300, "llm": "built-in",
        }  # fmt: skip
        flags = {name: value for name, value in (good | changed).items() if value is not None}
        return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]

    return words


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refused:
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
