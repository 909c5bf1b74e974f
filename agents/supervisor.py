"""The routing job: which node runs next, asked of a language model that may only choose among the legal ones.

Knows the question, the shape of the answer and how it becomes a Decision. Refuses to know what a node does beyond one
line about it, and to pass on a node that is not legal.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, create_model

from agents.cleaning import clean_prose
from agents.exhibits import quote
from agents.mind import Decision, View
from memory.records import plain

TASK = """\
You supervise an inquiry into one unit of a language model: find texts that make it fire, state hypotheses, test them
with new texts, reduce the texts to what matters, and explain. Where it stands (data):
<standing>
{standing}
</standing>
`best` is the highest value found, `corpus_max` the highest value that plain reading found, `waiting_prompts` are
proposed and not measured yet, `since_improvement` counts iterations without a higher value, `budget_left` is a share
from 0 to 1, `visits` counts how often each step has run.

Task: choose the next step. Allowed now: {legal}.
Prefer measuring what waits over proposing more, testing open hypotheses over stating new ones, and a step that has not
run yet over one that has brought nothing lately. When little of the budget is left, go for the explanation.
Give the step's name exactly as written above, and one sentence that says why."""


class Choice(BaseModel):
    """The answer to the routing job; `choice_among` narrows `node` to the legal ones."""

    node: str
    why: str = Field(description="one sentence")


def choice_among(legal: Sequence[str]) -> type[Choice]:
    """The answer's schema for these legal nodes: a server that constrains its model cannot say another."""
    node: Any = Field(json_schema_extra={"enum": list(legal)})
    return create_model("Choice", __base__=Choice, node=(str, node))


def instruct(view: View, legal: Sequence[str]) -> str:
    """The whole question."""
    return TASK.format(standing=quote(plain(view)), legal=", ".join(legal))


def read(answer: Choice, *, legal: Sequence[str]) -> Decision | None:
    """The decision, or None when the node is not a legal one."""
    node = answer.node.strip()
    return Decision(node, clean_prose(answer.why, sentences=1, characters=200)) if node in legal else None
