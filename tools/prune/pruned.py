"""What came out of a pruning, as plain data."""

from dataclasses import dataclass
from enum import StrEnum

from memory.records import Trigger


class Outcome(StrEnum):
    """What became of a pruning."""

    PRUNED = "pruned"
    TRUNCATED = "truncated"  # pruned, but the text was longer than the context and its end was never read
    BELOW_FLOOR = "below-floor"  # the text does not fire: there is nothing to keep
    EMPTY = "empty"
    FAILED = "failed"  # the model gives no number on the text


WARNINGS = {
    Outcome.TRUNCATED: "the text is longer than the model's context: its end was not read",
    Outcome.BELOW_FLOOR: "the text does not fire: there is nothing to keep",
    Outcome.EMPTY: "the text has no token",
    Outcome.FAILED: "the model gives no number on the text",
}


@dataclass(frozen=True)
class Pruned:
    """A kept text. `origins[i]` is the index in the parent's tokens that `tokens[i]` came from.

    `kept` is the share of the parent's activation above the floor; `token` the one at the peak. `importance[i]` is the
    drop in activation when token i is deleted, `substitution[i]` the mean drop over replacements of it, None where no
    replacement fits: a deletion also shifts all that follows, a replacement does not. Only `before` and `status` mean
    anything unless pruned or truncated.
    """

    status: Outcome
    text: str = ""
    before: float | None = None
    after: float | None = None
    kept: float | None = None
    tokens: tuple[str, ...] = ()
    origins: tuple[int, ...] = ()
    importance: tuple[float, ...] = ()
    token: str = ""
    calls: int = 0
    passes: int = 0
    substitution: tuple[float | None, ...] = ()

    @property
    def span(self) -> tuple[int, int] | None:
        """First token kept and one past the last, as indices into the parent's tokens."""
        return (min(self.origins), max(self.origins) + 1) if self.origins else None

    @property
    def warning(self) -> str:
        """What a reader has to know of the outcome; empty when all is well."""
        return WARNINGS.get(self.status, "")

    def trigger(self, parent: int) -> Trigger | None:
        """The record of it, for a parent record's id; None when nothing was kept.

        Without importances by substitution when one token has none.
        """
        if self.after is None or self.kept is None:
            return None
        known = tuple(drop for drop in self.substitution if drop is not None)
        return Trigger(
            text=self.text,
            activation=self.after,
            kept=self.kept,
            parent=parent,
            tokens=self.tokens,
            importance=self.importance,
            passes=self.passes,
            token=self.token,
            substitution=known if len(known) == len(self.tokens) else (),
        )
