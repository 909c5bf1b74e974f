"""What a worker process of `python -m evals.neurons` holds, and the one job it does again and again.

It lives beside the command, since a started process cannot find what a command's own module defines. A subject is
opened and a sample is drawn the same way in every process.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from agents.statistical.mind import Statistical
from evals.neurons.trial import Budget, Outcome, attempt
from memory.records import Target
from tools import pocket
from tools.ahead import read_ahead
from tools.loading import load
from tools.pages import Pages
from tools.subject import Subject
from tools.survey import Progress, Survey, take

_held: dict[str, Any] = {}


@dataclass(frozen=True)
class Field:
    """Where neurons are drawn and what they may read."""

    model: str
    corpus: str
    home: Path
    sample: int
    seed: int
    tokens: int | None = None


def opened(field: Field, progress: Progress | None = None) -> tuple[Subject, Survey]:
    """The model and its survey. Raises SubjectError and CorpusError."""
    import torch

    torch.set_num_threads(1)
    subject = load(field.model, pocket.FOLDER if field.model == pocket.NAME else None)
    return subject, take(subject, field.corpus, field.home, tokens=field.tokens, progress=progress)


def drawn(subject: Subject, sample: int, seed: int) -> list[Target]:
    """Neurons drawn without repetition, layer and index uniform."""
    total = subject.layers * subject.width
    places = np.random.default_rng(seed).choice(total, size=min(sample, total), replace=False)
    return [subject.neuron(*divmod(place, subject.width)) for place in sorted(places.tolist())]


def begin(field: Field, budget: Budget) -> None:
    """Once a process: the model, the survey, and the rows that every neuron is read on, read for all of them."""
    subject, survey = opened(field)
    targets = drawn(subject, field.sample, field.seed)
    folder = TemporaryDirectory()  # kept for as long as the process lives
    read_ahead(subject, survey, dict.fromkeys(targets, Path(folder.name)))
    _held.update(subject=subject, survey=survey, folder=folder, budget=budget)


def work(target: Target) -> Outcome:
    """Explain one neuron and score it."""
    pages = Pages(_held["subject"], _held["survey"], target, folder=Path(_held["folder"].name))
    return attempt(_held["subject"], pages, target, Statistical(), _held["budget"])
