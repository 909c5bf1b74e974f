"""One line on how a run goes: proposals and what became of them, buckets of values, calls, and the cost of a prompt."""

from collections.abc import Mapping

from memory.standing import Buckets
from memory.store import Store

EVERY = 50  # rounds between two such lines


def line(store: Store, run_id: str, *, seconds: float) -> str:
    """Counted from the store's rows, so that generated = accepted + rejected."""
    counts = store.counts(run_id)
    buckets = Buckets()
    for peak in store.peaks(run_id).values():
        buckets.add(peak)
    sizes = {bucket.value: found.n for bucket, found in buckets.statistics().items()}
    return (
        f"{counts['generated']} generated = {counts['accepted']} accepted ({_listed(counts['accepted_by'])})"
        f" + {counts['rejected']} rejected ({_listed(counts['rejected_by'])}); {counts['unique']} unique texts;"
        f" buckets {_listed(sizes)}; {len(store.calls(run_id))} LLM calls;"
        f" {seconds / max(1, counts['records']):.3f} s a prompt"
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"
