"""A subject by hub name or from a folder: through TransformerLens's bridge, safetensors only, float32.

Knows what can be wrong with a model and says it in one line. Refuses to run anything but weights: no pickle, no code of
a repository. Nothing is folded or centred, so that activations and the residual stream are the model's own.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from tools.kernels import fuse_gelu, unbridge
from tools.subject import Subject, SubjectError

PROBE = "The first line.\nThe second one."


def load(name: str, folder: str | Path | None = None, device: str = "cpu") -> Subject:
    """Boot a model by hub name, or from `folder`. Raises SubjectError with one line saying what to do."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = str(folder or name)
    _require_device(device)
    try:
        found: Any = AutoModelForCausalLM.from_pretrained(
            where, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
        model, loaded = found
        tokenizer = AutoTokenizer.from_pretrained(where)
        _require_whole(loaded["missing_keys"], tokenizer)
        model.to(device)  # the bridge leaves a ready model where it is
        bridge = TransformerBridge.boot_transformers(where, hf_model=model, tokenizer=tokenizer, device=device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, StrictDataclassError) as error:
        raise SubjectError(_loading_advice(name, error)) from error
    bridge.original_model.eval().requires_grad_(False)
    subject = Subject(bridge, tokenizer, name)
    fuse_gelu(bridge.original_model)
    unbridge(bridge.original_model, subject.padded([subject.encode(PROBE)[: subject.context - 1]]))
    return subject


def _require_whole(missing: Collection[str], tokenizer: Any) -> None:
    """Raise ValueError where the library would go on with random weights, or with a tokenizer that knows no text."""
    if missing:
        raise ValueError(f"the weights lack {len(missing)} parameters, {min(missing)} among them")
    if not tokenizer.encode("a text", add_special_tokens=False):
        raise ValueError("there is no tokenizer")


def _require_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise SubjectError(f"cannot use the device '{device}' ({reason}); --device cpu is always there") from error


def _loading_advice(name: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
    return (
        f"cannot load model '{name}' ({reason}); give a folder with config.json, a tokenizer and *.safetensors, "
        "a causal model of the hub while the network is there, or --model pocket"
    )
