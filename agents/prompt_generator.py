"""The prompt job: texts worth measuring next, asked of a language model.

Knows the question, the shape of the answer and how it becomes Prompt nouns, cleaned. Refuses to reject a text: an
empty, long or repeated one is handed on, and the experiment rejects it with a reason that the next question repeats.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from agents.cleaning import clean
from agents.exhibits import exhibit
from agents.mind import Evidence
from memory.records import Candidate, Origin, Prompt

TASK = """\
Task: write {wanted} new texts to measure on this unit.
What makes a text worth measuring:
- It decides between hypotheses: the open ones predict different values for it.
- It is a minimal pair: a text that fires with one thing changed, so that the change of the value has one cause.
- It tries to break the best hypothesis: the same trigger in another topic, language or format, or its look-alike that
  should stay silent.
- At most one text in three may simply aim for a higher value than any so far.
Each text is 1 to 40 words, in any form that occurs in real text: prose, dialogue, code, lists, tables, other languages.
Vary them; do not copy the shown texts and do not write small variations of the ones with middling values.
Give the text itself, without label, number, quotes or comment. Name the id of the hypothesis it tests (an empty string
if none) and what that hypothesis predicts: "fires", "silent", or "unknown"."""


class Proposal(BaseModel):
    """One text as a model proposes it."""

    text: str = Field(description="the text itself")
    hypothesis: str = Field(description="id of the hypothesis it tests, or an empty string")
    prediction: Literal["fires", "silent", "unknown"]


class Proposals(BaseModel):
    """The answer to the prompt job."""

    prompts: list[Proposal]


def instruct(evidence: Evidence, wanted: int, rejected: Sequence[Candidate]) -> str:
    """The whole question, with what was rejected last time."""
    return f"{exhibit(evidence, rejected)}\n\n{TASK.format(wanted=wanted)}"


def read(answer: Proposals, *, evidence: Evidence, wanted: int) -> list[Prompt]:
    """The proposed prompts; one that names no known hypothesis carries no prediction."""
    known = {claim.id for claim in evidence.hypotheses}
    return [_prompt(proposal, known) for proposal in answer.prompts[:wanted]]


def _prompt(proposal: Proposal, known: set[str]) -> Prompt:
    tested = proposal.hypothesis.strip()
    if tested not in known:
        return Prompt(clean(proposal.text), Origin.HYPOTHESIS)
    predicted = {"fires": True, "silent": False, "unknown": None}[proposal.prediction]
    return Prompt(clean(proposal.text), Origin.HYPOTHESIS, hypothesis=tested, predicted=predicted)
