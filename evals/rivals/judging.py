"""What a run is worth: every text it stood at, decoded, tokenised and measured again in float32.

No method's own number counts. Cross-entropies are the subject's own, special tokens excluded, as in
tools/proposals.py, but for many texts at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from evals.rivals.course import Run
from memory.records import Target
from tools.proposals import special
from tools.subject import Subject

BATCH = 64


@dataclass(frozen=True)
class Point:
    """A text of a run: when (CPU seconds), its activation, its cross-entropy in nats a token."""

    seconds: float
    activation: float
    surprise: float
    text: str


def judge(subject: Subject, target: Target, run: Run, *, limit: float) -> list[Point]:
    """The points at which the best activation rose, among all texts or among those of cross-entropy <= `limit`."""
    texts = list(dict.fromkeys(text for _, text in run.stands if text))
    peaks = {text: reading.peak for text, reading in zip(texts, subject.measure(texts, target), strict=True)}
    surprised = dict(zip(texts, surprises(subject, texts), strict=True))
    best = typical = -torch.inf
    rises: list[Point] = []
    for at, text in run.stands:
        peak = peaks.get(text)
        if peak is None:
            continue
        likely = surprised[text] <= limit
        if peak > best or (likely and peak > typical):
            rises.append(Point(at, peak, surprised[text], text))
        best = max(best, peak)
        typical = max(typical, peak) if likely else typical
    return rises


def surprises(subject: Subject, texts: Sequence[str]) -> list[float]:
    """Mean cross-entropy of each text in nats a token; infinite for a text without tokens."""
    rows = [subject.encode(text)[: subject.context - 1] for text in texts]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [float("inf")] * len(rows)
    for start in range(0, len(order), BATCH):
        part = [i for i in order[start : start + BATCH] if rows[i]]
        if part:
            for i, value in zip(part, _surprises(subject, [rows[i] for i in part]), strict=True):
                found[i] = value
    return found


def _surprises(subject: Subject, rows: Sequence[Sequence[int]]) -> list[float]:
    grid = subject.padded(rows)
    with subject.lock(), torch.inference_mode():
        logits = subject.hf(grid, use_cache=False).logits[:, :-1].float()
        logits[:, :, special(subject)] = -torch.inf
        own = logits.log_softmax(-1).gather(2, grid[:, 1:, None])[..., 0]
        return [-float(line[: len(row)].mean()) for line, row in zip(own, rows, strict=True)]
