"""Studies as a run of the store: a record for every text measured, with its parent, one step a snippet."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from memory.records import Run, Step, Target
from tools.prune.snippets import STORE, Snippet
from tools.prune.studies import Study


def keep(home: Path, target: Target, snippets: Sequence[Snippet], studies: Sequence[Study]) -> str:
    """Write a finished run into the store in `home` and return its id. Raises StoreError."""
    from memory.store import Store

    run_id = f"prune-{target.name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    with Store.open(home / STORE) as store:
        store.begin(Run(run_id, target, 0, {"command": "tools.prune"}))
        first = 1
        for number, (snippet, study) in enumerate(zip(snippets, studies, strict=True), 1):
            records = study.records(first, step=number, origin=snippet.origin)
            trigger = study.trigger(first)
            update = {"source": snippet.source, "status": study.pruned.status.value}
            triggers = (trigger,) if trigger is not None else ()
            store.commit(Step(run_id, number, "prune", update, records=records, triggers=triggers))
            first += len(records)
        store.finish(run_id, "finished")
    return run_id
