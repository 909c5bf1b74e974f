"""The text planted neurons stand in: the rows a survey of the bundled model reads, and what one neuron does there.

Of the evidence half: random rows, and the 20 rows where a look at all of them finds the neuron highest (and lowest).
Of the held-out half, which no agent sees: random rows, and up to 40 more in which the neuron fires, so that a rare one
can be scored at all. Sizes and order are those of tools/pages.py. Where rows are equally high, the first of the random
order are taken.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from evals.planted.neuron import Planted, Vocabulary
from tools import corpus
from tools.pages import MOST_TOKENS, Distribution, Page, distribution, first_rows
from tools.survey import KEPT

TOKENS = 925_816  # what a survey of the bundled model reads
FIRING_ROWS = 40  # of the held-out half, beside the random ones


@dataclass(frozen=True, eq=False)
class Ground:
    """The rows, and of both halves the row numbers in the survey's random order."""

    rows: corpus.Rows
    evidence: tuple[int, ...]
    held_out: tuple[int, ...]


def survey_ground(vocabulary: Vocabulary, *, tokens: int = TOKENS, spec: str = corpus.STANDARD_LIBRARY) -> Ground:
    """The rows of a corpus, as a survey of the bundled model makes them. Raises CorpusError."""
    return ground_of(corpus.rows(vocabulary, spec, tokens))  # type: ignore[arg-type]  # it encodes and decodes


def kept_ground(vocabulary: Vocabulary, home: Path | None) -> Ground:
    """The ground over the standard library; its rows are read from `home` where they were kept before."""
    if home is None:
        return survey_ground(vocabulary)
    path = home / f"planted-{corpus.fingerprint(corpus.STANDARD_LIBRARY)}-{TOKENS}.npz"
    if not path.exists():
        rows = survey_ground(vocabulary).rows
        home.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".writing.npz")
        sources = np.array(rows.sources)
        np.savez(beside, tokens=rows.tokens, lengths=rows.lengths, held_out=rows.held_out, sources=sources)
        beside.replace(path)
    with np.load(path, allow_pickle=False) as kept:
        names = tuple(kept["sources"].tolist())
        return ground_of(corpus.Rows(kept["tokens"], kept["lengths"], kept["held_out"], names))


def ground_of(rows: corpus.Rows) -> Ground:
    """The halves of the rows in the survey's random order."""
    halves = [np.flatnonzero(rows.held_out == held).tolist() for held in (False, True)]
    evidence, held_out = (tuple(np.random.default_rng(0).permutation(half).tolist()) for half in halves)
    return Ground(rows, evidence, held_out)


class Stand:
    """One neuron on the ground: its pages, its extremes, its truth. Read when first asked for."""

    def __init__(self, ground: Ground, planted: Planted, *, tokens: int = MOST_TOKENS) -> None:
        self._ground, self._planted, self._tokens = ground, planted, tokens

    @cached_property
    def _truth(self) -> dict[int, np.ndarray]:
        rows = (*self._ground.evidence, *self._ground.held_out)
        return {row: self._planted.truth(self._ground.rows.ids(row)) for row in rows}

    @cached_property
    def _values(self) -> dict[int, np.ndarray]:
        """The noisy values of the evidence half."""
        return {row: self._planted.noisy(self._ground.rows.ids(row), self._truth[row]) for row in self._ground.evidence}

    @cached_property
    def rate(self) -> float:
        """Tokens in a million of both halves at which the neuron does not give its `otherwise`."""
        fired = sum(int(self._fires(row).sum()) for row in self._truth)
        return 1e6 * fired / int(self._ground.rows.lengths.sum())

    @property
    def constant(self) -> bool:
        """Whether the truth is one number on everything."""
        return len({value for values in self._truth.values() for value in np.unique(values).tolist()}) == 1

    @cached_property
    def evidence(self) -> tuple[Page, ...]:
        """Random evidence pages, then the rows of the strongest examples that are not among them."""
        chosen = self._random(self._ground.evidence, self._tokens)
        return tuple(self._page(row) for row in [*chosen, *(row for row in self.top if row not in set(chosen))])

    @cached_property
    def distribution(self) -> Distribution:
        """As agents are told."""
        chosen = self._random(self._ground.evidence, self._tokens)
        peaks = [float(self._values[row].max()) for row in self.top]
        return distribution(np.concatenate([self._values[row] for row in chosen]).astype(np.float32), peaks)

    @cached_property
    def top(self) -> list[int]:
        """The evidence rows with the highest values."""
        return sorted(self._ground.evidence, key=lambda row: -float(self._values[row].max()))[:KEPT]

    @cached_property
    def bottom(self) -> list[int]:
        """The evidence rows with the lowest values."""
        return sorted(self._ground.evidence, key=lambda row: float(self._values[row].min()))[:KEPT]

    @cached_property
    def held_out(self) -> tuple[Page, ...]:
        """The held-out pages with the truth without noise, float64."""
        chosen = self._random(self._ground.held_out, self._tokens // 2)
        seen = set(chosen)
        firing = [row for row in self._ground.held_out if row not in seen and self._fires(row).any()]
        rows = [*chosen, *firing[:FIRING_ROWS]]
        return tuple(Page(self._tokens_of(row), self._truth[row], self.source(row)) for row in rows)

    def source(self, row: int) -> str:
        """Where a row stands."""
        return self._ground.rows.sources[row]

    def text(self, row: int) -> str:
        """The text of a row."""
        return self._planted.decode(self._ground.rows.ids(row))

    def _fires(self, row: int) -> np.ndarray:
        return self._truth[row] != self._planted.spec.otherwise

    def _random(self, half: tuple[int, ...], tokens: int) -> list[int]:
        return first_rows(list(half), self._ground.rows.lengths, tokens)

    def _tokens_of(self, row: int) -> tuple[str, ...]:
        return tuple(map(self._planted.token, self._ground.rows.ids(row)))

    def _page(self, row: int) -> Page:
        return Page(self._tokens_of(row), self._values[row].astype(np.float32), self.source(row))
