"""A person's word before each worker: the supervisor's decision waits in an interrupt until it is answered.

Knows the question and which answers it takes: yes, or the name of a node that is legal now. Anything else is asked
again, with what was wrong. Refuses to know who answers and how the question is shown.
"""

from typing import Any, TypedDict

from langgraph.types import interrupt

from graphs.bench import Bench
from graphs.legality import legal
from graphs.state import Inquiry

YES = "yes"


class Question(TypedDict):
    """What the interrupt carries, as plain data."""

    node: str
    why: str
    allowed: list[str]
    fault: str  # what was wrong with the last answer; empty at first


def approved(bench: Bench, state: Inquiry, update: dict[str, Any]) -> dict[str, Any]:
    """The supervisor's `update` with the node that a person lets run; `state` is the one after the update."""
    claims = bench.store.hypotheses(state["run_id"])
    unsettled = sum(claim.fate.open for claim in claims)
    allowed = legal(state, bench.means, open_claims=unsettled)
    question = Question(node=update["goto"], why=update["why"], allowed=allowed, fault="")
    while (chosen := taken(interrupt(dict(question)), question)) is None:
        question["fault"] = f"answer yes, or one of {', '.join(allowed)}"
    if chosen == update["goto"]:
        return update
    return update | {"goto": chosen, "why": f"a person sent it here instead of to {update['goto']}"}


def taken(answer: object, question: Question) -> str | None:
    """The node that an answer lets run; None for an answer that is not taken."""
    if not isinstance(answer, str):
        return None
    word = answer.strip().lower().replace(" ", "_")
    if word in (YES, "y", "ok"):
        return question["node"]
    return word if word in question["allowed"] else None
