"""The explaining job: what a unit does, in prose by a language model over numbers by measurement.

Knows the question, the shape of the answer and how it becomes an Explanation. The rule and the evidence's weight come
from the measured explanation of the built-in mind; the model adds the sentences, its choice among the verdicts that are
a matter of reading, and which records it rests on. Refuses to let a model say that a unit is dead, dense or positional
(or that it is not): these are measured.
"""

from dataclasses import replace

from pydantic import BaseModel, Field

from agents.cleaning import clean_prose
from agents.exhibits import exhibit, quote
from agents.mind import Evidence
from memory.records import Explanation, Verdict

MEASURED_VERDICTS = frozenset({Verdict.DEAD, Verdict.DENSE, Verdict.POSITIONAL})

TASK = """\
A statistical analysis of the same evidence came to this (data, like the blocks above):
<analysis>
{analysis}
</analysis>

Task: say what this unit does.
- `text`: 1 to 3 plain sentences. The first says what makes the unit fire, as narrowly as the evidence allows: name the
  tokens, the phrase or the context. Then say what looks similar but leaves it silent, if the evidence shows it.
- Claim only what the blocks show. Prefer supported hypotheses, never repeat a refuted one. Numbers are given elsewhere:
  use none.
- `verdict`: single-token (one token in any context), token-set (any of several tokens), n-gram (a fixed phrase),
  context (needs meaning or topic beyond the last few tokens), polysemantic (two or more unrelated causes; name each),
  unexplained (the evidence does not settle it). Keep dead, dense or positional only where the analysis says so.
- `evidence`: the ids of the 2 to 6 records that show it best, from the blocks `highest`, `lowest` and `swaps`.
If you cannot tell, say `unexplained`: that is a good answer, a guess is not."""


class Reading(BaseModel):
    """The answer to the explaining job."""

    verdict: Verdict
    text: str = Field(description="1 to 3 sentences")
    evidence: list[int] = Field(description="ids of the records it rests on")


def instruct(evidence: Evidence, measured: Explanation) -> str:
    """The whole question, with what the built-in mind made of the same evidence."""
    clauses = [clause.prose for clause in measured.rule.clauses if clause.prose]
    analysis = quote({"verdict": measured.verdict.value, "text": measured.text, "clauses": clauses[:8]})
    return f"{exhibit(evidence)}\n\n{TASK.format(analysis=analysis)}"


def read(answer: Reading, *, evidence: Evidence, measured: Explanation, author: str) -> Explanation | None:
    """The model's sentences on the measured rule, citing only records it was given; None without a sentence."""
    text = clean_prose(answer.text)
    if not text:
        return None
    given = {record.id for record in (*evidence.top, *evidence.bottom, *evidence.variants)}
    cited = tuple(dict.fromkeys(id for id in answer.evidence if id in given))
    disputed = MEASURED_VERDICTS & {answer.verdict, measured.verdict}
    verdict = measured.verdict if disputed else answer.verdict
    return replace(measured, verdict=verdict, text=text, evidence=cited or measured.evidence, author=author)
