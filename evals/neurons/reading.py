"""All neurons of a sample read in one pass: the rows that are the same for each are run through the model once.

`Ahead` stands where a Subject does for tools/pages.py. Rows it has read are answered from what was kept; everything
else goes to the model. Knows token ids and targets; refuses to know which rows are worth reading.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from memory.records import Status, Target
from tools.subject import BATCH_TOKENS, Reading, Subject


class Ahead:
    """A subject that has read some rows for several targets at once."""

    def __init__(self, subject: Subject, targets: Sequence[Target], rows: Sequence[Sequence[int]]) -> None:
        self._subject = subject
        self._place = {target: n for n, target in enumerate(targets)}
        self._rows = {tuple(ids): n for n, ids in enumerate(rows)}
        self._values = self._read([list(ids) for ids in self._rows])
        self.hf, self.bank, self.measure = subject.hf, subject.bank, subject.measure
        self.decode, self.token = subject.decode, subject.token

    def measure_ids(self, encoded: Sequence[Sequence[int]], target: Target) -> list[Reading]:
        """As Subject.measure_ids."""
        fresh = [n for n, ids in enumerate(encoded) if tuple(ids) not in self._rows or target not in self._place]
        read = dict(zip(fresh, self._subject.measure_ids([encoded[n] for n in fresh], target), strict=True))
        return [read.get(n) or self._kept(ids, target) for n, ids in enumerate(encoded)]

    def _kept(self, ids: Sequence[int], target: Target) -> Reading:
        values = self._values[self._rows[tuple(ids)]][self._place[target]]
        if not np.isfinite(values).all():
            return Reading((), tuple(ids), (), None, None, Status.FAILED)
        at, tokens = int(values.argmax()), tuple(map(self._subject.token, ids))
        return Reading(tokens, tuple(ids), tuple(values.tolist()), float(values[at]), at, Status.MEASURED)

    def _read(self, rows: list[list[int]]) -> list[np.ndarray]:
        """By row, the values of every target, float32 [targets, tokens]."""
        found: list[np.ndarray] = []
        while len(found) < len(rows):
            batch = rows[len(found) :]
            size = max(1, BATCH_TOKENS // (1 + max(len(ids) for ids in batch[:64])))
            batch = batch[:size]
            columns = self._columns(batch)
            found += [columns[:, n, 1 : 1 + len(ids)].copy() for n, ids in enumerate(batch)]
        return found

    def _columns(self, batch: list[list[int]]) -> np.ndarray:
        """The values of every target on a batch, float32 [targets, rows, 1 + longest]."""
        probes = {target: self._subject.value(target) for target in self._place}
        columns: dict[Target, torch.Tensor] = {}

        def reader(hook: str) -> Any:
            def read(passing: torch.Tensor) -> None:
                here = {target: probe for target, probe in probes.items() if probe.hook == hook}
                columns.update({t: (probe.column(passing) * t.sign).float().cpu() for t, probe in here.items()})

            return read

        hooks = sorted({(target.layer, probe.hook) for target, probe in probes.items()})
        readers = {hook: reader(hook) for _, hook in hooks}
        with self._subject.lock(), torch.inference_mode(), self._subject.hooked(readers, stop=True):
            self._subject.run(self._subject.padded(batch))
        self._subject.passes += len(batch)
        return np.stack([columns[target].numpy() for target in self._place])
