"""A row of embeddings in, the target's drive and value at every position out; and the table that decodes embeddings.

The token embedding's output is replaced, so that position embeddings, and whatever else the model adds, stay its own.
BOS stands in front of every row as in `Subject.measure`; it never moves and is never counted. The model stops after the
target's hook point. Knows embeddings and token ids; refuses to know text. The unit of length is the root mean square of
one number of the embedding table.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from memory.records import Target
from tools.proposals import special
from tools.subject import Subject, innermost

ROWS = 32  # rows in one forward pass without a gradient
HALF = "\ufffd"  # what half a character decodes to


class Table:
    """The token embeddings as the model hands them on: [vocabulary, d]. Special tokens and half characters are out."""

    def __init__(self, subject: Subject) -> None:
        self.module: torch.nn.Module = subject.hf.get_input_embeddings()
        size = subject.hf.get_input_embeddings().weight.shape[0]
        with subject.lock(), torch.no_grad():
            self.rows: torch.Tensor = self.module(torch.arange(size, device=subject.device)[None])[0].float()
        self.unit = float(self.rows.pow(2).mean().sqrt())
        self.norm = float(self.rows.norm(dim=1).mean())
        self.refused = sorted({*special(subject), *(i for i in range(size) if HALF in subject.token(i))})
        self.plain = sorted(set(range(size)) - set(self.refused))
        self._directions = torch.nn.functional.normalize(self.rows, dim=1)

    def cosines(self, embedded: torch.Tensor) -> torch.Tensor:
        """Cosine with every token: [..., d] -> [..., vocabulary]; minus infinity for a token that is refused."""
        found = torch.nn.functional.normalize(embedded, dim=-1) @ self._directions.T
        return found.index_fill(-1, torch.tensor(self.refused, device=found.device), -math.inf)

    def nearest(self, embedded: torch.Tensor) -> torch.Tensor:
        """The token with the highest cosine: [..., d] -> [...]."""
        return self.cosines(embedded).argmax(dim=-1)

    def snapped(self, embedded: torch.Tensor) -> torch.Tensor:
        """The embedding of the nearest token: [..., d] -> [..., d]."""
        return self.rows[self.nearest(embedded)]


class Reader:
    """Reads the target's drive and value for rows given as embeddings."""

    def __init__(self, subject: Subject, target: Target, table: Table) -> None:
        self.subject = subject
        self.target = target
        self.table = table
        self._drive = subject.drive(target)
        self._value = subject.value(target)

    def read(self, embedded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Signed (drive, value), each [rows, positions], for [rows, positions, d]; one pass a row."""
        rows, positions, _ = embedded.shape
        front = self.table.rows[self.subject.bos].expand(rows, 1, -1)
        grid = torch.full((rows, positions + 1), self.subject.bos, device=self.subject.device)
        kept: dict[str, torch.Tensor] = {}
        readers = {probe.hook: _keeper(kept, probe.hook) for probe in (self._drive, self._value)}
        with self.subject.lock(), self._entering(torch.cat([front, embedded], dim=1)):
            with self.subject.hooked(readers, stop=True):
                self.subject.run(grid)
            self.subject.passes += rows
        read = [
            probe.column(kept[probe.hook])[:, 1:].float() * self.target.sign for probe in (self._drive, self._value)
        ]
        return read[0], read[1]

    def peaks(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """The highest drive of every row of token ids; minus infinity for an empty row or where it is no number."""
        real = [row for row in rows if row]
        found: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(real), ROWS):
                part = real[start : start + ROWS]
                grid = self.subject.padded(part)[:, 1:]
                lengths = torch.tensor([len(row) for row in part], device=grid.device)
                inside = torch.arange(grid.shape[1], device=grid.device) < lengths[:, None]
                drive, _ = self.read(self.table.rows[grid])
                found += drive.where(inside & drive.isfinite(), -math.inf).amax(dim=1).tolist()
        left = iter(found)
        return [next(left) if row else -math.inf for row in rows]

    @contextmanager
    def _entering(self, whole: torch.Tensor) -> Iterator[None]:
        handle = innermost(self.table.module).register_forward_hook(lambda _module, _inputs, _output: whole)
        try:
            yield
        finally:
            handle.remove()


def _keeper(kept: dict[str, torch.Tensor], name: str) -> Callable[[torch.Tensor], None]:
    def keep(passing: torch.Tensor) -> None:
        kept[name] = passing

    return keep
