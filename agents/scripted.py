"""A chat model that answers from a JSONL file: offline, deterministic, `--llm scripted:FILE`.

Each line is `{"agent": "hypothesis", "answer": {...} or "text"}`; a line without `agent` answers anybody. Lines are
used in order, an agent's last one again and again; without a line the answer is empty. Recorded LLM calls have these
keys, so a run can be replayed from them. Refuses to know the schemas: a script may hold wrong answers on purpose.
"""

import json
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableParallel
from pydantic import Field
from typing_extensions import override


class ScriptedModel(BaseChatModel):
    """Plays `lines`, and remembers in `used` which of them it has said."""

    lines: list[dict[str, Any]]
    used: set[int] = Field(default_factory=set)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        speakers = [None, *(run_manager.tags if run_manager else [])]
        fitting = [index for index, line in enumerate(self.lines) if line.get("agent") in speakers]
        fresh = [index for index in fitting if index not in self.used]
        chosen = (fresh or fitting[-1:])[:1]
        self.used.update(chosen)
        answer = self.lines[chosen[0]].get("answer", "") if chosen else ""
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    @override
    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable:
        """The raw text under `raw`, as providers give it with include_raw."""
        return RunnableParallel(raw=self)


def read_script(path: Path) -> ScriptedModel:
    """The script in a JSONL file. Raises OSError when it cannot be read, ValueError when a line is not an object."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not all(isinstance(line, dict) for line in lines):
        raise ValueError(f"{path}: every line must be a JSON object")
    return ScriptedModel(lines=lines)
