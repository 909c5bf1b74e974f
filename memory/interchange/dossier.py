"""The nouns of interchange: a unit with its texts, and what somebody says it does.

A Claim is prose of any author. It is no Explanation: it has no rule that could be run, so no verdict either, not even
`unexplained`, which is a finding of ours. Its figures are no Scores: they are what their source states, mostly without
floor or interval, and must not stand in a table with ours. `claim_of` turns an Explanation into one, with its own
scores whole.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from memory.records import Explanation, Origin, Prompt, Record, Score, Target

SOURCE = "an imported file"
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


class InterchangeError(ValueError):
    """A file or a dossier that cannot be used. The message is one line: the file, the field, and what is wrong."""


@dataclass(frozen=True)
class Figure:
    """A number that came with a claim, as its source states it. `value` None: it could not be had; `reason` says why.

    `floor` and the interval are None wherever the source has none.
    """

    metric: str
    split: str = ""
    value: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    floor_name: str = ""
    ceiling: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """What an author says a unit does. `author` is a person, a tool or a model; `method` how it was arrived at."""

    text: str
    author: str = ""
    method: str = ""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Moments:
    """Of the activations over ordinary text; `kurtosis` is the fourth standardised moment (3 for a normal).

    Other tools may subtract 3. None is unknown.
    """

    mean: float | None = None
    variance: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None


@dataclass(frozen=True)
class Dossier:
    """One unit: its strongest texts (strongest first), random texts of a corpus, claims, and notes for a reader.

    Values in the records are times the target's sign. `made` is ISO 8601, empty when unknown.
    """

    target: Target
    records: tuple[Record, ...] = ()
    random: tuple[Record, ...] = ()
    claims: tuple[Claim, ...] = ()
    moments: Moments = Moments()
    notes: tuple[str, ...] = ()
    made: str = ""


def claim_of(explanation: Explanation, scores: Sequence[Score]) -> Claim:
    """An explanation as others can read it: its prose, its author, its verdict as the method, and its scores."""
    names = [field.name for field in fields(Figure)]
    figures = tuple(Figure(**{name: getattr(score, name) for name in names}) for score in scores)
    return Claim(explanation.text, explanation.author, f"verdict {explanation.verdict.value}", figures)


def read_record(
    number: int,
    tokens: Sequence[str],
    values: Sequence[float],
    *,
    token_ids: Sequence[int] = (),
    source: str | None = None,
) -> Record:
    """The record of an imported text; its prompt is the tokens joined, its peak the highest value."""
    peak = max(values)
    prompt = Prompt("".join(tokens), Origin.CORPUS, source=source or SOURCE)
    position = list(values).index(peak)
    return Record(number, 0, prompt, tuple(tokens), tuple(token_ids), tuple(values), peak, position)


def public_name(model: str) -> str:
    """A model's name without the folders of the machine it lay on: a hub name as it is, a path's last part."""
    return model if HUB_NAME.fullmatch(model) else re.split(r"[/\\]", model.rstrip("/\\"))[-1]


def public_source(source: str | None) -> str | None:
    """Where a text is from, without the folders of the machine: the last part of a path from its root."""
    return re.split(r"[/\\]", source)[-1] if source and re.match(r"[/\\~]|[A-Za-z]:[/\\]", source) else source


def require_whole(records: Sequence[Record]) -> None:
    """Raise InterchangeError for a record that no format can carry."""
    for record in records:
        if not record.tokens or len(record.tokens) != len(record.values):
            raise InterchangeError(
                f"record {record.id} has {len(record.tokens)} tokens and {len(record.values)} values: "
                "only measured records can be exported"
            )
        if not all(map(math.isfinite, record.values)):
            raise InterchangeError(f"record {record.id} has an activation that is no finite number")
