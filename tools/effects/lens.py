"""Which tokens a unit's output direction points at, through the final norm's gain and the unembedding (logit lens).

Knows weights only: no text is read. A unit that writes nothing into the residual stream has no direction, and the
reason is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from memory.records import Kind, Target
from tools.effects.found import Among
from tools.features import WRITES
from tools.proposals import special
from tools.subject import Subject
from tools.units import NEURON, RESIDUAL

COMPARED = 64  # units of the layer behind `usual`

Pairs = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Lens:
    """Token ids with their pull in deviations over the vocabulary, strongest first at either end.

    usual: the median of what other units reach; and where either end stands among theirs.
    """

    highest: Pairs
    lowest: Pairs
    usual: float
    towards_among: Among | None
    away_among: Among | None


def lens(subject: Subject, target: Target, *, shown: int) -> tuple[Lens | None, str]:
    """The `shown` tokens at either end; None and the reason where the unit has no output direction."""
    width = subject.bank(target).width
    drawn = torch.randperm(width, generator=torch.Generator().manual_seed(0))[: COMPARED + 1].tolist()
    others = [index for index in drawn if index != target.index][:COMPARED]
    words = subject.hf.get_output_embeddings()
    norm = getattr(subject.bridge, "ln_final", None)
    if words is None or norm is None:
        return None, "the model has no unembedding, or no final norm, that is known here"
    with subject.lock(), torch.inference_mode():
        directions = directions_of(subject, target, [target.index, *others])
        if isinstance(directions, str):
            return None, directions
        pulls = _deviations(subject, _folded(directions * target.sign, norm, subject.bridge.cfg), words.weight)
    own, rest = pulls[0], pulls[1:]
    rises, falls = ((sign * rest).nan_to_num(-torch.inf).amax(-1).tolist() for sign in (1, -1))
    highest, lowest = _top(own, shown), _top(-own, shown)
    among = Among.of(highest[0][1], rises), Among.of(lowest[0][1], falls)
    return Lens(highest, tuple((n, -v) for n, v in lowest), float(median(rises)) if rises else 0.0, *among), ""


def directions_of(subject: Subject, target: Target, indices: Sequence[int]) -> Tensor | str:
    """What units beside the target write into the residual stream, [units, d_model] float32; or why they write nothing.

    A unit of the residual stream, or of something added to it, writes its own axis.
    """
    rows = torch.tensor(indices)
    neuron, added = NEURON.fullmatch(target.hook), target.hook.endswith(WRITES)
    stream = RESIDUAL.fullmatch(target.hook) is not None
    if not (neuron or added or stream):
        return f"what passes {target.hook} is not written into the residual stream as it is"
    if target.kind is Kind.FEATURE:
        assert subject.dictionary is not None
        vectors = subject.dictionary.directions()[rows]
        return vectors @ _out(subject, target.layer) if neuron else vectors
    return _out(subject, target.layer)[rows] if neuron else torch.eye(subject.bridge.cfg.d_model)[rows]


def _out(subject: Subject, layer: int) -> Tensor:
    """What every neuron of a layer writes, [neurons, d_model]; a norm after the MLP multiplies it by its gain."""
    block = subject.bridge.blocks[layer]
    weights = block.mlp.W_out.float().cpu()
    return weights * _gain(block.ln2_post, subject.bridge.cfg) if hasattr(block, "ln2_post") else weights


def _folded(directions: Tensor, norm: Any, config: Any) -> Tensor:
    if str(config.normalization_type).startswith("LN"):
        directions = directions - directions.mean(-1, keepdim=True)
    return directions * _gain(norm, config)


def _gain(norm: Any, config: Any) -> Tensor | float:
    """What a norm multiplies each coordinate by; Gemma stores it less one."""
    weight = getattr(norm, "weight", None)
    if not isinstance(weight, Tensor):
        return 1.0
    return weight.detach().float().cpu() + float(bool(getattr(config, "rmsnorm_uses_offset", False)))


def _deviations(subject: Subject, directions: Tensor, words: Tensor) -> Tensor:
    """Pulls on every token in deviations over the tokens a text can contain; the others are nan. [units, vocabulary]"""
    pulls = (directions.to(words.device) @ words.T.float()).cpu()
    usable = torch.ones(pulls.shape[1], dtype=torch.bool)
    usable[[token for token in special(subject) if token < len(usable)]] = False
    usable[len(subject.tokenizer) :] = False
    kept = pulls[:, usable]
    pulls = (pulls - kept.mean(-1, keepdim=True)) / kept.std(-1, keepdim=True).clamp_min(1e-12)
    return pulls.masked_fill(~usable, torch.nan)


def _top(pulls: Tensor, shown: int) -> Pairs:
    usable = int((~pulls.isnan()).sum())
    found = pulls.nan_to_num(-torch.inf).topk(min(shown, usable))
    return tuple(zip(found.indices.tolist(), found.values.tolist(), strict=True))
