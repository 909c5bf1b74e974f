"""The inverse embedding of a unit: a short input that drives it most, found by gradient and reported as text.

1. Starts: the strongest seeds, cut to the `length` tokens that end at their peak and filled up on the left with random
   tokens, as they are; and rows of random tokens with noise.
2. All climb at once (tools/inverse/ascent.py): freely, then at the nearest tokens.
3. All are decoded and measured from their texts in fp32 (tools/inverse/decoding.py). The continuous maximum is given
   beside what the text does, with the gap; it is a fact of the embedding space, never a finding about text.
4. Texts are ranked by activation in sigma, less `incoherence` for every nat a token that the subject is surprised.

Knows no corpus: `scale` is sigma, the standard deviation of the unit over text, and the seeds are given. A unit that no
start switches on is named so; the climb is on the drive (tools/units.py), so a start that is off is not stuck.
"""

from collections.abc import Sequence
from statistics import fmean, pstdev

import torch

from memory.records import Target
from tools.inverse.ascent import Climbed, climb
from tools.inverse.decoding import Decoder, Row
from tools.inverse.found import Decoded, Inverse, Outcome, Plan, Point, Position, Projection
from tools.inverse.reading import Reader, Table
from tools.proposals import survives
from tools.subject import Subject

DRAWS = 8  # random tokens drawn for each one wanted


def invert(
    subject: Subject,
    target: Target,
    *,
    length: int = 10,
    steps: int = 250,
    rate: float = 0.4,
    starts: int = 4,
    noise: float = 0.5,
    regulariser: float = 1e-5,
    diversity: float = 0.0,
    repetition: float = 0.0,
    snap: float = 0.5,
    fixed_norm: bool = True,
    candidates: int = 4,
    incoherence: float = 0.0,
    seed: int = 0,
    scale: float = 1.0,
    seeds: Sequence[str] = (),
) -> Inverse:
    """Find `length` embeddings, then texts, that drive the target; the same seed finds the same.

    rate: Adam's step, and noise: standard deviation around random tokens; both in root mean squares of the table.
    starts: random ones; as many of the strongest `seeds` come on top.
    regulariser, diversity, repetition: weights of the penalties, in sigma (tools/inverse/ascent.py).
    snap: share of the steps, the last, read at the nearest tokens; 0 leaves all continuous.
    fixed_norm: hold every embedding at the table's mean norm; the regulariser has nothing to do then.
    candidates: tokens a position for the greedy decoding, 0 for none.
    incoherence: sigma taken off a text's rank for every nat a token of surprise.
    Raises ValueError for a setting out of range.
    """
    plan = Plan(
        length=min(length, subject.context - 1),
        steps=steps,
        starts=starts,
        rate=rate,
        noise=noise,
        regulariser=regulariser,
        diversity=diversity,
        repetition=repetition,
        snap=snap,
        fixed_norm=fixed_norm,
        candidates=candidates,
        incoherence=incoherence,
        seed=seed,
        scale=scale,
    )
    first = subject.passes
    reader = Reader(subject, target, Table(subject))
    rows, embedded = _starts(reader, plan, seeds)
    climbed = climb(reader, embedded, plan)
    decoded = Decoder(reader, candidates=candidates).decode(rows, climbed)
    order = sorted(range(len(rows)), key=lambda i: _rank(decoded[i], plan), reverse=True)
    return _inverse(reader, plan, climbed, [decoded[i] for i in order], best=order[0], first=first)


def _starts(reader: Reader, plan: Plan, seeds: Sequence[str]) -> tuple[list[Row], torch.Tensor]:
    """Token ids of all starts, seeds first, and their embeddings [starts, length, d], the random ones with noise."""
    table, generator = reader.table, torch.Generator().manual_seed(plan.seed)
    kept = _windows(reader, plan, seeds)
    rows = [_filled(reader, row, plan.length, generator) for row in [*kept, *[()] * plan.starts]]
    embedded = table.rows[torch.tensor(rows, device=table.rows.device)]
    noise = torch.randn(embedded.shape, generator=generator) * plan.noise * table.unit
    noise[: len(kept)] = 0.0
    return rows, embedded + noise.to(embedded.device)


def _windows(reader: Reader, plan: Plan, seeds: Sequence[str]) -> list[Row]:
    """The tokens of the strongest seeds that end at their peak; refused tokens are left out."""
    readings = reader.subject.measure(list(dict.fromkeys(seeds)), reader.target)
    peaks = [(reading.peak, reading.position, reading.token_ids) for reading in readings]
    ends = [(peak, ids[: position + 1]) for peak, position, ids in peaks if peak is not None and position is not None]
    ends.sort(key=lambda end: -end[0])
    plain = [tuple(token for token in ids if token not in reader.table.refused) for _, ids in ends]
    return list(dict.fromkeys(row[-plan.length :] for row in plain if row))[: plan.starts]


def _filled(reader: Reader, row: Row, length: int, generator: torch.Generator) -> Row:
    """The row with random tokens on its left, up to the length; such as survive decode -> encode, if there are any."""
    plain = reader.table.plain
    drawn = [plain[i] for i in torch.randint(len(plain), (length * DRAWS,), generator=generator).tolist()]
    while len(row) < length:
        token = drawn.pop()
        if len(drawn) <= length or survives(reader.subject, (token, *row)):
            row = (token, *row)
    return row


def _rank(decoded: Decoded, plan: Plan) -> float:
    if decoded.activation is None or decoded.surprise is None:
        return -float("inf")
    return decoded.activation / plan.scale - plan.incoherence * decoded.surprise


def _inverse(reader: Reader, plan: Plan, climbed: Climbed, decoded: list[Decoded], *, best: int, first: int) -> Inverse:
    """Everything as plain values; `decoded` best first, `best` its index among the starts."""
    values = climbed.values[best].tolist()
    mean, deviation = fmean(values), pstdev(values)
    skewness = fmean(((value - mean) / deviation) ** 3 for value in values) if deviation else None
    able = [start for start in decoded if start.activation is not None]
    discrete = max((start.activation for start in able if start.activation is not None), default=None)
    continuous = max(start.continuous for start in decoded)
    stood = [start.by_projection[Projection.START] for start in decoded]
    fires = discrete is not None and discrete > 0
    return Inverse(
        status=Outcome.REACHED if fires else Outcome.LOST if continuous > 0 else Outcome.NOT_REACHED,
        starts=tuple(decoded),
        continuous=continuous,
        discrete=discrete,
        gap=None if discrete is None else continuous - discrete,
        baseline=max((peak for peak in stood if peak is not None), default=None),
        positions=_positions(reader, climbed.embedded[best], values),
        maximum=max(values),
        mean=mean,
        skewness=skewness,
        curve=_curve(climbed, plan, best),
        passes=reader.subject.passes - first,
        plan=plan,
    )


def _positions(reader: Reader, embedded: torch.Tensor, values: list[float]) -> tuple[Position, ...]:
    nearest = reader.table.cosines(embedded).max(dim=1)
    tokens = map(reader.subject.token, nearest.indices.tolist())
    return tuple(map(Position, values, tokens, nearest.values.tolist()))


def _curve(climbed: Climbed, plan: Plan, start: int) -> tuple[Point, ...]:
    pairs = zip(climbed.activation[:, start].tolist(), climbed.objective[:, start].tolist(), strict=True)
    return tuple(Point(step, *pair, step >= plan.roaming) for step, pair in enumerate(pairs))
