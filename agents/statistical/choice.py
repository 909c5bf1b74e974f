"""Which rules to explain with: those that the asked texts have taught, or those of the pages alone.

What was asked is no fair sample of text: minimal pairs are made to be hard. A rule grown on both may twist itself
around cases that hardly ever occur. So both forms are grown twice, with the asked texts and without, and the pages that
only check decide: the asked texts have to cost next to nothing there. What the pages never show, the asked texts
decide.
"""

from collections.abc import Callable

from agents.mind import Evidence
from agents.statistical.compact import compact_rule
from agents.statistical.induction import fullest_rule
from agents.statistical.reading import Reading
from agents.statistical.readings import reading_of
from memory.records import Rule

CLEARLY = 0.97  # of the error that the rule with the asked texts leaves on the checking pages


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
    return plain if _error(pages, plain) < CLEARLY * _error(pages, taught) else taught


def _error(pages: Reading, rule: Rule) -> float:
    return pages.error(pages.measured - pages.predicted(rule))
