"""Which rules to explain with: those that the asked texts have taught, or those of the pages alone.

What was asked is no fair sample of text: minimal pairs are made to be hard. A rule grown on both may twist itself
around cases that hardly ever occur; one grown on the pages alone knows nothing of what they do not show. So both forms
are grown twice, with the asked texts and without. The squared error decides, on all pages and on those asked texts that
only check, where an asked token counts as WEIGHT of one of the pages.
"""

from collections.abc import Callable

import numpy as np

from agents.mind import Evidence
from agents.statistical.compact import compact_rule
from agents.statistical.induction import fullest_rule
from agents.statistical.reading import Reading
from agents.statistical.readings import reading_of
from memory.records import Rule

WEIGHT = 0.1


def chosen_rules(evidence: Evidence) -> tuple[Rule, Rule]:
    """The compact form and the full one."""
    pages, both = reading_of(evidence.pages), reading_of(evidence.pages, evidence.asked)
    compact = _better(pages, both, compact_rule)
    return compact, _better(pages, both, lambda reading: fullest_rule(reading, compact))


def _better(pages: Reading, both: Reading, grow: Callable[[Reading], Rule]) -> Rule:
    taught = grow(both)
    if both is pages:
        return taught
    plain = grow(pages)
    return plain if _left(pages, both, plain) < _left(pages, both, taught) else taught


def _left(pages: Reading, both: Reading, rule: Rule) -> float:
    """The squared error on the pages and, at their weight, on the asked texts that only check."""
    ordinary = pages.measured - pages.predicted(rule)
    checked = (both.measured - both.predicted(rule))[both.checking]
    asked = float(checked @ checked) - float(np.square(ordinary[pages.checking]).sum())
    return float(ordinary @ ordinary) + WEIGHT * asked
