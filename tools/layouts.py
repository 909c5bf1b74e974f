"""Transformer blocks as plain arithmetic on raw weights, in one number format: GPT-2's, and Llama's and its relatives'.

GPT-2 (Radford et al. 2019): LayerNorm, joint query-key-value projection, learned positions, one up projection.
Llama (Touvron et al. 2023, arXiv:2302.13971): RMSNorm, rotary positions, gated MLP; with the biases of Qwen2, the
normed queries and keys of Qwen3, and grouped key heads (Ainslie et al. 2023, arXiv:2305.13245).

Knows shapes and weights, nothing of targets; whoever uses a layout checks it against the model itself, because a
configuration can ask for more than is computed here (scales, windows, soft caps).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from tools.products import Activation, Projection

Weights = dict[str, Tensor]


class Block(Protocol):
    """One transformer block. The residual stream x is [rows, positions, d], heads [rows, heads, positions, width]."""

    def heads(self, x: Tensor, start: int, ends: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values; x begins at position `start`. With `ends` [rows], queries at those places only."""
        ...

    def joined(self, x: Tensor, attended: Tensor) -> Tensor:
        """The residual stream after attention."""
        ...

    def mlp(self, x: Tensor) -> Tensor:
        """The residual stream after the MLP."""
        ...

    def neuron(self, x: Tensor, index: int, *, drive: bool) -> Tensor:
        """One neuron, or its pre-activation, from the residual stream after attention: [..., d] -> [...]."""
        ...


@dataclass(frozen=True, eq=False)
class Layout:
    """Blocks, the token embedding, how positions enter embedded tokens (x, first position), and the logits."""

    blocks: tuple[Block, ...]
    table: Tensor
    placed: Callable[[Tensor, int], Tensor]
    logits: Callable[[Tensor], Tensor]  # [rows, positions, d] -> [rows, positions, vocabulary]


def layout_of(model: Any, weights: Weights, dtype: torch.dtype) -> Layout | None:
    """The layout of a transformers model in a number format; None where it is not one of those known here."""
    make = {"gpt2": _gpt2}.get(model.config.model_type, _llama)
    cast = {name: part.detach().to(dtype) for name, part in weights.items() if part.is_floating_point()}
    try:
        return make(model, cast)
    except (KeyError, AttributeError):  # it has other parts
        return None


def split(x: Tensor, heads: int) -> Tensor:
    """[rows, positions, heads * width] -> [rows, heads, positions, width]."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def at_ends(x: Tensor, ends: Tensor) -> Tensor:
    """[rows, positions, d] -> [rows, 1, d]: each row at its own place."""
    return x[torch.arange(len(x), device=x.device), ends][:, None]


@dataclass(frozen=True)
class Gpt2Block:
    """GPT-2's block."""

    parts: Weights
    heads_count: int
    epsilon: float
    act: Activation

    def heads(self, x: Tensor, start: int, ends: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        del start
        normed, d = self._normed(x, "ln_1"), x.shape[2]
        project = self._projection("attn.c_attn")
        if ends is None:
            queries, keys, values = project(normed).split(d, 2)
        else:
            queries = project.part(0, d)(at_ends(normed, ends))
            keys, values = project.part(d, 3 * d)(normed).split(d, 2)
        n = self.heads_count
        return split(queries, n), split(keys, n), split(values, n)

    def joined(self, x: Tensor, attended: Tensor) -> Tensor:
        return x + self._projection("attn.c_proj")(attended.transpose(1, 2).flatten(2))

    def mlp(self, x: Tensor) -> Tensor:
        inner = self._projection("mlp.c_fc")(self._normed(x, "ln_2"), self.act)
        return x + self._projection("mlp.c_proj")(inner)

    def neuron(self, x: Tensor, index: int, *, drive: bool) -> Tensor:
        weight, bias = self.parts["mlp.c_fc.weight"][:, index].float(), self.parts["mlp.c_fc.bias"][index].float()
        before = self._normed(x, "ln_2").float() @ weight + bias
        return before if drive else self.act(before)

    def _projection(self, name: str) -> Projection:
        return Projection(self.parts[f"{name}.weight"].t(), self.parts[f"{name}.bias"])  # stored [in, out]

    def _normed(self, x: Tensor, name: str) -> Tensor:
        gain, shift = self.parts[f"{name}.weight"], self.parts[f"{name}.bias"]
        return F.layer_norm(x, (x.shape[2],), gain, shift, self.epsilon)


def _gpt2(model: Any, weights: Weights) -> Layout:
    config, body = model.config, model.transformer
    acts = [body.h[n].mlp.act for n in range(config.n_layer)]
    blocks = tuple(
        Gpt2Block(_under(weights, f"transformer.h.{n}."), config.n_head, config.layer_norm_epsilon, acts[n])
        for n in range(config.n_layer)
    )
    positions = weights["transformer.wpe.weight"]
    gain, shift = weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"]
    words = Projection(weights["lm_head.weight"])

    def placed(x: Tensor, start: int) -> Tensor:
        return x + positions[start : start + x.shape[1]]

    def logits(x: Tensor) -> Tensor:
        return words(F.layer_norm(x, (x.shape[2],), gain, shift, config.layer_norm_epsilon))

    return Layout(blocks, weights["transformer.wte.weight"], placed, logits)


@dataclass(frozen=True)
class LlamaBlock:
    """Llama's block; biases and norms of heads are used where there are any."""

    parts: Weights
    heads_count: int
    key_heads: int
    epsilon: float
    act: Activation
    turns: Callable[[Tensor, int], tuple[Tensor, Tensor]]  # x, start -> cosines, sines [positions, head width]

    def heads(self, x: Tensor, start: int, ends: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        normed = self._normed(x, "input_layernorm")
        cosines, sines = self.turns(x, start)
        keys = self._head(normed, "k", self.key_heads)
        values = split(self._projection("self_attn.v_proj")(normed), self.key_heads)
        if ends is None:
            queries = _turned(self._head(normed, "q", self.heads_count), cosines, sines)
        else:
            one = self._head(at_ends(normed, ends), "q", self.heads_count)
            queries = _turned(one, cosines[ends][:, None, None], sines[ends][:, None, None])
        return queries, _turned(keys, cosines, sines), values

    def joined(self, x: Tensor, attended: Tensor) -> Tensor:
        return x + self._projection("self_attn.o_proj")(attended.transpose(1, 2).flatten(2))

    def mlp(self, x: Tensor) -> Tensor:
        normed = self._normed(x, "post_attention_layernorm")
        inner = self._projection("mlp.gate_proj")(normed, self.act) * self._projection("mlp.up_proj")(normed)
        return x + self._projection("mlp.down_proj")(inner)

    def neuron(self, x: Tensor, index: int, *, drive: bool) -> Tensor:
        del drive  # a gated neuron has no other
        normed = self._normed(x, "post_attention_layernorm").float()
        gate, up = (normed @ self.parts[f"mlp.{name}_proj.weight"][index].float() for name in ("gate", "up"))
        return self.act(gate) * up

    def _head(self, normed: Tensor, name: str, heads: int) -> Tensor:
        found = split(self._projection(f"self_attn.{name}_proj")(normed), heads)
        norm = self.parts.get(f"self_attn.{name}_norm.weight")
        return found if norm is None else F.rms_norm(found, (found.shape[3],), norm, self.epsilon)

    def _projection(self, name: str) -> Projection:
        return Projection(self.parts[f"{name}.weight"], self.parts.get(f"{name}.bias"))

    def _normed(self, x: Tensor, name: str) -> Tensor:
        return F.rms_norm(x, (x.shape[2],), self.parts[f"{name}.weight"], self.epsilon)


def _turned(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021, arXiv:2104.09864) in the halves convention."""
    first, second = x.chunk(2, -1)
    return x * cosines + torch.cat([-second, first], -1) * sines


def _llama(model: Any, weights: Weights) -> Layout:
    config, body = model.config, model.model

    def turns(x: Tensor, start: int) -> tuple[Tensor, Tensor]:
        places = torch.arange(start, start + x.shape[1], device=x.device)[None]
        cosines, sines = body.rotary_emb(x, places)
        return cosines[0], sines[0]

    blocks = tuple(
        LlamaBlock(
            _under(weights, f"model.layers.{n}."),
            config.num_attention_heads,
            config.num_key_value_heads,
            config.rms_norm_eps,
            body.layers[n].mlp.act_fn,
            turns,
        )
        for n in range(config.num_hidden_layers)
    )
    gain, words = weights["model.norm.weight"], Projection(weights["lm_head.weight"], weights.get("lm_head.bias"))

    def logits(x: Tensor) -> Tensor:
        return words(F.rms_norm(x, (x.shape[2],), gain, config.rms_norm_eps))

    return Layout(blocks, weights["model.embed_tokens.weight"], lambda x, _start: x, logits)


def _under(weights: Weights, prefix: str) -> Weights:
    """The weights of one block by their names within it. Raises KeyError when there are none."""
    found = {name.removeprefix(prefix): part for name, part in weights.items() if name.startswith(prefix)}
    if not found:
        raise KeyError(prefix)
    return found
