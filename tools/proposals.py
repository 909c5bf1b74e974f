"""Where replacement tokens come from: the embedding's neighbours of a token, and the subject's own expectations.

1. Neighbours: the tokens nearest in cosine in the input embedding.
2. Own proposals: log p(token | left side) of the subject; optionally plus log p(right side | left side, token).
3. Only tokens a text can contain: no special token, and a row must come back from decode -> encode unchanged.

Knows tokens and nothing of targets. `subject.passes` counts one a row. A `Source` is the shape every further origin
of replacements (a masked language model, a rewriter's words) has to have.
"""

import random
from collections.abc import Sequence
from typing import Protocol

import torch

from tools.subject import Subject

POOL = 4  # own proposals drawn for each one wanted before the right side has its say


class Source(Protocol):
    """Proposes up to `count` token ids for one position of a row, likeliest first; the caller checks that they fit."""

    def propose(self, ids: Sequence[int], position: int, *, count: int, rng: random.Random) -> list[int]: ...


class Neighbours:
    """Tokens that look alike to the subject: nearest by cosine in the input embedding."""

    def __init__(self, subject: Subject) -> None:
        self._weight: torch.Tensor = subject.hf.get_input_embeddings().weight.detach()
        self._norms = self._weight.float().norm(dim=1).clamp_min(1e-8)
        self._refused = special(subject)

    def of(self, token_id: int, count: int) -> list[int]:
        """The `count` nearest tokens, the token itself left out."""
        cosines = (self._weight @ self._weight[token_id]).float() / self._norms
        cosines[[token_id, *self._refused]] = -torch.inf
        return cosines.topk(min(count, len(cosines))).indices.tolist()

    def propose(self, ids: Sequence[int], position: int, *, count: int, rng: random.Random) -> list[int]:
        """A `Source`; the random numbers are not needed."""
        del rng
        return self.of(ids[position], count)


class OwnProposals:
    """Tokens the subject itself expects at a position: drawn without replacement by their probability.

    With `right` the ones drawn are sorted by how well the rest of the row follows them, one pass for each.
    """

    def __init__(self, subject: Subject, *, right: bool = False) -> None:
        self._subject = subject
        self._right = right
        self._last: tuple[tuple[int, ...], torch.Tensor] | None = None

    def propose(self, ids: Sequence[int], position: int, *, count: int, rng: random.Random) -> list[int]:
        """A `Source`. One pass for a row it has not just seen."""
        row = tuple(ids)
        if self._last is None or self._last[0] != row:
            self._last = row, expectations(self._subject, row)
        chances = self._last[1][position].exp()
        wanted = min(count * (POOL if self._right else 1), int((chances > 0).sum()))
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        drawn = torch.multinomial(chances, wanted, generator=generator).tolist()
        if self._right:
            fit = {new: self._fit(row, position, new) for new in drawn}
            drawn.sort(key=fit.__getitem__, reverse=True)
        return drawn[:count]

    def _fit(self, row: tuple[int, ...], position: int, new: int) -> float:
        """log p(new token and all that follows | left side)."""
        swapped = replaced(row, position, new)
        return float(_own(expectations(self._subject, swapped), swapped)[position:].sum())


def expectations(subject: Subject, row: Sequence[int]) -> torch.Tensor:
    """log p of every token given what is left of each position: [tokens, vocabulary]; special tokens excluded."""
    with subject.lock(), torch.no_grad():
        logits = subject.hf(subject.padded([row]), use_cache=False).logits[0, :-1].float().cpu()
    subject.passes += 1
    logits[:, special(subject)] = -torch.inf
    return logits.log_softmax(dim=1)


def surprise(log_p: torch.Tensor, row: Sequence[int]) -> float:
    """Mean cross-entropy of a row in nats a token, from its `expectations`."""
    return -float(_own(log_p, row).mean())


def special(subject: Subject) -> list[int]:
    """Ids that stand for no text: special tokens and padding of the embedding matrix."""
    size = subject.hf.get_input_embeddings().weight.shape[0]
    return sorted({*subject.tokenizer.all_special_ids, subject.bos, *range(len(subject.tokenizer), size)})


def survives(subject: Subject, row: Sequence[int]) -> bool:
    """Whether the row is what its own text is tokenised into."""
    return subject.encode(subject.decode(row)) == list(row)


def replaced(row: Sequence[int], position: int, new: int) -> tuple[int, ...]:
    """The row with one token replaced."""
    return (*row[:position], new, *row[position + 1 :])


def _own(log_p: torch.Tensor, row: Sequence[int]) -> torch.Tensor:
    return log_p.gather(1, torch.tensor(row)[:, None])[:, 0]
