"""A model's own fused kernels wherever nobody looks at the steps within them.

TransformerLens's bridge computes attention and normalisation step by step, so that each step has a hook point; that
costs a fifth to a third of a pass. While no hook point within such a module is in use, the module that it stands for
runs instead: one kernel for attention (Dao et al. 2022, "FlashAttention"), one for a norm. GPT-2's GELU, which
transformers computes in eight element-wise steps, has a kernel as well, the same to 3e-7.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

CLOSE = 1e-4  # of the largest number in the residual stream


def fuse_gelu(model: nn.Module) -> None:
    """Replace GPT-2's GELU of eight steps by the one kernel for it."""
    from transformers.activations import NewGELUActivation

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))


def unbridge(model: Any, probe: Tensor) -> bool:
    """Let a bridged model's attention and norms run as they were, unless somebody listens inside.

    probe: token ids [1, positions] to try it on. Whether it was done: a model that does not compute the same then is
    left as it is.
    """
    from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge
    from transformer_lens.model_bridge.generalized_components.normalization import NormalizationBridge

    kinds = (AttentionBridge, NormalizationBridge)
    found = [each for each in model.modules() if isinstance(each, kinds) and each.original_component is not None]
    same = False
    with suppress(TypeError, ValueError, RuntimeError, AttributeError, LookupError):  # it is called in another way
        wanted = _stream(model, probe)
        for module in found:
            object.__setattr__(module, "forward", _either(module))  # by itself the bridge sets the original's
        same = bool((_stream(model, probe) - wanted).abs().max() <= CLOSE * wanted.abs().max())
    for module in () if same else found:
        module.__dict__.pop("forward", None)
    return same


def _stream(model: Any, probe: Tensor) -> Tensor:
    """What leaves the last block, [1, positions, d]."""
    with torch.inference_mode():
        return model.base_model(probe, use_cache=False)[0]


def _either(module: nn.Module) -> Callable[..., Any]:
    """The bridge's way while a hook point of it is in use, and else the original's."""
    from transformer_lens.hook_points import HookPoint

    points = [each for each in module.modules() if isinstance(each, HookPoint)]
    bridged: Callable[..., Any] = module.forward
    own: Any = module.original_component

    def forward(*args: Any, **kwargs: Any) -> Any:
        heard = any(point._forward_hooks or point._backward_hooks for point in points)
        return (bridged if heard else own)(*args, **kwargs)

    return forward
