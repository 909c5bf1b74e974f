"""What one batch of rows shows of every unit of a bank: extremes a row, moments and sampled values, in one pass.

Knows the number format of a survey's pass: bfloat16 where the processor is fast at it. Refuses to know what was seen
before (tools/survey.py).
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tools.products import bfloat16_is_fast
from tools.subject import Subject
from tools.units import Bank

MOMENT_ROWS = 8  # one row in so many is counted in the moments
HALF_MOST = 65_504.0  # the largest number in float16


@dataclass(frozen=True)
class Found:
    """What one batch shows at one hook point: sums and squares [units], extremes [units, rows], sample [units, n]."""

    total: torch.Tensor
    squares: torch.Tensor
    top: torch.Tensor
    bottom: torch.Tensor
    sample: torch.Tensor


def found_in(subject: Subject, bank: Bank, texts: list[list[int]], *, wanted: np.ndarray) -> list[Found]:
    """By hook point, what a batch of token ids shows; `wanted` are the sampled places among its tokens."""
    grid = subject.padded(texts)
    lengths = torch.tensor([len(ids) for ids in texts])
    real = (torch.arange(grid.shape[1] - 1) < lengths[:, None]).to(subject.device)
    whole = bool(real.all())
    found: list[Found] = []

    rows, columns = real.nonzero()[wanted].unbind(1)

    def read(passing: torch.Tensor) -> None:
        values = bank.read(passing)[:, 1:]
        some = values[::MOMENT_ROWS][real[::MOMENT_ROWS]].float()
        top = values if whole else values.masked_fill(~real[..., None], -torch.inf)
        bottom = values if whole else values.masked_fill(~real[..., None], torch.inf)
        sample = values[rows, columns].T.float().clamp(-HALF_MOST, HALF_MOST)
        parts = some.sum(0), some.square().sum(0), top.amax(1).float().T, bottom.amin(1).float().T
        found.append(
            Found(
                *(part.cpu() for part in parts),
                sample=sample.to("cpu", torch.float16),
            )
        )

    hooked = subject.hooked(dict.fromkeys(bank.hooks, read), stop=True)
    with subject.lock(), torch.inference_mode(), _format(subject), hooked:
        subject.run(grid)
    return found


def bare(subject: Subject, texts: list[list[int]]) -> None:
    """One pass over a batch of token ids as the survey makes it, that reads nothing: what reading is measured by."""
    grid = subject.padded(texts)
    with subject.lock(), torch.inference_mode(), _format(subject):
        subject.run(grid)


def _format(subject: Subject) -> AbstractContextManager[Any]:
    """The number format of the pass."""
    quick = bfloat16_is_fast(subject.device)
    return torch.autocast(subject.device.type, torch.bfloat16) if quick else nullcontext()
