"""Train pocket, the bundled subject: a GPT-2-architecture language model of Python code that fits in a repository.

What: a 12-layer causal LM, d_model 128, 768 neurons a layer, byte-level BPE of 4096 tokens, 256 positions.
How:  1. gather the text (tools/pocket/text.py), train the tokenizer, encode everything once;
      2. train 3 layers, then stack them four times and train all 12 (growth by depthwise stacking, "G_stack",
         Du et al. 2024, arXiv:2405.15319);
      3. Muon for the matrices (Jordan et al. 2024), AdamW for the rest, constant rate and a linear decay to zero;
      4. measure bits per byte on files that were never trained on, write float16 weights and the model card.
The budget is processor time, so a busy machine trains as long as an idle one. Run it from the repository's root:

    python -m tools.pocket.train --minutes 100
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from tools.pocket.card import card
from tools.pocket.revival import revive
from tools.pocket.text import PACKAGE_LIMIT, sources

HERE = Path(__file__).parent / "weights"
BUILD = Path("build/pocket")
START = "<|endoftext|>"
VOCABULARY, CONTEXT, WIDTH, NEURONS, HEADS = 4096, 256, 128, 768, 4
SHALLOW, DEEP = 3, 12


@dataclass(frozen=True)
class Plan:
    """How long and how: minutes of processor time, sequences a step, peak learning rates, schedule shares."""

    minutes: float
    batch: int = 16
    matrix_rate: float = 4e-3
    other_rate: float = 8e-3
    shallow_share: float = 0.4
    decay_share: float = 0.4
    revival_minutes: float = 12
    revival_rate: float = 2.5e-3
    seed: int = 0


@dataclass(frozen=True)
class Text:
    """Encoded text: one stream of token ids for training, held-out documents kept apart with their byte counts."""

    train: np.ndarray
    held_out: list[np.ndarray]
    held_out_bytes: int
    train_bytes: int
    files: int


def prepare() -> tuple[Tokenizer, Text]:
    """Gather, train the tokenizer, encode; everything is kept under build/ for the next call."""
    BUILD.mkdir(parents=True, exist_ok=True)
    kept = list(sources())
    tokenizer = _tokenizer([source.text for source in kept if not source.held_out])
    train_bytes, stream, held, held_bytes = 0, [], [], 0
    for source in kept:
        ids = np.array(tokenizer.encode(source.text).ids, dtype=np.uint16)
        size = len(source.text.encode())
        if source.held_out:
            held.append(ids)
            held_bytes += size
        else:
            stream += [np.zeros(1, np.uint16), ids]
            train_bytes += size
    text = Text(np.concatenate(stream), held, held_bytes, train_bytes, len(kept))
    print(f"{len(kept)} files, {train_bytes / 1e6:.1f} MB, {len(text.train) / 1e6:.1f} M training tokens", flush=True)
    return tokenizer, text


def _tokenizer(texts: list[str]) -> Tokenizer:
    path = BUILD / "tokenizer.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(path))
    return tokenizer


def config(layers: int) -> GPT2Config:
    """The shape of pocket with a given depth."""
    return GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=layers,
        n_head=HEADS,
        n_inner=NEURONS,
        activation_function="gelu_pytorch_tanh",  # gelu_new in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )


def stack(shallow: GPT2LMHeadModel) -> GPT2LMHeadModel:
    """A DEEP model whose blocks are the shallow model's, repeated as a whole."""
    deep = GPT2LMHeadModel(config(DEEP))
    own = shallow.transformer
    deep.transformer.wte.load_state_dict(own.wte.state_dict())
    deep.transformer.wpe.load_state_dict(own.wpe.state_dict())
    deep.transformer.ln_f.load_state_dict(own.ln_f.state_dict())
    for index, block in enumerate(deep.transformer.h):
        block.load_state_dict(own.h[index % len(own.h)].state_dict())
    return deep


def loss_of(model: GPT2LMHeadModel, rows: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Next-token cross-entropy in nats over rows [batch, positions] of token ids."""
    with torch.autocast(rows.device.type, dtype=torch.bfloat16):
        hidden = model.transformer(rows[:, :-1]).last_hidden_state
        logits = model.lm_head(hidden)
    return F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten(), reduction=reduction)


def optimisers(model: GPT2LMHeadModel, matrix_rate: float, other_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, biases and norms; what needs no gradient stays as it is."""
    trained = [p for p in model.parameters() if p.requires_grad]
    inside = set(map(id, model.transformer.h.parameters()))
    matrices = [p for p in trained if p.ndim == 2 and id(p) in inside]
    rest = [p for p in trained if p.ndim != 2 or id(p) not in inside]
    return [
        torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def train(text: Text, plan: Plan, device: str) -> tuple[GPT2LMHeadModel, int]:
    """Train by the plan; returns the deep model and the number of tokens read."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    rows = _rows(text.train, plan.batch, rng)
    model = _placed(GPT2LMHeadModel(config(SHALLOW)), device)
    shallow = plan.shallow_share * plan.minutes
    rate, other = plan.matrix_rate, plan.other_rate
    level = 1.0 / plan.decay_share  # a decay that begins after the shallow part
    read = fit(model, rows, optimisers(model, rate, other), minutes=shallow, decay=lambda _: 1.0)
    model = _placed(stack(model), device)
    rest = plan.minutes - shallow
    read += fit(
        model,
        rows,
        optimisers(model, rate, other),
        minutes=rest,
        decay=lambda share: min(1.0, (1 - share) * rest / plan.minutes * level),
    )
    return model, read + revive_and_fit(model, rows, plan)


def revive_and_fit(model: GPT2LMHeadModel, rows: Iterator[torch.Tensor], plan: Plan) -> int:
    """Restart collapsed parts, then train all but the norm gains; returns the number of tokens read."""
    print(f"restarted {revive(model)}", flush=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".ln_" not in name or not name.endswith("weight"))
    steppers = optimisers(model, plan.revival_rate, plan.revival_rate / 2)
    return fit(model, rows, steppers, minutes=plan.revival_minutes, decay=lambda share: min(1.0, 2 * (1 - share)))


def fit(
    model: GPT2LMHeadModel,
    rows: Iterator[torch.Tensor],
    steppers: list[torch.optim.Optimizer],
    *,
    minutes: float,
    decay: Callable[[float], float],
) -> int:
    """Train for so many processor minutes; `decay` turns the share done into the rate's share. Returns tokens read."""
    peaks = [[group["lr"] for group in stepper.param_groups] for stepper in steppers]
    began, share, step, read, smooth = time.process_time(), 0.0, 0, 0, 0.0
    while share < 1:
        batch = next(rows)
        loss = loss_of(model, batch.to(model.device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper, rates in zip(steppers, peaks, strict=True):
            for group, peak in zip(stepper.param_groups, rates, strict=True):
                group["lr"] = peak * decay(share)
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        step, read = step + 1, read + batch.shape[0] * CONTEXT
        share = (time.process_time() - began) / (60 * minutes)
        smooth = loss.item() if step == 1 else 0.98 * smooth + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"{share:6.1%} of {minutes:.0f} minutes, step {step}, loss {smooth:.3f}", flush=True)
        if step % 500 == 0:
            save_file(_tensors(model), BUILD / "checkpoint.safetensors")
    return read


def _placed(model: GPT2LMHeadModel, device: str) -> GPT2LMHeadModel:
    torch.nn.Module.to(model, device)
    return model


def _rows(stream: np.ndarray, batch: int, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """Batches of BOS and the next CONTEXT tokens: the whole stream in random order, shifted anew each time round."""
    while True:
        starts = np.arange(rng.integers(CONTEXT), len(stream) - CONTEXT, CONTEXT)
        rng.shuffle(starts)
        for at in range(0, len(starts) - batch, batch):
            rows = np.zeros((batch, CONTEXT + 1), np.int64)
            for row, start in zip(rows, starts[at : at + batch], strict=True):
                row[1:] = stream[start : start + CONTEXT]
            yield torch.from_numpy(rows)


@torch.no_grad()
def bits_per_byte(model: GPT2LMHeadModel, text: Text, device: str) -> float:
    """Held-out bits per byte: rows of BOS and the next 255 tokens, no overlap, every byte of every document."""
    nats = 0.0
    for ids in text.held_out:
        for at in range(0, len(ids), CONTEXT - 1):
            row = np.concatenate([[0], ids[at : at + CONTEXT - 1]]).astype(np.int64)
            nats += loss_of(model, torch.from_numpy(row)[None].to(device), "sum").item()
    return nats / math.log(2) / text.held_out_bytes


def _tensors(model: GPT2LMHeadModel, dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    state = model.state_dict()
    return {name: value.to("cpu", dtype).contiguous() for name, value in state.items() if name != "lm_head.weight"}


def write(model: GPT2LMHeadModel, tokenizer: Tokenizer) -> None:
    """Write the folder transformers and TransformerLens read."""
    HERE.mkdir(parents=True, exist_ok=True)
    save_file(_tensors(model), HERE / "model.safetensors", metadata={"format": "pt"})
    shape = config(DEEP)
    shape.activation_function = "gelu_new"
    shape.architectures = ["GPT2LMHeadModel"]
    shape.save_pretrained(HERE)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=START, unk_token=START, model_max_length=CONTEXT
    )
    fast.save_pretrained(HERE)


def _figures(model: GPT2LMHeadModel, text: Text, plan: Plan, read: int, device: str) -> dict[str, Any]:
    return {
        "layers": DEEP,
        "width": WIDTH,
        "neurons": NEURONS,
        "heads": HEADS,
        "context": CONTEXT,
        "vocabulary": VOCABULARY,
        "parameters": sum(p.numel() for p in model.parameters()),
        "files": text.files,
        "package_limit": PACKAGE_LIMIT,
        "training_tokens_available": len(text.train),
        "training_bytes": text.train_bytes,
        "tokens_read": read,
        "processor_minutes": plan.minutes + plan.revival_minutes,
        "main_minutes": plan.minutes,
        "device": device,
        "held_out_files": len(text.held_out),
        "held_out_bytes": text.held_out_bytes,
        "bits_per_byte": round(bits_per_byte(model, text, device), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the bundled subject and write tools/pocket/weights.")
    parser.add_argument("--minutes", type=float, default=100, help="processor minutes (on CUDA: of the one feeding it)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer, text = prepare()
    plan = Plan(arguments.minutes, batch=arguments.batch)
    model, read = train(text, plan, device)
    write(model, tokenizer)
    figures = _figures(model, text, plan, read, device)
    (HERE / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    (HERE / "README.md").write_text(card(figures), encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
