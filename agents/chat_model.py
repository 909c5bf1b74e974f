"""A language model by name, and one way to ask it.

`open_chat_model` knows `ollama:MODEL`, `scripted:FILE` and every `PROVIDER:MODEL` of LangChain; what keeps a model from
being used is one ChatModelError with one line. `ChatModel.ask` gets a prompt and a pydantic schema and returns the
answer, or None, with an LlmCall whose status says what happened:

    ok, repaired     an answer that fits the schema, at once or after one repair turn
    malformed        two answers that do not fit        refused    the second one declines
    empty            nothing was said                   others     see agents/failures.py

Nothing a server says or does raises, and the clock runs over both turns together. The answer's text is parsed here,
strictly: LangChain's own parser completes cut JSON, which turns half an answer into a plausible one. `ask_weighed`
also returns what else could have been said at every token, where the server tells.
"""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from agents.chances import Spoken, spoken_tokens
from agents.deadline import within
from agents.failures import CutStream, failure_status, wire_errors
from agents.listening import Hear, listener
from agents.ollama_server import OllamaError, require_model, server_url, trusted
from memory.records import LlmCall

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Answer = TypeVar("Answer", bound=BaseModel)

CONTEXT_TOKENS = 8192  # fits the longest prompt of agents/exhibits.py with the answer
ANSWER_TOKENS = 1536  # ends a model that writes white space for ever
ANSWER_CHARACTERS = 40_000
QUOTED_CHARACTERS = 2_000  # of a bad answer, shown back in the repair turn
PROBE_SECONDS = 5.0

FORMAT = "Answer with one JSON object that fits this JSON Schema, and write nothing else:\n{schema}"
REPAIR = (
    "That answer cannot be used: {fault}\n"
    "Answer the first message again. Write only the JSON object, with every required key, and nothing around it."
)
_REFUSAL = re.compile(
    r"\bI(?:'m| am| must)? (?:sorry|unable|not able|can(?:no|')t|can not|won't|will not|decline|refuse|apologi[sz]e)"
    r"|\bas an AI\b",
    re.IGNORECASE,
)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


class ChatModelError(Exception):
    """The model cannot be used; the message is one line for a person."""


class UnreadableAnswer(Exception):
    """An answer that does not fit its schema; the message says why, for the model."""


@dataclass(frozen=True)
class _Outcome(Generic[Answer]):
    status: str
    answer: Answer | None = None
    text: str = ""
    detail: str = ""
    spoken: tuple[Spoken, ...] = ()


class ChatModel:
    """One language model. `says_done` marks providers whose last message must say that the answer is complete."""

    def __init__(
        self, model: "BaseChatModel", name: str, *, timeout_seconds: float = 120.0, says_done: bool = False
    ) -> None:
        self.name = name
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._says_done = says_done

    def ask(
        self, prompt: str, schema: type[Answer], *, agent: str, seed: int | None = None, hear: Hear | None = None
    ) -> tuple[Answer | None, LlmCall]:
        """One exchange of at most `timeout_seconds`, repair included. `agent` names it in records and traces.

        hear: told from another thread what has been said so far, before anybody knows whether it is an answer.
        """
        answer, call, _ = self.ask_weighed(prompt, schema, agent=agent, seed=seed, alternatives=0, hear=hear)
        return answer, call

    def ask_weighed(
        self,
        prompt: str,
        schema: type[Answer],
        *,
        agent: str,
        seed: int | None = None,
        alternatives: int,
        hear: Hear | None = None,
    ) -> tuple[Answer | None, LlmCall, tuple[Spoken, ...]]:
        """`ask`, with the answer's tokens and up to `alternatives` (1 to 20) log-probabilities at each.

        No tokens come back from a server that gives no log-probabilities.
        """
        started = time.monotonic()
        full = f"{prompt}\n\n{FORMAT.format(schema=json.dumps(schema.model_json_schema()))}"
        changes = self._changes(seed, alternatives)
        config = {"run_name": agent, "tags": [agent], "callbacks": [listener(hear)] if hear else []}
        outcome = self._converse(full, schema, config=config, changes=changes)
        seconds = time.monotonic() - started
        text = outcome.text[:ANSWER_CHARACTERS]
        call = LlmCall(agent, self.name, outcome.status, seconds, full, text, outcome.detail)
        return outcome.answer, call, outcome.spoken

    def _changes(self, seed: int | None, alternatives: int) -> dict[str, Any]:
        """The settings of one exchange, as far as the provider has them."""
        wanted: dict[str, Any] = {} if seed is None else {"seed": seed}
        if alternatives:
            wanted |= {"logprobs": True, "top_logprobs": alternatives}
        return {name: value for name, value in wanted.items() if name in type(self._model).model_fields}

    def _converse(
        self, prompt: str, schema: type[Answer], *, config: dict[str, Any], changes: dict[str, Any]
    ) -> _Outcome[Answer]:
        deadline = time.monotonic() + self._timeout_seconds
        turns = [("human", prompt)]
        text = fault = ""
        try:
            for status in ("ok", "repaired"):
                seconds = deadline - time.monotonic()
                text, spoken = self._say(turns, schema, config=config, changes=changes, seconds=seconds)
                try:
                    return _Outcome(status, read_answer(text, schema), text, fault, spoken)
                except UnreadableAnswer as error:
                    fault = str(error)
                    turns += [("ai", text[:QUOTED_CHARACTERS]), ("human", REPAIR.format(fault=fault))]
        except wire_errors() as error:
            return _Outcome(failure_status(error), None, text, str(error)[:QUOTED_CHARACTERS])
        return _Outcome(_unreadable_status(text), None, text, fault)

    def _say(
        self,
        turns: list[tuple[str, str]],
        schema: type[BaseModel],
        *,
        config: dict[str, Any],
        changes: dict[str, Any],
        seconds: float,
    ) -> tuple[str, tuple[Spoken, ...]]:
        model = self._model.model_copy(update=changes) if changes else self._model
        speaker = model.with_structured_output(schema, method="json_schema", include_raw=True)
        result: Any = within(seconds, speaker.ainvoke(turns, cast(Any, config)))
        message = result["raw"]
        if self._says_done and not message.response_metadata.get("done"):
            raise CutStream("the stream ended before the server said it was done")
        if not message.text.strip() and isinstance(result.get("parsed"), BaseModel):
            return result["parsed"].model_dump_json(), ()  # a provider that answers through a tool call
        text = message.text or str(message.additional_kwargs.get("refusal", ""))
        return text, spoken_tokens(message.response_metadata.get("logprobs"))


def read_answer(text: str, schema: type[Answer]) -> Answer:
    """The JSON object in an answer's text, whatever stands around it. Raises UnreadableAnswer."""
    if len(text) > ANSWER_CHARACTERS:
        raise UnreadableAnswer(f"it is {len(text)} characters long; at most {ANSWER_CHARACTERS} are read")
    spoken = _THOUGHT.sub("", text)
    start, end = spoken.find("{"), spoken.rfind("}")
    if start < 0 or end < start:
        raise UnreadableAnswer("it holds no JSON object")
    try:
        return schema.model_validate_json(spoken[start : end + 1])
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in error.errors()[:5]]
        raise UnreadableAnswer("; ".join(faults)) from None


def _unreadable_status(text: str) -> str:
    if not text.strip():
        return "empty"
    return "refused" if _REFUSAL.search(text.replace("’", "'")) else "malformed"


def open_chat_model(
    name: str,
    *,
    temperature: float = 0.7,
    timeout_seconds: float = 120.0,
    seed: int | None = None,
    base_url: str | None = None,
) -> ChatModel:
    """The model called `ollama:MODEL`, `scripted:FILE` or `PROVIDER:MODEL`. Raises ChatModelError.

    `base_url` is the Ollama server's (default http://127.0.0.1:11434). `seed` holds where a question brings none.
    """
    provider, _, model = name.partition(":")
    if not model:
        raise ChatModelError(f"{name!r} names no model: write PROVIDER:MODEL, as in ollama:llama3.2")
    if provider == "scripted":
        return ChatModel(_open_script(Path(model)), name, timeout_seconds=timeout_seconds)
    if provider == "ollama":
        opened = _open_ollama(model, server_url(base_url), temperature, timeout_seconds, seed)
        return ChatModel(opened, name, timeout_seconds=timeout_seconds, says_done=True)
    return ChatModel(_open_provider(name, temperature, timeout_seconds), name, timeout_seconds=timeout_seconds)


def _open_ollama(model: str, url: str, temperature: float, timeout_seconds: float, seed: int | None) -> "BaseChatModel":
    try:
        require_model(url, model, seconds=PROBE_SECONDS)
    except OllamaError as error:
        raise ChatModelError(str(error)) from None
    import httpx
    from langchain_ollama import ChatOllama

    return ChatOllama(
        model=model,
        base_url=url,
        temperature=temperature,
        seed=seed,
        num_ctx=CONTEXT_TOKENS,
        num_predict=ANSWER_TOKENS,
        reasoning=False,  # else a thinking model spends the answer's tokens on thoughts
        client_kwargs={
            "timeout": timeout_seconds,  # per read; the deadline in `ask` also ends a server that drips
            "trust_env": False,
            "verify": trusted(),
            "limits": httpx.Limits(max_keepalive_connections=0),
        },
    )


def _open_script(path: Path) -> "BaseChatModel":
    from agents.scripted import read_script

    try:
        return read_script(path)
    except (OSError, ValueError) as error:
        raise ChatModelError(f"The script {path} cannot be read: {_line(error)}") from None


def _open_provider(name: str, temperature: float, timeout_seconds: float) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    try:
        model = init_chat_model(name, temperature=temperature, timeout=timeout_seconds, max_retries=0)
        model.with_structured_output(BaseModel, method="json_schema", include_raw=True)
    except ImportError as error:
        raise ChatModelError(f"{name} needs a package that is not installed: {_line(error)}") from None
    except (*wire_errors(), NotImplementedError, TypeError) as error:
        raise ChatModelError(f"{name} cannot be used: {_line(error)}") from None
    return model


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
