"""A line that is no command in its own form, put to the language model where there is one.

Knows what a model is told of the run, and what becomes of its choice: one of exactly the typed commands, or an answer
in words. Refuses to know the prompt (agents/conversation.py) and to act. Leaving and approving are never its choice.
"""

from collections.abc import Sequence
from typing import Any

from agents.chat_model import ChatModel
from agents.conversation import choose
from agents.exhibits import clip, marked
from agents.listening import Hear
from graphs.talk.commands import FORMS, Command, made
from graphs.talk.desk import Desk, Unable
from graphs.talk.showing import NATURAL
from memory.records import LlmCall
from tools.rules import lines

OWN_WORDS = frozenset({"hypothesis", "edit", "note"})  # these speak in the person's name
NEVER = frozenset({"quit"})
TEXTS, CLAUSES = 6, 10


class Answering:
    """A language model that is asked what lines mean. Without `chat` it has nothing to say."""

    def __init__(self, desk: Desk, chat: ChatModel | None) -> None:
        self._desk, self._chat = desk, chat

    @property
    def name(self) -> str | None:
        """The model's name."""
        return None if self._chat is None else self._chat.name

    def understood(
        self, line: str, before: Sequence[str], last: int | None, hear: Hear | None = None
    ) -> tuple[Command | None, str, str]:
        """(command, answer in words, failure): one of them says something. The exchange is kept with the run.

        hear: told what an answer in words says so far.
        """
        assert self._chat is not None
        offered = {name: f"{form.usage}: {form.what}" for name, form in FORMS.items() if name not in NEVER}
        chosen, call = choose(
            self._chat, line, commands=offered, own_words=OWN_WORDS, known=self._known(last), before=before, hear=hear
        )
        command = made(chosen.name, text=chosen.text, number=chosen.number) if chosen and chosen.name else None
        self._keep(call)
        if command is not None:
            return command, "", ""
        if chosen is not None and chosen.answer:
            return None, chosen.answer, ""
        return None, "", "unusable" if chosen is not None else call.status

    def _keep(self, call: LlmCall) -> None:
        try:
            self._desk.commit("asked", {}, calls=[call])
        except Unable:
            return  # read-only: the conversation's file still has what was said

    def _known(self, last: int | None) -> dict[str, Any]:
        """What is known of the run, as plain data, texts cut."""
        run_id = self._desk.run_id
        with self._desk.reading() as store:
            age = self._desk.age(store)
            run, told, scores = store.run(run_id), store.explanation(run_id), store.scores(run_id)
            top = store.records(run_id, limit=TEXTS, order="peak_desc", origins=NATURAL)
            tested = store.records(run_id, ids=[last]) if last is not None else []
        return {
            "unit": run.target.name,
            "model": run.target.model,
            "state": run.state,
            "verdict": told.verdict.value if told else None,
            "explanation": told.text if told else None,
            "rule": [clip(line) for line in lines(told.rule)[:CLAUSES]] if told else [],
            "scores": {f"{s.metric}, {s.split}": [s.value, s.floor] for s in scores[:TEXTS]},
            "strongest": [{"value": r.peak, "text": marked(r.tokens, r.position)} for r in top],
            "last_tested": [{"value": r.peak, "text": marked(r.tokens, r.position)} for r in tested],
        } | ({"as_of": age} if age else {})
