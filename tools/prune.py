"""The shortest part of a text that keeps a unit firing: its trigger, with the importance of every token in it.

After Neuron to Graph (Foote et al. 2023, arXiv:2305.19911) and delta debugging (Zeller and Hildebrandt 2002), in few
batched calls instead of one call a token.

1. Read the text. Its peak must lie above the firing floor; the goal is floor + threshold * (peak - floor).
2. Cut everything right of the peak: a causal model never saw it.
3. Suffixes of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48 and n tokens in one call; the shortest that reaches the goal stays.
4. Thin it out, sentences first, then blocks of a long text, then tokens: all single deletions in one call, then "drop
   the m least important" for every m in one call, until no single deletion reaches the goal (1-minimal).
   Contiguous mode instead takes the exact suffix length in one more call and shortens at both ends.
5. The last call reads the kept text itself and all its single deletions: activation and importances.

Every candidate is decoded and measured as a text, never as ids: what is reported is what its text does, and a cut that
re-tokenisation spoils simply misses the goal. Half characters are refused. When no part will do, the whole text stays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise

from memory.records import Record, Status, Target, Trigger
from tools.subject import Reading, Subject

SUFFIXES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
BLOCK = 8  # tokens dropped together while a text is still long
LONG = 32  # tokens
HALF = "\ufffd"  # what half a character decodes to

Piece = tuple[int, int]  # token id, index of the token of the parent text it came from
State = tuple[Piece, ...]
Group = Sequence[int]  # indices into a state


class Outcome(StrEnum):
    """What became of a pruning."""

    PRUNED = "pruned"
    TRUNCATED = "truncated"  # pruned, but the text was longer than the context and its end was never read
    BELOW_FLOOR = "below-floor"  # the text does not fire: there is nothing to keep
    EMPTY = "empty"
    FAILED = "failed"


@dataclass(frozen=True)
class Pruned:
    """A kept text. `origins[i]` is the index in the parent's tokens that `tokens[i]` came from.

    `kept` is the share of the parent's activation above the floor; `importance[i]` the drop in activation when token i
    is deleted; `token` the one at the peak. Only `before` and `status` mean anything unless pruned or truncated.
    """

    status: Outcome
    text: str = ""
    before: float | None = None
    after: float | None = None
    kept: float | None = None
    tokens: tuple[str, ...] = ()
    origins: tuple[int, ...] = ()
    importance: tuple[float, ...] = ()
    token: str = ""
    calls: int = 0
    passes: int = 0

    @property
    def span(self) -> tuple[int, int] | None:
        """First token kept and one past the last, as indices into the parent's tokens."""
        return (min(self.origins), max(self.origins) + 1) if self.origins else None

    def trigger(self, parent: int) -> Trigger | None:
        """The record of it, for a parent record's id; None when nothing was kept."""
        if self.after is None or self.kept is None:
            return None
        return Trigger(self.text, self.after, self.kept, parent, self.tokens, self.importance, self.passes, self.token)


def prune(
    subject: Subject,
    target: Target,
    source: Record | str,
    *,
    threshold: float = 0.5,
    floor: float = 0.0,
    window: int | None = None,
    contiguous: bool = False,
) -> Pruned:
    """Prune a text or a record's text until no token can go without losing `threshold` of what is above `floor`.

    `window=k` always keeps the peak and k tokens either side of it, so that 0 only pins the peak.
    Raises ValueError for a threshold outside (0, 1] or a negative window.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold}")
    if window is not None and window < 0:
        raise ValueError(f"window must not be negative, but is {window}")
    text = source if isinstance(source, str) else source.prompt.text
    start = subject.passes
    whole = subject.measure([text], target)[0]
    if whole.peak is None or whole.position is None:
        return Pruned(Outcome(whole.status.value), calls=1, passes=subject.passes - start)
    if not whole.peak > floor:
        return Pruned(Outcome.BELOW_FLOOR, before=whole.peak, calls=1, passes=subject.passes - start)
    goal = floor + threshold * (whole.peak - floor)
    cutter = _Cutter(subject, target, text, whole, goal, _pinned(whole.position, window))
    state = cutter.suffix(whole.position + (window or 0) + 1, exact=contiguous)
    state = cutter.shorten(state) if contiguous else cutter.thin(state)
    return cutter.result(state, floor=floor, start=start)


def _pinned(position: int, window: int | None) -> range:
    """Indices of the parent's tokens that must stay."""
    return range(0) if window is None else range(max(0, position - window), position + window + 1)


class _Cutter:
    """Measures parts of one text against one goal, counts the calls and measures no part twice."""

    def __init__(self, subject: Subject, target: Target, text: str, whole: Reading, goal: float, pinned: range) -> None:
        self.subject = subject
        self.target = target
        self.text = text
        self.whole = whole
        self.goal = goal
        self.pinned = pinned
        self.calls = 1
        self.everything: State = tuple(zip(whole.token_ids, range(len(whole.token_ids)), strict=True))
        self.known: dict[str, Reading] = {text: whole}

    def suffix(self, end: int, *, exact: bool) -> State:
        """The shortest suffix of the first `end` tokens that reaches the goal; the whole text when none does."""
        upto = self.everything[:end]
        least = len(upto) - self.pinned.start if self.pinned else 1
        ladder = [least, *(length for length in SUFFIXES if least < length < len(upto)), len(upto)]
        found = self._shortest([upto[-length:] for length in ladder])
        if found is not None and exact:
            below = max((length for length in ladder if length < len(found)), default=least - 1)
            found = self._shortest([upto[-length:] for length in range(below + 1, len(found) + 1)])
        return self._settled(found or self.everything)

    def thin(self, state: State) -> State:
        """Drop sentences, blocks and tokens until no sentence and no token can go."""
        while True:
            before = state
            state = self._drop(state, self._sentences)
            if len(state) > LONG:
                state = self._drop(state, _blocks)
            state = self._drop(state, _tokens)
            if state == before:
                return state

    def shorten(self, state: State) -> State:
        """Take the shortest beginning, then the shortest end of that, until neither gets shorter."""
        while True:
            heads = [m for m in range(1, len(state)) if self._free(state, range(m, len(state)))]
            short = self._settled(self._shortest([state[:m] for m in heads]) or state)
            tails = [m for m in range(1, len(short)) if self._free(short, range(m))]
            short = self._settled(self._shortest([short[m:] for m in tails]) or short)
            if len(self._text(short)) >= len(self._text(state)):
                return state
            state = short

    def result(self, state: State, *, floor: float, start: int) -> Pruned:
        """The kept text with what it does itself and what each of its single deletions does."""
        parts = [_without(state, [i]) for i in range(len(state))]
        after, *left = (reading.peak for reading in self._read([state, *parts]))
        reading = self.known[self._text(state)]
        if after is None or reading.position is None or self.whole.peak is None:
            return Pruned(Outcome.FAILED, calls=self.calls, passes=self.subject.passes - start)
        return Pruned(
            status=Outcome.TRUNCATED if self.whole.status is Status.TRUNCATED else Outcome.PRUNED,
            text=self._text(state),
            before=self.whole.peak,
            after=after,
            kept=(after - floor) / (self.whole.peak - floor),
            tokens=reading.tokens,
            origins=tuple(origin for _, origin in state),
            importance=tuple(after - (floor if peak is None else peak) for peak in left),
            token=reading.tokens[reading.position],
            calls=self.calls,
            passes=self.subject.passes - start,
        )

    def _drop(self, state: State, grouping: Callable[[State], list[Group]]) -> State:
        """Drop groups of tokens, the least important first, until no single one can go."""
        while True:
            groups = [group for group in grouping(state) if self._free(state, group)]
            left = self._peaks([_without(state, group) for group in groups])
            if not any(peak >= self.goal for peak in left):
                return state
            order = [groups[i] for i in sorted(range(len(groups)), key=lambda i: -left[i])]
            nested = [_without(state, [i for group in order[:m] for i in group]) for m in range(1, len(order) + 1)]
            found = self._settled(self._shortest(nested) or state)
            if len(self._text(found)) >= len(self._text(state)):
                return state
            state = found

    def _sentences(self, state: State) -> list[Group]:
        """Groups that end after . ! ? or a line break; a text of one sentence is one group."""
        ends = [self.subject.token(token).rstrip(" ").endswith((".", "!", "?", "\n")) for token, _ in state]
        cuts = [0, *(i + 1 for i, end in enumerate(ends[:-1]) if end), len(state)]
        return [range(*pair) for pair in pairwise(cuts)]

    def _free(self, state: State, group: Group) -> bool:
        return not any(state[i][1] in self.pinned for i in group)

    def _shortest(self, states: Sequence[State]) -> State | None:
        """The one with the fewest tokens of those that reach the goal."""
        peaks = self._peaks(states)
        good = [state for state, peak in zip(states, peaks, strict=True) if peak >= self.goal]
        return min(good, key=len, default=None)

    def _peaks(self, states: Sequence[State]) -> list[float]:
        """The peak of every state's text; minus infinity for no text, no number, or a character cut in half."""
        halves = [HALF in self._text(state) and HALF not in self.text for state in states]
        readings = self._read(states)
        return [
            -math.inf if half or reading.peak is None else reading.peak
            for half, reading in zip(halves, readings, strict=True)
        ]

    def _read(self, states: Sequence[State]) -> list[Reading]:
        """Every state's text measured, those not yet known in one call."""
        texts = [self._text(state) for state in states]
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.calls += 1
            self.known.update(zip(new, self.subject.measure(new, self.target), strict=True))
        return [self.known[text] for text in texts]

    def _text(self, state: State) -> str:
        return self.text if state == self.everything else self.subject.decode([token for token, _ in state])

    def _settled(self, state: State) -> State:
        """The tokens that the state's own text has; each keeps the origin of its first character."""
        ids = self.subject.encode(self._text(state))
        if state == self.everything or ids == [token for token, _ in state]:
            return state
        origins = [origin for token, origin in state for _ in self.subject.token(token)]
        starts = accumulate((len(self.subject.token(token)) for token in ids), initial=0)
        return tuple((token, origins[min(at, len(origins) - 1)]) for token, at in zip(ids, starts, strict=False))


def _blocks(state: State) -> list[Group]:
    return [range(start, min(start + BLOCK, len(state))) for start in range(0, len(state), BLOCK)]


def _tokens(state: State) -> list[Group]:
    return [[i] for i in range(len(state))]


def _without(state: State, lost: Group) -> State:
    gone = set(lost)
    return tuple(piece for i, piece in enumerate(state) if i not in gone)
