"""Explanations by meaning: sentence embeddings made once a text, beside the server, and cosines to a question.

Knows texts and their directions (memory/recall.py), kept in memory by text. They are made by a thread of its own, so
that no page waits for the encoder; until they are there it says how far that has got. Refuses to know runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from memory.recall import BATCH, Encoder, EncoderError

PATIENCE = 0.15  # seconds that a page waits for what is nearly there
MOST = 50_000  # texts that are kept, where no more are asked for


@dataclass(frozen=True)
class Progress:
    """How many of the texts are known by meaning; `failure` is why no more will be."""

    known: int
    total: int
    failure: str | None = None


class Meanings:
    """The texts known by meaning. Any thread may ask; `open_encoder` is called once, by the thread that reads."""

    def __init__(self, open_encoder: Callable[[], Encoder]) -> None:
        self._open_encoder = open_encoder
        self._directions: dict[str, np.ndarray] = {}
        self._reading = threading.Lock()
        self._encoder: Encoder | None = None
        self._failure: str | None = None

    def similarities(self, question: str, texts: Mapping[str, str]) -> dict[str, float] | Progress:
        """The cosine of every text to the question by the text's key, or how far reading has got."""
        wanted = {question, *texts.values()}
        missing = self._missing(wanted)
        if missing:
            self._read(missing, most=max(MOST, 2 * len(wanted)))
            missing = self._missing(wanted)
        if missing:
            return Progress(len(wanted) - len(missing), len(wanted), self._failure)
        if not texts:
            return {}
        known = dict(self._directions)
        found = np.stack([known[text] for text in texts.values()]) @ known[question]
        return {key: float(value) for key, value in zip(texts, found, strict=True)}

    def _missing(self, wanted: Collection[str]) -> list[str]:
        return [text for text in wanted if text not in self._directions]

    def _read(self, missing: list[str], *, most: int) -> None:
        """Have a thread read them, unless one is reading, and wait a moment for it."""
        if self._failure is None and self._reading.acquire(blocking=False):
            reader = threading.Thread(target=self._encode, args=(missing, most), daemon=True)
            reader.start()
            reader.join(PATIENCE)

    def _encode(self, missing: list[str], most: int) -> None:
        try:
            self._encoder = self._encoder or self._open_encoder()
            if len(self._directions) > most:
                self._directions = {}
            for start in range(0, len(missing), BATCH):
                texts = missing[start : start + BATCH]
                self._directions |= dict(zip(texts, self._encoder.encode(texts), strict=True))
        except (EncoderError, OSError, ImportError) as error:
            self._failure = " ".join(str(error).split()) or type(error).__name__
        finally:
            self._reading.release()
