"""One pass over a corpus that keeps, for every neuron of the model, what the extremes and the middle look like.

What is computed, per half of the corpus (evidence and held out) and per neuron, over all tokens but BOS:
  1. the 20 rows with the highest and the 20 with the lowest activation (one example a row, so 20 different contexts);
  2. sum and sum of squares of the activations over every eighth row, and how many tokens that was;
  3. a uniform sample of token positions read at every neuron at once (evidence half only), for quantiles.
Only the row of an extreme is kept: its tokens are re-read in float32 when somebody asks about that neuron, which costs
one small batch, and makes the pass cost one maximum over the sequence (search for the position is what is expensive).
The pass itself runs in bfloat16 where the processor is fast at it. Stored by (layer, neuron, rank): a neuron is read
back without loading the rest. The pass saves itself as it goes and resumes where it stood.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tools import corpus
from tools.subject import Subject

KEPT = 20
BATCH_ROWS = 16
MOMENT_ROWS = 8  # one row in so many is counted in the moments
SAVE_SECONDS = 15
SAMPLE_BYTES = 128_000_000  # the most the quantile sample may take
HALVES = ("evidence", "held_out")

Progress = Callable[[int, int], None]  # tokens read, tokens in all


@dataclass(frozen=True)
class Extremes:
    """Rows of the extremes of one neuron in one half, best first, with the activations seen in the pass."""

    rows: tuple[int, ...]
    values: tuple[float, ...]


class Survey:
    """A finished survey on disk: its rows of text, and each neuron's extremes, moments and sample."""

    def __init__(self, folder: Path) -> None:
        self._tensors = safe_open(folder / "survey.safetensors", framework="np")
        kept = load_file(folder / "rows.safetensors")
        sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
        self.rows = corpus.Rows(
            kept["tokens"].numpy(), kept["lengths"].numpy(), kept["held_out"].numpy().astype(bool), tuple(sources)
        )
        self.tokens = int(self.rows.lengths.sum())

    def extremes(self, layer: int, index: int, *, half: str, side: str) -> Extremes:
        """The `side` ("top" or "bottom") examples of a neuron in a half ("evidence" or "held_out")."""
        rows = self._tensors.get_slice(f"{half}.{side}_row")[layer, index]
        values = self._tensors.get_slice(f"{half}.{side}_value")[layer, index]
        real = rows >= 0
        return Extremes(tuple(rows[real].tolist()), tuple(values[real].astype(float).tolist()))

    def moments(self, layer: int, index: int, *, half: str) -> tuple[int, float, float]:
        """How many tokens were counted, and the mean and standard deviation of a neuron over them."""
        count = int(self._tensors.get_tensor(f"{half}.moment_count")[0])
        total = float(self._tensors.get_slice(f"{half}.sum")[layer, index])
        squares = float(self._tensors.get_slice(f"{half}.squares")[layer, index])
        mean = total / count
        return count, mean, max(0.0, squares / count - mean * mean) ** 0.5

    def sample(self, layer: int, index: int) -> np.ndarray:
        """Activations at a uniform sample of evidence tokens, float32 [sampled]."""
        return self._tensors.get_slice("evidence.sample")[layer, index].astype(np.float32)

    def half(self, half: str) -> list[int]:
        """Row numbers of a half, in a fixed order unrelated to their length."""
        wanted = np.flatnonzero(self.rows.held_out == (half == "held_out"))
        return np.random.default_rng(0).permutation(wanted).tolist()


def survey_tokens(subject: Subject) -> int:
    """How many tokens a survey reads by default: a million for a small model, fewer for one that costs more a token."""
    body = sum(p.numel() for p in subject.hf.base_model.parameters())
    return int(min(1_000_000, max(120_000, 4e12 / body)))


def take(
    subject: Subject, spec: str, home: Path, *, tokens: int | None = None, progress: Progress | None = None
) -> Survey:
    """The survey of a model over a corpus: read from `home` when it was taken before, else taken now.

    tokens: how many to read, by default what suits the model's size. Interrupted (Ctrl-C, kill), it goes on from its
    last save. Raises CorpusError when there is nothing to read.
    """
    tokens = tokens or survey_tokens(subject)
    folder = home / "surveys" / f"{subject.hash}-{corpus.fingerprint(spec)}-{tokens}"
    if not (folder / "survey.safetensors").exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = _kept_rows(subject, spec, folder, tokens)
        _read(subject, rows, folder, progress)
    return Survey(folder)


def _kept_rows(subject: Subject, spec: str, folder: Path, tokens: int) -> corpus.Rows:
    path = folder / "rows.safetensors"
    if not path.exists():
        rows = corpus.rows(subject, spec, tokens)
        (folder / "sources.json").write_text(json.dumps(rows.sources), encoding="utf-8")
        found = {"tokens": rows.tokens, "lengths": rows.lengths, "held_out": rows.held_out.astype(np.uint8)}
        _save({name: torch.from_numpy(array) for name, array in found.items()}, path)
    kept = load_file(path)
    sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
    held_out = kept["held_out"].numpy().astype(bool)
    return corpus.Rows(kept["tokens"].numpy(), kept["lengths"].numpy(), held_out, tuple(sources))


def _read(subject: Subject, rows: corpus.Rows, folder: Path, progress: Progress | None) -> None:
    partial = folder / "partial.safetensors"
    state = load_file(partial) if partial.exists() else _fresh(subject)
    batches = list(_batches(rows))
    total, done = int(rows.lengths.sum()), int(state["evidence.count"] + state["held_out.count"])
    saved = time.monotonic()
    pick = _sampled_positions(int(rows.lengths[~rows.held_out].sum()), state["evidence.sample"].shape[-1])
    try:
        while (number := int(state["next_batch"])) < len(batches):
            _absorb(subject, rows, batches[number], state, pick)
            done += int(rows.lengths[batches[number]].sum())
            if progress is not None:
                progress(done, total)
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(state, partial)
                saved = time.monotonic()
    except KeyboardInterrupt:
        _save(state, partial)
        raise
    _save(state, folder / "survey.safetensors")
    partial.unlink(missing_ok=True)


def _fresh(subject: Subject) -> dict[str, torch.Tensor]:
    shape = (subject.layers, subject.width)
    sampled = min(2048, SAMPLE_BYTES // (2 * subject.layers * subject.width))
    state = {"next_batch": torch.zeros(1, dtype=torch.int64)}
    for half in HALVES:
        state[f"{half}.count"] = torch.zeros(1, dtype=torch.int64)
        state[f"{half}.moment_count"] = torch.zeros(1, dtype=torch.int64)
        state[f"{half}.sum"] = torch.zeros(shape, dtype=torch.float64)
        state[f"{half}.squares"] = torch.zeros(shape, dtype=torch.float64)
        for side, start in (("top", -torch.inf), ("bottom", torch.inf)):
            state[f"{half}.{side}_value"] = torch.full((*shape, KEPT), start)
            state[f"{half}.{side}_row"] = torch.full((*shape, KEPT), -1, dtype=torch.int32)
    state["evidence.sample"] = torch.zeros((*shape, sampled), dtype=torch.float16)
    return state


def _batches(rows: corpus.Rows) -> Iterator[np.ndarray]:
    """Row numbers of each batch; a batch never mixes the halves."""
    for held_out in (False, True):
        chosen = np.flatnonzero(rows.held_out == held_out)
        yield from (chosen[at : at + BATCH_ROWS] for at in range(0, len(chosen), BATCH_ROWS))


def _sampled_positions(tokens: int, sampled: int) -> np.ndarray:
    """Which tokens of the evidence half, counted in reading order, go into the sample."""
    return np.sort(np.random.default_rng(0).choice(tokens, size=min(sampled, tokens), replace=False))


def _absorb(
    subject: Subject, rows: corpus.Rows, batch: np.ndarray, state: dict[str, torch.Tensor], pick: np.ndarray
) -> None:
    half = HALVES[int(rows.held_out[batch[0]])]
    lengths = torch.from_numpy(rows.lengths[batch])
    first = int(state[f"{half}.count"])
    wanted = pick[(pick >= first) & (pick < first + int(lengths.sum()))] if half == "evidence" else pick[:0]
    slots = np.searchsorted(pick, wanted)
    grid = subject.padded([rows.ids(row) for row in batch])
    real = (torch.arange(grid.shape[1] - 1) < lengths[:, None]).to(subject.device)

    def reader(layer: int) -> Callable[[torch.Tensor], None]:
        def read(output: torch.Tensor) -> None:
            values = output[:, 1:]
            some = values[::MOMENT_ROWS][real[::MOMENT_ROWS]].float()
            state[f"{half}.sum"][layer] += some.sum(0).cpu()
            state[f"{half}.squares"][layer] += some.square().sum(0).cpu()
            _extremes(values, real, batch, state, half, layer)
            if len(wanted):
                state["evidence.sample"][layer][:, slots] = values[real][wanted - first].T.to("cpu", torch.float16)

        return read

    fast = torch.autocast(subject.device.type, torch.bfloat16) if _bfloat16_is_fast(subject) else nullcontext()
    with subject.lock(), torch.inference_mode(), fast, subject.hooked({n: reader(n) for n in range(subject.layers)}):
        subject.run(grid)
    state[f"{half}.count"] += int(lengths.sum())
    state[f"{half}.moment_count"] += int(lengths[::MOMENT_ROWS].sum())
    state["next_batch"] += 1


def _extremes(
    values: torch.Tensor, real: torch.Tensor, batch: np.ndarray, state: dict[str, torch.Tensor], half: str, layer: int
) -> None:
    numbers = torch.from_numpy(batch.astype(np.int32))
    for side, largest in (("top", True), ("bottom", False)):
        shown = values
        if not bool(real.all()):
            shown = values.masked_fill(~real[..., None], -torch.inf if largest else torch.inf)
        found = (shown.amax(1) if largest else shown.amin(1)).float().cpu().T  # [neurons, rows]
        kept_value, kept_row = state[f"{half}.{side}_value"][layer], state[f"{half}.{side}_row"][layer]
        joined = torch.cat([kept_value, found], 1)
        best, where = joined.topk(KEPT, 1, largest=largest)
        kept_row.copy_(torch.cat([kept_row, numbers.expand(len(found), -1)], 1).gather(1, where))
        kept_value.copy_(best)


def _bfloat16_is_fast(subject: Subject) -> bool:
    if subject.device.type == "cuda":
        return True
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _save(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write beside and rename, so that a kill leaves the old file or the new one."""
    beside = path.with_suffix(".writing")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, beside)
    beside.replace(path)
