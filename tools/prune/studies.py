"""A snippet studied: pruned to its trigger, and walked from there to texts that still fire or no longer do.

Knows the order of the two and what is kept of them as records. Refuses to know where snippets come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.records import Origin, Prompt, Record, Status, Trigger
from tools.augment import ContextualAugmenter, Edit, IterativeMultiTokenAugmenter, Walk
from tools.augment.iterative import Direction
from tools.prune.pruned import Pruned
from tools.prune.pruning import prune

if TYPE_CHECKING:
    from memory.records import Target
    from tools.subject import Reading, Subject


@dataclass(frozen=True)
class Study:
    """A snippet with its own reading, what was kept of it, and the walk from that; no walk where nothing was kept."""

    snippet: str
    reading: Reading
    pruned: Pruned
    walk: Walk | None

    @property
    def positive(self) -> list[Edit]:
        """The texts that still fire, highest first."""
        return self.walk.positive if self.walk else []

    @property
    def negative(self) -> list[Edit]:
        """The texts that no longer fire, lowest first."""
        return self.walk.negative if self.walk else []

    def records(self, first: int, *, step: int, origin: Origin = Origin.USER) -> tuple[Record, ...]:
        """The snippet, the kept text and every text of the walk, each with its parent, numbered from `first`."""
        found = [_record(first, step, Prompt(self.snippet, origin), self.reading)]
        if self.walk is not None:
            kept = Prompt(self.pruned.text, Origin.PRUNE, parent=first)
            found.append(_record(first + 1, step, kept, self.walk.start))
            found += self.walk.records(first + 2, step=step, parent=first + 1)
        return tuple(found)

    def trigger(self, parent: int) -> Trigger | None:
        """The kept text as a trigger of the snippet's record."""
        return self.pruned.trigger(parent)


def run_iterative_multi_token_on_snippets(
    subject: Subject,
    target: Target,
    snippets: Sequence[str],
    *,
    augmenter: ContextualAugmenter | None = None,
    steps: int = 3,
    direction: Direction = "maximise",
    n: int = 5,
    threshold: float = 0.5,
    floor: float = 0.0,
    window: int | None = None,
    contiguous: bool = False,
) -> list[Study]:
    """Every snippet pruned, then its kept text walked from. Raises what `prune` and the augmenter's `walk` raise."""
    walker = IterativeMultiTokenAugmenter(subject, target, augmenter, n=n, floor=floor)
    studies = []
    for snippet in snippets:
        reading = subject.measure([snippet], target)[0]
        kept = prune(subject, target, snippet, threshold=threshold, floor=floor, window=window, contiguous=contiguous)
        walk = walker.walk(kept.text, steps, direction) if kept.after is not None else None
        studies.append(Study(snippet, reading, kept, walk))
    return studies


def _record(id: int, step: int, prompt: Prompt, reading: Reading) -> Record:
    status: Status = reading.status
    return Record(
        id, step, prompt, reading.tokens, reading.token_ids, reading.values, reading.peak, reading.position, status
    )
