"""A mind that asks a language model, and does a job with the built-in mind whenever that fails.

Knows the budget of calls and the record of every exchange. Refuses to know prompts (the five job modules), wire and
parsing (agents/chat_model.py) and statistics (the fallback). No job ever fails here: a call that does has a named
status in the record, and the fallback's answer stands for that step.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel

from agents import explainer, hypothesis, prompt_generator, rewriter, supervisor
from agents.chat_model import ChatModel
from agents.mind import Decision, Evidence, Mind, View
from memory.records import Candidate, Explanation, Hypothesis, LlmCall, Prompt, Verdict

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")

SILENCE = {"timeout", "unreachable"}
PATIENCE = 3  # exchanges in a row that end in silence before a model is no longer asked


class Language:
    """The five jobs by `chat`, with `fallback` behind it. `max_calls` bounds the exchanges; None is no bound.

    A status `unusable` is an answer that fits its schema and still says nothing that can be used: no text, a known
    hypothesis, an illegal node.
    """

    def __init__(self, chat: ChatModel, fallback: Mind, *, max_calls: int | None = None) -> None:
        self.name = chat.name
        self.asked = 0
        self._chat = chat
        self._fallback = fallback
        self._max_calls = max_calls
        self._calls: list[LlmCall] = []
        self._silent = 0  # exchanges in a row without a sound

    @property
    def spent(self) -> bool:
        """Whether the budget of calls is used up, or the model has fallen silent: the fallback does everything."""
        used_up = self._max_calls is not None and self.asked >= self._max_calls
        return used_up or self._silent >= PATIENCE

    def route(self, view: View, legal: Sequence[str], seed: int) -> Decision:
        """One of the legal nodes; a single one needs no question."""

        def read(answer: supervisor.Choice) -> Decision | None:
            return supervisor.read(answer, legal=legal)

        chosen = None
        if len(legal) > 1:
            schema = supervisor.choice_among(legal)
            chosen = self._ask("supervisor", supervisor.instruct(view, legal), schema, read, seed)
        return chosen or self._fallback.route(view, legal, seed)

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        """New hypotheses, by the model's name."""

        refused: list[str] = []

        def read(answer: hypothesis.Claims) -> list[Hypothesis]:
            claims, refusals = hypothesis.read(answer, evidence=evidence, wanted=wanted, author=self.name)
            refused.extend(refusals)
            return claims

        prompt = hypothesis.instruct(evidence, wanted)
        found = self._ask("hypothesis", prompt, hypothesis.Claims, read, seed, refused)
        return found or self._fallback.hypothesise(evidence, wanted, seed)

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]:
        """Texts to measure next, cleaned and otherwise as the model gave them."""

        def read(answer: prompt_generator.Proposals) -> list[Prompt]:
            return prompt_generator.read(answer, evidence=evidence, wanted=wanted)

        prompt = prompt_generator.instruct(evidence, wanted, rejected)
        found = self._ask("prompt_generator", prompt, prompt_generator.Proposals, read, seed)
        return found or self._fallback.propose(evidence, wanted, rejected, seed)

    def rewrite(self, text: str, wanted: int, seed: int) -> list[str]:
        """Other wordings of a text."""

        def read(answer: rewriter.Rewrites) -> list[str]:
            return rewriter.read(answer, text=text, wanted=wanted)

        found = self._ask("rewriter", rewriter.instruct(text, wanted), rewriter.Rewrites, read, seed)
        return found or self._fallback.rewrite(text, wanted, seed)

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        """The built-in mind's rule with the model's sentences and proven clauses; a dead unit is not asked about."""
        measured = self._fallback.explain(evidence, seed)
        if measured.verdict is Verdict.DEAD:
            return measured

        refused: list[str] = []

        def read(answer: explainer.Reading) -> Explanation | None:
            explained, refusals = explainer.read(answer, evidence=evidence, measured=measured, author=self.name)
            refused.extend(refusals)
            return explained

        prompt = explainer.instruct(evidence, measured)
        return self._ask("explainer", prompt, explainer.Reading, read, seed, refused) or measured

    def drain(self) -> tuple[LlmCall, ...]:
        """The exchanges since the last drain, the fallback's included, oldest first."""
        calls, self._calls = (*self._calls, *self._fallback.drain()), []
        return calls

    def _ask(
        self,
        agent: str,
        prompt: str,
        schema: type[Answer],
        read: Callable[[Answer], Result | None],
        seed: int,
        refused: Sequence[str] = (),
    ) -> Result | None:
        """What `read` makes of the model's answer; None when there is none or nothing in it, and when spent.

        `refused` is filled by `read` with what it refuses of an answer that it otherwise uses: the record's detail.
        """
        if self.spent:
            return None
        self.asked += 1
        answer, call = self._chat.ask(prompt, schema, agent=agent, seed=seed)
        self._silent = self._silent + 1 if call.status in SILENCE else 0
        result = (read(answer) or None) if answer is not None else None
        status = "unusable" if answer is not None and result is None else call.status
        told = [call.detail, f"refused of the rule: {'; '.join(refused)}" if refused else ""]
        self._calls.append(replace(call, status=status, detail="; ".join(filter(None, told))))
        return result
