"""The explaining job: what a unit does, in prose by a language model over numbers by measurement.

Knows the question, the shape of the answer and how it becomes an Explanation. The rule and the evidence's weight come
from the measured explanation of the built-in mind; the model adds the sentences, its choice among the verdicts that are
a matter of reading, which records it rests on, and clauses for the rule: its own, and those of hypotheses that stand.
A clause is only accepted on evidence (agents/acceptance.py) and says who proposed it. Refuses to let a model say that a
unit is dead, dense or positional (or that it is not): these are measured.
"""

from dataclasses import replace

from pydantic import BaseModel, Field

from agents import proposed
from agents.acceptance import Proposal, accept
from agents.cleaning import clean_prose
from agents.exhibits import exhibit, quote
from agents.mind import Evidence
from agents.proposed import ProposedClauses
from agents.statistical.certificates import certified
from memory.records import Explanation, Fate, Rule, Verdict

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
If you cannot tell, say `unexplained`: that is a good answer, a guess is not.
{rule}
Write only clauses that the analysis lacks; each is measured, and kept when it predicts text that nobody fitted."""


class Reading(BaseModel):
    """The answer to the explaining job."""

    verdict: Verdict
    text: str = Field(description="1 to 3 sentences")
    evidence: list[int] = Field(description="ids of the records it rests on")
    rule: ProposedClauses = Field(default_factory=list, description="clauses that the analysis lacks, if any")


def instruct(evidence: Evidence, measured: Explanation) -> str:
    """The whole question, with what the built-in mind made of the same evidence."""
    clauses = [clause.prose for clause in measured.rule.clauses if clause.prose]
    analysis = quote({"verdict": measured.verdict.value, "text": measured.text, "clauses": clauses[:8]})
    return f"{exhibit(evidence)}\n\n{TASK.format(analysis=analysis, rule=proposed.instructions())}"


def read(
    answer: Reading, *, evidence: Evidence, measured: Explanation, author: str
) -> tuple[Explanation | None, tuple[str, ...]]:
    """The model's sentences on the measured rule with the clauses that proved themselves; None without a sentence.

    Cites only records it was given. Beside it, what was refused of the proposed clauses, one line each.
    """
    text = clean_prose(answer.text)
    if not text:
        return None, ()
    given = {record.id for record in (*evidence.top, *evidence.bottom, *evidence.variants)}
    cited = tuple(dict.fromkeys(id for id in answer.evidence if id in given))
    disputed = MEASURED_VERDICTS & {answer.verdict, measured.verdict}
    verdict = measured.verdict if disputed else answer.verdict
    rule, unread = proposed.read_rule(answer.rule)
    explained, unproven = accept(measured, _proposals(rule, evidence, author), evidence.pages)
    if explained.rule is not measured.rule:
        explained = replace(explained, certificates=certified(explained.rule, evidence.asked))
    explained = replace(explained, verdict=verdict, text=text, evidence=cited or measured.evidence, author=author)
    return explained, (*unread, *unproven)


def _proposals(rule: Rule | None, evidence: Evidence, author: str) -> list[Proposal]:
    """The answer's own clauses, then those of hypotheses that were neither refuted nor replaced."""
    fallen = (Fate.REFUTED, Fate.REPLACED)
    standing = [(claim.rule, claim.author) for claim in evidence.hypotheses if claim.fate not in fallen]
    return [
        Proposal(clause.when, clause.prose, whose)
        for found, whose in [(rule, author), *standing]
        for clause in (found.clauses if found else ())
        if clause.when is not None
    ]
