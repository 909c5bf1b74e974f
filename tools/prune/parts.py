"""The parts of one text, measured: which tokens stay, what text they make, and how high it drives the target.

A part is measured as the text it decodes to, never as ids: what re-tokenisation does to it counts. No text is measured
twice, and one request is one batched call. Half characters are refused. Refuses to know what is looked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memory.records import Target
    from tools.subject import Reading, Subject

HALF = "\ufffd"  # what half a character decodes to
BOUNDARIES = (".", "!", "?", "\n")  # a sentence ends with the token that ends in one of them

Piece = tuple[int, int]  # token id, index of the token of the parent text it came from
State = tuple[Piece, ...]
Group = Sequence[int]  # indices into a state


class Parts:
    """Measures parts of one text and counts the calls. `pinned` are indices of parent tokens that must stay."""

    def __init__(self, subject: Subject, target: Target, text: str, whole: Reading, pinned: range) -> None:
        self.subject = subject
        self.target = target
        self.whole = whole
        self.pinned = pinned
        self.calls = 1
        self.everything: State = tuple(zip(whole.token_ids, range(len(whole.token_ids)), strict=True))
        self._text = text
        self._known: dict[str, Reading] = {text: whole}

    def text(self, state: State) -> str:
        """The text of a part."""
        return self._text if state == self.everything else self.subject.decode([token for token, _ in state])

    def read(self, states: Sequence[State]) -> list[Reading]:
        """Every part measured, those not yet known in one call."""
        texts = [self.text(state) for state in states]
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self.calls += 1
            self._known.update(zip(new, self.subject.measure(new, self.target), strict=True))
        return [self._known[text] for text in texts]

    def peaks(self, states: Sequence[State]) -> list[float]:
        """The peak of every part; minus infinity for no text, no number, or a character cut in half."""
        halves = [HALF in self.text(state) and HALF not in self._text for state in states]
        readings = self.read(states)
        return [
            -math.inf if half or reading.peak is None else reading.peak
            for half, reading in zip(halves, readings, strict=True)
        ]

    def settled(self, state: State) -> State:
        """The tokens that the part's own text has; each keeps the origin of its first character."""
        ids = self.subject.encode(self.text(state))
        if state == self.everything or ids == [token for token, _ in state]:
            return state
        before = self.subject.tokens([token for token, _ in state])
        origins = [origin for token, (_, origin) in zip(before, state, strict=True) for _ in token]
        starts = accumulate((len(token) for token in self.subject.tokens(ids)), initial=0)
        return tuple((token, origins[min(at, len(origins) - 1)]) for token, at in zip(ids, starts, strict=False))

    def free(self, state: State, group: Group) -> bool:
        """Whether none of these tokens has to stay."""
        return not any(state[i][1] in self.pinned for i in group)

    def sentences(self, state: State) -> list[Group]:
        """Groups that end after . ! ? or a line break; a part of one sentence is one group."""
        ends = [self.subject.token(token).rstrip(" ").endswith(BOUNDARIES) for token, _ in state]
        cuts = [0, *(i + 1 for i, end in enumerate(ends[:-1]) if end), len(state)]
        return [range(*pair) for pair in pairwise(cuts)]


def without(state: State, lost: Group) -> State:
    """The part without some of its tokens."""
    gone = set(lost)
    return tuple(piece for i, piece in enumerate(state) if i not in gone)
