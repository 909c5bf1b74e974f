"""Both forms of a rule run at every held-out token, and what that is worth.

1. Simulation: the correlation of both forms; the full one stands beside the whole token table of the evidence half, the
   compact one beside a table of as many tokens as it lists values.
2. Detection of the top 1 % of tokens by the full rule, as AUC.
3. R2 of the full rule, as it is, and after the best scale and shift on the held-out text.
4. Detection of windows that fire among hard silent ones (windows.py): balanced accuracy, at thresholds chosen on
   evidence text for the rule and for the table each, and AUC. Fuzzing: the token that fires against silent ones beside
   it.
5. The correlation of the full rule less that of the best floor there is: the token table, tokens and tokens before
   looked up in the other held-out pages, and the best of five token tables made from shuffled activations. Always none
   has no correlation at all.

Pages that share text with what an agent has seen are left out first (leaks.py); the split says how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.mind import Evidence
from agents.scorer import windows
from agents.scorer.leaks import assert_unseen
from agents.statistical.mind import floor_rules
from memory.records import Explanation, Record, Rule, Score
from tools.pages import Page
from tools.rules import predict, size
from tools.scoring import (
    Array,
    balanced,
    best_of,
    choice,
    correlation,
    detection,
    determination,
    difference,
    previous_floor,
    random_tables,
    ranking,
    simulation,
    threshold,
    token_floor,
)

SPLIT = "held-out text"
SIMULATIONS = ("simulation, full rule", "simulation, compact rule")
EXPLAINED = ("R2, full rule as it is", "R2, full rule at its best scale")
WINDOWS = ("detection of windows (balanced accuracy)", "detection of windows (AUC)", "fuzzing (forced choice)")
ABOVE = "simulation, full rule above the best floor"
TABLE = "token table"
RANDOM_RULES = 5
CUTTING = 60  # evidence pages of either end that thresholds are chosen on


@dataclass(frozen=True, eq=False)
class Told:
    """What the full rule and the whole token table predict on pages, and what was measured there."""

    pages: Sequence[Page]
    rule: list[Array]
    table: list[Array]
    measured: list[Array]
    split: str
    seed: int


def scores(
    explanation: Explanation, evidence: Evidence, held_out: Sequence[Page], *, seed: int, seen: Sequence[Record] = ()
) -> list[Score]:
    """Every score of an explanation that needs no language model, the main one first.

    seen: all records of the run, of which `evidence` holds the strongest and weakest only. Empty pages leave scores
    unscored. Raises LeakError for a page that an agent has seen.
    """
    if not evidence.pages or not held_out:
        return [Score.unscored(name, SPLIT, "there is no text to score on") for name in SIMULATIONS]
    shown = (*evidence.pages, *evidence.top, *evidence.bottom, *evidence.variants, *seen)
    kept = assert_unseen(held_out, shown)
    if not kept:
        return [Score.unscored(name, SPLIT, "every held-out page shares text with a seen one") for name in SIMULATIONS]
    left_out = len(held_out) - len(kept)
    split = f"{SPLIT}, {left_out} of {len(held_out)} pages left out" if left_out else SPLIT
    full, listed = explanation.full or explanation.rule, max(1, size(explanation.rule))
    table, small = floor_rules(evidence.pages, listed)
    told = _told(full, table, kept, split, seed)
    compact = simulation(
        _run(explanation.rule, kept),
        told.measured,
        floor=_run(small, kept),
        floor_name=f"table of {listed} tokens",
        metric=SIMULATIONS[1],
        split=split,
        seed=seed,
    )
    first, *others = _at_tokens(told)
    return [first, compact, *others, *_in_windows(told, full, table, evidence), _above_floors(told, evidence)]


def _told(rule: Rule, table: Rule, pages: Sequence[Page], split: str, seed: int) -> Told:
    measured = [page.values.astype(float) for page in pages]
    return Told(pages, _run(rule, pages), _run(table, pages), measured, split, seed)


def _run(rule: Rule, pages: Sequence[Page]) -> list[Array]:
    return [np.array(predict(rule, page.tokens)) for page in pages]


def _at_tokens(told: Told) -> list[Score]:
    """Simulation, detection of the top tokens, and R2, by the full rule."""
    floor = {"floor": told.table, "floor_name": TABLE, "split": told.split, "seed": told.seed}
    return [
        simulation(told.rule, told.measured, metric=SIMULATIONS[0], **floor),
        detection(told.rule, told.measured, **floor),
        determination(told.rule, told.measured, metric=EXPLAINED[0], **floor),
        determination(told.rule, told.measured, metric=EXPLAINED[1], fitted=True, **floor),
    ]


def _in_windows(told: Told, full: Rule, table: Rule, evidence: Evidence) -> list[Score]:
    """Detection and fuzzing on windows that fire and hard ones that do not."""
    firing = evidence.distribution.firing
    quiet = (evidence.distribution.floor + firing) / 2
    level = {"firing": firing, "quiet": quiet, "tokens": _fired(evidence), "seed": told.seed}
    found = windows.sides(told.pages, told.rule, told.table, **level)
    split = f"{told.split}: {found.words}"
    if not found.enough:
        return [Score.unscored(name, told.split, f"too few: {found.words}") for name in WINDOWS]
    (rule, fires), (floor, _) = windows.by_page(found, told.rule), windows.by_page(found, told.table)
    known = _told(full, table, [*evidence.pages[:CUTTING], *evidence.pages[CUTTING:][-CUTTING:]], split, told.seed)
    other = windows.sides(known.pages, known.rule, known.table, **level)
    cuts = [_cut(other, predicted) for predicted in (known.rule, known.table)]
    named = {"floor_name": TABLE, "split": split, "seed": told.seed}
    calls = [[part > cut for part in side] for side, cut in zip((rule, floor), cuts, strict=True)]
    chosen, usual = (windows.choices(found, told.pages, side, quiet=quiet) for side in (told.rule, told.table))
    return [
        balanced(calls[0], fires, floor=calls[1], metric=WINDOWS[0], **named),
        ranking(rule, fires, floor=floor, metric=WINDOWS[1], **named),
        choice(chosen, floor=usual, metric=WINDOWS[2], **named),
    ]


def _fired(evidence: Evidence) -> set[str]:
    """Tokens at which the unit fired on evidence text."""
    firing = evidence.distribution.firing
    shown = {page.tokens[place] for page in evidence.pages for place in np.flatnonzero(page.values >= firing)}
    return shown | {r.peak_token for r in evidence.top if r.peak is not None and r.peak >= firing}


def _cut(found: windows.Sides, predicted: Sequence[Array]) -> float:
    """The threshold that tells the windows of evidence text apart best; without one nothing is called firing."""
    peaks, fires = windows.by_page(found, predicted)
    cut = threshold(np.concatenate(peaks), np.concatenate(fires)) if found.enough else None
    return float("inf") if cut is None else cut


def _above_floors(told: Told, evidence: Evidence) -> Score:
    """The full rule less the best of all floors, on the same resampled pages."""
    tokens = [page.tokens for page in told.pages]
    floors = {
        TABLE: told.table,
        "token in other pages": token_floor(tokens, told.measured),
        "token before in other pages": previous_floor(tokens, told.measured),
    }
    known = [page.values.astype(float) for page in evidence.pages]
    shown = [page.tokens for page in evidence.pages]
    candidates = random_tables(shown, known, tokens, count=RANDOM_RULES, seed=told.seed)
    best = best_of(candidates, told.measured)
    if best is not None:
        floors[f"best of {RANDOM_RULES} random rules"] = candidates[best[0]]
    found = {name: correlation(side, told.measured) for name, side in floors.items()}
    ranked = sorted((-value, name) for name, value in found.items() if value is not None)
    if not ranked:
        return Score.unscored(ABOVE, told.split, "no floor varies on this text")
    words = ", ".join(f"{name} {-value:.3f}" for value, name in ranked)
    return difference(
        told.rule, floors[ranked[0][1]], told.measured, metric=ABOVE, split=told.split, floor_name=words, seed=told.seed
    )
