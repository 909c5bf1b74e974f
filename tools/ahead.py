"""The pages of many targets read in one pass: the rows that are the same for each go through the model once.

What was read lies where each target's Pages will look for it (tools/kept_values.py). Whoever finds nothing there reads
the rows for itself, so nothing depends on this having been done, or having come to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from memory.records import Target
from tools.kept_values import keep
from tools.pages import shared_rows

if TYPE_CHECKING:
    from tools.subject import Subject
    from tools.survey import Progress, Survey

Told = Callable[[int], None]  # tokens that were read

TOGETHER = 256  # targets whose values are held in memory at a time


def read_ahead(
    subject: Subject, survey: Survey, folders: Mapping[Target, Path], *, progress: Progress | None = None
) -> None:
    """Read the random rows of both halves for all targets, and keep each target's values in its folder.

    progress: tokens read, and tokens in all.
    """
    targets = list(folders)
    if not targets:
        return
    halves = [[survey.rows.ids(row) for row in rows] for rows in shared_rows(subject, survey)]
    some = [targets[n : n + TOGETHER] for n in range(0, len(targets), TOGETHER)]
    total, done = len(some) * sum(len(ids) for half in halves for ids in half), 0

    def told(tokens: int) -> None:
        nonlocal done
        done += tokens
        if progress is not None:
            progress(done, total)

    for group in some:
        for half in halves:
            for target, values in zip(group, _values(subject, group, half, told), strict=True):
                keep(folders[target], target, half, values)


def cost(subject: Subject, survey: Survey, targets: int) -> tuple[int, int]:
    """The forward passes that reading ahead takes, and the bytes that are kept of it."""
    rows = [row for half in shared_rows(subject, survey) for row in half]
    tokens = int(survey.rows.lengths[rows].sum())
    return -(-targets // TOGETHER) * len(rows), targets * tokens * np.dtype(np.float32).itemsize


def _values(subject: Subject, targets: list[Target], rows: Sequence[list[int]], told: Told) -> list[list[np.ndarray]]:
    """By target, the values at every token of every row, float32 [tokens]; [0] where one is no number."""
    starts = np.cumsum([0, *map(len, rows)])
    found = np.empty((len(targets), starts[-1]), np.float32)
    for batch in subject.batches(rows):
        columns = _columns(subject, targets, [rows[n] for n in batch])
        for place, n in enumerate(batch):
            found[:, starts[n] : starts[n + 1]] = columns[:, place, 1 : 1 + len(rows[n])]
        told(sum(len(rows[n]) for n in batch))
    return [[row if np.isfinite(row).all() else row[:0] for row in np.split(line, starts[1:-1])] for line in found]


def _columns(subject: Subject, targets: list[Target], batch: list[list[int]]) -> np.ndarray:
    """The signed values of every target on a batch, float32 [targets, rows, 1 + longest]."""
    probes = {target: subject.value(target) for target in targets}
    columns: dict[Target, torch.Tensor] = {}

    def reader(hook: str) -> Any:
        def read(passing: torch.Tensor) -> None:
            here = {target: probe for target, probe in probes.items() if probe.hook == hook}
            columns.update({t: (probe.column(passing) * t.sign).float().cpu() for t, probe in here.items()})

        return read

    hooks = sorted({(target.layer, probe.hook) for target, probe in probes.items()})
    in_order = len({layer for layer, _ in hooks}) == len(hooks)  # which of two in one layer comes last is not known
    with subject.lock(), torch.inference_mode(), subject.hooked({h: reader(h) for _, h in hooks}, stop=in_order):
        subject.run(subject.padded(batch))
    subject.passes += len(batch)
    return np.stack([columns[target].numpy() for target in targets])
