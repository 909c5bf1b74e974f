"""The built-in mind: the agents' five jobs by statistics on the records, without any language model.

Deterministic for a seed. Useful alone, and what every language model falls back to and has to beat.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from agents.mind import Decision, Evidence, View
from agents.statistical import hypotheses, induction, prompts, prose
from agents.statistical.certificates import borne_out, certified
from agents.statistical.choice import chosen_rules
from agents.statistical.readings import reading_of
from agents.weighing import OF_EACH
from memory.records import BUILT_IN, Candidate, Explanation, Hypothesis, LlmCall, Prompt, Record, Rule, Verdict
from tools.pages import Page

CITED = 6


class Statistical:
    """The built-in mind (agents.mind.Mind)."""

    name = BUILT_IN

    def route(self, view: View, legal: Sequence[str], seed: int) -> Decision:
        """The plain order of an inquiry: claims, prompts, measurements, then refining, then the explanation."""
        del seed
        for node, wanted, why in _wishes(view):
            if wanted and node in legal:
                return Decision(node, why)
        return Decision(legal[0], "nothing else is allowed")

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        """Competing claims about the strongest texts, each with minimal pairs."""
        return hypotheses.claims(evidence, wanted, random.Random(seed))

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]:
        """Tests of open claims and crossings of strong texts; other contexts are drawn after a rejection."""
        return prompts.proposals(evidence, wanted, random.Random(f"{seed}/{len(rejected)}"))

    def rewrite(self, text: str, wanted: int, seed: int) -> list[str]:
        """The built-in mind cannot rewrite a text; a language model can."""
        del text, wanted, seed
        return []

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        """A typed verdict, prose and a rule in its compact and full forms."""
        del seed
        if not evidence.pages:
            return Explanation(Verdict.UNEXPLAINED, "There was no text to explain it from.", Rule(0.0))
        if prose.is_dead(evidence):
            return Explanation(Verdict.DEAD, prose.stillness(evidence), Rule(evidence.distribution.mean))
        reading = reading_of(evidence.pages, evidence.asked)
        compact, full = chosen_rules(evidence)
        found = prose.verdict(evidence, reading, full)
        certificates = certified(compact, evidence.asked)
        told = borne_out(compact, certificates) if evidence.asked else compact
        left_out = [clause for clause in compact.clauses if clause not in told.clauses]
        decided = [compact.clauses[each.clause] for each in certificates if each.of >= OF_EACH]
        hardly = replace(compact, clauses=tuple(clause for clause in left_out if clause not in decided))
        text = prose.sentence(found, evidence, told, reading, untested=len(left_out), open_clauses=hardly)
        cited = tuple(record.id for record in _telling(evidence.top))
        return Explanation(found, text, prose.worded(compact), cited, self.name, full, certificates)

    def drain(self) -> tuple[LlmCall, ...]:
        """No language model, no calls."""
        return ()


def floor_rules(pages: tuple[Page, ...], values: int) -> tuple[Rule, Rule]:
    """The floors an explanation has to beat: a whole token table, and one of `values` tokens."""
    reading = reading_of(pages)
    return induction.table_rule(reading), induction.table_rule(reading, values)


def _telling(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.position is not None][:CITED]


def _wishes(view: View) -> list[tuple[str, bool, str]]:
    visits = view.visits
    rounds = visits.get("experiment", 0)
    return [
        ("experiment", view.waiting_prompts > 0, f"{view.waiting_prompts} prompts wait to be measured"),
        (
            "prune_augment",
            visits.get("prune_augment", 0) == 0 and rounds >= 1,
            "the strongest texts can be cut to triggers",
        ),
        ("sae_optimizer", visits.get("sae_optimizer", 0) == 0 and rounds >= 2, "a search may beat the corpus maximum"),
        ("hypothesis", view.open_hypotheses == 0, "no claim is open"),
        ("explainer", view.open_hypotheses == 0, "every claim has met its fate and no new one is left"),
        ("prompt_generator", True, f"{view.open_hypotheses} claims are open and want tests"),
    ]
