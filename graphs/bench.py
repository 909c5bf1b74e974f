"""The live things behind an inquiry, opened once for given means: model, survey, pages, store, screening, mind.

Nodes ask for them by the plain data in LangGraph's context (`bench_of`), so that state and context stay plain. All of
it is a function of the means and the store: a bench opened again after a crash is the same bench.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from agents.chat_model import ChatModel, open_chat_model
from agents.language import Language
from agents.mind import Evidence, Mind
from agents.statistical.mind import Statistical
from graphs.state import HEARING, STORE, Means
from memory.recall import MiniLM, Thresholds
from memory.records import DERIVED, Origin, Prompt, Record, Target
from memory.screening import Screening
from memory.store import Store
from tools import pocket
from tools.augment import ContextualAugmenter, load_masked
from tools.loading import load
from tools.pages import Pages
from tools.products import quick_products
from tools.subject import Subject
from tools.survey import Progress, take

PAGES = "pages"  # in the home of a single run: what was read of its pages
SHARE = 5  # of few calls in all, one part for the mind and the others for the judge

_open: dict[Means, "Bench"] = {}


def bench_of(means: Means) -> "Bench":
    """The bench for these means, opened when nobody has yet."""
    return _open[means] if means in _open else Bench(means)


class Bench:
    """Everything an inquiry into one target uses. Opening it may take the survey, which `progress` follows.

    subject: the model, where it is loaded already.

    Raises SubjectError, CorpusError, StoreError or ChatModelError, each with one line for a person.
    """

    def __init__(self, means: Means, *, progress: Progress | None = None, subject: Subject | None = None) -> None:
        self.means = means
        self.seconds: dict[str, float] = {}  # what opening took, by part
        self.store = Store.open(Path(means.home) / STORE)
        try:
            started = time.monotonic()
            self.subject: Subject = subject or subject_of(means)
            self.target = target_of(self.subject, means)
            self.mind = _mind(means)
            masked = load_masked(means.masked_lm) if means.masked_lm else None
            self.words = ContextualAugmenter(self.subject, masked)  # who replaces words
            self.seconds["model"] = time.monotonic() - started
            bank = self.subject.bank(self.target)
            survey = take(
                self.subject,
                means.corpus,
                means.shared,
                bank=bank,
                tokens=means.survey_tokens,
                progress=progress,
            )
            self.seconds["survey"] = time.monotonic() - started - self.seconds["model"]
            near = Thresholds(high=means.near_high, mid=means.near_mid, low=means.near_low)
            self.screening = Screening(
                self.store, _encoder(), tokens=lambda text: len(self.subject.encode(text)), thresholds=near
            )
        except BaseException:
            self.store.close()
            raise
        folder = Path(means.home) / PAGES if means.surveys else None  # a home of this run's own, removed after it
        self.pages = Pages(self.subject, survey, self.target, folder=folder)
        _open[means] = self

    def close(self) -> None:
        """Give the store back."""
        _open.pop(self.means, None)
        self.store.close()

    @cached_property
    def judge(self) -> ChatModel | None:
        """The language model that is to judge explanations; None where nobody asked for one. Raises ChatModelError."""
        return None if self.means.judge is None else _chat(self.means, self.means.judge, temperature=0.0)

    def limited(self, changed: dict[str, Any]) -> Means:
        """The same bench under other limits; returns the means it now answers to."""
        _open.pop(self.means, None)
        self.means = replace(self.means, **changed)
        _open[self.means] = self
        return self.means

    def read_pages(self) -> None:
        """Read the evidence pages, if nobody has."""
        started = time.monotonic()
        _ = self.pages.distribution, self.pages.evidence, self.pages.typical
        self.seconds.setdefault("pages", time.monotonic() - started)

    def evidence(self, run_id: str) -> Evidence:
        """What agents may see now. Texts made by the optimiser or from other texts are not among the strongest."""
        natural = [origin for origin in Origin if origin not in DERIVED]
        return Evidence(
            target=self.target,
            distribution=self.pages.distribution,
            pages=self.pages.evidence,
            top=tuple(self.store.records(run_id, limit=self.means.keep, order="peak_desc", origins=natural)),
            bottom=tuple(self.store.records(run_id, limit=self.means.keep, order="peak_asc", origins=natural)),
            hypotheses=tuple(self.store.hypotheses(run_id)),
            triggers=tuple(self.store.triggers(run_id)),
            variants=tuple(self.store.records(run_id, origins=[Origin.SWAP])),
            notes=self.means.notes,
            asked=tuple(self.store.records(run_id, origins=[o for o in natural if o is not Origin.CORPUS])),
        )

    def measured(
        self, prompts: Sequence[Prompt], *, step: int, first_id: int, surprises: Mapping[str, float]
    ) -> tuple[Record, ...]:
        """Measure prompts from their texts; records numbered from `first_id`; `surprises` by text where known."""
        readings = self.subject.measure([p.text for p in prompts], self.target, policy=self.means.position)
        return tuple(
            Record(
                first_id + n, step, prompt, r.tokens, r.token_ids, r.values, r.peak, r.position, r.status,
                surprises.get(prompt.text),
            )
            for n, (prompt, r) in enumerate(zip(prompts, readings, strict=True))
        )  # fmt: skip


def subject_of(means: Means) -> Subject:
    """The model that means name, loaded."""
    return load(means.model, pocket.FOLDER if means.model == pocket.NAME else None, means.device)


def ready(means: Means) -> Subject:
    """The model that means name, and loaded with it whatever else all its runs need: so each of them begins at once."""
    subject = subject_of(means)
    _attach(subject, means)
    _encoder().load()
    return subject


def target_of(subject: Subject, means: Means) -> Target:
    """The unit that means name; a dictionary that was named, or is bundled with the subject, is attached."""
    _attach(subject, means)
    if means.feature is not None:
        return subject.feature(means.feature)
    if means.hook is not None:
        return subject.at(means.hook, means.index or 0, means.sign)
    return subject.neuron(means.layer, means.neuron, means.sign)


def _attach(subject: Subject, means: Means) -> None:
    from tools.features import open_dictionary

    spec = means.sae or (pocket.NAME if means.model == pocket.NAME else None)
    if spec is not None and (subject.dictionary is None or subject.dictionary.name != spec):
        subject.attach(open_dictionary(spec, subject))


@cache
def _encoder() -> MiniLM:
    """One for all benches of a process: it takes seconds to load."""
    return MiniLM(during=quick_products)


def _mind(means: Means) -> Mind:
    built_in = Statistical()
    if means.llm is None:
        return built_in
    most = means.max_llm_calls
    if means.judge is not None:
        most = max(most // SHARE, most - HEARING)
    return Language(_chat(means, means.llm, temperature=means.temperature), built_in, max_calls=most)


def _chat(means: Means, name: str, *, temperature: float) -> ChatModel:
    return open_chat_model(
        name,
        temperature=temperature,
        timeout_seconds=means.llm_timeout,
        seed=means.seed,
        base_url=means.ollama_url,
    )
