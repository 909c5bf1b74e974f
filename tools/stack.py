"""The blocks below a target run from their raw weights: many short rows that share a beginning, read at their end only.

What a search asks for thousands of times is one number, the target's drive at the last token of a row that differs
from a known row from some place on. So:

1. The keys and values of the shared beginning are computed once and kept for every block (`remembered`).
2. Blocks below the last needed one run over the tokens after it only.
3. The last needed block computes keys and values of those tokens, but one query a row: its end.
4. Of what follows, only the target's column is computed, at that one place.

`stacks_for` checks the arithmetic (tools/layouts.py) against the model's own hook points before it hands out a stack: a
model that computes anything else does not pass, and the caller goes the general way (tools/evaluator.py). Knows shapes
and positions; refuses to know texts, scores and budgets.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from memory.records import Kind, Target
from tools.layouts import Layout, at_ends, layout_of
from tools.subject import Subject
from tools.units import Column, Probe

CLOSE = 1e-5  # difference to the hooked value, relative to the largest checked one where that is above 1
LONGEST = 64  # tokens of the longest row that is checked, and so of the longest that may be asked for
CHECKED = (2, 12, LONGEST)  # lengths of the random rows of the check

Memory = list[tuple[Tensor, Tensor]]  # per block: keys, values [1, heads, positions, width]


@dataclass(frozen=True, eq=False)
class Stack:
    """One target's drive at the end of rows: `depth` blocks run whole, the next one attends only, if `attends`."""

    layout: Layout
    depth: int
    attends: bool
    ending: Column

    def remembered(self, ids: Tensor) -> Memory:
        """Keys and values in every block of one row of ids [1, positions] that begins with BOS."""
        kept: Memory = []
        with torch.inference_mode():
            self._through(self._embedded(ids, 0), [], ends=None, kept=kept)
        return kept

    def ends(self, ids: Tensor, ends: Tensor, *, memory: Memory, start: int) -> Tensor:
        """The drive [rows], float32, at column `ends` [rows] of ids [rows, positions].

        The ids follow the first `start` positions of `memory`; what stands right of a row's end does not matter.
        """
        with torch.inference_mode():
            past = [(keys[:, :, :start], values[:, :, :start]) for keys, values in memory]
            return self._through(self._embedded(ids, start), past, ends=ends, kept=None)

    def every(self, ids: Tensor, *, memory: Memory, start: int) -> Tensor:
        """The residual stream [rows, positions, d] at every token of ids that follow `start` positions of `memory`."""
        with torch.inference_mode():
            past = [(keys[:, :, :start], values[:, :, :start]) for keys, values in memory]
            return self._through(self._embedded(ids, start), past, ends=None, kept=None)

    def of_embedded(self, tokens: Tensor) -> Tensor:
        """The drive [rows], float32, at the end of embedded tokens [rows, positions, d], BOS first; differentiable."""
        last = torch.full((len(tokens),), tokens.shape[1] - 1, device=tokens.device)
        return self._through(self.layout.placed(tokens.to(self.layout.table.dtype), 0), [], ends=last, kept=None)

    def _embedded(self, ids: Tensor, start: int) -> Tensor:
        return self.layout.placed(F.embedding(ids, self.layout.table), start)

    def _through(self, x: Tensor, past: Memory, *, ends: Tensor | None, kept: Memory | None) -> Tensor:
        """Run the blocks and read at `ends`; without `ends` only fill `kept`."""
        start = past[0][0].shape[2] if past else 0
        mask = torch.ones(x.shape[1], start + x.shape[1], dtype=torch.bool, device=x.device).tril(start)
        blocks = self.layout.blocks[: self.depth + self.attends]
        for n, block in enumerate(blocks):
            closing = ends if n == len(blocks) - 1 else None
            queries, keys, values = block.heads(x, start, closing)
            if kept is not None:
                kept.append((keys, values))
            if past:
                keys, values = _after(past[n][0], keys), _after(past[n][1], values)
            if closing is not None:
                x, mask = at_ends(x, closing), mask[closing][:, None, None]
            x = block.joined(x, _attention(queries, keys, values, mask))
            x = block.mlp(x) if n < self.depth else x
        if ends is None:
            return x
        return self.ending(x if blocks else at_ends(x, ends))[:, 0].float()


def stacks_for(subject: Subject, target: Target, screening: torch.dtype) -> tuple[Stack, Stack] | None:
    """A target's drive in float32, checked, and in the number format for screening.

    None where layout or hook point is unknown, or where the check fails. Rows may be up to LONGEST tokens long.
    """
    exact = _stack(subject, target, torch.float32)
    if exact is None or not _holds(lambda: _agrees(subject, target, exact)):
        return None
    return exact, _stack(subject, target, screening) or exact


def whole_for(subject: Subject, screening: torch.dtype) -> tuple[Stack, Stack] | None:
    """All blocks, to be read through `every`, likewise; checked on the model's logits, once."""
    kept = _wholes.setdefault(subject, {})
    if screening not in kept:
        exact = _layout(subject, torch.float32)
        if exact is not None and _holds(lambda: _same_logits(subject, _whole(exact))):
            kept[screening] = _whole(exact), _whole(_layout(subject, screening) or exact)
    return kept.setdefault(screening, None)


def _holds(check: Callable[[], bool]) -> bool:
    """What a check says; no for a model that has other parts than was supposed, which runs by its own modules then.

    Raises OutOfMemoryError, which says nothing of the parts.
    """
    try:
        return check()
    except torch.OutOfMemoryError:
        raise
    except (KeyError, AttributeError, TypeError, ValueError, RuntimeError, IndexError):
        return False


def _whole(layout: Layout) -> Stack:
    return Stack(layout, len(layout.blocks), False, lambda x: x[..., 0])


def _same_logits(subject: Subject, whole: Stack) -> bool:
    """Whether the layout ends in the model's own logits, on a random row."""
    grid = _random_row(subject, min(LONGEST, subject.context - 1), len(whole.layout.table))
    with subject.lock(), torch.inference_mode():
        want = subject.hf(grid, use_cache=False).logits
        got = whole.layout.logits(whole.every(grid, memory=[], start=0))
    return bool(((got - want).abs() <= 10 * CLOSE * want.abs().max().clamp_min(1.0)).all())


def _random_row(subject: Subject, length: int, size: int) -> Tensor:
    """BOS and random ids [1, 1 + length]; the same for the same length."""
    ids = torch.randint(min(len(subject.tokenizer), size), (1, length), generator=torch.Generator().manual_seed(length))
    return torch.cat([torch.tensor([[subject.bos]]), ids], 1).to(subject.device)


def _stack(subject: Subject, target: Target, dtype: torch.dtype) -> Stack | None:
    probe = subject.drive(target)
    layout, reach = _layout(subject, dtype), _reach(target, probe)
    if layout is None or reach is None:
        return None
    depth, attends = reach

    def ending(x: Tensor) -> Tensor:
        if target.kind is Kind.NEURON:
            return target.sign * layout.blocks[target.layer].neuron(x, target.index, drive=probe.hook != target.hook)
        return target.sign * probe.column(x.float())

    return Stack(layout, depth, attends, ending)


def _reach(target: Target, probe: Probe) -> tuple[int, bool] | None:
    """How many blocks run whole, and whether the next one attends; None for a hook point that is not known here."""
    layer = target.layer
    if target.kind is Kind.NEURON:
        return layer, True
    return {
        f"blocks.{layer}.hook_in": (layer, False),
        f"blocks.{layer}.hook_resid_mid": (layer, True),
        f"blocks.{layer}.ln2.hook_in": (layer, True),
        f"blocks.{layer}.hook_out": (layer + 1, False),
    }.get(probe.hook)


def _agrees(subject: Subject, target: Target, stack: Stack) -> bool:
    """Whether the stack gives what the hook point gives, on random rows of several lengths, cut in several places."""
    probe = subject.drive(target)
    for length in {min(length, subject.context - 1) for length in CHECKED}:
        grid = _random_row(subject, length, len(stack.layout.table))
        with subject.lock(), torch.inference_mode():
            want = probe.column(subject.passing(grid, probe.hook))[:, -1].float() * target.sign
        memory = stack.remembered(grid)
        for start in {1, length // 2 + 1}:
            end = torch.tensor([length - start], device=grid.device)
            got = stack.ends(grid[:, start:], end, memory=memory, start=start)
            if not bool(((got - want).abs() <= CLOSE * want.abs().clamp_min(1.0)).all()):
                return False
    return True


def _after(past: Tensor, new: Tensor) -> Tensor:
    """The new positions after the shared ones, for every row."""
    return torch.cat([past.expand(len(new), -1, -1, -1), new], 2)


def _attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention, in float32: quicker than bfloat16 at these sizes. Fewer key heads are shared by neighbours."""
    shared = queries.shape[1] // keys.shape[1]
    if shared > 1:
        keys, values = keys.repeat_interleave(shared, 1), values.repeat_interleave(shared, 1)
    wide = queries.float(), keys.float(), values.float()
    return F.scaled_dot_product_attention(*wide, attn_mask=mask).to(queries.dtype)


_Pair = tuple[Stack, Stack]
_wholes: weakref.WeakKeyDictionary[Subject, dict[torch.dtype, _Pair | None]] = weakref.WeakKeyDictionary()
_layouts: weakref.WeakKeyDictionary[Subject, dict[torch.dtype, Layout | None]] = weakref.WeakKeyDictionary()


def _layout(subject: Subject, dtype: torch.dtype) -> Layout | None:
    """The model's blocks in a number format, converted once."""
    kept = _layouts.setdefault(subject, {})
    if dtype not in kept:
        weights = {name.replace("._original_component", ""): part for name, part in subject.hf.state_dict().items()}
        kept[dtype] = layout_of(subject.hf, weights, dtype)
    return kept[dtype]
