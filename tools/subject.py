"""The one loaded model under study: text in, the target's value at every token out.

Knows which units the model has (tools/units.py) and how a value is read: batched, right-padded, BOS in front and never
counted, stopping at the target's hook point. Refuses to know why a text is measured and how a model is loaded
(tools/loading.py). One lock guards the model; a tensor never leaves this room.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from memory.records import Kind, Status, Target
from tools import units
from tools.units import Bank, Probe, neuron_hook

if TYPE_CHECKING:
    from tools.features import Dictionary

BATCH_TOKENS = 4096  # padded tokens in one forward pass
UNUSED = {"architectures", "dtype", "torch_dtype", "transformers_version"}  # of a configuration: changes no value


class SubjectError(ValueError):
    """The model cannot be loaded, or it has no such unit. The message is one line for a person."""


class _Reached(Exception):
    """Raised inside a hook once the wanted layer has been read: the rest of the model need not run."""


@dataclass(frozen=True)
class Reading:
    """The target's value at every real token of a text; BOS is not among them.

    `peak` is the maximum and `position` its index into `tokens`; both None unless something was measured.
    """

    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    values: tuple[float, ...]
    peak: float | None
    position: int | None
    status: Status


class Subject:
    """A causal language model ready to be measured.

    `passes` counts prompts sent through the model since loading: the unit of every forward-pass budget.
    """

    def __init__(self, bridge: Any, tokenizer: Any, name: str) -> None:
        self.name = name
        self.bridge = bridge
        self.tokenizer = tokenizer
        self.hf = bridge.original_model
        if neuron_hook(0) not in bridge.hook_dict:
            raise SubjectError(f"{name} has no plain or gated MLP, so there is no neuron to read")
        self.dictionary: Dictionary | None = None
        self.layers: int = bridge.cfg.n_layers
        self.width: int = bridge.cfg.d_mlp
        self.context: int = bridge.cfg.n_ctx
        self.bos: int = next(
            i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0) if i is not None
        )
        self.device = next(self.hf.parameters()).device
        self.weights_hash = weights_hash(self.hf)
        self.hash = _hash(self.hf.config, self.weights_hash)
        self.passes = 0
        self._lock = threading.RLock()
        self._strings: dict[int, str] = {}
        self._front: list[int] = self._fronted()

    def neuron(self, layer: int, index: int, sign: int = 1) -> Target:
        """The target for one MLP neuron. Raises SubjectError naming the valid range."""
        if not 0 <= layer < self.layers:
            raise SubjectError(f"{self.name} has no layer {layer}: layers run from 0 to {self.layers - 1}")
        if not 0 <= index < self.width:
            raise SubjectError(
                f"{self.name} has no neuron {index} in layer {layer}: neurons run from 0 to {self.width - 1}"
            )
        return Target(self.name, self.hash, neuron_hook(layer), layer, index, Kind.NEURON, sign)

    def feature(self, index: int) -> Target:
        """The target for one feature of the attached dictionary. Raises SubjectError naming the valid range."""
        found = self.dictionary
        if found is None:
            raise SubjectError(f"{self.name} has no dictionary attached, so there is no feature to read")
        if not 0 <= index < found.width:
            raise SubjectError(f"{found.name} has no feature {index}: features run from 0 to {found.width - 1}")
        named = f"{found.name}@{found.hash}"
        return Target(self.name, self.hash, found.hook, found.layer, index, Kind.FEATURE, 1, named)

    def at(self, hook: str, index: int, sign: int = 1) -> Target:
        """The target for one channel of any hook point. Raises SubjectError naming valid hook points or the range."""
        name = units.canonical(hook)
        if name not in self.bridge.hook_dict:
            near = ", ".join(units.near_names(name, self.bridge.hook_dict))
            raise SubjectError(f"{self.name} has no hook point '{hook[:80]}'; there are {near or 'blocks.0.hook_out'}")
        width = self.width_at(name)
        if not 0 <= index < width:
            raise SubjectError(f"{name} of {self.name} has no channel {index}: they run from 0 to {width - 1}")
        kind = units.kind_of(name)
        return Target(self.name, self.hash, name, units.layer_of(name, self.layers), index, kind, sign)

    def width_at(self, hook: str) -> int:
        """How many channels pass a hook point. Raises SubjectError where it has none: one vector a token is read."""
        grid = self.padded([[self.bos], [self.bos, self.bos]])  # what all rows share has one row less
        with self.lock(), torch.inference_mode():
            shape = self.passing(grid, hook).shape
        if len(shape) != 3 or shape[:2] != grid.shape:
            raise SubjectError(f"{hook} of {self.name} does not carry one vector a token, but {tuple(shape)}")
        return shape[2]

    @property
    def neurons(self) -> Bank:
        """Every MLP neuron of every layer."""
        return Bank("", tuple(map(neuron_hook, range(self.layers))), self.width, lambda passing: passing)

    def bank(self, target: Target) -> Bank:
        """The units that are read together with a target: one survey serves them all."""
        if target.kind is Kind.NEURON:
            return self.neurons
        if target.kind is Kind.FEATURE:
            assert self.dictionary is not None
            return Bank(self.dictionary.hash, (target.hook,), self.dictionary.width, self.dictionary.features)
        return Bank(target.hook, (target.hook,), self.width_at(target.hook), lambda passing: passing)

    def value(self, target: Target) -> Probe:
        """Where and how the target's value is read."""
        return units.value(target, self.dictionary)

    def drive(self, target: Target) -> Probe:
        """Where and how the target's drive is read: what a search climbs."""
        return units.drive(target, self.dictionary, self.bridge.hook_dict)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without BOS, of any length; half a surrogate is read as '?'."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        return self.tokenizer.encode(text, add_special_tokens=False, verbose=False)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)

    def token(self, token_id: int) -> str:
        """The text of one token within a text; half a character shows as U+FFFD."""
        found = self._strings.get(token_id)
        if found is None:
            found = self.decode([*self._front, token_id])[len(self.decode(self._front)) :]
            self._strings[token_id] = found
        return found

    def tokens(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The texts of the tokens of a row, which together are the text of the row (half characters aside)."""
        if not self._front or not ids:
            return tuple(map(self.token, ids))
        return (self.decode(ids[:1]), *map(self.token, ids[1:]))

    def _fronted(self) -> list[int]:
        """A token to decode others behind, where one by itself loses its leading space (SentencePiece); else none."""
        ids = self.encode("a a")
        parts = [self.decode(ids[: n + 1])[len(self.decode(ids[:n])) :] for n in range(len(ids))]
        lost = any(self.decode([token]) != part for token, part in zip(ids[1:], parts[1:], strict=True))
        return self.encode("a")[-1:] if lost else []

    def measure(self, texts: Sequence[str], target: Target, *, policy: str = "max") -> list[Reading]:
        """Read the target at every token of every text (order kept). Costs one pass a text that has a token.

        policy: what `peak` is, "max" | "last" | "mean" over the real tokens, or an index as digits ("-2" from the end).
        Raises SubjectError for any other.
        """
        encoded = [self.encode(text) for text in texts]
        return self.measure_ids(encoded, target, policy=policy)

    def measure_ids(self, encoded: Sequence[Sequence[int]], target: Target, *, policy: str = "max") -> list[Reading]:
        """As `measure`, for token ids. Longer than the context is cut and marked truncated."""
        _check_policy(policy)
        room = self.context - 1
        rows = [list(ids[:room]) for ids in encoded]
        readings: list[Reading | None] = [
            None if row else Reading((), (), (), None, None, Status.EMPTY) for row in rows
        ]
        for batch in self.batches(rows):
            columns = self.values([rows[i] for i in batch], target)
            for i, column in zip(batch, columns, strict=True):
                cut = Status.TRUNCATED if len(encoded[i]) > room else Status.MEASURED
                readings[i] = self._reading(rows[i], column, cut, policy)
        return [reading for reading in readings if reading is not None]

    def values(self, rows: Sequence[Sequence[int]], target: Target) -> list[list[float]]:
        """Signed values [tokens] for rows of token ids that fit one batch; BOS is added here and dropped again."""
        grid = self.padded(rows)
        probe = self.value(target)
        with self._lock, torch.inference_mode():
            read = probe.column(self.passing(grid, probe.hook)).float().cpu() * target.sign
            self.passes += len(rows)
        return [line[1 : 1 + len(row)].tolist() for line, row in zip(read, rows, strict=True)]

    def padded(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids [rows, 1 + longest], BOS first, right-padded: a causal model cannot see the padding."""
        longest = max(map(len, rows))
        filled = [[self.bos, *row, *[self.bos] * (longest - len(row))] for row in rows]
        return torch.tensor(filled, device=self.device)

    def activations(self, grid: torch.Tensor, layer: int) -> torch.Tensor:
        """Every neuron of a layer for token ids [rows, positions] -> [rows, positions, neurons]; stops there."""
        return self.passing(grid, neuron_hook(layer))

    def attach(self, dictionary: "Dictionary") -> None:
        """Make a dictionary's features targets of this subject, in place of any other dictionary's."""
        self.dictionary = dictionary

    def passing(self, grid: torch.Tensor, hook: str) -> torch.Tensor:
        """What passes a hook point for token ids [rows, positions] -> [rows, positions, d]; stops there.

        Raises SubjectError for a hook point that a plain pass of the body does not reach.
        """
        kept: list[torch.Tensor] = []
        with self.lock(), self.hooked({hook: kept.append}, stop=True):
            self.run(grid)
        if not kept:
            raise SubjectError(f"nothing passes {hook} in a plain pass through {self.name}")
        return kept[0]

    def run(self, grid: torch.Tensor, **inputs: Any) -> None:
        """One forward pass of the body (no unembedding) over token ids; hooks see what they asked for."""
        try:
            self.hf.base_model(grid, use_cache=False, **inputs)
        except _Reached:
            return

    @contextmanager
    def hooked(self, readers: dict[str, Any], *, stop: bool = False) -> Iterator[None]:
        """Call `readers[hook](what passes it [rows, positions, d])` in every pass; `stop` after the last of them."""
        last = list(readers)[-1]

        def hook(name: str) -> Any:
            def read(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
                readers[name](output)
                if stop and name == last:
                    raise _Reached

            return read

        handles = [self.bridge.hook_dict[name].register_forward_hook(hook(name)) for name in readers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def lock(self) -> threading.RLock:
        """The lock every user of the model's hooks or weights holds."""
        return self._lock

    def batches(self, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Numbers of rows that go through the model together, the short ones first; empty rows are left out."""
        order = sorted((i for i, row in enumerate(rows) if row), key=lambda i: len(rows[i]))
        batch: list[int] = []
        for i in order:
            if batch and (len(rows[i]) + 1) * (len(batch) + 1) > BATCH_TOKENS:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _reading(self, ids: list[int], values: list[float], status: Status, policy: str) -> Reading:
        tokens = self.tokens(ids)
        if not all(value - value == 0 for value in values):  # inf or nan
            return Reading(tokens, tuple(ids), (), None, None, Status.FAILED)
        position, peak = _peak(values, policy)
        status = Status.EMPTY if peak is None else status
        return Reading(tokens, tuple(ids), tuple(values), peak, position, status)


def innermost(module: torch.nn.Module) -> torch.nn.Module:
    """The module that a bridge's module stands for, before whose hook points another output can be put in place."""
    return getattr(module, "original_component", None) or module


def _check_policy(policy: str) -> None:
    if policy not in ("max", "last", "mean") and not policy.removeprefix("-").isdecimal():
        raise SubjectError(f"no position policy is called '{policy[:40]}': there are max, last, mean or an index")


def _peak(values: Sequence[float], policy: str) -> tuple[int | None, float | None]:
    """Where the policy reads and what it finds there; no value where an index lies outside the text."""
    highest = max(range(len(values)), key=values.__getitem__)
    if policy == "max":
        return highest, values[highest]
    if policy == "mean":
        return highest, sum(values) / len(values)
    place = -1 if policy == "last" else int(policy)
    place += len(values) if place < 0 else 0
    return (place, values[place]) if 0 <= place < len(values) else (None, None)


def weights_hash(model: Any) -> str:
    """A fingerprint of a model's weights, 16 hex digits.

    Of each parameter: its shape, up to 8191 evenly spaced numbers, and the exact sum of all its bits read as integers,
    which any single change changes and no order of adding does.
    """
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        flat = parameter.detach().float().flatten()
        step = max(1, flat.numel() // 4096)
        bits = int(flat.view(torch.int32).sum(dtype=torch.int64))
        digest.update(f"{name.split('.')[-1]}{tuple(parameter.shape)}{bits}".encode())
        digest.update(flat[::step].cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _hash(config: Any, weights: str) -> str:
    """A fingerprint of what a model computes: its configuration and its weights."""
    settings = {key: value for key, value in config.to_dict().items() if key not in UNUSED and key[0] != "_"}
    return hashlib.sha256((json.dumps(settings, sort_keys=True, default=str) + weights).encode()).hexdigest()[:16]
