"""A subject by hub name or from a folder: through TransformerLens's bridge, safetensors only, float32.

Knows what can be wrong with a model and says it in one line. Refuses to run anything but weights: no pickle, no code of
a repository. Nothing is folded or centred, so that activations and the residual stream are the model's own.
"""

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tools.kernels import fuse_gelu, unbridge
from tools.subject import Subject, SubjectError
from tools.units import neuron_hook

PROBE = "The first line.\nThe second one."
CHANGED = 1e-5  # of the largest value: what a later token may change of what stands before it


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
        _require_whole(loaded["missing_keys"], model, tokenizer)
        model.to(device)  # the bridge leaves a ready model where it is
        bridge = TransformerBridge.boot_transformers(where, hf_model=model, tokenizer=tokenizer, device=device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, StrictDataclassError) as error:
        raise SubjectError(_loading_advice(name, error)) from error
    bridge.original_model.eval().requires_grad_(False)
    subject = Subject(bridge, tokenizer, name)
    fuse_gelu(bridge.original_model)
    unbridge(bridge.original_model, subject.padded([subject.encode(PROBE)[: subject.context - 1]]))
    _require_readable(subject)
    return subject


def _require_readable(subject: Subject) -> None:
    """Raise SubjectError where neurons are no vector a token, or what comes later changes what stands before."""
    ids = (2 * subject.encode(PROBE))[: min(8, subject.context - 1)]
    whole, other = (_at_neurons(subject, row) for row in (ids, [*ids[:-1], ids[0]]))
    for layer, passing in enumerate(whole):
        if passing.shape != (1, 1 + len(ids), subject.width):
            raise SubjectError(f"{subject.name} has no {subject.width} neurons a token in layer {layer}")
    last, changed = whole[-1][:, :-1], other[-1][:, :-1]
    if float((last - changed).abs().max()) > CHANGED * float(last.abs().max()):
        raise SubjectError(f"{subject.name} reads a text in both directions; only causal models can be studied")


def _at_neurons(subject: Subject, row: list[int]) -> list[torch.Tensor]:
    """What passes the neurons of every layer. Raises SubjectError where a layer has none."""
    found: dict[str, torch.Tensor] = {}
    hooks = [neuron_hook(layer) for layer in range(subject.layers)]
    if lacking := [hook for hook in hooks if hook not in subject.bridge.hook_dict]:
        raise SubjectError(f"{subject.name} has layers without a plain or gated MLP: {len(lacking)} of {len(hooks)}")
    readers = {hook: partial(found.__setitem__, hook) for hook in hooks}
    with subject.lock(), torch.inference_mode(), subject.hooked(readers):
        subject.run(subject.padded([row]))
    return [found[hook] for hook in hooks]


def _require_whole(missing: Collection[str], model: Any, tokenizer: Any) -> None:
    """Raise ValueError where the library would go on with random weights, or with a tokenizer that is another's."""
    if missing:
        raise ValueError(f"the weights lack {len(missing)} parameters, {min(missing)} among them")
    if not tokenizer.encode("a text", add_special_tokens=False):
        raise ValueError("there is no tokenizer")
    rows = model.get_input_embeddings().weight.shape[0]
    if max(tokenizer.vocab_size - 1, tokenizer.bos_token_id or 0) >= rows:
        raise ValueError(f"the tokenizer has more tokens than the {rows:,} of the model")


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
