"""The next token after contexts whose last token has one unit changed.

1. Contexts of one length go together; all but their last token run once, keys and values are kept.
2. For every change the last token runs on them, with the unit set (or moved) at its hook point, and the cache loses
   that token again. Where this does not give what a whole pass gives, whole passes are made.

Knows hook points and units; refuses to know why a unit is changed. Logits and probabilities stay in this package.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memory.records import Kind, Target
from tools.effects.contexts import Row
from tools.scoring.resampling import Array
from tools.subject import BATCH_TOKENS, Subject

CLOSE = 1e-3  # difference of logits, relative to the largest, at which the kept beginning is trusted

After = Callable[["Change | None"], Tensor]  # logits [rows, vocabulary] of the next token after a change


@dataclass(frozen=True, eq=False)
class Change:
    """A unit of the target's bank set to a value at the last token, or moved by it when `relative`.

    value: one for all rows, or one for each [rows].
    """

    unit: int
    value: float | Array
    relative: bool = False

    def of(self, places: list[int]) -> "Change":
        """The change of some of the rows."""
        return replace(self, value=self.value[places]) if isinstance(self.value, np.ndarray) else self


class Runner:
    """Changes to the target's unit, or to others at the same hook point. Values are unsigned, as the model has them.

    quick: whether the kept beginning is used; by default found out with the first batch.
    """

    def __init__(self, subject: Subject, target: Target, *, quick: bool | None = None) -> None:
        self.subject, self.target = subject, target
        self._width = subject.bank(target).width
        self._quick = quick

    def others(self, count: int, seed: int) -> list[int]:
        """Other units at the target's hook point, drawn by the seed."""
        drawn = np.random.default_rng(seed).permutation(self._width)[: count + 1]
        return [int(unit) for unit in drawn if unit != self.target.index][:count]

    def values(self, rows: Sequence[Row]) -> Array:
        """The target's value at the last token of each row, unsigned: [rows]."""
        readings = self.subject.measure_ids(rows, self.target, policy="last")
        return np.array([reading.peak for reading in readings], dtype=np.float64) * self.target.sign

    def divergences(self, rows: Sequence[Row], changes: Sequence[Change]) -> Array:
        """KL(p || p changed) of the next token in nats: [changes, rows]."""
        found = np.zeros((len(changes), len(rows)))
        for places, after in self._prepared(rows):
            clean = after(None).log_softmax(-1)
            for n, change in enumerate(changes):
                changed = after(change.of(places)).log_softmax(-1)
                kl = (clean.exp() * (clean - changed)).sum(-1).clamp_min(0.0)
                found[n, places] = kl.cpu().numpy()
        return found

    def shifts(self, rows: Sequence[Row], changes: Sequence[Change]) -> list[Tensor]:
        """The mean change of every token's probability, [vocabulary], for each change."""
        total: list[Any] = [0.0] * len(changes)
        for places, after in self._prepared(rows):
            clean = after(None).softmax(-1)
            for n, change in enumerate(changes):
                total[n] = total[n] + (after(change.of(places)).softmax(-1) - clean).sum(0).cpu()
        return [part / len(rows) for part in total]

    def _prepared(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], After]]:
        """Batches of rows, each with a function from a change to the logits after the last token."""
        model = self.subject.hf
        for places, grid in self._batches(rows):
            with self.subject.lock(), torch.inference_mode():
                kept = model.base_model(grid[:, :-1], use_cache=True).past_key_values
            self.subject.passes += len(grid)

            def short(change: Change | None, grid: Tensor = grid, kept: Any = kept) -> Tensor:
                with self._changed(change):
                    logits = model(grid[:, -1:], past_key_values=kept, use_cache=True).logits[:, -1].float()
                kept.crop(-1)
                self.subject.passes += len(grid)
                return logits

            def whole(change: Change | None, grid: Tensor = grid) -> Tensor:
                with self._changed(change):
                    logits = model(grid, use_cache=False).logits[:, -1].float()
                self.subject.passes += len(grid)
                return logits

            if self._quick is None:
                self._quick = self._same(short(None), whole(None))
            yield places, short if self._quick else whole

    @staticmethod
    def _same(short: Tensor, whole: Tensor) -> bool:
        return bool((short - whole).abs().max() <= CLOSE * whole.abs().max().clamp_min(1.0))

    def _batches(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], Tensor]]:
        """Places of rows of one length, and their ids after BOS [rows, 1 + length]."""
        order = sorted(range(len(rows)), key=lambda n: len(rows[n]))
        for length, group in groupby(order, key=lambda n: len(rows[n])):
            places, most = list(group), max(1, BATCH_TOKENS // (length + 1))
            for start in range(0, len(places), most):
                part = places[start : start + most]
                yield part, self.subject.padded([rows[n] for n in part])

    @contextmanager
    def _changed(self, change: Change | None) -> Iterator[None]:
        """The model's own, with the unit changed at the last position of whatever passes."""

        def hook(_module: Any, _inputs: Any, passing: Tensor) -> Tensor:
            if change is None:
                return passing
            passing = passing.clone()
            passing[:, -1] = self._moved(passing[:, -1], change)
            return passing

        with self.subject.lock(), torch.inference_mode():
            handle = self.subject.bridge.hook_dict[self.target.hook].register_forward_hook(hook)
            try:
                yield
            finally:
                handle.remove()

    def _moved(self, x: Tensor, change: Change) -> Tensor:
        """x [rows, d] with the unit changed: a channel in place, a feature along its decoder row."""
        value = torch.as_tensor(change.value, device=x.device).to(x.dtype)
        if self.target.kind is Kind.FEATURE:
            dictionary = self.subject.dictionary
            assert dictionary is not None
            by = value.expand(len(x)) if change.relative else value - dictionary.feature(x, change.unit)
            return (x.float() + by[:, None] * dictionary.direction(change.unit).to(x.device)).to(x.dtype)
        moved = x.clone()
        moved[:, change.unit] = value + (x[:, change.unit] if change.relative else 0.0)
        return moved
