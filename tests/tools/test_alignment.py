"""Alignment: a planted cosine is found, its floors are right, and it says when it has no meaning."""

from pathlib import Path

import pytest
import torch

from tests.tiny_dictionaries import STREAM, saved, tiny_sae
from tests.tiny_models import PAIR
from tools.alignment import Side, aligned, random_floor
from tools.features import open_dictionary
from tools.subject import Subject


def test_a_planted_alignment_is_found_on_both_sides(tiny: Subject, gated: Subject, tmp_path: Path) -> None:
    for subject, sides in ((tiny, ["up", "down", "down"]), (gated, ["up", "gate", "down", "down"])):
        for hook, reached in (("blocks.0.hook_resid_mid", True), (STREAM, False)):
            mlp, norm = subject.bridge.blocks[0].mlp, subject.bridge.blocks[0].ln2
            sae = tiny_sae(hook=hook)
            read = "gate" if "gate" in sides else "up"
            weights = mlp.W_gate if read == "gate" else mlp.W_in
            sae.W_dec.data[11] = 2 * weights[:, PAIR] * norm.weight
            sae.W_enc.data[:, 12] = -3 * mlp.W_out[PAIR]
            opened = open_dictionary(saved(tmp_path, sae), subject)
            found = aligned(subject, subject.neuron(0, PAIR), opened, count=3)
            assert [side.weights for side in found.sides] == sides
            by_name = {(side.weights, side.vectors): side for side in found.sides}
            into, out = by_name[read, "decoder"], by_name["down", "encoder"]
            assert into.matches[0].feature == 11
            assert into.matches[0].cosine > 0.95  # LayerNorm's mean is not in the planted direction
            assert out.matches[0].feature == 12
            assert out.matches[0].cosine == pytest.approx(-1, abs=1e-5)
            assert (into.reaches, out.reaches) == (reached, not reached)
            assert all(weak_elsewhere(side) for side in found.sides)


def weak_elsewhere(side: Side) -> bool:
    """Beyond the first, what a random dictionary gives lies about where the floors say."""
    return len(side.matches) == 3 and abs(side.matches[1].cosine) < 1.6 * side.floor and side.usual < 1.6 * side.floor


def test_alignment_says_why_it_has_no_meaning(tiny: Subject, tmp_path: Path) -> None:
    opened = open_dictionary(saved(tmp_path / "a", tiny_sae(hook="blocks.0.mlp.hook_post", d_in=64)), tiny)
    found = aligned(tiny, tiny.neuron(0, PAIR), opened)
    assert found.sides == ()
    assert found.reason == "blocks.0.mlp.out.hook_in is not the residual stream between blocks"
    stream_dictionary = open_dictionary(saved(tmp_path / "b", tiny_sae()), tiny)
    channel = aligned(tiny, tiny.at(STREAM, 3), stream_dictionary)
    assert channel.reason == "only an MLP neuron has weights of its own"


@pytest.mark.parametrize(("number", "width"), [(1, 3), (48, 32), (2000, 128)])
def test_the_random_floor_is_what_random_directions_give(number: int, width: int) -> None:
    torch.manual_seed(0)
    draws = torch.nn.functional.normalize(torch.randn(60, number, width), dim=-1)[..., 0].abs().amax(-1)
    assert random_floor(number, width) == pytest.approx(float(draws.mean()), abs=4 * float(draws.std()) / 60**0.5)
