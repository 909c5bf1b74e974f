"""What a rival climbs: the target's drive at the last token or at the best one, and its gradient.

The drive is `Subject.drive`: in a plain MLP the pre-activation, which gives the rivals a slope where the unit is off
(with the activation itself they stay where they start). float32; the model stops at the hook point and never reaches
the unembedding, except in `with_logits`, for the method whose objective holds a cross-entropy.

Knows rows of token ids without BOS, all of one length; BOS is put in front here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from memory.records import Target
from tools.subject import Subject

BATCH = 64  # rows in one forward pass: measured quickest for the bundled model

Policy = Callable[[torch.Tensor], torch.Tensor]  # drives [rows, tokens] -> [rows]


class _Read(Exception):
    """Raised once the drive has been read."""


def last(drives: torch.Tensor) -> torch.Tensor:
    """The drive at the last token."""
    return drives[:, -1]


def highest(drives: torch.Tensor) -> torch.Tensor:
    """The drive at the token where it is highest."""
    return drives.amax(1)


class Drive:
    """Scores and slopes for one target of one subject."""

    def __init__(self, subject: Subject, target: Target, policy: Policy = highest) -> None:
        self.subject = subject
        self._policy = policy
        self._sign = target.sign
        self._probe = subject.drive(target)
        self._point = subject.bridge.hook_dict[self._probe.hook]
        self.table: torch.Tensor = subject.hf.get_input_embeddings().weight.detach()
        self._bos = self.table[subject.bos]

    def scores(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, tokens] -> [rows]."""
        with torch.no_grad():
            return torch.cat([self.of_embedded(self.table[part]) for part in rows.split(BATCH)])

    def slopes(self, row: torch.Tensor) -> torch.Tensor:
        """The gradient of the score with respect to one-hot tokens: [tokens] -> [tokens, vocabulary]."""
        with torch.enable_grad():
            embedded = self.table[row][None].requires_grad_()
            (gradient,) = torch.autograd.grad(self.of_embedded(embedded).sum(), embedded)
        return gradient[0] @ self.table.T

    def of_embedded(self, embedded: torch.Tensor) -> torch.Tensor:
        """Embeddings [rows, tokens, d] -> [rows], with a gradient where one is wanted."""
        with self._reading(stop=True) as read, suppress(_Read):
            self.subject.hf.base_model(inputs_embeds=self._begun(embedded), use_cache=False)
        return self._score(read)

    def with_logits(self, embedded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `of_embedded`, and what the whole model expects at each token: logits [rows, tokens, vocabulary]."""
        with self._reading(stop=False) as read:
            logits = self.subject.hf(inputs_embeds=self._begun(embedded), use_cache=False).logits[:, :-1]
        return self._score(read), logits

    def _begun(self, embedded: torch.Tensor) -> torch.Tensor:
        return torch.cat([self._bos.expand(len(embedded), 1, -1), embedded], 1)

    def _score(self, read: list[torch.Tensor]) -> torch.Tensor:
        return self._policy(self._probe.column(read[0])[:, 1:] * self._sign)

    @contextmanager
    def _reading(self, *, stop: bool) -> Iterator[list[torch.Tensor]]:
        read: list[torch.Tensor] = []

        def hook(_module: object, _inputs: object, output: torch.Tensor) -> None:
            read.append(output)
            if stop:
                raise _Read

        with self.subject.lock():
            handle = self._point.register_forward_hook(hook)
            try:
                yield read
            finally:
                handle.remove()
