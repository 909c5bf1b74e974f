"""The rows one move away from a row: what a discrete search may try next.

1. Which token: four in five from the ranking's best, or, where fluency counts, half from a ranking by slope and
   expectation together and a third drawn from the subject's expectation; the rest embedding neighbours and chance.
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

STEEP = 0.8  # share of tokens from the ranking
STEEP_OF_FLUENT, LIKELY = 0.5, 1 / 3  # the same, and the share the subject expects, where fluency counts
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

    def around(
        self, row: Row, count: int, *, ranking: torch.Tensor, expected: torch.Tensor | None, resize: bool
    ) -> list[Row]:
        """Up to `count` rows one edit from `row`; `ranking` and `expected` (log p) are [tokens, vocabulary]."""
        best = ranking.masked_fill(self._barred, -torch.inf).topk(min(TOP, len(self._vocabulary)), dim=1).indices
        sources = [(STEEP, best.tolist())]
        if expected is not None:
            likely = torch.multinomial(expected.exp(), TOP, replacement=True, generator=self._torch).tolist()
            sources = [(STEEP_OF_FLUENT, best.tolist()), (LIKELY, likely)]
        found: list[Row] = []
        for _ in range(TRIES * count):
            if len(found) == count:
                break
            place = self._random.randrange(len(row))
            token = self._token(row[place], [(share, tokens[place]) for share, tokens in sources])
            resized = resize and self._random.random() < RESIZED
            found += self.fresh([self._resized(row, place, token) if resized else replaced(row, place, token)])
        return found

    def allows(self, row: Row) -> bool:
        """Whether all tokens of a row may be used."""
        return bool(row) and self._allowed.issuperset(row)

    def fresh(self, rows: Sequence[Row]) -> list[Row]:
        """Those of allowed tokens that were never given before; from now on they count as given."""
        new = [row for row in dict.fromkeys(rows) if row not in self._given and self.allows(row)]
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

    def _token(self, old: int, sources: Sequence[tuple[float, list[int]]]) -> int:
        """A token from one of the sources by their shares, else a neighbour of the old one or any."""
        kind = self._random.random()
        for share, tokens in sources:
            if kind < share:
                return self._random.choice(tokens)
            kind -= share
        return self._random.choice(self._near(old, NEAR) if self._random.random() < 1 / 2 else self._vocabulary)

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
