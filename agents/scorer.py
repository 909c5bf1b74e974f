"""The scores of an explanation, on pages no agent has seen, each beside a floor of its own size.

Both forms of the rule are run at every held-out token. The full form stands beside the whole token table of the
evidence half, the compact one beside a table of as many tokens as it lists values.
"""

from collections.abc import Sequence

import numpy as np

from agents.mind import Evidence
from agents.statistical.mind import floor_rules
from memory.records import Explanation, Rule, Score
from tools.pages import Page
from tools.rules import predict, size
from tools.scoring import Array, detection, simulation

SPLIT = "held-out text"


def scores(explanation: Explanation, evidence: Evidence, held_out: Sequence[Page], *, seed: int) -> list[Score]:
    """Simulation of the full and the compact rule, and detection by the full one. Empty pages leave them unscored."""
    full = explanation.full or explanation.rule
    names = ("simulation, full rule", "simulation, compact rule")
    if not evidence.pages or not held_out:
        return [Score.unscored(name, SPLIT, "there is no text to score on") for name in names]
    table, small = floor_rules(evidence.pages, max(1, size(explanation.rule)))
    measured = [page.values.astype(float) for page in held_out]
    told, floor = _run(full, held_out), _run(table, held_out)
    return [
        simulation(told, measured, floor=floor, floor_name="token table", metric=names[0], split=SPLIT, seed=seed),
        simulation(
            _run(explanation.rule, held_out),
            measured,
            floor=_run(small, held_out),
            floor_name=f"table of {max(1, size(explanation.rule))} tokens",
            metric=names[1],
            split=SPLIT,
            seed=seed,
        ),
        detection(told, measured, floor=floor, floor_name="token table", split=SPLIT),
    ]


def _run(rule: Rule, pages: Sequence[Page]) -> list[Array]:
    return [np.array(predict(rule, page.tokens)) for page in pages]
