"""One pass over a corpus that keeps, for every unit of a bank, what the extremes and the middle look like.

A bank is every MLP neuron of the model, or every feature of a dictionary, or every channel of one hook point.
What is computed, per half of the corpus (evidence and held out) and per unit, over all tokens but BOS:
  1. the 20 rows with the highest and the 20 with the lowest activation (one example a row, so 20 different contexts);
  2. sum and sum of squares of the activations over every eighth row, and how many tokens that was;
  3. a uniform sample of token positions read at every unit at once (evidence half only), for quantiles.
Only the row of an extreme is kept: its tokens are re-read in float32 when somebody asks about that unit, which costs
one small batch, and makes the pass cost one maximum over the sequence (search for the position is what is expensive).
The pass itself runs in bfloat16 where the processor is fast at it. Stored by (hook point, unit, rank): a unit is read
back without loading the rest. The pass saves itself as it goes and resumes where it stood.
"""

import errno
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from tools import corpus
from tools.batch import MOMENT_ROWS, found_in
from tools.subject import Subject
from tools.units import Bank

KEPT = 20
BATCH_TOKENS = 4096  # padded, BOS included
SAVE_SECONDS = 15
SAMPLE_BYTES = 128_000_000  # the most the quantile sample may take
PARTIAL = "partial.safetensors"
HALVES = ("evidence", "held_out")
TORN = -1  # in place of the next batch's number while a batch is being added

Progress = Callable[[int, int], None]  # tokens read, tokens in all


@dataclass(frozen=True)
class Extremes:
    """Rows of the extremes of one unit in one half, best first, with the activations seen in the pass."""

    rows: tuple[int, ...]
    values: tuple[float, ...]


class Survey:
    """A finished survey on disk: its rows of text, and each unit's extremes, moments and sample."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tensors = safe_open(folder / "survey.safetensors", framework="np")
        kept = load_file(folder / "rows.safetensors")
        sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
        self.rows = corpus.Rows(
            kept["tokens"].numpy(), kept["lengths"].numpy(), kept["held_out"].numpy().astype(bool), tuple(sources)
        )
        self.tokens = int(self.rows.lengths.sum())

    def extremes(self, row: int, index: int, *, half: str, side: str) -> Extremes:
        """The `side` ("top" or "bottom") examples of a unit in a half ("evidence" or "held_out").

        `row` is the place of the unit's hook point in its bank: the layer, for neurons.
        """
        rows = self._tensors.get_slice(f"{half}.{side}_row")[row, index]
        values = self._tensors.get_slice(f"{half}.{side}_value")[row, index]
        real = rows >= 0
        return Extremes(tuple(rows[real].tolist()), tuple(values[real].astype(float).tolist()))

    def moments(self, row: int, index: int, *, half: str) -> tuple[int, float, float]:
        """How many tokens were counted, and the mean and standard deviation of a unit over them."""
        count = int(self._tensors.get_tensor(f"{half}.moment_count")[0])
        total = float(self._tensors.get_slice(f"{half}.sum")[row, index])
        squares = float(self._tensors.get_slice(f"{half}.squares")[row, index])
        mean = total / count
        return count, mean, max(0.0, squares / count - mean * mean) ** 0.5

    def sample(self, row: int, index: int) -> np.ndarray:
        """Activations at a uniform sample of evidence tokens, float32 [sampled]; all tokens where there are few."""
        evidence = int(self.rows.lengths[~self.rows.held_out].sum())
        return self._tensors.get_slice("evidence.sample")[row, index][:evidence].astype(np.float32)

    def samples(self, row: int) -> np.ndarray:
        """`sample` of every unit of one hook point, float32 [units, sampled]."""
        evidence = int(self.rows.lengths[~self.rows.held_out].sum())
        return self._tensors.get_slice("evidence.sample")[row][:, :evidence].astype(np.float32)

    def ranges(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest activation of every unit of one hook point in the evidence, float32 [units]."""
        best, worst = (self._tensors.get_slice(f"evidence.{side}_value")[row][:, 0] for side in ("top", "bottom"))
        return worst.astype(np.float32), best.astype(np.float32)

    @property
    def hooks(self) -> int:
        """How many hook points it holds."""
        return self._tensors.get_slice("evidence.top_row").get_shape()[0]

    def half(self, half: str) -> list[int]:
        """Row numbers of a half, in a fixed order unrelated to their length."""
        wanted = np.flatnonzero(self.rows.held_out == (half == "held_out"))
        return np.random.default_rng(0).permutation(wanted).tolist()


def survey_tokens(subject: Subject) -> int:
    """How many tokens a survey reads by default: a million for a small model, fewer for one that costs more a token."""
    body = sum(p.numel() for p in subject.hf.base_model.parameters())
    return int(min(1_000_000, max(120_000, 4e12 / body)))


def take(
    subject: Subject,
    spec: str,
    home: Path,
    *,
    bank: Bank | None = None,
    tokens: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """The survey of a model over a corpus: read from `home` when it was taken before, else taken now.

    bank: the units to read, by default every MLP neuron.
    tokens: how many to read, by default what suits the model's size. Interrupted (Ctrl-C, kill), it goes on from its
    last save. Raises CorpusError when there is nothing to read.
    """
    tokens = tokens or survey_tokens(subject)
    bank = bank or subject.neurons
    name = [subject.hash, corpus.fingerprint(spec, without=home), str(tokens), *([bank.name] if bank.name else [])]
    folder = home / "surveys" / "-".join(name)
    try:
        return _taken(subject, bank, spec, folder, home, tokens=tokens, progress=progress)
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError, KeyError) as error:
        raise corpus.CorpusError(
            f"the survey in {folder} cannot be read: remove that folder, and it is taken again"
        ) from error


def _taken(
    subject: Subject, bank: Bank, spec: str, folder: Path, home: Path, *, tokens: int, progress: Progress | None
) -> Survey:
    whole = folder / "survey.safetensors"
    if not whole.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):  # one process reads, others wait for what it reads
            if not whole.exists():
                rows = _kept_rows(subject, spec, folder, tokens, without=home)
                _read(subject, bank, rows, folder=folder, progress=progress)
    (folder / PARTIAL).unlink(missing_ok=True)
    return Survey(folder)


def _kept_rows(subject: Subject, spec: str, folder: Path, tokens: int, *, without: Path) -> corpus.Rows:
    path = folder / "rows.safetensors"
    if not path.exists():
        rows = corpus.rows(subject, spec, tokens, without=without)
        beside = folder / "sources.writing"
        beside.write_text(json.dumps(rows.sources), encoding="utf-8")
        beside.replace(folder / "sources.json")
        found = {"tokens": rows.tokens, "lengths": rows.lengths, "held_out": rows.held_out.astype(np.uint8)}
        _save({name: torch.from_numpy(array) for name, array in found.items()}, path)
    kept = load_file(path)
    sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
    held_out = kept["held_out"].numpy().astype(bool)
    return corpus.Rows(kept["tokens"].numpy(), kept["lengths"].numpy(), held_out, tuple(sources))


def _read(subject: Subject, bank: Bank, rows: corpus.Rows, *, folder: Path, progress: Progress | None) -> None:
    partial = folder / PARTIAL
    state = load_file(partial) if partial.exists() else _fresh(bank)
    batches = list(_batches(rows))
    total, done = int(rows.lengths.sum()), int(state["evidence.count"] + state["held_out.count"])
    saved = time.monotonic()
    pick = _sampled_positions(int(rows.lengths[~rows.held_out].sum()), state["evidence.sample"].shape[-1])
    try:
        while (number := int(state["next_batch"])) < len(batches):
            _absorb(subject, bank, rows, batches[number], state=state, pick=pick)
            done += int(rows.lengths[batches[number]].sum())
            if progress is not None:
                progress(done, total)
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(state, partial)
                saved = time.monotonic()
    except KeyboardInterrupt:
        if int(state["next_batch"]) != TORN:
            _save(state, partial)
        raise
    _save(state, folder / "survey.safetensors")


def _fresh(bank: Bank) -> dict[str, torch.Tensor]:
    shape = (len(bank.hooks), bank.width)
    sampled = min(2048, SAMPLE_BYTES // (2 * shape[0] * shape[1]))
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
    """Row numbers of each batch, longest rows first; a batch never mixes the halves."""
    for held_out in (False, True):
        chosen = np.flatnonzero(rows.held_out == held_out)
        while len(chosen):
            size = max(1, BATCH_TOKENS // int(1 + rows.lengths[chosen[0]]))
            yield chosen[:size]
            chosen = chosen[size:]


def _sampled_positions(tokens: int, sampled: int) -> np.ndarray:
    """Which tokens of the evidence half, counted in reading order, go into the sample."""
    return np.sort(np.random.default_rng(0).choice(tokens, size=min(sampled, tokens), replace=False))


def _absorb(
    subject: Subject,
    bank: Bank,
    rows: corpus.Rows,
    batch: np.ndarray,
    *,
    state: dict[str, torch.Tensor],
    pick: np.ndarray,
) -> None:
    """Read a batch, then add it to the state: an interruption while the model runs leaves the state as it was."""
    half = HALVES[int(rows.held_out[batch[0]])]
    lengths = rows.lengths[batch]
    first, tokens = int(state[f"{half}.count"]), int(lengths.sum())
    wanted = pick[(pick >= first) & (pick < first + tokens)] if half == "evidence" else pick[:0]
    found = found_in(subject, bank, [rows.ids(row) for row in batch], wanted=wanted - first)
    number = int(state["next_batch"])
    state["next_batch"].fill_(TORN)
    for at, seen in enumerate(found):
        state[f"{half}.sum"][at] += seen.total
        state[f"{half}.squares"][at] += seen.squares
        _extremes(seen.top, batch, state, f"{half}.top", at)
        _extremes(seen.bottom, batch, state, f"{half}.bottom", at)
        if len(wanted):
            state["evidence.sample"][at][:, np.searchsorted(pick, wanted)] = seen.sample
    state[f"{half}.count"] += tokens
    state[f"{half}.moment_count"] += int(lengths[::MOMENT_ROWS].sum())
    state["next_batch"].fill_(number + 1)


def _extremes(found: torch.Tensor, batch: np.ndarray, state: dict[str, torch.Tensor], side: str, at: int) -> None:
    """Keep the best of what was kept and of a batch's extremes [units, rows]."""
    kept_value, kept_row = state[f"{side}_value"][at], state[f"{side}_row"][at]
    largest = side.endswith("top")
    gains = found.amax(1) > kept_value[:, -1] if largest else found.amin(1) < kept_value[:, -1]
    if not (units := gains.nonzero()[:, 0]).numel():  # most batches change few units, once some have been read
        return
    numbers = torch.from_numpy(batch.astype(np.int32)).expand(len(units), -1)
    best, where = torch.cat([kept_value[units], found[units]], 1).topk(KEPT, 1, largest=largest)
    kept_row[units] = torch.cat([kept_row[units], numbers], 1).gather(1, where)
    kept_value[units] = best


def _save(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write beside and rename, so that a kill leaves the old file or the new one."""
    beside = path.with_suffix(".writing")
    try:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, beside)
    except SafetensorError as error:
        beside.unlink(missing_ok=True)
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]) if code else errno.EIO, str(error), str(path)) from error
    beside.replace(path)
