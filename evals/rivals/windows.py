"""What the corpus has to show: each drawn neuron's maximum there, its best short windows, and how likely text is.

1. Neurons: layers in a shuffled order, each with a random index, drawn again while the corpus maximum is at most DEAD;
   how many were passed over is counted.
2. The corpus maximum: the strongest rows of both halves of the survey (40), read again in float32 with all their
   context.
3. Windows: each of those rows cut to the tokens that end at its peak, decoded and measured as a text of its own.
4. The typical cross-entropy: the median over random windows of as many tokens from both halves.

Searches are given the windows of the evidence half only; the maxima they are compared with are of both.
"""

import random
from dataclasses import dataclass

import numpy as np

from evals.rivals.judging import surprises
from memory.records import Target
from tools.subject import Subject
from tools.survey import Survey

DEAD = 0.1  # a corpus maximum at or below this is a neuron that text does not drive
RANDOM_WINDOWS = 1000
GIVEN = 8  # windows the product gives its search


@dataclass(frozen=True)
class Ground:
    """One neuron over the corpus. `windows` are texts of the evidence half, best first.

    `typical` is the best activation among windows of both halves whose cross-entropy is at most the median, None when
    there is none; `sigma` the standard deviation over evidence tokens; `start` the best window that has full length.
    """

    layer: int
    index: int
    maximum: float
    held_out: float
    cut: float
    typical: float | None
    sigma: float
    windows: tuple[str, ...]
    start: tuple[int, ...]

    @property
    def name(self) -> str:
        """L9N652 and the like."""
        return f"L{self.layer}N{self.index}"


def draw(subject: Subject, survey: Survey, count: int, *, seed: int) -> tuple[list[Target], int]:
    """`count` neurons, as evenly over the layers as they go, and how many dead ones were passed over."""
    chance = random.Random(seed)
    layers = chance.sample(range(subject.layers), subject.layers)
    found: list[Target] = []
    dead = 0
    while len(found) < count:
        layer, index = layers[len(found) % len(layers)], chance.randrange(subject.width)
        tops = [survey.extremes(layer, index, half=half, side="top").values for half in ("evidence", "held_out")]
        target = subject.neuron(layer, index)
        if target in found:
            continue
        if max(value for top in tops for value in top) <= DEAD:
            dead += 1
        else:
            found.append(target)
    return found, dead


def survey_ground(subject: Subject, survey: Survey, target: Target, *, length: int, limit: float) -> Ground:
    """Read what the corpus has to show of one neuron."""
    peaks: dict[str, float] = {}
    cuts: dict[str, list[tuple[float, str, tuple[int, ...]]]] = {}
    for half in ("evidence", "held_out"):
        rows = survey.extremes(target.layer, target.index, half=half, side="top").rows
        readings = subject.measure_ids([survey.rows.ids(row) for row in rows], target)
        ends = [(r.token_ids, r.position + 1) for r in readings if r.position is not None]
        texts = dict.fromkeys(subject.decode(ids[max(0, end - length) : end]) for ids, end in ends)
        again = zip(texts, subject.measure(list(texts), target), strict=True)
        peaks[half] = max(r.peak for r in readings if r.peak is not None)
        cuts[half] = sorted(((r.peak, text, r.token_ids) for text, r in again if r.peak is not None), reverse=True)
    both = cuts["evidence"] + cuts["held_out"]
    likely = surprises(subject, [text for _, text, _ in both])
    given = [cut for cut in cuts["evidence"] if len(cut[2]) <= length]
    return Ground(
        layer=target.layer,
        index=target.index,
        maximum=max(peaks.values()),
        held_out=peaks["held_out"],
        cut=max(peak for peak, _, _ in both),
        typical=max((cut[0] for cut, value in zip(both, likely, strict=True) if value <= limit), default=None),
        sigma=max(survey.moments(target.layer, target.index, half="evidence")[2], 1e-6),
        windows=tuple(text for _, text, _ in given[:GIVEN]),
        start=next((ids for _, _, ids in given if len(ids) == length), given[0][2]),
    )


def typical_surprise(subject: Subject, survey: Survey, *, length: int) -> float:
    """The median cross-entropy, in nats a token, of random windows of the corpus."""
    chance = np.random.default_rng(0)
    lengths = survey.rows.lengths
    rows = chance.choice(np.flatnonzero(lengths >= length), RANDOM_WINDOWS)
    firsts = [int(chance.integers(lengths[row] - length + 1)) for row in rows]
    cut = [survey.rows.ids(int(row))[first : first + length] for row, first in zip(rows, firsts, strict=True)]
    return float(np.median(surprises(subject, [subject.decode(ids) for ids in cut])))
