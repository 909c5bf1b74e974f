"""Train the dictionary bundled with pocket: a sparse autoencoder (SAE) over its residual stream after block 6.

What: a BatchTopK SAE (Bussmann et al. 2024, arXiv:2412.06410) trained by SAELens, kept as the JumpReLU SAE it becomes.
How:  1. gather pocket's own text (tools/pocket/text.py). Its held-out files are the test split; one training file in
         HELD_OUT is the comparison split, on which settings are compared in short runs; the rest is trained on;
      2. read the residual stream once into float16: rows of BOS and up to 255 tokens of one file. Position 0, with
         more than twice the usual norm, is dropped: BOS is in no training sample and in no figure;
      3. scale to a mean norm of sqrt(d_in), begin at the mean, train on the shuffled samples, fold the scale back;
      4. measure on the test split, and write weights and card.

Knows how the dictionary is made. Refuses to know how good it is (dictionary_quality.py) or how one is used
(tools/features.py).
Run it from the repository's root:

    python -m tools.pocket.dictionary_training
"""

import argparse
import hashlib
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tools import pocket
from tools.features import Dictionary, open_dictionary
from tools.loading import load
from tools.pocket.dictionary_card import card
from tools.pocket.dictionary_quality import HOOK, quality, residual_stream
from tools.pocket.text import HELD_OUT, Source, sources
from tools.subject import Subject

HERE = Path(__file__).parent / "dictionary"
EVERYTHING = 10**9
SHORT = 400_000  # samples of a short run
COMPARED = ((24, 1e-3), (24, 3e-3), (16, 3e-3))  # k and rate


@dataclass(frozen=True)
class Plan:
    """How much and how: different tokens, times over them, features, mean active features, rate, batch of samples."""

    tokens: int = 1_500_000
    passes: float = 2.0
    width: int = 2048
    k: int = 24
    rate: float = 3e-3
    batch: int = 1024
    seed: int = 0


def split(text: list[Source]) -> tuple[list[Source], list[Source], list[Source]]:
    """The files to train on, to compare settings on, and to test on."""
    digests = [hashlib.sha256(source.text.encode()).digest() for source in text]
    remainders = [int.from_bytes(digest[:4], "big") % HELD_OUT for digest in digests]
    pairs = list(zip(text, remainders, strict=True))
    train = [source for source, remainder in pairs if remainder != 1 and not source.held_out]
    compare = [source for source, remainder in pairs if remainder == 1 and not source.held_out]
    return train, compare, [source for source in text if source.held_out]


def rows_of(subject: Subject, files: list[Source], tokens: int, seed: int) -> list[list[int]]:
    """Rows of up to 255 token ids, whole files in random order until there are `tokens`, the rows shuffled."""
    rng = random.Random(seed)
    rows: list[list[int]] = []
    count, room = 0, subject.context - 1
    for source in rng.sample(files, len(files)):
        ids = subject.encode(source.text)
        rows += [ids[at : at + room] for at in range(0, len(ids), room)]
        count += len(ids)
        if count >= tokens:
            break
    return rng.sample(rows, len(rows))


def samples(activations: torch.Tensor, plan: Plan) -> Iterator[torch.Tensor]:
    """Batches [batch, d_in] without end: all samples in random order, in another order each time round."""
    generator = torch.Generator().manual_seed(plan.seed)
    while True:
        order = torch.randperm(len(activations), generator=generator)
        for at in range(0, len(order) - plan.batch + 1, plan.batch):
            yield activations[order[at : at + plan.batch]].float()


def train(activations: torch.Tensor, plan: Plan) -> Any:
    """A trained SAELens SAE over activations [tokens, d_in]."""
    from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, SAETrainer
    from sae_lens.config import LoggingConfig, SAETrainerConfig

    torch.manual_seed(plan.seed)
    d_in = activations.shape[-1]
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=d_in, d_sae=plan.width, k=plan.k, normalize_activations="expected_average_only_in"
        )
    )
    total = int(len(activations) * plan.passes)
    steps = total // plan.batch
    settings = SAETrainerConfig(
        total_training_samples=total,
        train_batch_size_samples=plan.batch,
        lr=plan.rate,
        lr_end=plan.rate,
        lr_warm_up_steps=steps // 50 + 1,
        lr_decay_steps=steps // 3,
        dead_feature_window=200,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer = SAETrainer(settings, sae, samples(activations, plan))
    some = activations[:200_000].float()
    factor = math.sqrt(d_in) / float(some.norm(dim=-1).mean())
    trainer.activation_scaler.scaling_factor = factor  # the trainer keeps it, and folds it into the weights at the end
    sae.b_dec.data.copy_(some.mean(0) * factor)
    return trainer.fit()


def write(sae: Any, subject: Subject, folder: Path) -> Dictionary:
    """Save the SAE as what it is used as, with what it was made for, and open it as the product does."""
    metadata = sae.cfg.metadata
    metadata.model_name, metadata.model_hash, metadata.hook_name = subject.name, subject.weights_hash, HOOK
    metadata.prepend_bos, metadata.context_size = True, subject.context
    sae.save_inference_model(folder)
    return open_dictionary(str(folder), subject)


def compare(subject: Subject, text: list[Source], plans: list[Plan]) -> list[dict[str, Any]]:
    """The figures of short runs, all on the same samples, on the comparison split."""
    files, other, _ = split(text)
    rows = rows_of(subject, other, 60_000, 1)[:240]
    activations = residual_stream(subject, rows_of(subject, files, plans[0].tokens, 0))
    runs = []
    for plan in plans:
        with TemporaryDirectory() as folder:
            dictionary = write(train(activations, plan), subject, Path(folder))
        found = quality(subject, dictionary, rows, activations)
        runs.append({"k": plan.k, "rate": plan.rate, "width": plan.width, **found})
        print(json.dumps(runs[-1]), flush=True)
    return runs


def make(subject: Subject, text: list[Source], plan: Plan) -> dict[str, Any]:
    """Train by the plan, write HERE, return the figures on the test split."""
    began = time.process_time()
    files, _, test = split(text)
    rows = rows_of(subject, files, plan.tokens, plan.seed)
    activations = residual_stream(subject, rows)
    print(f"{len(activations):,} samples in {time.process_time() - began:.0f} s", flush=True)
    dictionary = write(train(activations, plan), subject, HERE)
    minutes = (time.process_time() - began) / 60
    found = quality(subject, dictionary, rows_of(subject, test, EVERYTHING, 1)[:400], activations)
    return {
        "model": subject.name,
        "model_hash": subject.weights_hash,
        "hook": HOOK,
        "d_in": activations.shape[-1],
        "width": plan.width,
        "k": plan.k,
        "rate": plan.rate,
        "batch": plan.batch,
        "seed": plan.seed,
        "samples": len(activations),
        "samples_read": int(len(activations) * plan.passes),
        "processor_minutes": round(minutes, 1),
        "test_files": len(test),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Train pocket's dictionary and write tools/pocket/dictionary.")
    parser.add_argument("--tokens", type=int, default=Plan.tokens)
    parser.add_argument("--compare", action="store_true", help="short runs on the comparison split instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    subject = load(pocket.NAME, pocket.FOLDER)
    text = list(sources())
    comparison = HERE / "comparison.json"
    if arguments.compare:
        plans = [Plan(tokens=SHORT, passes=1, k=k, rate=rate) for k, rate in COMPARED]
        comparison.write_text(json.dumps(compare(subject, text, plans), indent=1) + "\n", encoding="utf-8")
        return
    figures = make(subject, text, Plan(tokens=arguments.tokens))
    figures["comparison"] = json.loads(comparison.read_text(encoding="utf-8"))
    (HERE / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (HERE / "README.md").write_text(card(figures), encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
