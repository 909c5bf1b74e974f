"""Which features of a residual-stream dictionary an MLP neuron's own weights point at. No text is read.

What is computed: cosines between the neuron's weights and the dictionary's, after "Sparse feature circuits" (Marks et
al. 2024, arXiv:2403.19647) and "Transcoders find interpretable LLM feature circuits" (Dunefsky et al. 2024,
arXiv:2406.11944), which read such products as direct, first-order effects.

1. Reading sides ("up", and "gate" of a gated MLP): the weights into the neuron, times the gain of the norm before them,
   without their mean where that norm takes the mean of its input away (LayerNorm). Beside the decoder rows: a feature
   with a large cosine, once written, excites the neuron (or silences it, when negative).
2. Writing sides ("down"): the weights out of the neuron, times the gain of a norm after the MLP if there is one. Beside
   the encoder columns (what the neuron's firing does to a feature's drive) and beside the decoder rows (same meaning).
3. Two floors for each. `floor`: the expected largest |cosine| among as many random directions, from the density of one,
   proportional to (1 - t^2)^((d - 3) / 2). `usual`: the median, over up to 256 neurons of the same layer drawn with a
   fixed seed, of their own largest |cosine|, and `high` what one in ten of them exceeds. A cosine below that says
   little about this neuron.

A side counts only where the one can reach the other: a dictionary before the neuron for what it reads, after it for
what it writes. Refuses to know what a feature means.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from memory.records import Kind, Target
from tools.features import Dictionary
from tools.subject import Subject
from tools.units import RESIDUAL

COMPARED = 256  # neurons of the layer behind `usual`
STEPS = 20_000  # of the integral behind `floor`


@dataclass(frozen=True)
class Match:
    """A feature and the cosine of its vector with the neuron's weights."""

    feature: int
    cosine: float


@dataclass(frozen=True)
class Side:
    """The features nearest one of the neuron's weight vectors, largest |cosine| first.

    `weights` is "up", "gate" or "down"; `vectors` of the dictionary "decoder" or "encoder". `reaches` says whether the
    layers let the one influence the other. `floor`, `usual` and `high`: see the module.
    """

    weights: str
    vectors: str
    reaches: bool
    floor: float
    usual: float
    matches: tuple[Match, ...]
    high: float | None = None


@dataclass(frozen=True)
class Alignment:
    """All sides of a neuron beside a dictionary; no sides and a `reason` where it has no meaning."""

    target: str
    dictionary: str
    sides: tuple[Side, ...]
    reason: str | None = None


def aligned(subject: Subject, target: Target, dictionary: Dictionary, *, count: int = 5) -> Alignment:
    """Compare a neuron's weights with a dictionary's vectors, the `count` nearest features a side."""
    named = f"{dictionary.name}@{dictionary.hash}"
    if target.kind is not Kind.NEURON:
        return Alignment(target.name, named, (), "only an MLP neuron has weights of its own")
    if not RESIDUAL.fullmatch(dictionary.hook) or dictionary.hook.startswith("ln_final"):
        return Alignment(target.name, named, (), f"{dictionary.hook} is not the residual stream between blocks")
    if dictionary.d_in != subject.bridge.cfg.d_model:
        return Alignment(target.name, named, (), "the dictionary is not as wide as the residual stream")
    place = _place(dictionary.hook)
    before, after = place <= 3 * target.layer + 1, place > 3 * target.layer + 1
    sides = [
        _side((name, "decoder"), weights, dictionary.directions(), target.index, count=count, reaches=before)
        for name, weights in _into(subject, target.layer).items()
    ]
    out = _out_of(subject, target.layer)
    for name, vectors in (("encoder", dictionary.readings()), ("decoder", dictionary.directions())):
        sides.append(_side(("down", name), out, vectors, target.index, count=count, reaches=after))
    return Alignment(target.name, named, tuple(sides))


def random_floor(number: int, width: int) -> float:
    """Expected largest |cosine| of a vector with `number` independent random directions in `width` dimensions."""
    grid = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    middle = (grid[1:] + grid[:-1]) / 2
    below = ((width - 3) / 2 * torch.log1p(-middle.square())).exp().cumsum(0)
    return float((1 - (below / below[-1]) ** number).mean())


def _side(names: tuple[str, str], weights: Tensor, vectors: Tensor, index: int, *, count: int, reaches: bool) -> Side:
    """One side, for the weights of a whole layer [neurons, d] and vectors [features, d]."""
    directions = normalize(vectors, dim=-1)
    cosines = directions @ normalize(weights[index], dim=-1)
    nearest = cosines.abs().topk(min(count, len(cosines))).indices.tolist()
    drawn = torch.randperm(len(weights), generator=torch.Generator().manual_seed(0))[:COMPARED]
    largest = (normalize(weights[drawn], dim=-1) @ directions.T).abs().amax(-1)
    matches = tuple(Match(feature, float(cosines[feature])) for feature in nearest)
    high = float(largest.quantile(0.9))
    return Side(*names, reaches, random_floor(*vectors.shape), float(largest.median()), matches, high)


def _into(subject: Subject, layer: int) -> dict[str, Tensor]:
    """What every neuron of a layer reads, in the residual stream's coordinates: name to [neurons, d_model]."""
    block, config = subject.bridge.blocks[layer], subject.bridge.cfg
    norm = block.ln2 if hasattr(block, "ln2") else block.ln1  # some parallel blocks have one norm for both
    found = {"up": block.mlp.W_in}
    if hasattr(block.mlp, "gate"):
        found["gate"] = block.mlp.W_gate
    read = {name: weights.T.float().cpu() * _gain(norm, config) for name, weights in found.items()}
    if not str(config.normalization_type).startswith("LN"):
        return read
    return {name: weights - weights.mean(-1, keepdim=True) for name, weights in read.items()}


def _out_of(subject: Subject, layer: int) -> Tensor:
    """What every neuron of a layer writes into the residual stream: [neurons, d_model]."""
    block = subject.bridge.blocks[layer]
    weights = block.mlp.W_out.float().cpu()
    return weights * _gain(block.ln2_post, subject.bridge.cfg) if hasattr(block, "ln2_post") else weights


def _gain(norm: object, config: object) -> Tensor | float:
    """What a norm multiplies each coordinate by; Gemma stores it less one."""
    weight = getattr(norm, "weight", None)
    if not isinstance(weight, Tensor):
        return 1.0
    return weight.detach().float().cpu() + float(bool(getattr(config, "rmsnorm_uses_offset", False)))


def _place(hook: str) -> int:
    """Three points a block: 3 L before its attention, 3 L + 1 between it and the MLP, 3 L + 2 after the MLP."""
    layer = int(hook.split(".")[1])
    if hook.endswith(("hook_out", "hook_resid_post")):
        return 3 * layer + 2
    return 3 * layer + hook.endswith("hook_resid_mid")
