"""Single-token swaps of a text that show what keeps, kills and raises a unit's activation.

After the augmentation of Neuron to Graph (Foote et al. 2023, arXiv:2305.19911), without a masked language model.

1. Read the text; nothing right of its peak can matter to a causal model, so those positions are skipped by default.
2. For each position ask every source of replacements in turn; a swap counts only if it survives decode -> encode and
   differs from the old token in more than case and space.
3. Measure all variants from their text in one batched call.

Knows one step from one text, token by token; words and longer walks are contextual.py and iterative.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.augment.changes import Effect, effect, relative_change

if TYPE_CHECKING:
    from memory.records import Target
    from tools.proposals import Source
    from tools.subject import Reading, Subject


@dataclass(frozen=True)
class Variant:
    """A text with the token at `position` swapped, measured from the text itself.

    `change` is None exactly when `effect` is below-floor or failed; `activation` is None when it failed.
    """

    text: str
    position: int
    old: str
    new: str
    activation: float | None
    change: float | None
    effect: Effect


def swaps(
    subject: Subject,
    target: Target,
    text: str,
    *,
    per_token: int = 8,
    seed: int = 0,
    floor: float = 0.0,
    positions: Sequence[int] | None = None,
    after_peak: bool = False,
    sources: Sequence[Source] | None = None,
) -> list[Variant]:
    """Up to `per_token` variants for every position (or for `positions`), none twice, in the order of the text.

    An empty or unmeasurable text has none.
    """
    from tools.proposals import Neighbours, OwnProposals, replaced

    base = subject.measure([text], target)[0]
    if base.peak is None or base.position is None:
        return []
    rng = random.Random(seed)
    asked = sources if sources is not None else (Neighbours(subject), OwnProposals(subject))
    last = len(base.tokens) - 1 if after_peak else base.position
    wanted = range(last + 1) if positions is None else positions
    places = [place for place in wanted if 0 <= place <= last]
    rows = [
        (place, new)
        for place in places
        for new in _replacements(subject, base.token_ids, place, per_token=per_token, sources=asked, rng=rng)
    ]
    texts = [subject.decode(replaced(base.token_ids, place, new)) for place, new in rows]
    readings = subject.measure(texts, target)
    return [
        _variant(base, place, reading, text=text, floor=floor)
        for (place, _), text, reading in zip(rows, texts, readings, strict=True)
    ]


def _replacements(
    subject: Subject,
    ids: Sequence[int],
    position: int,
    *,
    per_token: int,
    sources: Sequence[Source],
    rng: random.Random,
) -> list[int]:
    """Fitting token ids for one position, the sources taking turns."""
    from tools.proposals import replaced, survives

    seen = {_folded(subject.token(ids[position]))}
    chosen: list[int] = []
    offers = [source.propose(ids, position, count=4 * per_token, rng=rng) for source in sources]
    for new in in_turn(offers):
        if len(chosen) == per_token:
            break
        if _folded(subject.token(new)) in seen or not survives(subject, replaced(ids, position, new)):
            continue
        seen.add(_folded(subject.token(new)))
        chosen.append(new)
    return chosen


def in_turn(offers: Sequence[Sequence[int]]) -> Iterator[int]:
    """The first of every offer, then the second of every one, and so on."""
    for rank in range(max(map(len, offers), default=0)):
        yield from (offer[rank] for offer in offers if rank < len(offer))


def _folded(token: str) -> str:
    return token.strip().casefold()


def _variant(base: Reading, position: int, reading: Reading, *, text: str, floor: float) -> Variant:
    change = None
    outcome = Effect.FAILED
    if reading.peak is not None and base.peak is not None:
        change = relative_change(reading.peak, base.peak, floor=floor)
        outcome = effect(change)
    return Variant(text, position, base.tokens[position], reading.tokens[position], reading.peak, change, outcome)
