"""What a change of a text did to a unit: one number, its name, and the list it belongs to.

change = (new - old) / |old - floor|. A start at or below the floor has no change, only a status.
"""

from enum import StrEnum

NEUTRAL = 0.05  # relative changes up to this size, either way, are called neutral
INCLUSION, EXCLUSION = -0.5, -0.8


class Effect(StrEnum):
    """What a change of the text did to the activation."""

    INCREASED = "increased"
    NEUTRAL = "neutral"
    DECREASED = "decreased"
    BELOW_FLOOR = "below-floor"  # the text changed from never fired: no relative change exists
    FAILED = "failed"  # the new text could not be measured


class Side(StrEnum):
    """Which list a text belongs to: it still fires, it no longer does, or it is neither."""

    POSITIVE = "positive"
    BETWEEN = "between"
    NEGATIVE = "negative"


def relative_change(new: float, old: float, *, floor: float = 0.0) -> float | None:
    """(new - old) / |old - floor|, or None when the old value is not above the floor."""
    return (new - old) / (old - floor) if old > floor else None


def effect(change: float | None, *, neutral: float = NEUTRAL) -> Effect:
    """Increased or decreased beyond the neutral band, whose edges still are neutral."""
    if change is None:
        return Effect.BELOW_FLOOR
    if abs(change) <= neutral:
        return Effect.NEUTRAL
    return Effect.INCREASED if change > 0 else Effect.DECREASED


def side(change: float, *, inclusion: float = INCLUSION, exclusion: float = EXCLUSION) -> Side:
    """Positive at or above `inclusion`, else negative at or below `exclusion`, else between.

    Raises ValueError when inclusion < exclusion: a text could then belong to both lists.
    """
    if inclusion < exclusion:
        raise ValueError(f"inclusion {inclusion} must not be below exclusion {exclusion}")
    if change >= inclusion:
        return Side.POSITIVE
    return Side.NEGATIVE if change <= exclusion else Side.BETWEEN
