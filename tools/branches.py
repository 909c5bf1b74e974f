"""Rows that branch off a known row, run together over what differs: the shared beginning is computed once.

1. Rows are sorted by where they leave the parent, latest first, so that neighbours share much.
2. Each batch of them starts at the earliest place any of its rows leaves the parent.
3. How many rows make a batch is found by doing: wider while that pays (an accelerator), half as wide when memory runs
   out, which is said once.

Knows rows and widths; what is computed for a batch is the caller's.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

NARROW, WIDEST = 32, 8192  # rows; the first shares most and is as quick as any where cores have their own cache
PAYS = 1.1  # times as many rows a second, for a batch twice as wide to be kept

Row = tuple[int, ...]
Batch = tuple[torch.Tensor, torch.Tensor, int]  # ids [rows, positions], each row's last column [rows], first position


@dataclass
class Width:
    """How many rows go through at once on one device."""

    device: torch.device
    rows: int = NARROW
    settled: bool = False
    _pace: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        self.settled = self.device.type == "cpu"

    def done(self, rows: int, seconds: float) -> None:
        """A full batch took so long: try twice as many next time, until that no longer pays."""
        if self.settled or rows < self.rows:
            return
        pace = rows / max(seconds, 1e-9)
        paid = pace >= PAYS * self._pace
        self.settled = not paid or self.rows >= WIDEST
        self._pace = pace
        if not paid:
            self.rows //= 2
        elif not self.settled:
            self.rows *= 2

    def too_wide(self) -> bool:
        """Memory ran out: half as many from now on. False when a single row is too many."""
        if self.rows == 1:
            return False
        self.rows, self.settled = max(1, self.rows // 2), True
        warnings.warn(f"out of memory on {self.device}: going on with {self.rows} rows at once", stacklevel=2)
        return True


def run(
    rows: Sequence[Row], parent: Row, bos: int, *, width: Width, compute: Callable[[Batch], Sequence[float]]
) -> list[float]:
    """`compute` of every row in batches, in the order of the rows; a row must not be empty.

    Raises torch.OutOfMemoryError when a single row does not fit.
    """
    order = sorted(range(len(rows)), key=lambda i: -_shared(rows[i], parent))
    found = [0.0] * len(rows)
    at = 0
    while at < len(order):
        part = order[at : at + width.rows]
        began = time.perf_counter()
        try:
            values = compute(_batch([rows[i] for i in part], parent, bos, width.device))
        except torch.OutOfMemoryError:
            if not width.too_wide():
                raise
            continue
        width.done(len(part), time.perf_counter() - began)
        for i, value in zip(part, values, strict=True):
            found[i] = value
        at += len(part)
    return found


def _shared(row: Row, parent: Row) -> int:
    """How many tokens a row shares with its parent from the left; the last one of the shorter is always run."""
    most = max(0, min(len(row), len(parent)) - 1)
    return next((i for i in range(most) if row[i] != parent[i]), most)


def _batch(rows: Sequence[Row], parent: Row, bos: int, device: torch.device) -> Batch:
    start = min(_shared(row, parent) for row in rows)
    longest = max(map(len, rows))
    ids = torch.tensor([[*row[start:], *[bos] * (longest - len(row))] for row in rows], device=device)
    ends = torch.tensor([len(row) - start - 1 for row in rows], device=device)
    return ids, ends, start + 1
