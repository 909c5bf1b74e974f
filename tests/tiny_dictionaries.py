"""Tiny random SAEs of the kinds SAELens has, saved to folders by its own save_model."""

import warnings
from pathlib import Path
from typing import Any

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # sae_lens uses an old name of TransformerLens
    from sae_lens import (
        GatedSAE,
        GatedSAEConfig,
        JumpReLUSAE,
        JumpReLUSAEConfig,
        StandardSAE,
        StandardSAEConfig,
        TopKSAE,
        TopKSAEConfig,
    )
    from sae_lens.saes.sae import SAEMetadata

STREAM = "blocks.0.hook_out"
KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "standard": (StandardSAE, StandardSAEConfig, {}),
    "jumprelu": (JumpReLUSAE, JumpReLUSAEConfig, {}),
    "gated": (GatedSAE, GatedSAEConfig, {}),
    "topk": (TopKSAE, TopKSAEConfig, {"k": 5, "rescale_acts_by_decoder_norm": True}),
}


def tiny_sae(kind: str = "standard", *, hook: str = STREAM, d_in: int = 32, seed: int = 0, **settings: Any) -> Any:
    """A random SAE of 48 features, with every parameter in use."""
    made, config, own = KINDS[kind]
    metadata = SAEMetadata(hook_name=hook, model_name="tiny", **settings.pop("metadata", {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        sae = made(config(d_in=d_in, d_sae=48, metadata=metadata, **own | settings))
    torch.manual_seed(seed)
    for name, parameter in sae.named_parameters():
        parameter.data.normal_().mul_(0.3 if name[0] == "b" or name == "r_mag" else 1.0)
        if name == "threshold":
            parameter.data.abs_().mul_(4)
    return sae


def saved(folder: Path, sae: Any) -> str:
    """The folder, as open_dictionary takes it."""
    sae.save_model(folder)
    return str(folder)
