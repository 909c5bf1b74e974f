"""An eval's rows as a LangSmith experiment, where tracing is on and there is a key; nothing at all otherwise.

The rows are finished before they come here: the experiment's target looks its row up by name, and the evaluators hand
over the row's own figures. A dataset holds the names, so that experiments of different days stand side by side.
Refuses to hold up an eval: what cannot be sent is one line, and the figures are on the screen and in the file by then.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from graphs.tracing import SWITCHES, settle

FLUSH_SECONDS = 20.0
TIMEOUT_MS = (3_000, 20_000)  # to connect, to answer


def publish(name: str, rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str | None:
    """Send rows (each with a "name") as one experiment of the dataset neuronaut-NAME; the line that says what became
    of it, or None when nobody asked.

    metrics: keys of a row whose numbers become feedback; a row without the number gives none.
    """
    refused = settle()
    if not any(os.environ.get(switch, "").strip().lower() == "true" for switch in SWITCHES):
        return refused
    import requests
    from langsmith.utils import LangSmithError

    try:
        return f"experiment: {_sent(f'neuronaut-{name}', rows, metrics)}"
    except (LangSmithError, requests.RequestException, OSError) as error:
        return f"the experiment was not sent: {' '.join(str(error).split())[:160]}"


def _sent(dataset: str, rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str:
    from langsmith import Client, evaluate
    from langsmith.utils import LangSmithError

    client = Client(timeout_ms=TIMEOUT_MS)
    by_name = {str(row["name"]): dict(row) for row in rows}
    if not client.has_dataset(dataset_name=dataset):
        client.create_dataset(dataset)
    kept = {(example.inputs or {}).get("name") for example in client.list_examples(dataset_name=dataset)}
    if fresh := [name for name in by_name if name not in kept]:
        client.create_examples(dataset_name=dataset, examples=[{"inputs": {"name": name}} for name in fresh])
    examples = [e for e in client.list_examples(dataset_name=dataset) if (e.inputs or {}).get("name") in by_name]

    def target(inputs: dict[str, Any]) -> dict[str, Any]:
        return by_name[inputs["name"]]

    def figures(outputs: dict[str, Any]) -> dict[str, Any]:
        found = {key: outputs[key] for key in metrics if isinstance(outputs.get(key), bool | int | float)}
        return {"results": [{"key": key, "score": float(value)} for key, value in found.items()]}

    if not examples:
        raise LangSmithError(f"the dataset {dataset} holds no example")
    results = evaluate(target, data=examples, evaluators=[figures], experiment_prefix=dataset, client=client)
    client.flush(timeout=FLUSH_SECONDS)
    return results.experiment_name
