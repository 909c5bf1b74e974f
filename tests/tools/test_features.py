"""Dictionaries: what they compute is what SAELens computes, and what does not fit is refused in one line."""

import json
import warnings
from pathlib import Path

import pytest
import torch

from tests.tiny_dictionaries import KINDS, STREAM, saved, tiny_sae
from tests.tiny_models import write_gpt2
from tools.features import DictionaryError, open_dictionary
from tools.loading import load
from tools.subject import Subject

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # sae_lens uses an old name of TransformerLens
    from sae_lens import TemporalSAE, TemporalSAEConfig
    from sae_lens.saes.sae import SAEMetadata

IDS = [[7, 30, 41, 52], [9, 60, 33]]


def stream(subject: Subject, hook: str = STREAM) -> torch.Tensor:
    return subject.passing(subject.padded(IDS), hook)


@pytest.mark.parametrize("scale", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_saelens_one_by_one_and_together(
    tiny: Subject, tmp_path: Path, kind: str, scale: str
) -> None:
    sae = tiny_sae(kind, normalize_activations=scale)
    opened = open_dictionary(saved(tmp_path, sae), tiny)
    x = stream(tiny)
    everything = opened.features(x)
    assert (opened.width, opened.hook, opened.layer, opened.d_in) == (48, STREAM, 0, 32)
    assert torch.equal(everything, sae.encode(x).detach())
    assert 0 < float((everything > 0).float().mean()) < 1
    for index in range(opened.width):
        torch.testing.assert_close(opened.feature(x, index), everything[..., index], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_drive_decides_whether_a_feature_is_on_and_has_a_slope_when_it_is_off(
    tiny: Subject, tmp_path: Path, kind: str
) -> None:
    opened = open_dictionary(saved(tmp_path, tiny_sae(kind)), tiny)
    x = stream(tiny).clone().requires_grad_(True)
    flat = x.flatten(0, 1)
    for index in range(8):
        value, drive = opened.feature(flat, index), opened.drive(flat, index)
        if kind != "topk" and (value > 0).any() and not (value > 0).all():  # top-k compares features at one token
            assert drive[value > 0].min() > drive[value <= 0].max()
        [slope] = torch.autograd.grad(drive.sum(), x)
        assert (slope.norm(dim=-1) > 0).all()


def test_a_climb_on_the_drive_switches_a_feature_on(tiny: Subject, tmp_path: Path) -> None:
    opened = open_dictionary(saved(tmp_path, tiny_sae("jumprelu")), tiny)
    x = stream(tiny)[0, 1].clone()
    off = int((opened.features(x) == 0).nonzero()[0])
    for _ in range(200):
        leaf = x.clone().requires_grad_(True)
        [slope] = torch.autograd.grad(opened.drive(leaf, off), leaf)
        x = x + 0.1 * slope
    assert float(opened.feature(x, off)) > 0


def test_autocast_changes_nothing(tiny: Subject, tmp_path: Path) -> None:
    opened = open_dictionary(saved(tmp_path, tiny_sae("jumprelu")), tiny)
    x = stream(tiny)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = opened.features(x), opened.feature(x, 3), opened.drive(x, 3)
    assert all(found.dtype == torch.float32 for found in inside)
    assert torch.equal(inside[0], opened.features(x))
    assert torch.equal(inside[1], opened.feature(x, 3))
    assert torch.equal(inside[2], opened.drive(x, 3))


def test_nothing_of_the_last_input_is_kept(tiny: Subject, tmp_path: Path) -> None:
    sae = tiny_sae(normalize_activations="layer_norm")
    opened = open_dictionary(saved(tmp_path, sae), tiny)
    before = set(vars(opened._sae))
    x = stream(tiny).clone().requires_grad_(True)
    opened.features(x)
    opened.drive(x, 0)
    opened.reconstruct(x)
    assert set(vars(opened._sae)) == before


def test_directions_and_readings_are_decoder_rows_and_encoder_columns(tiny: Subject, tmp_path: Path) -> None:
    sae = tiny_sae()
    opened = open_dictionary(saved(tmp_path, sae), tiny)
    assert torch.equal(opened.direction(7), sae.W_dec[7].detach())
    assert torch.equal(opened.reading(7), sae.W_enc[:, 7].detach())
    assert torch.equal(opened.reconstruct(stream(tiny)), sae(stream(tiny)).detach())


def test_the_hash_follows_weights_settings_and_place(tiny: Subject, tmp_path: Path) -> None:
    sae = tiny_sae("topk")
    first = open_dictionary(saved(tmp_path / "a", sae), tiny).hash
    assert open_dictionary(saved(tmp_path / "again", sae), tiny).hash == first
    sae.b_dec.data[3] += 1e-4
    changed = open_dictionary(saved(tmp_path / "b", sae), tiny).hash
    other_k = open_dictionary(saved(tmp_path / "c", tiny_sae("topk", k=6)), tiny).hash
    elsewhere = open_dictionary(saved(tmp_path / "d", tiny_sae("topk", hook="blocks.1.hook_in")), tiny).hash
    assert len({first, changed, other_k, elsewhere}) == 4
    assert len(first) == 16
    int(first, 16)


@pytest.mark.parametrize(
    ("old", "new", "width"),
    [
        ("blocks.1.hook_resid_pre", "blocks.1.hook_in", 32),
        ("blocks.1.hook_resid_post", "blocks.1.hook_out", 32),
        ("blocks.1.hook_resid_mid", "blocks.1.hook_resid_mid", 32),
        ("blocks.1.hook_mlp_out", "blocks.1.hook_mlp_out", 32),
        ("blocks.1.hook_attn_out", "blocks.1.hook_attn_out", 32),
        ("blocks.1.mlp.hook_post", "blocks.1.mlp.out.hook_in", 64),
    ],
)
def test_names_of_transformerlens_are_understood(
    tiny: Subject, gated: Subject, tmp_path: Path, old: str, new: str, width: int
) -> None:
    folder = saved(tmp_path, tiny_sae(hook=old, d_in=width))
    for subject in (tiny, gated):
        opened = open_dictionary(folder, subject)
        assert (opened.hook, opened.layer) == (new, 1)
        assert opened.features(stream(subject, opened.hook)).shape[-1] == 48


def test_a_dictionary_of_all_heads_reads_them_side_by_side(tiny: Subject, tmp_path: Path) -> None:
    sae = tiny_sae(hook="blocks.1.attn.hook_z", reshape_activations="hook_z")
    opened = open_dictionary(saved(tmp_path, sae), tiny)
    x = stream(tiny, opened.hook)
    by_head = x.unflatten(-1, (2, 16))
    assert torch.equal(opened.features(x), sae.encode(by_head).detach())


def test_a_dictionary_of_a_centred_model_sees_what_it_would_see_there(tiny: Subject, tmp_path: Path) -> None:
    centred = load("centred", write_gpt2(tmp_path / "model"))
    with torch.no_grad():
        for name, weight in centred.hf.named_parameters():
            if any(part in name for part in ("wte", "wpe", "attn.o.", "c_proj")):
                weight -= weight.mean(-1, keepdim=True)
    sae = tiny_sae(metadata={"model_from_pretrained_kwargs": {"center_writing_weights": True}})
    there = tiny_sae()
    opened = open_dictionary(saved(tmp_path / "sae", sae), tiny)
    plain = open_dictionary(saved(tmp_path / "plain", there), tiny)
    x, wanted = stream(tiny), there.encode(stream(centred)).detach()
    assert opened.centred
    assert opened.hash != plain.hash
    assert (plain.features(x) - wanted).abs().max() > 0.1
    torch.testing.assert_close(opened.features(x), wanted, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(opened.feature(x, 4), wanted[..., 4], rtol=1e-4, atol=1e-3)
    assert opened.reading(4).mean().abs() < 1e-6


def test_nothing_is_centred_where_transformerlens_centres_nothing(
    tiny: Subject, gated: Subject, tmp_path: Path
) -> None:
    kept = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    assert not open_dictionary(saved(tmp_path / "a", tiny_sae(metadata=kept)), gated).centred
    neurons = tiny_sae(hook="blocks.0.mlp.hook_post", d_in=64, metadata=kept)
    assert not open_dictionary(saved(tmp_path / "b", neurons), tiny).centred


def refusal(spec: str, subject: Subject) -> str:
    with pytest.raises(DictionaryError) as caught:
        open_dictionary(spec, subject)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_what_does_not_fit_the_model_is_refused(tiny: Subject, tmp_path: Path) -> None:
    assert "was made for pocket" in refusal("pocket", tiny)
    assert "has no hook point blocks.7.hook_out" in (
        far := refusal(saved(tmp_path / "a", tiny_sae(hook="blocks.7.hook_out")), tiny)
    )
    assert "blocks.1.hook_out" in far
    assert "reads 24 numbers, but 32 pass" in refusal(saved(tmp_path / "b", tiny_sae(d_in=24)), tiny)
    head = tiny_sae(metadata={"hook_head_index": 1})
    assert "single attention head" in refusal(saved(tmp_path / "c", head), tiny)
    pattern = tiny_sae(hook="blocks.1.attn.hook_pattern")
    assert "one vector a token" in refusal(saved(tmp_path / "d", pattern), tiny)
    early = tiny_sae(metadata={"model_from_pretrained_kwargs": {"checkpoint_index": 3}})
    assert "loaded with checkpoint_index" in refusal(saved(tmp_path / "e", early), tiny)
    scaled = tiny_sae(normalize_activations="expected_average_only_in")
    assert "expected_average_only_in" in refusal(saved(tmp_path / "f", scaled), tiny)


def test_what_cannot_be_read_is_refused(tiny: Subject, tmp_path: Path) -> None:
    folder = Path(saved(tmp_path / "a", tiny_sae()))
    weights, settings = folder / "sae_weights.safetensors", folder / "cfg.json"
    good = weights.read_bytes(), json.loads(settings.read_text())
    weights.write_bytes(good[0][:2000])
    assert "cannot load dictionary" in refusal(str(folder), tiny)
    weights.write_bytes(good[0])
    settings.write_text("{")
    assert "cannot load dictionary" in refusal(str(folder), tiny)
    settings.write_text(json.dumps(good[1] | {"d_sae": 47}))
    assert "size mismatch" in refusal(str(folder), tiny)
    settings.write_text(json.dumps(good[1] | {"metadata": {"sae_lens_version": "6.54.0"}}))
    assert "does not say which hook point" in refusal(str(folder), tiny)
    temporal = TemporalSAE(TemporalSAEConfig(d_in=32, d_sae=512, metadata=SAEMetadata(hook_name=STREAM)))
    assert "of the kind temporal" in refusal(saved(tmp_path / "b", temporal), tiny)


def test_a_pickle_is_never_opened(tiny: Subject, tmp_path: Path) -> None:
    folder = Path(saved(tmp_path, tiny_sae()))
    (folder / "sae_weights.safetensors").rename(folder / "sae_weights.pt")
    assert "pickles are not read" in refusal(str(folder), tiny)
    assert "pickles are not read" in refusal("goodfire-llama-3.1-8b-instruct/layer_19", tiny)


def test_a_release_that_is_not_there_is_named(tiny: Subject) -> None:
    assert "there are pocket, a folder, or RELEASE/ID" in refusal("nothing", tiny)
    assert "there are pocket, a folder, or RELEASE/ID" in refusal("/no/such/folder", tiny)
    assert "gpt2-small-res" in refusal("gpt2-small-res/blocks.6.hook_resid_pre", tiny)
    assert "not found in release" in refusal("gpt2-small-res-jb/blocks.99.hook_resid_pre", tiny)
    assert "cannot load dictionary" in refusal("gpt2-small-res-jb/blocks.6.hook_resid_pre", tiny)  # offline
