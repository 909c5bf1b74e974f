"""What ordinary text costs the model: the cross-entropy of random windows of a survey's evidence half.

It is the same for every target of a survey, so it is worked out once and kept in the survey's folder. Nothing is
trusted that does not fit, and nothing that cannot be kept stops a run.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tools.subject import Subject
    from tools.survey import Survey

WINDOW, WINDOWS = 16, 200  # tokens in a window, and how many are read
KEPT = "ordinary.json"


def surprise(subject: Subject, survey: Survey) -> float | None:
    """The median cross-entropy of the windows, nats a token; None where no row is long enough."""
    known = _kept(survey.folder)
    if known is None and (known := _measured(subject, survey)) is not None:
        _keep(survey.folder, known)
    return known


def _measured(subject: Subject, survey: Survey) -> float | None:
    from tools.fluency import Fluency

    rng = np.random.default_rng(0)
    lengths = survey.rows.lengths
    rows = [row for row in survey.half("evidence") if lengths[row] >= WINDOW][:WINDOWS]
    starts = [int(rng.integers(lengths[row] - WINDOW + 1)) for row in rows]
    ids = [tuple(survey.rows.ids(row)[at : at + WINDOW]) for row, at in zip(rows, starts, strict=True)]
    return float(np.median(Fluency(subject).surprises(ids[0], None, ids))) if ids else None


def _kept(folder: Path) -> float | None:
    try:
        found = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        nats = float(found["nats"])
        return nats if (found["window"], found["windows"]) == (WINDOW, WINDOWS) and math.isfinite(nats) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _keep(folder: Path, nats: float) -> None:
    part = folder / f"ordinary.{os.getpid()}.new"
    try:
        part.write_text(json.dumps({"window": WINDOW, "windows": WINDOWS, "nats": nats}), encoding="utf-8")
        part.replace(folder / KEPT)
    except OSError:
        with suppress(OSError):
            part.unlink()
