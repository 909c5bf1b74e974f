"""What a search climbs: a target's drive (tools/units.py) for rows of token ids, read inside the model, never reported.

1. `around`: rows that branch off a parent, each at its last token, screened in bfloat16 where the processor is fast at
   it (tools/stack.py, tools/branches.py): the parent's keys and values are shared, the last block asks one query a row.
2. `exact`: the same in float32, equal to the hooked value to 1e-5.
3. `scores`: a row's best token anywhere, and which it is, by hook and stop-at-layer.
4. `ascent`: a row's last drive in float32 and its gradient with respect to one-hot tokens, the first-order move of
   HotFlip (Ebrahimi et al. 2018, arXiv:1712.06751) and GCG (Zou et al. 2023, arXiv:2307.15043).

A model or a hook point that the stack does not know goes through the hooks instead: slower, never another number.
Knows nothing of text, proposals or budgets; `subject.passes` counts a row once, an ascent twice (there and back).
"""

import math
from collections.abc import Sequence
from functools import cached_property

import torch

from memory.records import Target
from tools.branches import Batch, Row, Width, run
from tools.products import quick_format
from tools.stack import LONGEST, Memory, Stack, stacks_for
from tools.subject import Subject, innermost

ROWS = 32  # rows in one forward pass through the hooks: wider ones fall out of the processor's cache


class Evaluator:
    """Scores token rows for one target of one subject. `fast` says whether the stack does it, or the hooks."""

    def __init__(self, subject: Subject, target: Target, *, screening: torch.dtype | None = None) -> None:
        self.subject = subject
        self.target = target
        self.probe = subject.drive(target)
        stacks = stacks_for(subject, target, screening or quick_format(subject.device))
        self._exact, self._screening = stacks or (None, None)
        self.fast = stacks is not None
        self._width = Width(subject.device)
        self._table: torch.Tensor = subject.hf.get_input_embeddings().weight
        self._parent: tuple[Row, Memory] | None = None

    def around(self, parent: Row, rows: Sequence[Row]) -> list[float]:
        """Screened drive at the last token of rows near `parent`; minus infinity for what is not a number."""
        if self._screening is None or _too_long([parent, *rows]):
            return self.exact(rows)
        if self._parent is None or self._parent[0] != parent:
            with self.subject.lock():
                self._parent = parent, self._screening.remembered(self._grid(parent))
        return self._ends(self._screening, rows, *self._parent)

    def exact(self, rows: Sequence[Row]) -> list[float]:
        """The drive at the last token of each row in float32."""
        if self._exact is not None and not _too_long(rows):
            with self.subject.lock():
                start = self._exact.remembered(self._grid(()))
            return self._ends(self._exact, rows, (), start)
        return [drives[-1] for part in _parts(rows) for drives in self._hooked(part)]

    def scores(self, rows: Sequence[Row]) -> list[tuple[float, int]]:
        """(drive, index of the token) at the best token of every row; minus infinity for what is not a number."""
        every = [drives for part in _parts(rows) for drives in self._hooked(part)]
        places = [max(range(len(drives)), key=drives.__getitem__) for drives in every]
        return [(drives[place], place) for drives, place in zip(every, places, strict=True)]

    def ascent(self, row: Row) -> tuple[float, torch.Tensor]:
        """The drive at the end in float32, and its slopes [tokens, vocabulary].

        A slope is the first-order change when token i becomes v, 0 for the token that is there.
        """
        with self.subject.lock(), torch.enable_grad():
            embedded = torch.nn.functional.embedding(self._grid(row), self._table.detach())
            tokens = (self._scale * embedded).requires_grad_()
            quick = None if _too_long([row]) else self._exact
            end = quick.of_embedded(tokens) if quick else self._hooked_end(row, tokens)
            [gradient] = torch.autograd.grad(end.sum(), tokens)
        self.subject.passes += 2
        slopes = (self._scale * gradient[0, 1:] @ self._table.T).float().cpu()
        return float(end.detach()), slopes - slopes.gather(1, torch.tensor(row)[:, None])

    @cached_property
    def _scale(self) -> float:
        """What the model's own embedding multiplies a row of its table by: 1, or the root of the width (Gemma)."""
        grid = torch.arange(min(16, len(self._table)), device=self.subject.device)[None]
        with self.subject.lock(), torch.no_grad():
            own = self.subject.hf.get_input_embeddings()(grid).float()
            times = own.norm() / torch.nn.functional.embedding(grid, self._table).float().norm()
        return round(float(times.nan_to_num(1.0, 1.0)), 6)

    def _ends(self, stack: Stack, rows: Sequence[Row], parent: Row, memory: Memory) -> list[float]:
        def compute(batch: Batch) -> list[float]:
            ids, ends, start = batch
            return stack.ends(ids, ends, memory=memory, start=start).tolist()

        with self.subject.lock():
            found = run(rows, parent, self.subject.bos, width=self._width, compute=compute)
        self.subject.passes += len(rows)
        return [value if math.isfinite(value) else -math.inf for value in found]

    def _hooked(self, rows: Sequence[Row]) -> list[list[float]]:
        """Signed drive at every token of rows that fit one batch."""
        with self.subject.lock(), torch.inference_mode():
            passing = self.subject.passing(self.subject.padded(rows), self.probe.hook)
            drives = self.probe.column(passing).float() * self.target.sign
            drives = drives.where(drives.isfinite(), -math.inf)[:, 1:].tolist()
        self.subject.passes += len(rows)
        return [line[: len(row)] for row, line in zip(rows, drives, strict=True)]

    def _hooked_end(self, row: Row, tokens: torch.Tensor) -> torch.Tensor:
        """The drive at the end of one embedded row, through the model's own modules."""
        table = innermost(self.subject.hf.get_input_embeddings())
        handle = table.register_forward_hook(lambda _module, _inputs, _output: tokens)
        try:
            passing = self.subject.passing(self._grid(row), self.probe.hook)
        finally:
            handle.remove()
        return self.probe.column(passing)[:, -1] * self.target.sign

    def _grid(self, row: Row) -> torch.Tensor:
        return torch.tensor([[self.subject.bos, *row]], device=self.subject.device)


def _too_long(rows: Sequence[Row]) -> bool:
    """Whether a row is longer than what a stack was checked on."""
    return max(map(len, rows), default=0) > LONGEST


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
