"""Which proposed prompts are worth measuring: not empty, not too long, not tried, not near a mediocre one.

Every proposal comes back as a Candidate, with the reason when it is turned down, for the store and for the agent that
proposed it. Exact duplicates are refused whatever a prompt's origin; nearness in meaning only speaks against free
proposals, since one side of a minimal pair is near the other by design. Rows of the corpus count among the values, but
are never compared with: they are long, and no proposal resembles one.

What is kept between calls (values, embeddings) is what the store holds: a screening opened again judges the same.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from memory.recall import Encoder, Recall, Thresholds
from memory.records import Candidate, Origin, Prompt
from memory.standing import Bucket, Buckets
from memory.store import Store

LONGEST = 200  # tokens of a proposed prompt; corpus rows and a user's own texts may be longer
FREE = {Origin.HYPOTHESIS, Origin.RANDOM}
UNBOUNDED = {Origin.CORPUS, Origin.USER}
COMPARED = [origin for origin in Origin if origin is not Origin.CORPUS]


class Screening:
    """Judges proposals of one run against everything the run has measured. One thread at a time."""

    def __init__(
        self, store: Store, encoder: Encoder, *, tokens: Callable[[str], int], thresholds: Thresholds | None = None
    ) -> None:
        self._thresholds = thresholds
        self._store = store
        self._encoder = encoder
        self._tokens = tokens
        self._recalls: dict[str, Recall] = {}
        self._buckets: dict[str, tuple[Buckets, set[str]]] = {}  # by run; the text keys counted so far

    def judge(
        self, prompts: Sequence[Prompt], *, run_id: str, step: int, waiting: Collection[str] = ()
    ) -> list[Candidate]:
        """Each prompt as a candidate, in order. `waiting` are the text keys accepted and not yet measured."""
        known = self._store.seen(run_id) | set(waiting)
        judged = []
        for prompt in prompts:
            reason, detail = self._objection(prompt, known)
            judged.append(Candidate(step, prompt, reason, detail))
            known.add(prompt.key)
        return self._without_mediocre(judged, run_id)

    def _objection(self, prompt: Prompt, known: Collection[str]) -> tuple[str | None, str]:
        size = self._tokens(prompt.text)
        if not size or not prompt.text.strip():
            return "empty", ""
        if size > LONGEST and prompt.origin not in UNBOUNDED:
            return "too-long", f"{size} tokens, {LONGEST} are the most"
        return ("duplicate", "measured, waiting or proposed already") if prompt.key in known else (None, "")

    def _without_mediocre(self, judged: list[Candidate], run_id: str) -> list[Candidate]:
        free = [n for n, each in enumerate(judged) if each.reason is None and each.prompt.origin in FREE]
        if not free:
            return judged
        peaks = self._store.peaks(run_id)
        buckets = self._counted(run_id, peaks)
        near = self._recall(run_id).screen(
            [judged[n].prompt.text for n in free],
            lambda key: buckets.bucket(peaks[key]) if key in peaks else Bucket.MID,
        )
        for n, neighbour in zip(free, near, strict=True):
            if neighbour is not None:
                detail = f"cosine {neighbour.similarity:.2f} to a mediocre prompt that ends {neighbour.text[-60:]!r}"
                judged[n] = replace(judged[n], reason="near-mediocre", detail=detail)
        return judged

    def _counted(self, run_id: str, peaks: Mapping[str, float]) -> Buckets:
        buckets, counted = self._buckets.setdefault(run_id, (Buckets(), set()))
        for key in peaks.keys() - counted:
            buckets.add(peaks[key])
            counted.add(key)
        return buckets

    def _recall(self, run_id: str) -> Recall:
        if run_id not in self._recalls:
            self._recalls[run_id] = Recall(
                self._encoder, self._store, run_id=run_id, thresholds=self._thresholds, origins=COMPARED
            )
        else:
            self._recalls[run_id].add(list(self._store.texts(run_id, origins=COMPARED).values()))
        return self._recalls[run_id]
