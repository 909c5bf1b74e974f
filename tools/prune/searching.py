"""Searches for the shortest part of a text that reaches a goal, and how many of them share their calls.

A search is a generator: it yields the parts whose peaks it wants and is sent them. `side_by_side` runs many in step,
so that what all of them ask at one moment is one batched call. Knows parts and goals; refuses to know thresholds.
"""

from collections.abc import Callable, Generator, Sequence
from itertools import combinations

from tools.prune.parts import Group, Parts, State, without

SUFFIXES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
BLOCK = 8  # tokens dropped together while a text is still long
LONG = 32  # tokens
NEAR = 12  # last tokens of which every one, two and three are tried

Search = Generator[Sequence[State], list[float], State]
Grouping = Callable[[State], list[Group]]


def side_by_side(parts: Parts, searches: Sequence[Search]) -> list[State]:
    """What every search found."""
    found: dict[int, State] = {}
    asked: dict[int, Sequence[State]] = {}

    def step(number: int, peaks: list[float] | None) -> None:
        try:
            asked[number] = next(searches[number]) if peaks is None else searches[number].send(peaks)
        except StopIteration as end:
            asked.pop(number, None)
            found[number] = end.value

    for number in range(len(searches)):
        step(number, None)
    while asked:
        parts.read([state for states in asked.values() for state in states])
        for number, states in list(asked.items()):
            step(number, parts.peaks(states))
    return [found[number] for number in range(len(searches))]


def suffix(parts: Parts, goal: float, end: int, *, exact: bool) -> Search:
    """The shortest suffix of the first `end` tokens, of a ladder of lengths or exactly; the whole text when none."""
    upto = parts.everything[:end]
    least = len(upto) - parts.pinned.start if parts.pinned else 1
    ladder = [least, *(length for length in SUFFIXES if least < length < len(upto)), len(upto)]
    found = yield from _shortest(goal, [upto[-length:] for length in ladder])
    if found is not None and exact:
        below = max((length for length in ladder if length < len(found)), default=least - 1)
        found = yield from _shortest(goal, [upto[-length:] for length in range(below + 1, len(found) + 1)])
    return parts.settled(found or parts.everything)


def few(parts: Parts, goal: float, end: int) -> Generator[Sequence[State], list[float], State | None]:
    """The fewest of the last tokens up to `end` that reach the goal: one, two, or three with the peak among them."""
    near = parts.everything[max(0, end - NEAR) : end]
    sets = [[piece] for piece in near] + [list(pair) for pair in combinations(near, 2)]
    sets += [[*pair, near[-1]] for pair in combinations(near[:-1], 2)]
    found = yield from _shortest(goal, [tuple(pieces) for pieces in sets])
    return None if found is None else parts.settled(found)


def thin(parts: Parts, goal: float, state: State) -> Search:
    """Drop sentences, blocks and tokens until no sentence and no token can go."""
    while True:
        before = state
        state = yield from _drop(parts, goal, state, parts.sentences)
        if len(state) > LONG:
            state = yield from _drop(parts, goal, state, _blocks)
        state = yield from _drop(parts, goal, state, _tokens)
        if state == before:
            return state


def shorten(parts: Parts, goal: float, state: State) -> Search:
    """Take the shortest beginning, then the shortest end of that, until neither gets shorter."""
    while True:
        heads = [m for m in range(1, len(state)) if parts.free(state, range(m, len(state)))]
        short = parts.settled((yield from _shortest(goal, [state[:m] for m in heads])) or state)
        tails = [m for m in range(1, len(short)) if parts.free(short, range(m))]
        short = parts.settled((yield from _shortest(goal, [short[m:] for m in tails])) or short)
        if len(parts.text(short)) >= len(parts.text(state)):
            return state
        state = short


def whole_sentences(parts: Parts, goal: float, state: State) -> Search:
    """Drop sentences until none can go; none is cut."""
    return (yield from _drop(parts, goal, state, parts.sentences))


def _drop(parts: Parts, goal: float, state: State, grouping: Grouping) -> Search:
    """Drop groups of tokens, the least important first, until no single one can go."""
    while True:
        groups = [group for group in grouping(state) if parts.free(state, group)]
        left = yield [without(state, group) for group in groups]
        if not any(peak >= goal for peak in left):
            return state
        order = [groups[i] for i in sorted(range(len(groups)), key=lambda i: -left[i])]
        nested = [without(state, [i for group in order[:m] for i in group]) for m in range(1, len(order) + 1)]
        found = parts.settled((yield from _shortest(goal, nested)) or state)
        if len(parts.text(found)) >= len(parts.text(state)):
            return state
        state = found


def _shortest(goal: float, states: Sequence[State]) -> Generator[Sequence[State], list[float], State | None]:
    """The one with the fewest tokens of those that reach the goal."""
    peaks = yield states
    good = [state for state, peak in zip(states, peaks, strict=True) if peak >= goal]
    return min(good, key=len, default=None)


def _blocks(state: State) -> list[Group]:
    return [range(start, min(start + BLOCK, len(state))) for start in range(0, len(state), BLOCK)]


def _tokens(state: State) -> list[Group]:
    return [[i] for i in range(len(state))]
