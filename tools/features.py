"""Dictionary features: one sparse autoencoder (SAE) over one hook point of a subject, opened by name.

Knows how a dictionary is found (bundled, a folder, a release that SAELens lists), whether it fits the subject, and how
features are computed from what passes the hook point. Refuses to know texts, batches and why anybody asks, and to read
a pickle. sae_lens is imported here alone, when a dictionary is opened.

What is computed, for x [..., d_in] at the hook point, in float32 even under autocast:

1. Prepare: centre where needed (below), normalise as the dictionary was trained, subtract its bias.
2. Drive of feature f: the encoder's pre-activation prepared @ W_enc[:, f] + b_enc[f]. Gated dictionaries
   (arXiv:2404.16014): the gate's. TopK dictionaries (arXiv:2406.04093): times the decoder's norm where they rank so.
3. Activation: the drive if it is above zero (standard) or above a threshold (JumpReLU, arXiv:2407.14435; what BatchTopK
   becomes once trained); by all features at once for gated and TopK.

The subject's weights are raw. A dictionary that says it was made with `center_writing_weights` saw a residual stream
whose mean over d_model was zero. In a model with LayerNorm that mean changes nothing else, so taking it from x gives
exactly what the dictionary saw; without LayerNorm TransformerLens centres nothing, and neither does this module.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tools import pocket
from tools.subject import Subject, SubjectError
from tools.units import RESIDUAL, canonical, layer_of, near_names

BUNDLED = Path(pocket.__file__).parent / "dictionary"
WEIGHTS = "sae_weights.safetensors"
KNOWN = ("standard", "jumprelu", "gated", "topk")
WRITES = (  # into the residual stream
    "attn.hook_out", "attn.o.hook_out", "hook_attn_out",
    "mlp.hook_out", "mlp.out.hook_out", "hook_mlp_out",
    "embed.hook_out", "hook_embed", "hook_pos_embed",
)  # fmt: skip
HARMLESS = {  # options of the model's loading that leave this hook point as it is, or are answered by centring
    "center_writing_weights", "center_unembed", "fold_ln", "fold_value_biases",
    "device", "device_map", "dtype", "n_devices", "torch_dtype",
}  # fmt: skip
PICKLES = {"connor_rob_hook_z", "deepseek_r1", "dictionary_learning_1", "goodfire", "qwen_scope"}  # SAELens' readers
STATE = ("x_norm_coeff", "ln_mu", "ln_std")  # what SAELens keeps of the last input, with its graph


class DictionaryError(ValueError):
    """The dictionary cannot be had or does not fit the subject. The message is one line for a person."""


class Dictionary:
    """One SAE over one hook point of a subject.

    `name` is "pocket", RELEASE/ID or the folder as given; `hash` 16 hex digits over configuration and weights; `hook`
    the bridge's name of the hook point; `width` the number of features; `made_for` the model its card names, if any;
    `centred` whether x loses its mean first. Index errors are the caller's: features run from 0 to width - 1.
    """

    def __init__(self, sae: Any, *, name: str, hook: str, layer: int, centred: bool) -> None:
        self.name = name
        self.hook = hook
        self.layer = layer
        self.centred = centred
        self.width: int = sae.cfg.d_sae
        self.d_in: int = sae.cfg.d_in
        self.made_for: str | None = sae.cfg.metadata.model_name
        self._kind: str = sae.cfg.architecture()
        self._bias: Tensor = sae.b_gate if self._kind == "gated" else sae.b_enc
        self._ranked = bool(getattr(sae.cfg, "rescale_acts_by_decoder_norm", False))
        self._sae = sae
        self.hash = _hash(sae, f"{hook} centred" if centred else hook)

    def features(self, x: Tensor) -> Tensor:
        """Activations of all features, [..., d_in] -> [..., width]."""
        with torch.autocast(x.device.type, enabled=False):
            found = self._sae.encode(self._centre(x))
        self._forget()
        return found

    def feature(self, x: Tensor, index: int) -> Tensor:
        """Activation of one feature, [..., d_in] -> [...]; equals `features(x)[..., index]` to float32's rounding."""
        if self._kind in ("gated", "topk"):
            return self.features(x)[..., index]
        drive = self.drive(x, index)
        threshold = self._sae.threshold[index].clamp(min=0) if self._kind == "jumprelu" else 0.0
        return torch.where(drive > threshold, drive, 0.0)

    def drive(self, x: Tensor, index: int) -> Tensor:
        """The encoder's pre-activation of one feature, [..., d_in] -> [...]; has a slope where the feature is off."""
        with torch.autocast(x.device.type, enabled=False):
            drive = self._sae.process_sae_in(self._centre(x)) @ self._sae.W_enc[:, index] + self._bias[index]
            if self._ranked:
                drive = drive * self._sae.W_dec[index].norm()
        self._forget()
        return drive

    def reconstruct(self, x: Tensor) -> Tensor:
        """What the features together say x was, [..., d_in] -> [..., d_in]; the mean taken away by centring returns."""
        with torch.autocast(x.device.type, enabled=False):
            found = self._sae.decode(self._sae.encode(self._centre(x)))
            found = found + x.float().mean(-1, keepdim=True) if self.centred else found
        self._forget()
        return found

    def direction(self, index: int) -> Tensor:
        """What the feature writes: its decoder row [d_in], on the CPU in float32."""
        return self._sae.W_dec[index].float().cpu()

    def reading(self, index: int) -> Tensor:
        """What the feature reads: its encoder column [d_in], on the CPU in float32."""
        column = self._sae.W_enc[:, index].float().cpu()
        return column - column.mean() if self.centred else column

    def directions(self) -> Tensor:
        """All decoder rows [width, d_in], on the CPU in float32."""
        return self._sae.W_dec.float().cpu()

    def readings(self) -> Tensor:
        """All encoder columns [width, d_in], on the CPU in float32; without their mean where x loses its own."""
        columns = self._sae.W_enc.T.float().cpu()
        return columns - columns.mean(-1, keepdim=True) if self.centred else columns

    def _centre(self, x: Tensor) -> Tensor:
        x = x.float()
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def _forget(self) -> None:
        for name in STATE:
            self._sae.__dict__.pop(name, None)


def open_dictionary(spec: str, subject: Subject) -> Dictionary:
    """Open a dictionary for a subject: "pocket", a folder that SAELens saved, or RELEASE/ID.

    The release is what stands before the first slash. Raises DictionaryError: cannot be loaded and why; not made for
    this model; its hook point is not in the model, or has another width there.
    """
    sae = _loaded(spec, str(subject.device))
    metadata = sae.cfg.metadata
    if metadata.model_hash not in (None, subject.weights_hash):
        raise DictionaryError(
            f"dictionary '{spec}' was made for {metadata.model_name} ({metadata.model_hash}), "
            f"not for {subject.name} ({subject.weights_hash})"
        )
    _require_readable(sae, spec)
    hook = _hook(sae, spec, subject)
    centred = _centred(sae, spec, hook, subject)
    return Dictionary(sae, name=spec, hook=hook, layer=layer_of(hook, subject.layers), centred=centred)


def _loaded(spec: str, device: str) -> Any:
    """The SAE in float32 on the device. Raises DictionaryError."""
    folder = BUNDLED if spec == pocket.NAME else Path(spec)
    local = folder.is_dir()
    if not local and ("/" not in spec or spec.startswith(("/", "."))):
        raise DictionaryError(f"no dictionary is called '{spec[:80]}': there are pocket, a folder, or RELEASE/ID")
    if local and not (folder / WEIGHTS).is_file():
        raise DictionaryError(f"cannot load dictionary '{spec}': {WEIGHTS} is not there, and pickles are not read")
    from safetensors import SafetensorError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # advice how to load the model; answered by _centred
            warnings.simplefilter("ignore", DeprecationWarning)  # SAELens uses an old name of TransformerLens
            sae = _from_folder(folder, device) if local else _from_release(spec, device)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DictionaryError(f"cannot load dictionary '{spec[:80]}': {reason}") from error
    return sae.eval().requires_grad_(False)


def _from_folder(folder: Path, device: str) -> Any:
    from sae_lens import SAE

    return SAE.load_from_disk(folder, device=device, dtype="float32")


def _from_release(spec: str, device: str) -> Any:
    from difflib import get_close_matches

    from sae_lens import SAE
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    release, _, name = spec.partition("/")
    listed = get_pretrained_saes_directory()
    if release not in listed:
        near = ", ".join(get_close_matches(release, listed, n=4, cutoff=0.3)) or "gpt2-small-res-jb"
        raise ValueError(f"there is no such folder, and SAELens lists no release '{release}'; near are {near}")
    if listed[release].conversion_func in PICKLES:
        raise ValueError(f"release {release} comes as a pickle, and pickles are not read")
    return SAE.from_pretrained(release, name, device=device)


def _require_readable(sae: Any, spec: str) -> None:
    kind, scale = sae.cfg.architecture(), sae.cfg.normalize_activations
    if kind not in KNOWN:
        raise DictionaryError(f"dictionary '{spec}' is of the kind {kind}; those read here are {', '.join(KNOWN)}")
    if scale in ("expected_average_only_in", "covariance_whitening"):
        raise DictionaryError(f"dictionary '{spec}' wants its input scaled by {scale}, and does not say by how much")


def _hook(sae: Any, spec: str, subject: Subject) -> str:
    """The bridge's name of the SAE's hook point, which is as wide as the SAE. Raises DictionaryError."""
    metadata, points = sae.cfg.metadata, subject.bridge.hook_dict
    wanted = metadata.hook_name
    if not wanted:
        raise DictionaryError(f"dictionary '{spec}' does not say which hook point it reads")
    if metadata.hook_head_index is not None:
        raise DictionaryError(f"dictionary '{spec}' reads a single attention head, which is not supported")
    if wanted not in points:
        near = ", ".join(near_names(wanted, points))
        raise DictionaryError(f"{subject.name} has no hook point {wanted}, which '{spec}' reads; near are {near}")
    hook = canonical(wanted)
    if hook.endswith("attn.hook_z"):  # the bridge has the heads side by side already
        sae.turn_off_forward_pass_hook_z_reshaping()
    try:
        found = subject.width_at(hook)
    except SubjectError as error:
        raise DictionaryError(f"dictionary '{spec}' cannot be read: {error}") from error
    if found != sae.cfg.d_in:
        raise DictionaryError(f"dictionary '{spec}' reads {sae.cfg.d_in} numbers, but {found} pass {hook}")
    return hook


def _centred(sae: Any, spec: str, hook: str, subject: Subject) -> bool:
    """Whether x must lose its mean. Raises DictionaryError for a model loaded in a way that cannot be answered."""
    options = sae.cfg.metadata.model_from_pretrained_kwargs or {}
    unknown = sorted(name for name in set(options) - HARMLESS if options[name])
    if unknown:
        raise DictionaryError(f"dictionary '{spec}' was made for a model loaded with {', '.join(unknown)}")
    stream = RESIDUAL.fullmatch(hook) is not None or hook.endswith(WRITES)
    norm = str(subject.bridge.cfg.normalization_type)
    return bool(options.get("center_writing_weights")) and stream and norm.startswith("LN")


def _hash(sae: Any, place: str) -> str:
    """16 hex digits over what computes the features: settings, hook point, and every weight."""
    settings = {key: value for key, value in sae.cfg.to_dict().items() if key not in ("device", "dtype", "metadata")}
    digest = hashlib.sha256(json.dumps([place, settings], sort_keys=True, default=str).encode())
    for name, tensor in sorted(sae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
