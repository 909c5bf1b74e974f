"""How much a row of tokens surprises the subject, and what it expects: for many rows that branch off a known one.

The cross-entropy of a row is the mean of -log p(token | what precedes it), nats a token, BOS given and special tokens
excluded, exactly as `expectations` and `surprise` of tools/proposals.py give it for one row through the model itself.
Here the shared beginning of the rows is run once (tools/branches.py); where the layout is not known, one row at a time
goes through the model. Knows no targets. `subject.passes` counts every row once.
"""

from collections.abc import Sequence

import torch

from tools.branches import Batch, Row, Width, run
from tools.products import quick_format
from tools.proposals import expectations, special, surprise
from tools.stack import LONGEST, Memory, Stack, whole_for
from tools.subject import Subject


class Fluency:
    """Expectations and cross-entropies of rows; those of a parent are kept until another one is asked for."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._exact, self._screening = whole_for(subject, quick_format(subject.device)) or (None, None)
        self._refused = torch.tensor(special(subject), device=subject.device)
        self._width = Width(subject.device)
        self._parent: tuple[Row, Stack, Memory, torch.Tensor] | None = None

    def expected(self, row: Row) -> torch.Tensor:
        """log p of every token given what is left of each place: [tokens, vocabulary], float32."""
        if self._exact is None or len(row) > LONGEST:
            return expectations(self.subject, row)
        grid = torch.tensor([[self.subject.bos, *row]], device=self.subject.device)
        with self.subject.lock(), torch.inference_mode():
            log_p = self._log_p(self._exact.layout.logits(self._exact.every(grid, memory=[], start=0)[:, :-1]))
        self.subject.passes += 1
        return log_p[0].cpu()

    def exact(self, rows: Sequence[Row]) -> list[float]:
        """Cross-entropy of rows in float32."""
        return self._near(self._exact, rows[0], None, rows) if rows else []

    def surprises(self, parent: Row, expected: torch.Tensor | None, rows: Sequence[Row]) -> list[float]:
        """Cross-entropy of rows near `parent`, screened like activations are; `expected` of it is computed if None."""
        return self._near(self._screening, parent, expected, rows)

    def _near(
        self, stack: Stack | None, parent: Row, expected: torch.Tensor | None, rows: Sequence[Row]
    ) -> list[float]:
        if stack is None or max(map(len, [parent, *rows])) > LONGEST:
            return [surprise(expectations(self.subject, row), row) for row in rows]
        expected = self.expected(parent) if expected is None else expected
        if self._parent is None or self._parent[:2] != (parent, stack):
            grid = torch.tensor([[self.subject.bos, *parent]], device=self.subject.device)
            own = expected.gather(1, torch.tensor(parent)[:, None])[:, 0].cumsum(0).to(self.subject.device)
            self._parent = parent, stack, stack.remembered(grid), own
        memory, before = self._parent[2:]

        def compute(batch: Batch) -> list[float]:
            ids, ends, start = batch
            x = stack.every(ids, memory=memory, start=start)
            # the first new token is expected by what precedes it: one position that both rows share
            head = self._first(expected, start).to(x.device).expand(len(ids), 1, -1)
            log_p = torch.cat([head, self._log_p(stack.layout.logits(x[:, :-1]))], 1)
            own = log_p.gather(2, ids[..., None])[..., 0].cumsum(1)
            shared = before[start - 2] if start > 1 else 0.0
            return (-(shared + own.gather(1, ends[:, None])[:, 0]) / (start + ends)).tolist()

        with self.subject.lock(), torch.inference_mode():
            found = run(rows, parent, self.subject.bos, width=self._width, compute=compute)
        self.subject.passes += len(rows)
        return found

    def _first(self, expected: torch.Tensor, start: int) -> torch.Tensor:
        return expected[start - 1 : start][None]

    def _log_p(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.float()
        logits[..., self._refused] = -torch.inf
        return logits.log_softmax(-1)
