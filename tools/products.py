"""Products of rows with a weight matrix, by the quickest kernel there is for it, with an activation function in one go.

On a processor oneDNN's product takes half the time of the default one in float32 (measured on AMD Zen), and an
activation function computed inside it costs a tenth of one computed after it, which for GELU is as long as the product.
The operator is torch's own but not public, so it is tried once on a small example and used only if it gives what the
plain way gives. Where a gradient is wanted, and on an accelerator, the plain way is taken. Knows numbers only.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]
NONE = ("none", "")


@dataclass(frozen=True)
class Projection:
    """x @ weight.T + bias, [..., in] -> [..., out]; `weight` is [out, in] and may be a view."""

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor, act: Activation | None = None) -> Tensor:
        """The product, and `act` of it when given."""
        fused = _fused_name(act)
        if fused is not None and self._quick(x):
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, fused[0], [], fused[1])
        plain = F.linear(x, self.weight, self.bias)
        return plain if act is None else act(plain)

    def _quick(self, x: Tensor) -> bool:
        """Whether oneDNN may do it: it is a thousand times slower for a matrix that is cut out of a transposed one."""
        whole = self.weight.is_contiguous() or self.weight.t().is_contiguous()
        wants_gradient = torch.is_grad_enabled() and x.requires_grad
        return whole and not wants_gradient and x.device.type == "cpu" and one_dnn(x.dtype)

    def part(self, start: int, stop: int) -> "Projection":
        """The outputs from `start` up to `stop`."""
        return Projection(self.weight[start:stop], None if self.bias is None else self.bias[start:stop])


def bfloat16_is_fast(device: torch.device | None = None) -> bool:
    """Whether bfloat16 products are quicker than float32 ones there; by default, on the processor."""
    if device is not None and device.type != "cpu":
        return device.type == "cuda"
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def quick_products() -> AbstractContextManager[Any]:
    """A stretch in which the processor multiplies in bfloat16, where it is quicker at that."""
    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_fast())


def quick_format(device: torch.device) -> torch.dtype:
    """The number format to screen in."""
    return torch.bfloat16 if bfloat16_is_fast(device) else torch.float32


@cache
def one_dnn(dtype: torch.dtype) -> bool:
    """Whether oneDNN's product is there and right in a number format."""
    x, weight, bias = (torch.linspace(-1, 1, size).to(dtype) for size in (6 * 8, 4 * 8, 4))
    x, weight = x.view(6, 8), weight.view(8, 4).t()
    try:
        with torch.inference_mode():
            found = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "tanh")
    except (AttributeError, RuntimeError):
        return False
    wanted = F.gelu(F.linear(x, weight, bias), approximate="tanh")
    return bool(torch.allclose(found, wanted, rtol=0.02 if dtype == torch.bfloat16 else 1e-5, atol=1e-5))


def _fused_name(act: Activation | None) -> tuple[str, str] | None:
    """oneDNN's name for an activation function; None where it has none."""
    if act is None:
        return NONE
    if isinstance(act, nn.GELU):
        return "gelu", act.approximate
    return {nn.ReLU: ("relu", ""), nn.SiLU: ("swish", "")}.get(type(act))
