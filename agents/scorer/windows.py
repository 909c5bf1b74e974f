"""Windows of pages in which a unit fires, and as many silent ones that are hard to tell from them.

After delphi's detection and fuzzing (Paulo et al. 2024, arXiv:2410.13928), with harder negatives:

1. Pages are cut into windows of 32 tokens. One fires when its peak reaches the firing threshold; it is silent when its
   peak stays below half way from silence to there; the rest is neither.
2. Positives: up to 100 that fire, drawn at random. Negatives: as many silent ones. Of those 40 % hold a token at which
   the unit fired on evidence text, 20 % are where the rule predicts most, 20 % where its floor does (else only the rule
   would meet its own mistakes), and the rest are drawn at random. Where a kind runs short, random ones fill up.
3. Fuzzing: in each positive window the token at the peak against every silent token of the same window.
"""

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from tools.pages import Page
from tools.scoring import Array, Mask

WIDTH, SHORTEST = 32, 8  # tokens of a window, and of the last one of a page
MOST, FEWEST = 100, 5  # of either side
SAME_TOKEN, TRAPS = 0.4, 0.2  # shares of the negatives


@dataclass(frozen=True)
class Window:
    """A stretch of one page, by the page's number."""

    page: int
    start: int
    stop: int


@dataclass(frozen=True)
class Sides:
    """Windows that fire, and silent ones: chosen to be hard, and drawn at random."""

    firing: tuple[Window, ...]
    hard: tuple[Window, ...]
    random: tuple[Window, ...]

    @property
    def enough(self) -> bool:
        """Whether there are enough of either side."""
        return min(len(self.firing), len(self.hard) + len(self.random)) >= FEWEST

    @property
    def words(self) -> str:
        """The numbers, in words."""
        return f"{len(self.firing)} windows that fire, {len(self.hard)} hard and {len(self.random)} random silent ones"

    @property
    def sorted_out(self) -> list[tuple[Window, bool]]:
        """Every window and whether it fires."""
        silent = [*self.hard, *self.random]
        return [*((window, True) for window in self.firing), *((window, False) for window in silent)]


def sides(
    pages: Sequence[Page],
    told: Sequence[Array],
    floor: Sequence[Array],
    *,
    tokens: Set[str],
    firing: float,
    quiet: float,
    seed: int,
) -> Sides:
    """Windows of either side. told, floor: predictions of the rule and of its floor [tokens] a page."""
    rng = np.random.default_rng(seed)
    windows = [window for n, page in enumerate(pages) for window in _cut(n, len(page.tokens))]
    peaks = [float(pages[w.page].values[w.start : w.stop].max()) for w in windows]
    order = [windows[n] for n in rng.permutation(len(windows))]
    peak_of = dict(zip(windows, peaks, strict=True))
    fires = [window for window in order if peak_of[window] >= firing][:MOST]
    silent = [window for window in order if peak_of[window] < quiet]
    wanted = min(len(fires), len(silent))
    alike = [w for w in silent if not tokens.isdisjoint(pages[w.page].tokens[w.start : w.stop])]
    hard = dict.fromkeys(alike[: round(SAME_TOKEN * wanted)])
    for predicted in (told, floor):
        left = [window for window in silent if window not in hard]
        highest = sorted(left, key=lambda window: -peak(predicted, window))
        hard |= dict.fromkeys(highest[: round(TRAPS * wanted)])
    rest = [window for window in silent if window not in hard]
    return Sides(tuple(fires[:wanted]), tuple(hard)[:wanted], tuple(rest[: max(0, wanted - len(hard))]))


def peak(predicted: Sequence[Array], window: Window) -> float:
    """The highest prediction in a window."""
    return float(predicted[window.page][window.start : window.stop].max())


def by_page(found: Sides, predicted: Sequence[Array]) -> tuple[list[Array], list[Mask]]:
    """Peaks of the predictions and which windows fire, one array for each page that has windows."""
    grouped: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for window, fires in found.sorted_out:
        grouped[window.page].append((peak(predicted, window), fires))
    rows = [grouped[page] for page in sorted(grouped)]
    return [np.array([told for told, _ in row]) for row in rows], [
        np.array([fires for _, fires in row]) for row in rows
    ]


def choices(found: Sides, pages: Sequence[Page], predicted: Sequence[Array], *, quiet: float) -> list[Array]:
    """How often a prediction is higher at a window's peak than at its silent tokens, one array of shares a page."""
    grouped: dict[int, list[float]] = defaultdict(list)
    for window in found.firing:
        values = pages[window.page].values[window.start : window.stop]
        told = predicted[window.page][window.start : window.stop]
        others, at = told[values < quiet], told[int(values.argmax())]
        if len(others):
            grouped[window.page].append(float(((others < at) + 0.5 * (others == at)).mean()))
    return [np.array(grouped[page]) for page in sorted(grouped)]


def _cut(page: int, tokens: int) -> list[Window]:
    starts = range(0, tokens, WIDTH)
    return [Window(page, at, min(at + WIDTH, tokens)) for at in starts if min(WIDTH, tokens - at) >= SHORTEST]
