"""From embeddings to text, and what the text does: nothing else is ever reported as found.

1. Four texts for each start: the nearest token at every position; the best row of the snapped steps; the start's own
   row; and the greedy one. Special tokens and half characters are nobody's nearest.
2. Greedy: from the best of the other three, position by position from the left, the best of the tokens nearest to the
   continuous embedding, all starts in one batch. Every candidate is read as its text would be tokenised again.
3. The best of the four, if it fires, is cut after its peak (a causal model never saw the rest), decoded, and measured
   from its text.
"""

import math
from collections.abc import Sequence
from itertools import chain

import torch

from tools.inverse.ascent import Climbed
from tools.inverse.found import Decoded, Projection
from tools.inverse.reading import Reader
from tools.proposals import expectations, replaced, surprise, survives
from tools.subject import Reading

Row = tuple[int, ...]


class Decoder:
    """Decodes the starts of one ascent."""

    def __init__(self, reader: Reader, *, candidates: int) -> None:
        self.reader = reader
        self.subject = reader.subject
        self.candidates = candidates
        self._refused = set(reader.table.refused)

    def decode(self, starts: list[Row], climbed: Climbed) -> list[Decoded]:
        """The text of every start."""
        rows = {
            Projection.NEAREST: self.reader.table.nearest(climbed.embedded).tolist(),
            Projection.SNAPPED: climbed.rows,
            Projection.START: starts,
        }
        if self.candidates:
            choices = list(zip(*rows.values(), strict=True))
            rows[Projection.GREEDY] = self._greedy(choices, climbed.embedded)
        texts = [self.subject.decode(row) for kind in rows for row in rows[kind]]
        readings = self.subject.measure(texts, self.reader.target)
        continuous = climbed.values.amax(dim=1).tolist()
        made = [dict(zip(rows, readings[i :: len(starts)], strict=True)) for i in range(len(starts))]
        return [self._best(*each) for each in zip(made, continuous, strict=True)]

    def _greedy(self, choices: Sequence[Sequence[Row]], embedded: torch.Tensor) -> list[Row]:
        """For every start the best of its choices, then position by position the best of the nearest tokens."""
        near = self.reader.table.cosines(embedded).topk(self.candidates, dim=2).indices.tolist()
        stands = self._highest(choices)
        for position in range(embedded.shape[1]):
            around = [
                [replaced(row, position, new) for new in tokens[position] if new != row[position]]
                for (_, row), tokens in zip(stands, near, strict=True)
            ]
            stands = list(map(max, stands, self._highest(around)))
        return [row for _, row in stands]

    def _highest(self, groups: Sequence[Sequence[Row]]) -> list[tuple[float, Row]]:
        """The row of each group whose text has the highest drive, and that drive."""
        peaks = iter(self.reader.peaks([self._spelled(row) for row in chain(*groups)]))
        return [max(((next(peaks), tuple(row)) for row in group), default=(-math.inf, ())) for group in groups]

    def _spelled(self, row: Row) -> list[int]:
        """What the row's text is tokenised into; nothing where it spells a special token."""
        ids = self.subject.encode(self.subject.decode(row))
        return [] if self._refused.intersection(ids) else ids[: self.subject.context - 1]

    def _best(self, made: dict[Projection, Reading], continuous: float) -> Decoded:
        """The text with the highest peak, measured by itself."""
        peaks = {kind: self._peak(reading) for kind, reading in made.items()}
        able = {kind: peak for kind, peak in peaks.items() if peak is not None}
        measured = {kind.value: peak for kind, peak in peaks.items()}
        if not able:
            return Decoded("", None, continuous, None, None, Projection.NEAREST, measured, (), ())
        kind = max(able, key=able.__getitem__)
        if able[kind] <= 0 and Projection.GREEDY in able:
            kind = Projection.GREEDY  # when no text fires, the one with the highest drive is the nearest to firing
        reading = self._cut(made[kind])
        activation = reading.peak
        assert activation is not None
        return Decoded(
            text=self.subject.decode(reading.token_ids),
            activation=activation,
            continuous=continuous,
            gap=continuous - activation,
            surprise=surprise(expectations(self.subject, reading.token_ids), reading.token_ids),
            projection=kind,
            by_projection=measured,
            tokens=reading.tokens,
            values=reading.values,
        )

    def _peak(self, reading: Reading) -> float | None:
        return None if self._refused.intersection(reading.token_ids) else reading.peak

    def _cut(self, reading: Reading) -> Reading:
        """A firing text without what follows its peak, measured again; as it was if that is tokenised differently."""
        assert reading.position is not None
        kept = reading.token_ids[: reading.position + 1]
        if reading.peak is None or reading.peak <= 0 or not survives(self.subject, kept):
            return reading
        return self.subject.measure([self.subject.decode(kept)], self.reader.target)[0]
