"""Whole inquiries that take a second: tiny models over a small corpus, with small budgets."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphs.report.findings import Findings
from graphs.session import Session
from graphs.state import Means
from memory.records import Step
from memory.store import Store
from tests.tiny_models import PAIR, WORDS

NODES = (
    "survey",
    "supervisor",
    "hypothesis",
    "prompt_generator",
    "experiment",
    "prune_augment",
    "sae_optimizer",
    "explainer",
    "scoring",
    "output_side",
)
Command = Callable[..., list[str]]
Refused = Callable[[list[str]], str]

CLOCKS = ("seconds", "timings", "run_id", "started")  # what two equal runs may differ in


def write_corpus(folder: Path, *, documents: int = 36, words: int = 120, extra: str = "") -> Path:
    """Documents of random words; each has a mark of its own every twelve words, from which it can be told."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(documents):
        rng = random.Random(number)
        text = [mark(number) if place % 12 == 0 else rng.choice(WORDS) for place in range(words)]
        (folder / f"{number:02}.txt").write_text(" ".join(text) + extra + "\n", encoding="utf-8")
    return folder


def mark(number: int) -> str:
    """What only one document contains."""
    return f"q{random.Random(-number).randrange(16**8):08x}"


def small_means(model: Path, corpus: Path, home: Path, **changed: Any) -> Means:
    """The means of a run of three rounds."""
    small: dict[str, Any] = {
        "layer": 0,
        "neuron": PAIR,
        "survey_tokens": 6000,
        "max_iterations": 3,
        "prompts_a_round": 8,
        "max_forward_passes": 400,
    }
    return Means(model=str(model), corpus=str(corpus), home=str(home), **(small | changed))


@contextmanager
def run(means: Means) -> Iterator[tuple[Session, Findings]]:
    """A session whose search is done."""
    with Session(means) as session:
        yield session, session.run_search()


def timeless(value: Any) -> Any:
    """Plain data without clocks and names that no two runs share."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in CLOCKS}
    return [timeless(item) for item in value] if isinstance(value, list | tuple) else value


def remains(store: Store, run_id: str) -> dict[str, Any]:
    """Everything a run has left in the store that must not depend on how often it was interrupted."""
    return {
        "steps": [(step.number, step.node, timeless(step.update)) for step in store.steps(run_id)],
        "records": store.records(run_id),
        "candidates": store.candidates(run_id),
        "hypotheses": store.hypotheses(run_id),
        "triggers": store.triggers(run_id),
        "explanation": store.explanation(run_id),
        "scores": store.scores(run_id),
    }


def nodes(steps: list[Step]) -> list[str]:
    """The nodes of steps, in order."""
    return [step.node for step in steps]


def unprintable(text: str) -> str:
    """Characters that would do something to a terminal."""
    return "".join(re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text))
