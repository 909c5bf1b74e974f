"""Restart the parts of a trained GPT-2 that have switched themselves off.

A block can make the gain of a norm vanish: what follows it, an attention or an MLP, then computes a constant, and its
neurons have nothing to say. Knows how to give such a part a fresh start without changing what the model computes.
"""

from typing import Any

import torch
from transformers import GPT2LMHeadModel


@torch.no_grad()
def revive(model: GPT2LMHeadModel, collapsed: float = 0.05) -> list[str]:
    """Restart attentions and MLPs behind a norm whose mean gain is below `collapsed`; returns which.

    Such a part computes a constant. The constant stays, in the bias of its output; the norm and the input weights begin
    anew and the output weights at zero, so the model computes what it did.
    """
    restarted = []
    width = model.config.n_embd
    blocks: Any = model.transformer.h
    for number, block in enumerate(blocks):
        attention, mlp = block.attn, block.mlp
        if float(block.ln_1.weight.abs().mean()) < collapsed:
            values = block.ln_1.bias @ attention.c_attn.weight[:, -width:] + attention.c_attn.bias[-width:]
            _restart(block.ln_1, attention.c_attn, attention.c_proj, constant=values)
            restarted.append(f"{number}.attn")
        if float(block.ln_2.weight.abs().mean()) < collapsed:
            values = mlp.act(block.ln_2.bias @ mlp.c_fc.weight + mlp.c_fc.bias)
            _restart(block.ln_2, mlp.c_fc, mlp.c_proj, constant=values)
            restarted.append(f"{number}.mlp")
    return restarted


def _restart(norm: Any, into: Any, out: Any, *, constant: torch.Tensor) -> None:
    out.bias += constant @ out.weight
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    into.weight.normal_(std=into.weight.shape[0] ** -0.5)
    into.bias.zero_()
    out.weight.zero_()
