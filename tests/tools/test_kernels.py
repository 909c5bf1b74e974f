"""A model's own kernels: the same numbers as the bridge's steps, which stay there for whoever looks at them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge

from tests.tiny_models import write_gpt2, write_llama
from tools.kernels import unbridge
from tools.loading import load
from tools.subject import Subject

TEXT = "the red apple river and the old man saw the apple"


@pytest.fixture(scope="module", params=[write_gpt2, write_llama], ids=["gpt2", "llama"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    write: Callable[[Path], Path] = request.param
    return write(tmp_path_factory.mktemp("kernels"))


def steps_taken(subject: Subject, monkeypatch: pytest.MonkeyPatch, hook: str) -> int:
    """How many attention modules go step by step in a pass that is asked for a hook point."""
    taken = []
    bridged = torch.nn.functional.softmax
    monkeypatch.setattr(torch.nn.functional, "softmax", lambda *a, **k: taken.append(1) or bridged(*a, **k))
    subject.passing(subject.padded([subject.encode(TEXT)]), hook)
    monkeypatch.undo()
    return len(taken)


def test_a_plain_pass_gives_what_the_bridge_gives(folder: Path) -> None:
    subject, bridge = load("tiny", folder), TransformerBridge.boot_transformers(str(folder))
    grid = subject.padded([subject.encode(TEXT), subject.encode(TEXT)[:5]])
    last = len(bridge.blocks) - 1
    for hook in (f"blocks.{last}.mlp.out.hook_in", f"blocks.{last}.hook_out"):
        kept: list[torch.Tensor] = []
        with torch.inference_mode():
            handle = bridge.hook_dict[hook].register_forward_hook(lambda _m, _i, out, kept=kept: kept.append(out))
            bridge.original_model(grid, use_cache=False)
            handle.remove()
            passed = subject.passing(grid, hook)
            assert (passed - kept[0]).abs().max() <= 1e-6 * kept[0].abs().max()


def test_attention_goes_step_by_step_only_where_somebody_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = load("tiny", folder)
    last = len(subject.bridge.blocks) - 1
    assert steps_taken(subject, monkeypatch, f"blocks.{last}.hook_out") == 0
    pattern = f"blocks.{last}.attn.hook_pattern"
    assert steps_taken(subject, monkeypatch, pattern) == 1
    seen = subject.passing(subject.padded([subject.encode(TEXT)]), pattern)
    assert torch.allclose(seen.sum(-1), torch.ones(seen.shape[:-1]), atol=1e-5)


@pytest.mark.parametrize("broken", ["raises", "differs"])
def test_a_model_that_would_compute_something_else_is_left_as_it_is(folder: Path, broken: str) -> None:
    model: Any = TransformerBridge.boot_transformers(str(folder)).original_model
    attention: Any = next(each for each in model.modules() if isinstance(each, AttentionBridge))
    own = attention.original_component.forward

    def forward(*words: Any, **named: Any) -> Any:
        if broken == "raises":
            raise TypeError("called in another way")
        found = own(*words, **named)
        return (found[0] * 2, *found[1:])

    attention.original_component.forward = forward
    probe = torch.tensor([[1, 2, 3, 4]])
    with torch.inference_mode():
        before = model.base_model(probe)[0]
        assert not unbridge(model, probe)
        assert torch.equal(model.base_model(probe)[0], before)
