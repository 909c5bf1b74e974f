"""A bounded row of questions to one language model, every exchange kept, every silence named.

Knows the budget of calls, when to give a model up, and how answers about numbered or lettered items are put in place.
Refuses to know what is asked. A question that failed has a fault: the status of its call (agents/chat_model.py,
agents/failures.py), or

    unusable     an answer that fits its schema and not the question
    budget       not asked, the calls were spent
    given-up     not asked, too many questions before it had failed
    too-long     not asked, the text does not fit a question
    empty        nothing was said, or not asked, the text holds nothing
    refused-judge  not asked, the model has not passed its examination
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel

from agents.chances import Spoken
from agents.chat_model import ChatModel
from memory.records import LlmCall

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")
Label = TypeVar("Label", str, int)

SILENCE = {"timeout", "unreachable"}
PATIENCE = 3  # exchanges in a row that end in silence
STREAK = 8  # exchanges in a row that fail in any way


@dataclass(frozen=True)
class Replies(Generic[Result]):
    """One reply an item, None where there is none, and the fault of each that is missing."""

    values: tuple[Result | None, ...]
    faults: tuple[str, ...] = ()

    @property
    def answered(self) -> int:
        """How many items have a reply."""
        return sum(value is not None for value in self.values)

    @property
    def coverage(self) -> float:
        """The share of items with a reply; 0 where there are no items."""
        return self.answered / len(self.values) if self.values else 0.0

    @property
    def told(self) -> str:
        """The coverage in words, with the names of what went wrong."""
        named = ", ".join(f"{name} {count}" for name, count in Counter(self.faults).most_common())
        return f"{self.answered} of {len(self.values)} answered" + (f" ({named})" if named else "")


class Interview:
    """Questions to `chat`, at most `max_calls` (None is no bound).

    `weighs` turns False once the model gave no chances with an answer, or lost count of the tokens it was asked about.
    """

    def __init__(self, chat: ChatModel, *, max_calls: int | None = None) -> None:
        self.name = chat.name
        self.asked = 0
        self.weighs = True
        self._chat = chat
        self._max_calls = max_calls
        self._calls: list[LlmCall] = []
        self._silent = self._failed = 0  # exchanges in a row

    def ask(
        self,
        prompt: str,
        schema: type[Answer],
        read: Callable[[Answer, str, Sequence[Spoken]], Result | None],
        *,
        agent: str,
        seed: int,
        alternatives: int = 0,
    ) -> tuple[Result | None, str]:
        """What `read` makes of the answer, its text and its weighed tokens, and the fault where that is None."""
        if self._max_calls is not None and self.asked >= self._max_calls:
            return None, "budget"
        if self._silent >= PATIENCE or self._failed >= STREAK:
            return None, "given-up"
        self.asked += 1
        answer, call, spoken = self._chat.ask_weighed(prompt, schema, agent=agent, seed=seed, alternatives=alternatives)
        result = None if answer is None else read(answer, call.answer, spoken)
        if answer is not None and result is None:
            call = replace(call, status="unusable")
        self._calls.append(call)
        self._silent = self._silent + 1 if call.status in SILENCE else 0
        self._failed = self._failed + 1 if result is None else 0
        return result, "" if result is not None else call.status

    def drain(self) -> tuple[LlmCall, ...]:
        """The exchanges since the last drain, oldest first."""
        calls, self._calls = tuple(self._calls), []
        return calls


def placed(said: Iterable[tuple[Label, Result]], labels: Sequence[Label]) -> list[Result | None] | None:
    """The replies in the order of the labels; None for an item that was left out or answered twice.

    None altogether when a label is not ours: whoever counts differently has shifted the others as well.
    """
    found: dict[Label, list[Result]] = {label: [] for label in labels}
    for label, value in said:
        if label not in found:
            return None
        found[label].append(value)
    replies = [values[0] if len(values) == 1 else None for values in found.values()]
    return replies if any(value is not None for value in replies) else None
