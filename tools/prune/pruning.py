"""The shortest part of a text that keeps a unit firing: its trigger, with the importance of every token in it.

After Neuron to Graph (Foote et al. 2023, arXiv:2305.19911) and delta debugging (Zeller and Hildebrandt 2002), in few
batched calls instead of one call a token.

1. Read the text. Its peak must lie above the firing floor; the goal is floor + threshold * (peak - floor).
2. Cut everything right of the peak: a causal model never saw it.
3. Every one and two of the last twelve tokens, and three with the peak among them, in one call: most triggers are that
   small, and then the fewest are certain. Else suffixes of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48 and n tokens in one
   call; the shortest that reaches the goal stays.
4. Thin it out, sentences first, then blocks of a long text, then tokens: all single deletions in one call, then "drop
   the m least important" for every m in one call, until no single deletion reaches the goal (1-minimal).
   Contiguous mode instead takes the exact suffix length in one more call and shortens at both ends.
5. Do 3 and 4 for every tenth above the threshold as well, side by side in the same calls. Going down from 1, each
   threshold takes the shorter of its own result and that of the threshold above, thinned further for its own goal.
6. Read the kept text itself with all its single deletions, and replacements of each token: the importances.

Law: of two thresholds the higher never gives fewer tokens when it is a tenth (0.1, 0.2 ... 1), because what it keeps is
then among what the lower one chooses from. For a higher threshold between two tenths this is likely, not certain.

Every candidate is measured as a text: what is reported is what its text does, and a cut that re-tokenisation spoils
simply misses the goal. When no part will do, the whole text stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from memory.records import Status
from tools.prune.parts import Parts, State, without
from tools.prune.pruned import Outcome, Pruned
from tools.prune.searching import Search, few, shorten, side_by_side, suffix, thin, whole_sentences

if TYPE_CHECKING:
    from memory.records import Record, Target
    from tools.subject import Subject

TENTHS = tuple(tenth / 10 for tenth in range(10, 0, -1))
REPLACEMENTS = 4  # of each kept token, for its importance by substitution
MOST_REPLACED = 96  # texts measured for that; a long kept text has fewer replacements a token

Further = Callable[[Parts, float, State], Search]


def prune(
    subject: Subject,
    target: Target,
    source: Record | str,
    *,
    threshold: float = 0.5,
    floor: float = 0.0,
    window: int | None = None,
    contiguous: bool = False,
    sentences: bool = False,
    replacements: int = REPLACEMENTS,
    alone: bool = False,
) -> Pruned:
    """Prune a text or a record's text until no token can go without losing `threshold` of what is above `floor`.

    `window=k` always keeps the peak and k tokens either side of it, so that 0 only pins the peak. `sentences` drops
    whole sentences only. `replacements=0` leaves the importance by substitution out. `alone` leaves out step 5, most of
    the work on a text that cannot be cut to a few tokens: nothing is promised beside other thresholds then.
    Raises ValueError for a threshold outside (0, 1], a negative number, or `sentences` with `contiguous`.
    """
    _check(threshold, window, replacements, contiguous and sentences)
    text = source if isinstance(source, str) else source.prompt.text
    start = subject.passes
    whole = subject.measure([text], target)[0]
    if whole.peak is None or whole.position is None:
        return Pruned(Outcome(whole.status.value), calls=1, passes=subject.passes - start)
    if not whole.peak > floor:
        return Pruned(Outcome.BELOW_FLOOR, before=whole.peak, calls=1, passes=subject.passes - start)
    parts = Parts(subject, target, text, whole, _pinned(whole.position, window))
    above = [] if alone else [tenth for tenth in TENTHS if tenth > threshold]
    goals = [floor + share * (whole.peak - floor) for share in (*above, threshold)]
    end = whole.position + (window or 0) + 1
    state = _shortest_of_all(parts, goals, end, contiguous=contiguous, sentences=sentences)
    return _result(parts, state, floor=floor, start=start, replacements=replacements)


def prune_text(
    subject: Subject,
    target: Target,
    text: str,
    proportion_threshold: float = -0.5,
    *,
    floor: float = 0.0,
    window: int | None = None,
    contiguous: bool = False,
) -> Pruned:
    """`prune` with the threshold as the change that is put up with: -0.5 keeps at least half of the activation.

    Raises ValueError for a change outside (-1, 0].
    """
    if not -1 < proportion_threshold <= 0:
        raise ValueError(f"proportion_threshold must be above -1 and at most 0, not {proportion_threshold}")
    threshold = round(1 + proportion_threshold, 12)
    return prune(subject, target, text, threshold=threshold, floor=floor, window=window, contiguous=contiguous)


def _check(threshold: float, window: int | None, replacements: int, both: bool) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold}")
    if window is not None and window < 0:
        raise ValueError(f"window must not be negative, but is {window}")
    if replacements < 0:
        raise ValueError(f"replacements must not be negative, but are {replacements}")
    if both:
        raise ValueError("sentences and contiguous must not be asked for together")


def _pinned(position: int, window: int | None) -> range:
    """Indices of the parent's tokens that must stay."""
    return range(0) if window is None else range(max(0, position - window), position + window + 1)


def _shortest_of_all(parts: Parts, goals: list[float], end: int, *, contiguous: bool, sentences: bool) -> State:
    """The part for the last goal, which is the lowest."""
    further: Further = whole_sentences if sentences else shorten if contiguous else thin

    def search(goal: float) -> Search:
        if not (sentences or contiguous or parts.pinned):
            least = yield from few(parts, goal, end)
            if least is not None:
                return (yield from further(parts, goal, least))
        if sentences:
            start = _to_the_end_of_a_sentence(parts, end)
        else:
            start = yield from suffix(parts, goal, end, exact=contiguous)
        return (yield from further(parts, goal, start))

    chosen, *lower = side_by_side(parts, [search(goal) for goal in goals])
    for goal, own in zip(goals[1:], lower, strict=True):
        chosen = own if len(own) <= len(chosen) else side_by_side(parts, [further(parts, goal, chosen)])[0]
    return chosen


def _to_the_end_of_a_sentence(parts: Parts, end: int) -> State:
    """The first `end` tokens and what is left of the sentence they end in."""
    ends = [group[-1] + 1 for group in parts.sentences(parts.everything)]
    return parts.everything[: next((stop for stop in ends if stop >= end), None)]


def _result(parts: Parts, state: State, *, floor: float, start: int, replacements: int) -> Pruned:
    """The kept text with what it does itself, and what it does without each of its tokens."""
    kept, *cut = parts.read([state, *(without(state, [i]) for i in range(len(state)))])
    before, after = parts.whole.peak, kept.peak
    if before is None or after is None or kept.position is None:
        return Pruned(Outcome.FAILED, calls=parts.calls, passes=parts.subject.passes - start)
    text = parts.text(state)
    substitution = _substitution(parts, text, after, tokens=len(kept.tokens), replacements=replacements)
    return Pruned(
        status=Outcome.TRUNCATED if parts.whole.status is Status.TRUNCATED else Outcome.PRUNED,
        text=text,
        before=before,
        after=after,
        kept=(after - floor) / (before - floor),
        tokens=kept.tokens,
        origins=tuple(origin for _, origin in state),
        importance=tuple(after - (floor if reading.peak is None else reading.peak) for reading in cut),
        token=kept.tokens[kept.position],
        calls=parts.calls,
        passes=parts.subject.passes - start,
        substitution=substitution,
    )


def _substitution(parts: Parts, text: str, after: float, *, tokens: int, replacements: int) -> tuple[float | None, ...]:
    """The mean drop over replacements of each token by its neighbours and the subject's own proposals, in turn."""
    if not replacements:
        return ()
    from tools.augment import swaps

    each = max(1, min(replacements, MOST_REPLACED // tokens))
    drops: list[list[float]] = [[] for _ in range(tokens)]
    for variant in swaps(parts.subject, parts.target, text, per_token=each, after_peak=True):
        if variant.activation is not None:
            drops[variant.position].append(after - variant.activation)
    parts.calls += 2  # the text itself, then all replacements
    return tuple(sum(drop) / len(drop) if drop else None for drop in drops)
