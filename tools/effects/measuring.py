"""The three measurements of a unit's output side, one after the other; the package says what each is."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
import torch

from memory.records import Target
from tools.effects.contexts import Row, Sides, sides
from tools.effects.found import Ablation, Among, Effects, Pull
from tools.effects.interventions import Change, Runner
from tools.effects.lens import lens
from tools.pages import Page
from tools.scoring.resampling import Array, interval, ordered, weights
from tools.subject import Subject

SHOWN = 10  # tokens of each end
OTHERS = 5  # units of the layer that are changed for comparison
CONTEXTS = 96  # where it fires, and as many where it is silent

Pairs = Sequence[tuple[int, float]]


def effects(subject: Subject, target: Target, pages: Sequence[Page], *, seed: int, contexts: int = CONTEXTS) -> Effects:
    """The output side of a unit on pages that agents may see, with at most `contexts` contexts a side.

    What cannot be had is empty, with its reason in `lens_reason` or `reason`. The same seed gives the same result.
    """
    began = subject.passes
    found, lens_reason = lens(subject, target, shown=SHOWN)
    written = Effects(target.name, lens_reason=lens_reason)
    if found is not None:
        written = Effects(
            target.name, _pulls(subject, found.highest), _pulls(subject, found.lowest), found.usual,
            towards_among=found.towards_among, away_among=found.away_among,
        )  # fmt: skip
    drawn = sides(subject, target, pages, most=contexts, seed=seed)
    if isinstance(drawn, str):
        return replace(written, reason=drawn, passes=subject.passes - began)
    runner = Runner(subject, target)
    others, high = runner.others(OTHERS, seed), drawn.high * target.sign
    ablations = _ablations(runner, drawn, others, seed)
    raised, lowered, rises, falls = _token_change(runner, drawn.silent, others, high)
    return replace(
        written, ablations=ablations, raised=_pulls(subject, raised), lowered=_pulls(subject, lowered), high=high,
        moved=median(rises) if rises else None, passes=subject.passes - began,
        raised_among=Among.of(raised[0][1], rises) if raised else None,
        lowered_among=Among.of(-lowered[0][1], falls) if lowered else None,
    )  # fmt: skip


def _ablations(runner: Runner, drawn: Sides, others: Sequence[int], seed: int) -> tuple[Ablation, ...]:
    """Zero and mean ablation at firing and at silent tokens, and other units moved as much at the firing ones."""
    own = {"zero": 0.0, "mean": drawn.mean * runner.target.sign}
    before = runner.values(drawn.firing)
    changes = [Change(runner.target.index, value) for value in own.values()]
    rivals = [Change(unit, value - before, relative=True) for value in own.values() for unit in others]
    firing, silent = runner.divergences(drawn.firing, [*changes, *rivals]), runner.divergences(drawn.silent, changes)
    found = []
    for n, (kind, value) in enumerate(own.items()):
        first = len(own) + n * len(others)
        each = firing[first : first + len(others)].mean(1).tolist()
        beside = sum(each) / len(each) if each else 0.0
        kl, quiet = float(firing[n].mean()), float(silent[n].mean())
        low, high = _interval(firing[n], drawn.pages, seed)
        among = Among.of(kl, each)
        found.append(Ablation(kind, value, kl, low, high, quiet, beside, len(drawn.firing), among))
    return tuple(found)


def _token_change(
    runner: Runner, silent: Sequence[Row], others: Sequence[int], high: float
) -> tuple[Pairs, Pairs, list[float], list[float]]:
    """Tokens raised and lowered most in the mean; and the largest rise and fall of each other unit, moved as much."""
    by = high - runner.values(silent)
    changes = [Change(runner.target.index, high), *(Change(unit, by, relative=True) for unit in others)]
    own, *rest = runner.shifts(silent, changes)
    highest, lowest = (_strongest(side) for side in (own, -own))
    rises, falls = ([float((sign * shift).max()) for shift in rest] for sign in (1, -1))
    return highest, [(token, -rise) for token, rise in lowest], rises, falls


def _strongest(shift: torch.Tensor) -> list[tuple[int, float]]:
    found = shift.topk(min(SHOWN, len(shift)))
    return [(n, v) for n, v in zip(found.indices.tolist(), found.values.tolist(), strict=True) if v > 0]


def _interval(values: Array, pages: Sequence[int], seed: int) -> tuple[float | None, float | None]:
    """The middle 95 % of the mean over resampled pages; None with fewer than five."""
    _, group = np.unique(np.asarray(pages), return_inverse=True)
    sums, contexts = np.bincount(group, weights=values), np.bincount(group).astype(np.float64)
    rows = ordered(np.stack([sums, contexts], 1).astype(np.float64))
    drawn = weights(len(rows), seed) @ rows
    return interval((drawn[:, 0] / drawn[:, 1]).tolist())


def _pulls(subject: Subject, pairs: Pairs) -> tuple[Pull, ...]:
    return tuple(Pull(subject.token(token), amount) for token, amount in pairs)
