"""A person's word before each worker: the supervisor's decision waits in an interrupt until it is answered.

Knows the question and which answers it takes: yes, or the name of a node that is legal now; a conversation takes no as
well, for another time. Anything else is asked again, with what was wrong. Refuses to know who answers and how the
question is shown.
"""

import re
from typing import Any, TypedDict

from langgraph.types import interrupt

from graphs.bench import Bench
from graphs.legality import legal
from graphs.state import Inquiry

_MORE = r"(?: (?:please|thanks|thank you|continue|go on|go ahead|proceed|do it|do that))*"
_YES = re.compile(rf"(?:yes|y|yeah|yep|sure|ok|okay|go ahead)(?: (?:yes|sure|ok|okay))*{_MORE}")
_NO = re.compile(r"(?:no|n|nope|stop|not now|not yet)(?: (?:thanks|thank you|please|stop|wait|not now|not yet|dont))*")


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
    said = _said(answer)
    if _YES.fullmatch(said):
        return question["node"]
    node = said.replace(" ", "_")
    return node if node in (question["node"], *question["allowed"]) else None


def declined(answer: str) -> bool:
    """Whether an answer is a no."""
    return _NO.fullmatch(_said(answer)) is not None


def _said(answer: str) -> str:
    """An answer in small letters without marks."""
    return " ".join(re.sub(r"[^\w\s]", " ", re.sub(r"[’']", "", answer.lower())).split())
