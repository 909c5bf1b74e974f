"""What of a payload is worth sending: words and single figures, but no arrays, token lists or records.

Everything heavy is in the store, under the run's id. Knows plain data, nouns, arrays and pydantic models; anything else
is called by its type. Never raises: what is traced must not fail a run.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from graphs.tracing.service import hidden

if TYPE_CHECKING:
    from langsmith import Client

TEXT = 2000  # characters of a text
ITEMS = 5  # of a list
NUMBERS = 3  # that may stand side by side
KEYS = 40  # of a dictionary
KIND = 80  # of an error whose words are private: what kind it is
DEPTH = 12
WORKINGS = frozenset({"langgraph_triggers", "langgraph_path", "langgraph_checkpoint_ns", "ls_integration"})


def trimmed(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with whatever is long in it said in a few words: "48 numbers", "and 12 more"."""
    found = _mapping(payload, DEPTH)
    return found if isinstance(found, dict) else {"payload": found}


def told_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a span without what LangGraph says of its own workings."""
    return trimmed({name: value for name, value in metadata.items() if name not in WORKINGS})


def _short(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return _short(value.value, depth)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | PurePath):
        return _text(str(value))
    if depth == 0:
        return _named(value)
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple | AnySet):
        return _items(list(value), depth)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{' x '.join(str(size) for size in value.shape)} numbers"
    if is_dataclass(value) and not isinstance(value, type):
        return _mapping({each.name: getattr(value, each.name, None) for each in fields(value)}, depth)
    if isinstance(known := getattr(type(value), "model_fields", None), Mapping):
        return _mapping({name: getattr(value, name, None) for name in known}, depth)
    return _named(value)


def _mapping(value: Mapping[Any, Any], depth: int) -> Any:
    if "tokens" in value and "values" in value:
        return _record(value)
    if "text" in value and "origin" in value:
        return _text(f"{value['origin']}: {value['text']}")
    chosen = list(value.items())[:KEYS]
    short = {str(key): _short(item, depth - 1) for key, item in chosen}
    return short | ({"...": f"and {len(value) - KEYS} more"} if len(value) > KEYS else {})


def _record(value: Mapping[Any, Any]) -> str:
    prompt = value.get("prompt")
    text = prompt.get("text", "") if isinstance(prompt, Mapping) else getattr(prompt, "text", "")
    return f"record {value.get('id')}: {value.get('peak')} on {str(text)[:120]!r}"


def _items(value: Sequence[Any], depth: int) -> Any:
    if len(value) > NUMBERS and all(_numbers(item) for item in value):
        return f"{len(value):,} numbers" if isinstance(value[0], int | float) else f"{len(value):,} rows of numbers"
    short = [_short(item, depth - 1) for item in value[:ITEMS]]
    return [*short, f"and {len(value) - ITEMS:,} more"] if len(value) > ITEMS else short


def _numbers(item: Any) -> bool:
    """Whether it is a number, or a row of nothing else."""
    row = item if isinstance(item, list | tuple) else [item]
    return all(isinstance(each, int | float) for each in row)


def _text(value: str) -> str:
    return value if len(value) <= TEXT else f"{value[:TEXT]} ... ({len(value):,} characters)"


def _named(value: Any) -> str:
    return f"a {type(value).__name__}"


def telling_client() -> "type[Client]":
    """LangSmith's client without what its hooks do not reach: how a model was made, and errors at length."""
    from langsmith import Client

    class Telling(Client):
        def create_run(self, name: str, inputs: dict[str, Any], run_type: Any, **more: Any) -> None:
            super().create_run(name, inputs, run_type, **_told(more))

        def update_run(self, run_id: Any, **more: Any) -> None:
            super().update_run(run_id, **_told(more))

    return Telling


def _told(more: dict[str, Any]) -> dict[str, Any]:
    """What goes with a run beside its payload. A parser's error quotes the whole answer, and its traceback again."""
    kept = {name: value for name, value in more.items() if name != "serialized"}
    if isinstance(error := kept.get("error"), str):
        private = hidden("OUTPUTS") or hidden("INPUTS")
        kept["error"] = error.partition("(")[0][:KIND] if private else error[:TEXT]
    return kept
