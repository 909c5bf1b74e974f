"""The rows one move away from a row: what a discrete search may try next.

1. Which token: half from the ranking's best (the slope, or the slope and what the subject expects), a third drawn from
   the subject's own expectation, the rest embedding neighbours and chance.
2. Which edit: a replacement; when lengths may change, a quarter of them insert, delete or shift (delete and insert).
3. Which rows: none ever given before, and only of tokens that survive decode -> encode on their own. Whether a whole
   row survives is asked of the few that are to be accepted, not of all.

Knows tokens, never scores. All chance comes from one seed.
"""

import random
import weakref
from collections.abc import Sequence
from functools import lru_cache

import torch

from tools.branches import Row
from tools.proposals import Neighbours, replaced, special, survives
from tools.subject import Subject

TOP = 64  # tokens a position that the ranking may choose from
NEAR = 16  # embedding neighbours a token may turn into
RESIZED = 0.25  # share of moves that insert, delete or shift, when they may
TRIES = 12  # draws for each row wanted


class Moves:
    """Draws new rows for one search; remembers every row it has given."""

    def __init__(self, subject: Subject, *, length: int, seed: int) -> None:
        self.subject = subject
        self.length = length
        self._random = random.Random(seed)
        self._torch = torch.Generator().manual_seed(seed)
        self._near = lru_cache(maxsize=4096)(Neighbours(subject).of)
        self._vocabulary, self._barred = _tokens(subject)
        self._allowed = frozenset(self._vocabulary)
        self._given: set[Row] = set()

    def around(self, row: Row, count: int, *, ranking: torch.Tensor, expected: torch.Tensor, resize: bool) -> list[Row]:
        """Up to `count` rows one edit from `row`; `ranking` and `expected` (log p) are [tokens, vocabulary]."""
        best = ranking.masked_fill(self._barred, -torch.inf)
        steepest = best.topk(min(TOP, len(self._vocabulary)), dim=1).indices.tolist()
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
        """Those of allowed tokens that were never given before; from now on they count as given."""
        new = [row for row in dict.fromkeys(rows) if row and row not in self._given and self._allowed.issuperset(row)]
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
            return self._random.choice(self._near(old, NEAR))
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


_known: weakref.WeakKeyDictionary[Subject, tuple[list[int], torch.Tensor]] = weakref.WeakKeyDictionary()


def _tokens(subject: Subject) -> tuple[list[int], torch.Tensor]:
    """Tokens that survive decode -> encode on their own, and a mask [vocabulary] of all others; found once."""
    if subject not in _known:
        size = subject.hf.get_input_embeddings().weight.shape[0]
        plain = sorted(set(range(size)) - set(special(subject)))
        texts = [subject.decode([token]) for token in plain]
        back = subject.tokenizer(texts, add_special_tokens=False)["input_ids"]
        allowed = [token for token, ids in zip(plain, back, strict=True) if ids == [token]]
        barred = torch.ones(size, dtype=torch.bool)
        barred[allowed] = False
        _known[subject] = allowed, barred
    return _known[subject]
