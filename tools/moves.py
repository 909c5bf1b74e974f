"""The rows one move away from a row: what a discrete search may try next.

1. Which token: half from the slope's best, a third drawn from the subject's own expectation, the rest embedding
   neighbours and chance.
2. Which edit: a replacement; when lengths may change, a quarter of them insert, delete or shift (delete and insert).
3. Which rows: none ever given before, and only those that survive decode -> encode.

Knows tokens, never scores. All chance comes from one seed.
"""

import random
from collections.abc import Sequence

import torch

from tools.proposals import Neighbours, replaced, special, survives
from tools.subject import Subject

TOP = 64  # tokens a position that the slope may choose from
NEAR = 16  # embedding neighbours a token may turn into
RESIZED = 0.25  # share of moves that insert, delete or shift, when they may
TRIES = 12  # draws for each row wanted

Row = tuple[int, ...]


class Moves:
    """Draws new rows for one search; remembers every row it has given."""

    def __init__(self, subject: Subject, *, length: int, seed: int) -> None:
        self.subject = subject
        self.length = length
        self._random = random.Random(seed)
        self._torch = torch.Generator().manual_seed(seed)
        self._neighbours = Neighbours(subject)
        self._refused = set(special(subject))
        size = subject.hf.get_input_embeddings().weight.shape[0]
        self._vocabulary = sorted(set(range(size)) - self._refused)
        self._given: set[Row] = set()

    def around(self, row: Row, count: int, *, slopes: torch.Tensor, expected: torch.Tensor, resize: bool) -> list[Row]:
        """Up to `count` rows one edit from `row`; `slopes` and `expected` (log p) are [tokens, vocabulary]."""
        slopes = slopes.index_fill(1, torch.tensor(sorted(self._refused)), -torch.inf)
        steepest = slopes.topk(min(TOP, len(self._vocabulary)), dim=1).indices.tolist()
        likely = torch.multinomial(expected.exp(), TOP, replacement=True, generator=self._torch).tolist()
        found: list[Row] = []
        for _ in range(TRIES * count):
            if len(found) == count:
                break
            place = self._random.randrange(len(row))
            token = self._token(row[place], self._random.choice(steepest[place]), self._random.choice(likely[place]))
            resized = resize and self._random.random() < RESIZED
            found += self.fresh([self._resized(row, place, token) if resized else replaced(row, place, token)])
        return found

    def fresh(self, rows: Sequence[Row]) -> list[Row]:
        """Those of plain text, never given before, that survive decode -> encode; from now on they count as given."""
        known = self._given
        plain = [row for row in dict.fromkeys(rows) if row and row not in known and self._refused.isdisjoint(row)]
        new = [row for row in plain if survives(self.subject, row)]
        self._given.update(new)
        return new

    def filled(self, row: Row) -> Row:
        """The row with random tokens on its left, up to the length."""
        for _ in range(TRIES * self.length):
            longer = (self._random.choice(self._vocabulary), *row)
            if len(longer) > self.length:
                break
            row = longer if survives(self.subject, longer) else row
        return row

    def shaken(self, row: Row) -> Row:
        """The row with about a quarter of its tokens replaced by chance."""
        for _ in range(1 + len(row) // 4):
            other = replaced(row, self._random.randrange(len(row)), self._random.choice(self._vocabulary))
            row = other if survives(self.subject, other) else row
        return row

    def _token(self, old: int, steep: int, likely: int) -> int:
        kind = self._random.random()
        if kind < 1 / 2:
            return steep
        if kind < 5 / 6:
            return likely
        if kind < 11 / 12:
            return self._random.choice(self._neighbours.of(old, NEAR))
        return self._random.choice(self._vocabulary)

    def _resized(self, row: Row, place: int, token: int) -> Row:
        """The token inserted before `place` while there is room, `place` deleted, or both at different places."""
        kind = self._random.randrange(3)
        if kind == 0 and len(row) < self.length:
            return (*row[:place], token, *row[place:])
        shorter = row[:place] + row[place + 1 :]
        if kind == 1:
            return shorter
        other = self._random.randrange(len(row))
        return (*shorter[:other], token, *shorter[other:])
