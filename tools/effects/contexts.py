"""Contexts that end where a unit fires, and as many that end where it stays near silence, out of pages already read.

A page counts when its text encodes to its own tokens again. A context is cut to its last 32 tokens (16, 8, 4, 2, 1
where the page has no more, so that few lengths occur), measured anew, and kept if the unit still fires at its end.
Silent tokens are those of the half that is nearest to silence.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from memory.records import Target
from tools.pages import LEAST, Page
from tools.subject import Subject

LENGTHS = (32, 16, 8, 4, 2, 1)  # tokens of a context
FEWEST = 5  # contexts of either side
A_PAGE = 4  # contexts of either side from one page
HIGH = 0.999  # the quantile a unit is set to
SPARE = 2  # contexts cut for each one wanted

Row = tuple[int, ...]
Wanted = Callable[[np.ndarray], np.ndarray]  # values [tokens] -> which of them end a context


@dataclass(frozen=True)
class Sides:
    """Rows of token ids, and the unit's mean and high value over the pages (signed as the target is).

    pages: the number of the page that each firing row is from.
    """

    firing: tuple[Row, ...]
    silent: tuple[Row, ...]
    mean: float
    high: float
    pages: tuple[int, ...] = ()


def sides(subject: Subject, target: Target, pages: Sequence[Page], *, most: int, seed: int) -> Sides | str:
    """Up to `most` contexts a side, as many of each; or the reason why there are too few."""
    if not pages:
        return "there is no text to read it on"
    values = np.concatenate([page.values for page in pages]).astype(float)
    silence, firing = _levels(values, [float(page.values.max()) for page in pages if len(page.values)])
    if values.max() < firing:
        return "it never rises above silence on this text"
    rng = np.random.default_rng(seed)
    quiet = float(np.median(np.abs(values - silence)))
    loud = list(_ends(subject, pages, rng, lambda found: found >= firing, SPARE * most))
    readings = subject.measure_ids([row for _, row in loud], target)
    kept = [end for end, reading in zip(loud, readings, strict=True) if reading.values and reading.values[-1] >= firing]
    silent = list(_ends(subject, pages, rng, lambda found: (np.abs(found - silence) <= quiet) & (found < firing), most))
    number = min(len(kept), len(silent), most)
    if number < FEWEST:
        return f"only {number} contexts of up to {LENGTHS[0]} tokens end where it fires, or where it is silent"
    high = max(float(np.quantile(values, HIGH)), firing)
    firing_rows, silent_rows = (tuple(row for _, row in side[:number]) for side in (kept, silent))
    return Sides(firing_rows, silent_rows, float(values.mean()), high, tuple(n for n, _ in kept[:number]))


def _levels(values: np.ndarray, peaks: Sequence[float]) -> tuple[float, float]:
    """Silence (the median, never below zero), and firing: half way to the 20th strongest page, as tools/pages.py."""
    silence = max(0.0, float(np.median(values)))
    twentieth, highest = sorted(peaks)[-20:][0], max(peaks)
    return silence, silence + max(0.5 * (twentieth - silence), 0.25 * (highest - silence), LEAST)


def _ends(
    subject: Subject, pages: Sequence[Page], rng: np.random.Generator, wanted: Wanted, most: int
) -> Iterator[tuple[int, Row]]:
    """Contexts that end at wanted tokens with the numbers of their pages, in random order, a few of each page."""
    found = 0
    for n in rng.permutation(len(pages)):
        page = pages[n]
        places = np.flatnonzero(wanted(page.values.astype(float)))
        if found >= most or not len(places):
            continue
        ids = subject.encode("".join(page.tokens))
        if subject.tokens(ids) != page.tokens:
            continue
        for place in rng.permutation(places)[: min(A_PAGE, most - found)]:
            found += 1
            length = next(length for length in LENGTHS if length <= place + 1)
            yield int(n), tuple(ids[place + 1 - length : place + 1])
