"""How quick the model is read, beside what everybody does: one prompt a call, and a forward pass that reads nothing.

All on one thread, in processes of their own (evals/speed.py starts them), float32 where nothing else is said.

1. `measure_ratio`: prompts a second of the search's evaluator (tools/evaluator.py, screening as it is used) over those
   of TransformerLens's `run_with_cache`, one prompt a call: the same neuron, the same prompts. The prompts are those a
   search asks for: one token of a 16-token parent replaced, at any place; for the second ratio at one of the last
   eight. The values of both are compared, or there is no ratio.
2. `survey_overhead`: seconds of the survey's reading over seconds of a bare forward pass of the model's body over the
   same batches in the same number format, less one; batch by batch in turn, so that both meet the same machine.

Knows the bundled model and a GPT-2 of the small size with random weights: speed does not depend on what they learned.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from memory.records import Target
from tools import batch as batches
from tools import corpus, pocket, survey
from tools.branches import Row
from tools.evaluator import Evaluator
from tools.loading import load
from tools.subject import Subject

LENGTH, LATE = 16, 8
WIDE, ONE_BY_ONE = 2048, 24  # prompts timed
DEPTH = 9  # the block of the neuron; twelve blocks in all
TOKENS, TOKENS_LARGE = 160_000, 24_000  # of the survey's timing
DIFFERENT = 0.05  # share of the spread that screening in bfloat16 may be off by


def gpt2_shape(folder: Path) -> Path:
    """A GPT-2 of the small size with random weights and the bundled model's tokenizer, as a folder."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(pocket.FOLDER)
    config = GPT2Config(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def ratios(subject: Subject) -> dict[str, float]:
    """Prompts a second of both ways, and their ratio, for swaps anywhere and for late ones."""
    target = subject.neuron(DEPTH, 52)
    evaluator = Evaluator(subject, target)
    anywhere, parent = _swaps(subject, WIDE, first=0)
    late, _ = _swaps(subject, WIDE, first=LENGTH - LATE)
    evaluator.around(parent, anywhere[:64])
    one = _rate(lambda: [_cached(subject, target, row) for row in anywhere[:ONE_BY_ONE]], ONE_BY_ONE)
    fast = max(_rate(lambda: evaluator.around(parent, anywhere), WIDE) for _ in range(2))
    faster = max(_rate(lambda: evaluator.around(parent, late), WIDE) for _ in range(2))
    _require_equal(subject, target, evaluator, parent, anywhere[:ONE_BY_ONE])
    return {"one_by_one": one, "prompts": fast, "ratio": fast / one, "late_ratio": faster / one}


def overhead(subject: Subject, tokens: int) -> dict[str, float]:
    """Tokens a second of the survey and of the bare pass, and the share that reading adds."""
    rows = corpus.rows(subject, "stdlib", tokens)
    bank, state = subject.neurons, survey._fresh(subject.neurons)
    pick = survey._sampled_positions(int(rows.lengths[~rows.held_out].sum()), state["evidence.sample"].shape[-1])
    spent = {"bare": 0.0, "reading": 0.0}
    read = 0
    for n, batch in enumerate(survey._batches(rows)):
        ids = [rows.ids(row) for row in batch]
        works = {
            "bare": lambda ids=ids: batches.bare(subject, ids),
            "reading": lambda batch=batch: survey._absorb(subject, bank, rows, batch, state=state, pick=pick),
        }
        for name in sorted(works, reverse=bool(n % 2)):
            spent[name] += _seconds(works[name]) if n else 0.0 * _seconds(works[name])  # the first batch warms up
        read += int(rows.lengths[batch].sum()) if n else 0
    share = spent["reading"] / spent["bare"]
    return {"overhead": share - 1, "share_of_bare": 1 / share, "tokens": read / spent["reading"]}


def _swaps(subject: Subject, count: int, *, first: int) -> tuple[list[Row], Row]:
    chance = random.Random(first)
    size = len(subject.tokenizer)
    parent = tuple(random.Random(0).randrange(1, size) for _ in range(LENGTH))
    rows = []
    for _ in range(count):
        place = chance.randrange(first, LENGTH)
        rows.append((*parent[:place], chance.randrange(1, size), *parent[place + 1 :]))
    return rows, parent


def _cached(subject: Subject, target: Target, row: Row) -> float:
    """The neuron before its activation function at the row's end, as `run_with_cache` gives it."""
    with torch.inference_mode():
        _, cache = subject.bridge.run_with_cache(torch.tensor([[subject.bos, *row]]))
    return float(cache[f"blocks.{target.layer}.mlp.in.hook_out"][0, -1, target.index])


def _require_equal(subject: Subject, target: Target, evaluator: Evaluator, parent: Row, rows: list[Row]) -> None:
    """Raise RuntimeError unless both ways give the same values: exactly to 1e-4, screened to its rounding."""
    want = torch.tensor([_cached(subject, target, row) for row in rows])
    exact = torch.tensor(evaluator.exact(rows))
    rough = torch.tensor(evaluator.around(parent, rows))
    if (exact - want).abs().max() > 1e-4 or (rough - want).abs().max() > DIFFERENT * (want.max() - want.min() + 1):
        raise RuntimeError("the evaluator and run_with_cache do not agree, so their speeds cannot be compared")


def _rate(work: Callable[[], object], count: int) -> float:
    return count / _seconds(work)


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main(what: str) -> dict[str, float]:
    """One measurement by name: pocket, gpt2-shape or survey."""
    torch.set_num_threads(1)
    if what == "gpt2-shape":
        with tempfile.TemporaryDirectory() as folder:
            large = load("gpt2-shape", gpt2_shape(Path(folder)))
            return ratios(large) | overhead(large, TOKENS_LARGE)
    subject = load(pocket.NAME, pocket.FOLDER)
    return overhead(subject, TOKENS) if what == "survey" else ratios(subject)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
