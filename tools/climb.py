"""The walks of a search through rows of tokens: towards a high drive, and towards a high drive of fluent text.

1. A step draws rows one move from where the walk stands (tools/moves.py), most by the slope. They are screened in
   batches at their last token; the best swaps at different places are united and screened too. The best whose text is
   tokenised into just that row is confirmed in float32.
2. A bold walk raises the drive. It goes to the best new row around, better or not, so that it can leave a small hill.
   A step that gains less than 0.01 sigma is a failure; four end a walk, 16 a lone one and the best so far.
3. Bold walks begin in turn as a race of three, three steps each, whose leader goes on (from the best start left, or the
   best row with some tokens shaken, and from two rows of chance; their lengths may change after three failures), and
   alone from chance at full length. The best text of a corpus is a local optimum more often than not.
4. A fluent walk raises drive minus a weight times cross-entropy, with eight weights on a log grid, or minus a steep
   price for cross-entropy beyond what is typical; it starts at the best row for that so far, the seeds among them. Rows
   are ranked by slope and expectation together, and the true cross-entropy is computed for the best 16 by that free
   estimate.

Drives are in sigmas throughout. Everything confirmed is kept in `trail`. Knows no texts but to check that a row
survives, and reports nothing: tools/search.py measures what is worth reporting.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, cycle

from tools.branches import Row
from tools.evaluator import Evaluator
from tools.fluency import Fluency
from tools.moves import Moves
from tools.proposals import replaced, survives
from tools.stands import BOLD, Aim, Budget, Stand, Stop, Walk

WIDTH = 64  # proposals a step
UNION = 8  # most swaps united
GAIN = 0.01  # sigma
RESTLESS = 3  # failures before lengths may change
STUCK, STUCK_FLUENT = 4, 3  # failures that end a walk
PERSISTENT = 16  # the same for a lone walk, and for the best so far
RIVALS, HEAT = 2, 3  # rows of chance in a race, and steps before its leader is known
TRUE = 16  # rows whose cross-entropy is computed in a fluent step
DOUBTED = 8  # best rows asked whether their text survives
WEIGHTS = tuple(0.1 * 100 ** (n / 7) for n in range(8))  # sigma a nat
STEEP = 20.0  # sigma a nat beyond what is typical

Scored = tuple[float, Row]


class Climb:
    """One search's walks. `scale` is sigma; `typical` the cross-entropy of ordinary text, if that is known."""

    def __init__(
        self, evaluator: Evaluator, budget: Budget, *, length: int, seed: int, scale: float, typical: float | None
    ) -> None:
        self.evaluator, self.budget = evaluator, budget
        self.subject = evaluator.subject
        self.fluency = Fluency(self.subject)
        self.length, self.scale, self.typical = length, scale, typical
        self.moves = Moves(self.subject, length=length, seed=seed)
        self.smooth = Moves(self.subject, length=length, seed=seed + 1)
        self.starts: list[Scored] = []
        self.windows: list[Row] = []
        self.stands: dict[Row, Stand] = {}
        self.marks: list[tuple[Stand, int, float]] = []  # stands in order, with passes and CPU seconds
        self.baseline: float | None = None
        self.best = -math.inf
        self.fruitless = 0  # bold walks running that have not raised the best
        self.evaluated = 0

    def begin(self, seeds: Sequence[str]) -> None:
        """Measure as many seeds as a quarter of the budget allows and line up the starts, the best last."""
        most = len(seeds) if math.isinf(self.budget.left) else int(max(0, self.budget.left) // 12)
        readings = self.subject.measure(seeds[:most], self.evaluator.target)
        peaks = [(reading.peak, reading.position, reading.token_ids) for reading in readings]
        self.baseline = max((peak for peak, _, _ in peaks if peak is not None), default=None)
        ends = [(position + 1, ids) for _, position, ids in peaks if position is not None]
        windows = [ids[max(0, end - self.length) : end] for end, ids in ends]
        self.windows = [row for row in dict.fromkeys(windows) if self.moves.allows(row)]
        rows = [*windows, *map(self.moves.filled, windows), self.moves.filled(())]
        fresh = self.moves.fresh(rows)[: int(min(len(rows), max(0, self.budget.left)))]
        self.evaluated += len(fresh)
        scored = zip(fresh, self.evaluator.scores(fresh), strict=True)
        self.starts = sorted((score / self.scale, row[: at + 1]) for row, (score, at) in scored)

    def trail(self) -> list[Stop]:
        """Everything confirmed, in order."""
        self._price()
        return [
            Stop(self.subject.decode(stand.row), stand.row, stand.drive, stand.surprise, passes, seconds)
            for stand, passes, seconds in self.marks
        ]

    def bold(self) -> Iterator[None]:
        """Races of a few walks for the drive alone, and lone walks from chance in turn; pauses after every step."""
        for lone in cycle([False, True]):
            before = self.best
            starts = [self.moves.filled(())] if lone else self._starting()
            walks = [walk for start in starts if (walk := self._walk(start))]
            for walk in walks:
                for _ in range(HEAT):
                    self._stride(walk, resize=not lone)
                    yield
            leader = max(walks, key=lambda walk: walk.top.drive, default=None)
            while leader and leader.failures < self._patience(leader, lone=lone):
                self._stride(leader, resize=not lone)
                yield
            self.fruitless = 0 if self.best - before >= GAIN else self.fruitless + 1
            yield

    def _stride(self, walk: "Walk", *, resize: bool) -> None:
        """One step of a bold walk: to the best row around, better or not, so that it can leave a small hill."""
        resize = resize and (walk.failures >= RESTLESS or len(walk.stand.row) < self.length)
        found = self._step(walk.stand, BOLD, resize=resize)
        walk.failures = 0 if found and found.drive - walk.top.drive >= GAIN else walk.failures + 1
        walk.stand = found or walk.stand
        walk.top = max(walk.top, walk.stand, key=lambda stand: stand.drive)

    def _patience(self, walk: Walk, *, lone: bool) -> int:
        """Failures that end a walk."""
        return PERSISTENT if lone or walk.top.drive >= self.best - GAIN else STUCK

    def _room(self, most: int) -> int:
        """How many rows may be screened now and the best of them still be confirmed."""
        return int(max(0, min(most, self.budget.left - UNION - TRUE)))

    def _walk(self, row: Row) -> "Walk | None":
        stand = self._confirmed(row)
        return Walk(stand, stand) if stand else None

    def _starting(self) -> list[Row]:
        """Rows to race from: the best start not yet used or else the best row shaken, and rows of chance."""
        best = max(self.stands.values(), key=lambda stand: stand.drive, default=None)
        first = [self.starts.pop()[1]] if self.starts else [self.moves.shaken(best.row)] if best else []
        return [*first, *(self.moves.filled(()) for _ in range(RIVALS))]

    def fluent(self) -> Iterator[None]:
        """Walk after walk, one aim of fluency after the other; pauses after every step. Needs something confirmed."""
        aims = [Aim(weight) for weight in WEIGHTS]
        if self.typical is not None:
            aims = [each for aim in aims for each in (Aim(STEEP, self.typical), aim)]
        for row in self.windows:
            self._confirmed(row)
            yield
        for aim in cycle(aims):
            self._price()
            stand = max(self.stands.values(), key=lambda each, aim=aim: each.worth(aim))
            failures = 0
            while failures < STUCK_FLUENT:
                better = self._step(stand, aim, resize=failures > 0 or len(stand.row) < self.length)
                failures = 0 if better else failures + 1
                stand = better or stand
                yield

    def _step(self, stand: Stand, aim: Aim, *, resize: bool) -> Stand | None:
        """The best row around a stand, confirmed; None when nothing there is better."""
        moves = self.smooth if aim.weight else self.moves
        ranking = stand.ranking(aim)
        expected = stand.expected if aim.weight else None
        rows = moves.around(stand.row, self._room(WIDTH), ranking=ranking, expected=expected, resize=resize)
        return self._best(self._united(stand, aim, rows), aim, stand.worth(aim) if aim.weight else -math.inf)

    def _united(self, stand: Stand, aim: Aim, rows: Sequence[Row]) -> list[Scored]:
        """Rows around a stand with their screened worth, and with them the unions of the best."""
        moves = self.smooth if aim.weight else self.moves
        scored = self._worth(stand, aim, rows)
        return scored + self._worth(stand, aim, moves.fresh(_unions(stand.row, scored, stand.worth(aim))))

    def _best(self, scored: Sequence[Scored], aim: Aim, least: float) -> Stand | None:
        """The best of rows that survives and is worth more than `least` in float32."""
        for worth, row in sorted(scored, reverse=True)[:DOUBTED]:
            if worth <= least:
                return None
            if survives(self.subject, row):
                found = self._confirmed(row)
                return found if found and found.worth(aim) > least else None
        return None

    def _worth(self, stand: Stand, aim: Aim, rows: Sequence[Row]) -> list[Scored]:
        """Rows with their screened worth; in a fluent walk only those that may be the best of them."""
        self.evaluated += len(rows)
        drives = [drive / self.scale for drive in self.evaluator.around(stand.row, rows)]
        if not aim.weight:
            return list(zip(drives, rows, strict=True))
        guesses = [aim.worth(drive, stand.guessed(row)) for drive, row in zip(drives, rows, strict=True)]
        likely = sorted(range(len(rows)), key=lambda i: -guesses[i])[:TRUE]
        surprises = self.fluency.surprises(stand.row, stand.expected, [rows[i] for i in likely])
        return [(aim.worth(drives[i], nats), rows[i]) for i, nats in zip(likely, surprises, strict=True)]

    def _confirmed(self, row: Row) -> Stand | None:
        """The row in float32, kept in the trail; None when its text is another row, or it is not a number."""
        if row in self.stands:
            return self.stands[row]
        text = self.subject.decode(row)
        if self.subject.encode(text) != list(row):
            return None
        drive, slopes = self.evaluator.ascent(row)
        if not math.isfinite(drive):
            return None
        stand = self.stands[row] = Stand(row, drive / self.scale, slopes / self.scale, self.fluency)
        self.best = max(self.best, stand.drive)
        self.marks.append((stand, self.budget.used, self.budget.elapsed))
        return stand

    def _price(self) -> None:
        """Find the cross-entropy of all stands that have none yet, together."""
        unknown = [stand for stand in self.stands.values() if "surprise" not in stand.__dict__]
        if unknown:
            rows = [stand.row for stand in unknown]
            for stand, nats in zip(unknown, self.fluency.surprises(rows[0], unknown[0].expected, rows), strict=True):
                stand.surprise = nats


def _unions(row: Row, scored: Sequence[Scored], least: float) -> list[Row]:
    """The best 2, 3, ... swaps that rise, each at another place, put together."""
    swaps: dict[int, int] = {}
    for worth, other in sorted(scored, reverse=True):
        places = [i for i, (new, old) in enumerate(zip(other, row, strict=False)) if new != old]
        if worth > least and len(other) == len(row) and len(places) == 1:
            swaps.setdefault(places[0], other[places[0]])
    united = list(accumulate(list(swaps.items())[:UNION], lambda made, swap: replaced(made, *swap), initial=row))
    return united[2:]
