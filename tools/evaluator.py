"""What a search climbs: a score and a slope for rows of token ids, read inside the model and never reported.

The score is the target's drive at its best token, BOS and padding left out. In a plain MLP read upwards (sign +1) the
drive is the pre-activation, the up projection's output: it grows with the activation once the unit is on, and it still
has a slope when the unit is off, where ReLU is flat and GELU points the wrong way. In a gated MLP, and for sign -1
(an activation function is bounded below, so its lowest point is not the lowest pre-activation), it is the signed
activation itself. The slope is the gradient with respect to one-hot tokens, the first-order move of HotFlip (Ebrahimi
et al. 2018, arXiv:1712.06751) and GCG (Zou et al. 2023, arXiv:2307.15043).

1. Hook the drive, stop the model at the target's layer.
2. `scores`: maximum over the real tokens of each row.
3. `slopes`: the gradient of that maximum at the embedding's output, times the embedding matrix.

Knows nothing of text, proposals or budgets; `subject.passes` counts a row once, a slope twice (there and back).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from memory.records import Target
from tools.subject import Subject

ROWS = 32  # rows in one forward pass: wider batches fall out of the processor's cache and are slower


class Evaluator:
    """Scores token rows for one target of one subject."""

    def __init__(self, subject: Subject, target: Target) -> None:
        self.subject = subject
        self.target = target
        self.hook = _drive(subject, target)
        self._embedding: torch.nn.Module = subject.hf.get_input_embeddings()
        self._weight: torch.Tensor = subject.hf.get_input_embeddings().weight

    def scores(self, rows: Sequence[Sequence[int]]) -> list[tuple[float, int]]:
        """(score, index of the best token) for every row; a row that is not a number scores minus infinity."""
        found: list[tuple[float, int]] = []
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            with self.subject.lock(), torch.inference_mode():
                best = self._drives(part).max(dim=1)
            self.subject.passes += len(part)
            found += zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return found

    def slopes(self, row: Sequence[int]) -> torch.Tensor:
        """First-order change of the score when token i becomes v: [tokens, vocabulary], zero for the present token."""
        with self.subject.lock(), torch.enable_grad(), self._entering() as entered:
            self._drives([row]).max().backward()
        self.subject.passes += 2
        gradient = entered[0].grad
        if gradient is None:
            raise RuntimeError(f"{self.hook} does not depend on the embedding of {self.subject.name}")
        slopes = (gradient[0, 1:] @ self._weight.T).float().cpu()
        return slopes - slopes.gather(1, torch.tensor(row)[:, None])

    def _drives(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Signed drive [rows, tokens] without BOS; minus infinity at padding and where it is not a number."""
        grid = self.subject.padded(rows)
        read: list[torch.Tensor] = []
        point = self.subject.bridge.hook_dict[self.hook]
        handle = point.register_forward_hook(lambda _module, _inputs, output: read.append(output))
        try:
            with self.subject.hooked({self.target.layer: lambda _output: None}, stop=True):
                self.subject.run(grid)
        finally:
            handle.remove()
        drives = read[0][:, 1:, self.target.index].float() * self.target.sign
        lengths = torch.tensor([len(row) for row in rows], device=drives.device)
        real = torch.arange(drives.shape[1], device=drives.device) < lengths[:, None]
        return drives.where(real & drives.isfinite(), -math.inf)

    @contextmanager
    def _entering(self) -> Iterator[list[torch.Tensor]]:
        """Collect the embedding's output with a gradient: the weights themselves stay frozen."""
        entered: list[torch.Tensor] = []
        handle = self._embedding.register_forward_hook(
            lambda _module, _inputs, output: entered.append(output.requires_grad_())
        )
        try:
            yield entered
        finally:
            handle.remove()


def _drive(subject: Subject, target: Target) -> str:
    before = f"blocks.{target.layer}.mlp.in.hook_out"
    gate = f"blocks.{target.layer}.mlp.gate.hook_out"
    hooks = subject.bridge.hook_dict
    return before if target.sign > 0 and before in hooks and gate not in hooks else target.hook
