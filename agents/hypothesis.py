"""The hypothesis job: claims about a unit that can fail, asked of a language model.

Knows the question, the shape of the answer and how it becomes Hypothesis nouns; a claim may carry a rule, which nobody
believes before agents/acceptance.py has weighed it. Refuses to know which model answers.
"""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from agents import proposed
from agents.cleaning import clean, clean_prose
from agents.exhibits import exhibit
from agents.mind import Evidence
from agents.proposed import ProposedClauses
from memory.records import Hypothesis, text_key

TEXTS_PER_CLAIM = 6

TASK = """\
Task: state {wanted} different hypotheses about what makes this unit fire.
How to work:
- Ask what the highest texts share at and before the marked token, and what the lowest and the ordinary texts lack.
- The swaps are experiments: a swap that kills the value names something needed, one that keeps it something idle.
- Weigh the small explanations first: a single token, a set of tokens, a fixed phrase. Then a topic, a grammatical role,
  a position, a format. A unit may also answer to two unrelated things: then give each its own hypothesis.
- Do not restate a hypothesis that was refuted; say what its failed predictions suggest instead.
For each hypothesis give one precise sentence, 4 short new texts that should fire if it is true, and 4 texts that are as
similar as possible but should stay silent. Write texts, not descriptions of texts; do not copy the shown ones.
{rule}"""


class Claim(BaseModel):
    """One hypothesis as a model states it."""

    statement: str = Field(description="one sentence that says when the unit fires")
    triggers: list[str] = Field(description="new texts that should make it fire")
    non_triggers: list[str] = Field(description="similar texts that should leave it silent")
    rule: ProposedClauses = Field(default_factory=list, description="the claim as clauses, if it can be said in them")


class Claims(BaseModel):
    """The answer to the hypothesis job."""

    hypotheses: list[Claim]


def instruct(evidence: Evidence, wanted: int) -> str:
    """The whole question."""
    return f"{exhibit(evidence)}\n\n{TASK.format(wanted=wanted, rule=proposed.instructions())}"


def read(answer: Claims, *, evidence: Evidence, wanted: int, author: str) -> tuple[list[Hypothesis], tuple[str, ...]]:
    """The new hypotheses in the answer, and what was refused of their rules, one line each.

    Those without a sentence or a prediction, or known already, are dropped.
    """
    seen = {claim.id for claim in evidence.hypotheses}
    silence = evidence.distribution.floor
    found: list[Hypothesis] = []
    refusals: list[str] = []
    for claim in answer.hypotheses:
        statement = clean_prose(claim.statement, sentences=1, characters=300)
        triggers, silent = _texts(claim.triggers), _texts(claim.non_triggers)
        identity = f"h-{text_key(statement.lower())[:8]}"
        if statement and (triggers or silent) and identity not in seen:
            seen.add(identity)
            rule, refused = proposed.read_rule(claim.rule, base=silence, scale=evidence.distribution.highest - silence)
            reason = f"refused of its rule: {'; '.join(refused)}" if refused else ""
            found.append(Hypothesis(identity, statement, triggers, silent, rule=rule, reason=reason, author=author))
            refusals += refused
    return found[:wanted], tuple(refusals)


def _texts(proposed: Sequence[str]) -> tuple[str, ...]:
    cleaned = dict.fromkeys(clean(text) for text in proposed)
    return tuple(text for text in cleaned if text)[:TEXTS_PER_CLAIM]
