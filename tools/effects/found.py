"""What was found of a unit's output side, as plain data, and in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory.records import Score
from tools.rules import visible
from tools.scoring.resampling import rounded

SPLIT = "evidence text"
LEAST = 1e-3  # nats of change that mean anything
NAMED = 4  # tokens of a list that a sentence names


@dataclass(frozen=True)
class Pull:
    """A token and how far it is pushed: deviations over the vocabulary (lens) or probability (token change)."""

    token: str
    amount: float


@dataclass(frozen=True)
class Ablation:
    """Mean KL in nats at firing tokens with its 95 % interval over contexts, and its two floors.

    `kind` is "zero" or "mean" and `value` what the unit was set to (unsigned: as the model has it). `silent`: the same
    at silent tokens; `others`: other units moved by as much at the firing ones.
    """

    kind: str
    value: float
    kl: float
    low: float | None
    high: float | None
    silent: float
    others: float
    contexts: int

    @property
    def floor(self) -> float:
        """The higher of the two floors."""
        return max(self.silent, self.others)

    @property
    def speaks(self) -> bool:
        """Whether the low end of the interval is above both floors."""
        return self.low is not None and self.low > self.floor

    def score(self) -> Score:
        """The ablation as a Score, the higher floor named; without a ceiling, because KL has none."""
        return Score(
            metric=f"effect of {self.kind} ablation (KL, nats)",
            split=SPLIT,
            value=rounded(self.kl),
            n=self.contexts,
            low=rounded(self.low),
            high=rounded(self.high),
            floor=rounded(self.floor),
            floor_name="where it is silent" if self.silent >= self.others else "other units moved as much",
        )


@dataclass(frozen=True)
class Effects:
    """The output side of one unit. What could not be had is empty, with its reason.

    `towards` and `away`: the lens, `usual` its floor. `raised` and `lowered`: the mean change of probability when the
    unit is set to `high` (unsigned), `moved` the floor of the rises. `passes`: rows sent through the model.
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
    )
    if not effects.speaks and best.kl > max(best.floor, LEAST):
        return f"What it brings about cannot be told from the floor: the next token changes too unevenly ({figures})."
    if not effects.speaks:
        return f"Its output says nothing: taking it away changes the next token no more than the floor ({figures})."
    parts = [f"taking it away changes the next token ({figures})"]
    if effects.towards and effects.usual is not None and effects.towards[0].amount > effects.usual:
        parts.insert(0, f"writes towards {_listed(effects.towards)} and away from {_listed(effects.away)}")
    if effects.raised and effects.moved is not None and effects.raised[0].amount > effects.moved:
        parts.append(f"set high, it makes the model expect {_listed(effects.raised)} more")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _listed(pulls: Sequence[Pull]) -> str:
    return ", ".join(f"‘{visible(pull.token)}’" for pull in pulls[:NAMED])
