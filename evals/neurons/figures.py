"""What the outcomes of a sample come to: shares that beat their floor, means beside floors, by layer.

A constant prediction has no correlation and counts as 0 in a mean, so that saying nothing never pays. A neuron that is
constant on the held-out text cannot be scored: it is counted apart, and in no share. A confirmed abstention is counted
apart too; one that a wider search overturned is a miss.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

from evals.neurons.trial import MOST_CLAUSES, MOST_LISTED, Form, Outcome

CEILING = 1.0


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of a sample as plain data."""
    layers = sorted({each.layer for each in outcomes})
    scored = [each for each in outcomes if _scorable(each)]
    return {
        "sample": len(outcomes),
        "scored": len(scored),
        **_shares(outcomes),
        "ceiling": CEILING,
        "abstained": {
            "count": sum(each.overturned is not None for each in scored),
            "overturned": sum(each.overturned is True for each in scored),
            "confirmed": sum(each.overturned is False for each in scored),
        },
        "constant": len(outcomes) - len(scored),
        "oversized": sum(each.listed > MOST_LISTED or each.clauses > MOST_CLAUSES for each in outcomes),
        "seconds": median(each.seconds for each in outcomes),
        "by_layer": {str(layer): _shares([each for each in outcomes if each.layer == layer]) for layer in layers},
    }


def _shares(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    scored = [each for each in outcomes if _scorable(each)]
    counted = [each for each in scored if each.overturned is not False]
    shares = [each.share_of_full for each in counted if each.share_of_full is not None]
    aucs = [(each.auc, each.auc_floor) for each in scored if each.auc is not None]
    return {
        "n": len(outcomes),
        "full": _form([each.full for each in scored], [each.full for each in counted]),
        "compact": _form([each.compact for each in scored], [each.compact for each in counted])
        | {"share_of_full": median(shares) if shares else None},
        "auc": _mean([auc for auc, _ in aucs]),
        "auc_floor": _mean([floor for _, floor in aucs if floor is not None]),
    }


def _form(scored: Sequence[Form], counted: Sequence[Form]) -> dict[str, Any]:
    return {
        "beats_floor": _mean([float(form.beats_floor) for form in counted]),
        "mean": _mean([form.correlation or 0.0 for form in scored]),
        "floor": _mean([form.floor or 0.0 for form in scored]),
    }


def _scorable(outcome: Outcome) -> bool:
    return not outcome.reason.startswith("the activation")


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
