"""How good a dictionary of pocket is: what it keeps of the residual stream, and what that costs the model.

Computed on rows of token ids, each read behind BOS; position 0 itself is left out of everything:

1. L0: the mean number of features above zero a token; and the share of features that are so at no token at all.
2. Explained variance: 1 - |x - reconstruction|^2 / |x - mean|^2, summed over all tokens and dimensions.
3. Cross-entropy of the next token with the residual stream as it is, replaced by its reconstruction, and set to zero;
   recovered = (zero - reconstruction) / (zero - as it is).
4. The floor of 2 and 3: as many principal components as L0, the same for every token.

Knows nothing of training.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch.nn import functional as F

from tools.features import Dictionary
from tools.subject import Subject

HOOK = "blocks.6.hook_out"
BATCH_ROWS = 16
Change = Callable[[torch.Tensor], torch.Tensor]  # residual stream [..., d_in] -> the same shape


def batches(rows: list[list[int]]) -> Iterator[list[list[int]]]:
    """Rows in groups of one forward pass."""
    remaining = iter(rows)
    while group := list(islice(remaining, BATCH_ROWS)):
        yield group


@contextmanager
def hooked(subject: Subject, function: Callable[..., Any]) -> Iterator[None]:
    """Call `function(module, inputs, residual stream)` at HOOK; what it returns replaces the residual stream."""
    handle = subject.bridge.hook_dict[HOOK].register_forward_hook(function)
    try:
        yield
    finally:
        handle.remove()


@torch.inference_mode()
def residual_stream(subject: Subject, rows: list[list[int]]) -> torch.Tensor:
    """The residual stream at every token but BOS, float16 [tokens, d_in]."""
    read: list[torch.Tensor] = []
    for group in batches(rows):
        passing = subject.passing(subject.padded(group), HOOK)
        read += [line[1 : 1 + len(row)].half() for line, row in zip(passing, group, strict=True)]
    return torch.cat(read)


def principal(activations: torch.Tensor, count: int) -> Change:
    """The floor: keep the mean and the first `count` principal components."""
    some = activations[:500_000].float()
    mean = some.mean(0)
    axes = torch.linalg.eigh((some - mean).T @ (some - mean))[1][:, -count:]
    return lambda passing: mean + (passing - mean) @ axes @ axes.T


@torch.inference_mode()
def explained(change: Change, activations: torch.Tensor) -> float:
    """The share of the variance, over all dimensions and about their mean, that a reconstruction keeps."""
    mean = activations.float().mean(0)
    lost = spread = 0.0
    for part in activations.split(8192):
        x = part.float()
        lost += float((change(x) - x).pow(2).sum())
        spread += float((x - mean).pow(2).sum())
    return 1 - lost / spread


@torch.inference_mode()
def firing(dictionary: Dictionary, activations: torch.Tensor) -> torch.Tensor:
    """How many of the samples each feature is above zero in, [width]."""
    return torch.stack([(dictionary.features(part) > 0).sum(0) for part in activations.split(8192)]).sum(0)


@torch.inference_mode()
def cross_entropy(subject: Subject, rows: list[list[int]], change: Change | None = None) -> float:
    """Next-token cross-entropy in nats a token, with the residual stream changed everywhere but at BOS."""

    def replaced(_module: Any, _inputs: Any, passing: torch.Tensor) -> torch.Tensor:
        return passing if change is None else torch.cat([passing[:, :1], change(passing[:, 1:])], 1)

    nats, count = 0.0, 0
    with hooked(subject, replaced):
        for group in batches(rows):
            grid = subject.padded(group)
            logits = subject.hf(grid, use_cache=False).logits
            for line, ids, row in zip(logits, grid, group, strict=True):
                nats += float(F.cross_entropy(line[: len(row)].float(), ids[1 : 1 + len(row)], reduction="sum"))
                count += len(row)
    return nats / count


def quality(subject: Subject, dictionary: Dictionary, rows: list[list[int]], basis: torch.Tensor) -> dict[str, float]:
    """All figures of a dictionary on rows of token ids; `basis` are the samples that the floor is fitted on."""
    activations = residual_stream(subject, rows)
    fired = firing(dictionary, activations)
    active = float(fired.sum()) / len(activations)
    components = principal(basis, round(active))
    clean, zero = cross_entropy(subject, rows), cross_entropy(subject, rows, torch.zeros_like)
    found = cross_entropy(subject, rows, dictionary.reconstruct)
    floor = cross_entropy(subject, rows, components)
    figures = {
        "explained_variance": explained(dictionary.reconstruct, activations),
        "components_explained_variance": explained(components, activations),
        "l0": active,
        "dead_share": float((fired == 0).float().mean()),
        "ce_clean": clean,
        "ce_dictionary": found,
        "ce_components": floor,
        "ce_zero": zero,
        "ce_recovered": (zero - found) / (zero - clean),
        "components_ce_recovered": (zero - floor) / (zero - clean),
    }
    return {"tokens": len(activations)} | {name: round(value, 4) for name, value in figures.items()}
