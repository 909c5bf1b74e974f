"""Texts several words away from a text that drive a unit further up or down: a beam search over word replacements.

After the augmentation of Neuron to Graph (Foote et al. 2023, arXiv:2305.19911), carried on for several steps.

1. Measure the text. Every change is relative to its activation above the floor.
2. Each step replaces one more word of every text in the beam, never one that was replaced before, and by default none
   right of the peak, where a causal model cannot see it. All new texts are measured in one call.
3. The highest (or lowest) few of the new texts are carried on, so that every step goes one word further; the best of
   all steps is kept beside them and never gets worse.
4. What was measured is sorted into those that still fire and those that no longer do (changes.side).

Knows how a walk is made and what came of each text. Refuses to know where words come from (contextual.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from memory.records import Origin, Prompt, Record
from tools.augment.changes import EXCLUSION, INCLUSION, Effect, Side, effect, relative_change, side
from tools.augment.contextual import ContextualAugmenter, Replacement
from tools.augment.words import Span

if TYPE_CHECKING:
    from memory.records import Target
    from tools.subject import Reading, Subject

Direction = Literal["maximise", "minimise"]
ROOT = 0  # the parent id of a first step


@dataclass(frozen=True)
class Edit:
    """A text one word away from its parent (0 is the text the walk began with), measured from itself.

    `change` is relative to the beginning of the walk; `activation`, `change` and `side` are None where it failed.
    `edited` are the characters of every word replaced so far: as many as `step`.
    """

    id: int
    parent: int
    step: int
    text: str
    old: str
    new: str
    source: str
    activation: float | None
    change: float | None
    effect: Effect
    side: Side | None
    edited: tuple[Span, ...]
    reading: Reading


@dataclass(frozen=True)
class Walk:
    """Everything measured in a walk. `best` holds the best activation after 0, 1, 2 ... steps, that of all so far.

    `start` is the reading of the text it began with; where that did not fire, or could not be measured, `status` says
    so and there are no edits.
    """

    text: str
    start: Reading
    status: Effect | None
    edits: tuple[Edit, ...] = ()
    best: tuple[float, ...] = ()

    @property
    def positive(self) -> list[Edit]:
        """What still fires, highest first."""
        return sorted(self._on(Side.POSITIVE), key=lambda edit: -(edit.activation or 0.0))

    @property
    def negative(self) -> list[Edit]:
        """What no longer fires, lowest first."""
        return sorted(self._on(Side.NEGATIVE), key=lambda edit: edit.activation or 0.0)

    def records(self, first: int, *, step: int, parent: int) -> tuple[Record, ...]:
        """An activation record for every edit, numbered from `first`; `parent` is the record of the beginning."""
        return tuple(
            Record(
                first + edit.id - 1,
                step,
                Prompt(edit.text, Origin.SWAP, parent=first + edit.parent - 1 if edit.parent else parent),
                edit.reading.tokens,
                edit.reading.token_ids,
                edit.reading.values,
                edit.reading.peak,
                edit.reading.position,
                edit.reading.status,
            )
            for edit in self.edits
        )

    def _on(self, wanted: Side) -> Iterator[Edit]:
        return (edit for edit in self.edits if edit.side is wanted)


@dataclass(frozen=True)
class _Place:
    """A text of the beam: the edit that made it, or the beginning."""

    id: int
    step: int
    text: str
    reading: Reading
    edited: tuple[Span, ...]


class IterativeMultiTokenAugmenter:
    """Walks from a text by replacing word after word.

    n: replacements asked for each word; beam: texts carried from step to step; most: texts measured in one step.
    Raises ValueError when inclusion < exclusion, or for a number below one.
    """

    def __init__(
        self,
        subject: Subject,
        target: Target,
        augmenter: ContextualAugmenter | None = None,
        *,
        n: int = 5,
        beam: int = 3,
        most: int = 192,
        floor: float = 0.0,
        inclusion: float = INCLUSION,
        exclusion: float = EXCLUSION,
        after_peak: bool = False,
    ) -> None:
        side(0.0, inclusion=inclusion, exclusion=exclusion)
        if min(n, beam, most) < 1:
            raise ValueError("n, beam and most must be at least 1")
        self._subject = subject
        self._target = target
        self._augmenter = augmenter or ContextualAugmenter(subject)
        self._n, self._beam, self._most = n, beam, most
        self._floor = floor
        self._bounds = (inclusion, exclusion)
        self._after_peak = after_peak

    def iterative_augment(
        self, prompt: str, steps: int = 3, direction: Direction = "maximise"
    ) -> tuple[list[Edit], list[Edit]]:
        """The texts up to `steps` words away that still fire, highest first, and those that no longer do."""
        walk = self.walk(prompt, steps, direction)
        return walk.positive, walk.negative

    def walk(self, prompt: str, steps: int = 3, direction: Direction = "maximise") -> Walk:
        """The same with everything that was measured. Raises ValueError for another direction or steps below one."""
        if steps < 1 or direction not in ("maximise", "minimise"):
            raise ValueError("steps must be at least 1, and the direction maximise or minimise")
        start = self._subject.measure([prompt], self._target)[0]
        if start.peak is None or start.position is None:
            return Walk(prompt, start, Effect.FAILED)
        if not start.peak > self._floor:
            return Walk(prompt, start, Effect.BELOW_FLOOR)
        up = 1 if direction == "maximise" else -1
        beam, edits, best, seen = [_Place(ROOT, 0, prompt, start, ())], list[Edit](), [start.peak], {prompt}
        for _ in range(steps):
            found = self._step(beam, seen, start.peak, first=len(edits) + 1)
            edits += found
            new = [(up * edit.activation, edit) for edit in found if edit.activation is not None]
            if not new:
                break
            new.sort(key=lambda pair: -pair[0])
            beam = [_place(edit) for _, edit in new[: self._beam]]
            best.append(up * max(up * best[-1], new[0][0]))
        return Walk(prompt, start, None, tuple(edits), tuple(best))

    def _step(self, places: Sequence[_Place], seen: set[str], start: float, *, first: int) -> list[Edit]:
        """Every new text one word further, measured in one call; `seen` grows by them."""
        offers = [[(place, new) for new in self._replacements(place)] for place in places]
        chosen: list[tuple[_Place, Replacement]] = []
        for place, new in _spread(offers):
            if new.text not in seen and len(chosen) < self._most:
                seen.add(new.text)
                chosen.append((place, new))
        readings = self._subject.measure([new.text for _, new in chosen], self._target)
        return [
            self._edit(first + i, place, new, reading, start)
            for i, ((place, new), reading) in enumerate(zip(chosen, readings, strict=True))
        ]

    def _replacements(self, place: _Place) -> list[Replacement]:
        before = None
        if not self._after_peak and place.reading.position is not None:
            before = len(self._subject.decode(place.reading.token_ids[: place.reading.position + 1]))
        return self._augmenter.augment(place.text, self._n, before=before, besides=place.edited)

    def _edit(self, number: int, place: _Place, new: Replacement, reading: Reading, start: float) -> Edit:
        change = None if reading.peak is None else relative_change(reading.peak, start, floor=self._floor)
        inclusion, exclusion = self._bounds
        return Edit(
            id=number,
            parent=place.id,
            step=place.step + 1,
            text=new.text,
            old=new.old,
            new=new.new,
            source=new.source,
            activation=reading.peak,
            change=change,
            effect=Effect.FAILED if change is None else effect(change),
            side=None if change is None else side(change, inclusion=inclusion, exclusion=exclusion),
            edited=_shifted(place.edited, new),
            reading=reading,
        )


def _place(edit: Edit) -> _Place:
    return _Place(edit.id, edit.step, edit.text, edit.reading, edit.edited)


def _shifted(edited: Sequence[Span], new: Replacement) -> tuple[Span, ...]:
    """The replaced words where they stand now, the newest among them."""
    longer = len(new.new) - len(new.old)
    moved = [(a + longer, b + longer) if a > new.start else (a, b) for a, b in edited]
    return tuple(sorted([*moved, (new.start, new.start + len(new.new))]))


def _spread(offers: Sequence[list[tuple[_Place, Replacement]]]) -> Iterator[tuple[_Place, Replacement]]:
    """The likeliest replacement of every word of every text, then the second likeliest, so that a limit cuts evenly."""
    ranked: list[tuple[int, tuple[_Place, Replacement]]] = []
    for offer in offers:
        ranks: dict[int, int] = {}
        for place, new in offer:
            rank = ranks[new.start] = ranks.get(new.start, -1) + 1
            ranked.append((rank, (place, new)))
    yield from (pair for _, pair in sorted(ranked, key=lambda item: item[0]))
