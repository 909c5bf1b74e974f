"""What was found of a unit's output side, as plain data, and in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from memory.records import Score
from tools.rules import visible
from tools.scoring.resampling import rounded

SPLIT = "evidence text"
LEAST = 1e-3  # nats of change that mean anything
NAMED = 4  # tokens of a list that a sentence names
FEW = 10  # other units: of so few the highest is the floor, of more what one in ten exceeds


@dataclass(frozen=True)
class Pull:
    """A token and how far it is pushed: deviations over the vocabulary (lens) or probability (token change)."""

    token: str
    amount: float


@dataclass(frozen=True)
class Among:
    """Where a figure stands among those of other units of the layer: how many reach as much, their median, and `high`.

    `high`, which `named` names, is the floor: a unit like the others is above it one time in ten; with five others,
    one time in six.
    """

    units: int
    above: int
    median: float
    high: float
    named: str

    @staticmethod
    def of(own: float, others: Sequence[float]) -> "Among | None":
        """None without others."""
        if not others:
            return None
        many = len(others) > FEW
        high = float(np.quantile(others, 0.9)) if many else max(others)
        named = "90th percentile" if many else "highest"
        return Among(len(others), sum(other >= own for other in others), float(median(others)), high, named)


@dataclass(frozen=True)
class Ablation:
    """Mean KL in nats at firing tokens with its 95 % interval over pages, and its two floors.

    `kind` is "zero" or "mean" and `value` what the unit was set to (unsigned: as the model has it). `silent`: the same
    at silent tokens; `others` and `among`: other units moved by as much at the firing ones, their mean and where this
    one stands among them.
    """

    kind: str
    value: float
    kl: float
    low: float | None
    high: float | None
    silent: float
    others: float
    contexts: int
    among: Among | None = None

    @property
    def rival(self) -> float:
        """What other units moved as much come to: the highest of them; of older runs their mean."""
        return self.others if self.among is None else self.among.high

    @property
    def floor(self) -> float:
        """The higher of the two floors."""
        return max(self.silent, self.rival)

    @property
    def speaks(self) -> bool:
        """Whether the low end of the interval is above both floors."""
        return self.low is not None and self.low > self.floor

    def score(self) -> Score:
        """The ablation as a Score, the higher floor named; without a ceiling, because KL has none."""
        moved = "other units moved as much"
        rivals = moved if self.among is None else f"{self.among.named} of {self.among.units} {moved}"
        return Score(
            metric=f"effect of {self.kind} ablation (KL, nats)",
            split=SPLIT,
            value=rounded(self.kl),
            n=self.contexts,
            low=rounded(self.low),
            high=rounded(self.high),
            floor=rounded(self.floor),
            floor_name="where it is silent" if self.silent >= self.rival else rivals,
        )


@dataclass(frozen=True)
class Effects:
    """The output side of one unit. What could not be had is empty, with its reason.

    `towards` and `away`: the lens. `raised` and `lowered`: the mean change of probability when the unit is set to
    `high` (unsigned). `usual` and `moved`: the median of other units' largest pull and rise; what ends in `_among`:
    where the strongest of each list stands among theirs. `passes`: rows sent through the model.
    """

    target: str
    towards: tuple[Pull, ...] = ()
    away: tuple[Pull, ...] = ()
    usual: float | None = None
    lens_reason: str = ""
    ablations: tuple[Ablation, ...] = ()
    raised: tuple[Pull, ...] = ()
    lowered: tuple[Pull, ...] = ()
    high: float | None = None
    moved: float | None = None
    reason: str = ""
    passes: int = 0
    towards_among: Among | None = None
    away_among: Among | None = None
    raised_among: Among | None = None
    lowered_among: Among | None = None

    @property
    def speaks(self) -> bool:
        """Whether taking the unit away changes the next token more than both floors do."""
        return any(ablation.speaks for ablation in self.ablations)

    def scores(self) -> tuple[Score, ...]:
        """The ablations as scores, or one unscored with the reason."""
        found = tuple(ablation.score() for ablation in self.ablations)
        return found or (Score.unscored("effect of zero ablation (KL, nats)", SPLIT, self.reason),)


def told(effects: Effects) -> str:
    """The output side in plain English; says so where it says nothing."""
    if not effects.ablations:
        return f"What it brings about could not be tested: {effects.reason or 'no ablation was made'}."
    best = max(effects.ablations, key=lambda ablation: (ablation.speaks, ablation.kl))
    figures = (
        f"by {best.kl:.2g} nats where it fires, {best.silent:.2g} where it is silent, "
        f"{best.others:.2g} for other units of its layer moved as much"
    ) + (f", {best.among.high:.2g} for the {best.among.named} of them" if best.among else "")
    if not effects.speaks and best.low is None:
        return f"What it brings about cannot be told from the floor: its contexts are from too few pages ({figures})."
    if not effects.speaks and best.kl > max(best.floor, LEAST):
        return f"What it brings about cannot be told from the floor: the next token changes too unevenly ({figures})."
    if not effects.speaks:
        return f"Its output says nothing: taking it away changes the next token no more than the floor ({figures})."
    parts = [f"taking it away changes the next token ({figures})"]
    ends = (("towards", effects.towards, effects.towards_among), ("away from", effects.away, effects.away_among))
    writes = [f"{way} {_listed(pulls)}" for way, pulls, among in ends if _stands_out(pulls, among, effects.usual)]
    if writes:
        parts.insert(0, f"writes {' and '.join(writes)}")
    if _stands_out(effects.raised, effects.raised_among, effects.moved):
        parts.append(f"set high, it makes the model expect {_listed(effects.raised)} more")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _stands_out(pulls: Sequence[Pull], among: Among | None, usual: float | None) -> bool:
    """Whether the strongest of a list is above its floor; of older runs, the median of other units."""
    floor = usual if among is None else among.high
    return bool(pulls) and floor is not None and abs(pulls[0].amount) > floor


def _listed(pulls: Sequence[Pull]) -> str:
    return ", ".join(f"‘{visible(pull.token)}’" for pull in pulls[:NAMED])
