"""Which units a model has besides MLP neurons, and how one is read from the tensor that passes its hook point.

A target is a neuron of an MLP, a feature of a dictionary (an SAE, tools/features.py), a coordinate of the residual
stream, or a channel of any other hook point. Its value is one number a token; its drive is what a search climbs:

1. A neuron of a plain MLP read upwards: the pre-activation, the up projection's output. It grows with the activation
   once the unit is on, and still has a slope when it is off, where ReLU is flat and GELU points the wrong way.
2. A feature: the encoder's pre-activation, for the same reason.
3. All others, and sign -1 (an activation function is bounded below, so its lowest point is not the lowest
   pre-activation): the value itself.

A bank is all the units that one pass reads together: every neuron of every layer, or all units of one other hook point.
Knows hook points and columns; refuses to know texts, batches and why anybody asks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from memory.records import Kind, Target

if TYPE_CHECKING:
    from tools.features import Dictionary

Column = Callable[[torch.Tensor], torch.Tensor]  # [..., d] -> [...]

NEURON = re.compile(r"blocks\.(\d+)\.mlp\.out\.hook_in")
LAYER = re.compile(r"blocks\.(\d+)\.")
RESIDUAL = re.compile(r"blocks\.\d+\.(hook_in|hook_out|hook_resid_(pre|mid|post))|ln_final\.hook_in")
ALIASES = (("mlp.hook_post", "mlp.out.hook_in"), ("hook_resid_pre", "hook_in"), ("hook_resid_post", "hook_out"))


@dataclass(frozen=True)
class Bank:
    """Units read in one pass: the same `width` of them at each hook. `read` is [..., d] -> [..., width].

    `name` tells one bank of a model from another; it is empty for the MLP neurons.
    """

    name: str
    hooks: tuple[str, ...]
    width: int
    read: Column

    def row(self, target: Target) -> int:
        """Which of the hooks a target is read at."""
        return self.hooks.index(target.hook)


@dataclass(frozen=True)
class Probe:
    """Where one number a token is read, unsigned."""

    hook: str
    column: Column


def neuron_hook(layer: int) -> str:
    """The bridge's name for the neurons of a layer: the input of the MLP's down projection, gated MLP or plain."""
    return f"blocks.{layer}.mlp.out.hook_in"


def canonical(hook: str) -> str:
    """One name for a hook point that has two."""
    for other, name in ALIASES:
        if hook.endswith(f".{other}"):
            return hook.removesuffix(other) + name
    return hook


def layer_of(hook: str, layers: int) -> int:
    """The layer a hook point is in; embeddings count as layer 0, the final norm as the last."""
    found = LAYER.match(hook)
    return int(found[1]) if found else (layers - 1 if hook.startswith("ln_final") else 0)


def kind_of(hook: str) -> Kind:
    """What sort of unit stands at a hook point read without a dictionary."""
    if NEURON.fullmatch(hook):
        return Kind.NEURON
    return Kind.COORDINATE if RESIDUAL.fullmatch(hook) else Kind.CHANNEL


def value(target: Target, dictionary: "Dictionary | None") -> Probe:
    """Where and how a target's value is read."""
    index = target.index
    if target.kind is not Kind.FEATURE:
        return Probe(target.hook, lambda passing: passing[..., index])
    assert dictionary is not None
    return Probe(target.hook, lambda passing: dictionary.feature(passing, index))


def drive(target: Target, dictionary: "Dictionary | None", hooks: Any) -> Probe:
    """Where and how a target's drive is read; `hooks` are the hook points the model has."""
    index = target.index
    if target.kind is Kind.FEATURE and target.sign > 0:
        assert dictionary is not None
        return Probe(target.hook, lambda passing: dictionary.drive(passing, index))
    before, gate = f"blocks.{target.layer}.mlp.in.hook_out", f"blocks.{target.layer}.mlp.gate.hook_out"
    plain = target.kind is Kind.NEURON and before in hooks and gate not in hooks
    if plain and target.sign > 0:
        return Probe(before, lambda passing: passing[..., index])
    return value(target, dictionary)


def near_names(wanted: str, names: Any) -> list[str]:
    """Up to six hook points whose names are most like the wanted one."""
    from difflib import get_close_matches

    return get_close_matches(wanted, sorted(names), n=6, cutoff=0.3)
