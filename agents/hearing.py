"""The scores a language model gives an explanation, on held-out windows, with its prose as the only witness.

1. Held-out pages that share text with what an agent has seen are left out (agents/scorer/leaks.py).
2. Windows that fire, and as many silent ones, most of them hard to tell from those: agents/scorer/windows.py. At most
   `most` of them, drawn at random within each kind.
3. Detection: in which of them does the unit fire? Fuzzing: every firing window, once with the tokens that fire marked
   and once with as many silent ones. Simulation: a number for every token, beside the token table of the evidence half.

Simulation stands on windows of which half fire, so its figure is not to be compared with one over whole pages. Refuses
to show activations, rules or evidence to anybody: a judge gets prose and tokens.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.judge import Judge, Trial
from agents.mind import Evidence
from agents.scorer.leaks import assert_unseen
from agents.scorer.windows import Sides, sides
from agents.simulator import Simulator
from agents.statistical.mind import floor_rules
from memory.records import Explanation, Record, Score
from tools.pages import Page
from tools.rules import predict

SPLIT = "held-out windows"
MOST = 24  # windows, half of which fire
TABLE = "token table"


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A window of text, the value and the floor's prediction at each token (float64 [tokens]), and whether it fires.

    page: the place of the page it is from; what is from one page is resampled together.
    """

    tokens: tuple[str, ...]
    values: np.ndarray
    floor: np.ndarray
    fires: bool
    page: int


def heard(
    explanation: Explanation,
    evidence: Evidence,
    held_out: Sequence[Page],
    *,
    judge: Judge | None,
    simulator: Simulator | None,
    wrong: Sequence[str],
    seed: int,
    most: int = MOST,
    seen: Sequence[Record] = (),
) -> list[Score]:
    """Detection and fuzzing by the judge, simulation by the simulator; None leaves its scores out.

    wrong: explanations of other units, the floor of the judge's scores; each costs as many calls as the right one.
    seen: all records of the run. Raises LeakError for a page that an agent has seen.
    """
    found = exhibits(explanation, evidence, held_out, most=most, seed=seed, seen=seen)
    hard = f"{sum(each.fires for each in found)} that fire, {sum(not each.fires for each in found)} silent"
    split, claim = f"{SPLIT}: {hard}", explanation.text
    scores: list[Score] = []
    if judge is not None:
        detecting = [Trial(each.tokens, each.fires, page=each.page) for each in found]
        firing = evidence.distribution.firing
        quiet = (evidence.distribution.floor + firing) / 2
        fuzzing = fuzzed(found, firing=firing, quiet=quiet, seed=seed)
        scores.append(judge.detection(claim, detecting, wrong=wrong, split=split, seed=seed))
        scores.append(judge.fuzzing(claim, fuzzing, wrong=wrong, split=split, seed=seed))
    if simulator is not None:
        told = simulator.score(
            claim,
            [each.tokens for each in found],
            [each.values for each in found],
            floor=[each.floor for each in found],
            floor_name=TABLE,
            pages=[each.page for each in found],
            split=split,
            seed=seed,
        )
        scores.append(told[0])
    return scores


def exhibits(
    explanation: Explanation,
    evidence: Evidence,
    held_out: Sequence[Page],
    *,
    most: int,
    seed: int,
    seen: Sequence[Record] = (),
) -> list[Exhibit]:
    """At most `most` windows, half of which fire; none where there is no text or nothing fires."""
    shown = (*evidence.pages, *evidence.top, *evidence.bottom, *evidence.variants, *seen)
    pages = assert_unseen(held_out, shown)
    if not pages or not evidence.pages:
        return []
    firing = evidence.distribution.firing
    table, _ = floor_rules(evidence.pages, 1)
    rule = explanation.full or explanation.rule
    told, floor = ([np.array(predict(each, page.tokens)) for page in pages] for each in (rule, table))
    tokens = {page.tokens[place] for page in evidence.pages for place in np.flatnonzero(page.values >= firing)}
    quiet = (evidence.distribution.floor + firing) / 2
    found = sides(pages, told, floor, tokens=tokens, firing=firing, quiet=quiet, seed=seed)
    return [
        Exhibit(
            pages[window.page].tokens[window.start : window.stop],
            pages[window.page].values[window.start : window.stop].astype(float),
            floor[window.page][window.start : window.stop],
            fires,
            window.page,
        )
        for window, fires in _fewer(found, most, seed).sorted_out
    ]


def fuzzed(found: Sequence[Exhibit], *, firing: float, quiet: float, seed: int) -> list[Trial]:
    """Every firing window with the tokens that fire marked, and with as many marked that stay below `quiet`.

    A window without a silent token is left out.
    """
    rng = random.Random(seed)
    trials = []
    for each in (each for each in found if each.fires):
        right = tuple(int(place) for place in np.flatnonzero(each.values >= firing))
        silent = [int(place) for place in np.flatnonzero(each.values < quiet)]
        if silent:
            wrong = tuple(sorted(rng.sample(silent, min(len(silent), len(right)))))
            trials += [Trial(each.tokens, True, right, each.page), Trial(each.tokens, False, wrong, each.page)]
    return trials


def _fewer(found: Sides, most: int, seed: int) -> Sides:
    """As many of either side, and the silent kinds in proportion."""
    rng = random.Random(seed)
    wanted = min(most // 2, len(found.firing), len(found.hard) + len(found.random))
    silent = len(found.hard) + len(found.random)
    hard = min(len(found.hard), round(wanted * len(found.hard) / silent)) if silent else 0
    return Sides(
        tuple(rng.sample(found.firing, wanted)),
        tuple(rng.sample(found.hard, hard)),
        tuple(rng.sample(found.random, min(len(found.random), wanted - hard))),
    )
