"""What one target does on ordinary text: pages of the survey's rows read at every token, and their distribution.

The evidence pages are random rows of the evidence half followed by the rows of the target's strongest examples there;
the held-out pages are random rows of the other half, which no agent sees. All values are float32 and signed.

With a folder, what was read is kept there: whoever opens the same pages again reads no row a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memory.records import Origin, Prompt, Target
from tools import ordinary
from tools.kept_values import keep, kept

if TYPE_CHECKING:
    from tools.subject import Subject
    from tools.survey import Survey

MOST_TOKENS, FEWEST_TOKENS = 110_000, 15_000  # of evidence pages; half as many are held out
READING_COST = 4e11  # parameters times tokens that a reading may cost between those bounds
SHARES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
HISTOGRAM_BINS = 60
LEAST = 1e-3  # a rise above silence that means anything


@dataclass(frozen=True, eq=False)
class Page:
    """A stretch of corpus text read for one target: its tokens and the value at each, float32 [tokens].

    Compared by identity, so that what is computed from a set of pages can be kept by them.
    """

    tokens: tuple[str, ...]
    values: np.ndarray
    source: str


@dataclass(frozen=True)
class Distribution:
    """Moments and quantiles of the target over the evidence half (unitless activations, signed)."""

    tokens: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    active: float  # share of tokens above zero
    quantiles: tuple[tuple[float, float], ...]  # (share of tokens, value)
    floor: float  # silence: the median, but never below zero
    firing: float  # a peak at or above it counts as firing: see `_firing`


class Pages:
    """The pages of one target, read when first asked for. folder: where they are kept, if anywhere."""

    def __init__(self, subject: Subject, survey: Survey, target: Target, *, folder: Path | None = None) -> None:
        self._subject = subject
        self._survey = survey
        self._target = target
        self._folder = folder

    @cached_property
    def evidence(self) -> tuple[Page, ...]:
        """Random evidence pages, then the strongest examples."""
        return self.random + self.strongest

    @cached_property
    def random(self) -> tuple[Page, ...]:
        """Random pages of the evidence half."""
        return tuple(self._random.values())

    @cached_property
    def strongest(self) -> tuple[Page, ...]:
        """The rows of the strongest evidence examples that are not among the random pages."""
        return tuple(self._strongest.values())

    @cached_property
    def held_out(self) -> tuple[Page, ...]:
        """Random pages of the half nobody has seen."""
        return tuple(self._read(shared_rows(self._subject, self._survey)[1]).values())

    @cached_property
    def distribution(self) -> Distribution:
        """Moments, quantiles and thresholds over the random evidence pages."""
        known = self._random | self._strongest
        peaks = [float(known[row].values.max()) for row in self._extreme_rows("top") if row in known]
        return distribution(self._values, peaks)

    @cached_property
    def typical(self) -> float | None:
        """The median cross-entropy of random evidence windows of 16 tokens, nats a token; None without such rows."""
        return ordinary.surprise(self._subject, self._survey)

    def histogram(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Bin edges and counts of the activations on the random evidence pages."""
        counts, edges = np.histogram(self._values, bins=HISTOGRAM_BINS)
        return tuple(edges.tolist()), tuple(counts.tolist())

    def extremes(self) -> list[Prompt]:
        """The evidence half's strongest and weakest rows as prompts, with the place they are from."""
        rows = [*self._extreme_rows("top"), *self._extreme_rows("bottom")]
        found = [(self._subject.decode(self._survey.rows.ids(row)), self._survey.rows.sources[row]) for row in rows]
        return [Prompt(text, Origin.CORPUS, source=source) for text, source in found]

    @cached_property
    def _values(self) -> np.ndarray:
        if not self.random:
            from tools.subject import SubjectError

            raise SubjectError(f"{self._target.model} gives no number at {self._target.name} on any text of the corpus")
        return np.concatenate([page.values for page in self.random]).astype(float)

    def _extreme_rows(self, side: str) -> tuple[int, ...]:
        if self._target.sign < 0:
            side = {"top": "bottom", "bottom": "top"}[side]
        row = self._subject.bank(self._target).row(self._target)
        return self._survey.extremes(row, self._target.index, half="evidence", side=side).rows

    @cached_property
    def _random(self) -> dict[int, Page]:
        return self._read(shared_rows(self._subject, self._survey)[0])

    @cached_property
    def _strongest(self) -> dict[int, Page]:
        return self._read([row for row in self._extreme_rows("top") if row not in self._random])

    def _read(self, rows: list[int]) -> dict[int, Page]:
        """Pages by row; a row that could not be measured has none."""
        ids = [self._survey.rows.ids(row) for row in rows]
        values = kept(self._folder, self._target, ids)
        if values is None:
            readings = self._subject.measure_ids(ids, self._target)
            values = [np.array(reading.values, np.float32) for reading in readings]
            keep(self._folder, self._target, ids, values)
        return {
            row: Page(self._subject.tokens(text), found, self._survey.rows.sources[row])
            for row, text, found in zip(rows, ids, values, strict=True)
            if len(found)
        }


def shared_rows(subject: Subject, survey: Survey) -> tuple[list[int], list[int]]:
    """The random rows of the evidence half and of the other: the same for every target of the survey."""
    body = sum(parameter.numel() for parameter in subject.hf.base_model.parameters())
    most = int(min(MOST_TOKENS, max(FEWEST_TOKENS, READING_COST / body)))
    lengths = survey.rows.lengths
    halves = [("evidence", most), ("held_out", most // 2)]
    first, second = (first_rows(survey.half(half), lengths, tokens) for half, tokens in halves)
    return first, second


def distribution(values: np.ndarray, peaks: Sequence[float]) -> Distribution:
    """The distribution of the values at random tokens [tokens]; `peaks` are those of the strongest texts."""
    values = values.astype(float)
    highest = max([float(values.max()), *peaks])
    floor = max(0.0, float(np.median(values)))
    return Distribution(
        tokens=values.size,
        mean=float(values.mean()),
        deviation=float(values.std()),
        lowest=float(values.min()),
        highest=highest,
        active=float((values > 0).mean()),
        quantiles=tuple((share, float(np.quantile(values, share))) for share in SHARES),
        floor=floor,
        firing=_firing(floor, min(peaks, default=highest), highest),
    )


def first_rows(rows: list[int], lengths: np.ndarray, tokens: int) -> list[int]:
    """As many of the rows, in their order, as hold `tokens` tokens together; `lengths` are those of all rows."""
    read = np.cumsum([lengths[row] for row in rows])
    return rows[: int(np.searchsorted(read, tokens)) + 1]


def _firing(floor: float, twentieth: float, highest: float) -> float:
    """Half way from silence to the 20th strongest text, or a quarter of the way to the strongest where that is more.

    The second is for a unit that fires in fewer than twenty texts. What never rises above silence never fires.
    """
    return floor + max(0.5 * (twentieth - floor), 0.25 * (highest - floor), LEAST)
