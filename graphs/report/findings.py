"""Findings: everything a report of one finished run shows, and the same as JSON.

Knows what belongs in a report and how its parts are counted. Holds plain nouns only and refuses to know how they look:
page.py draws them for a browser, summary.py for a terminal. Numbers that are not finite leave as null, never as NaN.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.mind import Distribution
from memory.records import (
    HELD_OUT,
    Explanation,
    Hypothesis,
    LlmCall,
    Record,
    Run,
    Score,
    Trigger,
    plain,
)


@dataclass(frozen=True)
class Histogram:
    """How often each activation occurs: counts[i] tokens lie in [edges[i], edges[i + 1])."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Change:
    """A minimal pair: one token exchanged, and what that did to the activation.

    `kind` is kills, lowers, keeps or raises.
    """

    kind: str
    before: str
    after: str
    old: str
    new: str
    activation_before: float | None
    activation_after: float | None
    records: tuple[int, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """After `prompts` measured prompts the best so far was `best`, reached by a prompt of this origin."""

    prompts: int
    best: float
    origin: str


@dataclass(frozen=True)
class Move:
    """One step of the trace: which node ran, for how long, and why it was its turn."""

    number: int
    node: str
    seconds: float
    why: str = ""


@dataclass(frozen=True)
class Counts:
    """Every prompt ever proposed: accepted by group (seed, guided, random, ...) or rejected by reason."""

    generated: int = 0
    accepted: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)

    @property
    def accepted_total(self) -> int:
        """Accepted prompts of all groups."""
        return sum(self.accepted.values())

    @property
    def rejected_total(self) -> int:
        """Rejected prompts for all reasons."""
        return sum(self.rejected.values())

    @property
    def balanced(self) -> bool:
        """Whether generated = accepted + rejected holds."""
        return self.generated == self.accepted_total + self.rejected_total


@dataclass(frozen=True)
class Findings:
    """One finished run. `scores` are in order of weight: the first with a value on held-out text is the headline.

    `fluent` are the optimiser's records whose cross-entropy is known, highest activation first, and `optimised` what it
    found beside texts; `edits` are texts several words away from a trigger. `effects` is the output side as plain data,
    with its sentence under "told"; `examination` is the judge's; both are empty where there is none.
    """

    run: Run
    mind: str
    corpus: str
    distribution: Distribution
    corpus_max: float
    histogram: Histogram = field(default_factory=Histogram)
    explanation: Explanation | None = None
    scores: tuple[Score, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    top: tuple[Record, ...] = ()
    bottom: tuple[Record, ...] = ()
    best: Record | None = None
    changes: tuple[Change, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    fluent: tuple[Record, ...] = ()
    optimised: dict[str, Any] = field(default_factory=dict)
    edits: tuple[Record, ...] = ()
    effects: dict[str, Any] = field(default_factory=dict)
    examination: dict[str, Any] = field(default_factory=dict)
    corpus_top: tuple[Record, ...] = ()
    evidence: tuple[Record, ...] = ()
    calls: tuple[LlmCall, ...] = ()
    steps: tuple[Move, ...] = ()
    counts: Counts = field(default_factory=Counts)
    timings: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def front(self) -> tuple[Record, ...]:
        """Those of `fluent` that no other beats in both activation and cross-entropy."""
        front: list[Record] = []
        for record in self.fluent:
            if record.surprise is not None and (not front or record.surprise < (front[-1].surprise or 0.0)):
                front.append(record)
        return tuple(front)

    @property
    def verdict(self) -> str | None:
        """The typed verdict, None when the run ended without one."""
        return self.explanation.verdict.value if self.explanation else None

    @property
    def headline(self) -> Score | None:
        """The score to show first: of those on held-out text the first with a value, else the first."""
        known = self.held_out or self.scores
        return next((score for score in known if score.value is not None), next(iter(known), None))

    @property
    def held_out(self) -> tuple[Score, ...]:
        """The scores on text that no author of the explanation saw."""
        return tuple(score for score in self.scores if score.split.startswith(HELD_OUT))

    @property
    def compact(self) -> Score | None:
        """The score of the compact rule, which is the one that is shown, where the headline is about the full one."""
        known = (score for score in self.held_out if "compact" in score.metric and score != self.headline)
        return next((score for score in known if score.value is not None), None)

    @property
    def elsewhere(self) -> tuple[Score, ...]:
        """The scores on other text, which must not stand among those."""
        return tuple(score for score in self.scores if not score.split.startswith(HELD_OUT))

    @property
    def visited(self) -> frozenset[str]:
        """The nodes that had their turn."""
        return frozenset(step.node for step in self.steps)

    @property
    def share(self) -> float | None:
        """The strongest prompt as a share of the corpus maximum; None where that maximum is not above zero."""
        if self.best is None or self.best.peak is None or not self.corpus_max > 0:
            return None
        return self.best.peak / self.corpus_max

    @property
    def deviations(self) -> float | None:
        """How many standard deviations the strongest prompt stands above the corpus mean."""
        if self.best is None or self.best.peak is None or not self.distribution.deviation > 0:
            return None
        return (self.best.peak - self.distribution.mean) / self.distribution.deviation

    @property
    def cited(self) -> frozenset[int]:
        """The records that some claim of the report rests on."""
        ids = {record.id for record in (*self.top, *self.bottom, *self.corpus_top)}
        ids |= {trigger.parent for trigger in self.triggers}
        ids |= {record.id for record in (*self.front, *self.edits)}
        ids |= {id for change in self.changes for id in change.records}
        ids |= set(self.explanation.evidence) if self.explanation else set()
        certificates = self.explanation.certificates if self.explanation else ()
        ids |= {id for each in certificates for pair in each.pairs for id in pair}
        return frozenset(ids | ({self.best.id} if self.best else set()))


def as_json(findings: Findings) -> dict[str, Any]:
    """Plain data for `--json`: strings, finite numbers, null, lists and dicts, ready for json.dumps."""
    target, explanation, counts = findings.run.target, findings.explanation, findings.counts
    return _finite(
        {
            "run_id": findings.run.id,
            "model": target.model,
            "target": plain(target) | {"name": target.name},
            "seed": findings.run.seed,
            "state": findings.run.state,
            "settings": plain(findings.run.settings),
            "traces": plain(findings.run.traces),
            "mind": findings.mind,
            "corpus": findings.corpus,
            "verdict": findings.verdict,
            "explanation": plain(explanation) if explanation else {"text": None, "rule": None, "evidence": []},
            "scores": plain(findings.scores),
            "triggers": plain(findings.triggers),
            "best": _best(findings),
            "top": _rows(findings.top),
            "bottom": _rows(findings.bottom),
            "corpus_top": _rows(findings.corpus_top),
            "changes": plain(findings.changes),
            "hypotheses": plain(findings.hypotheses),
            "distribution": plain(findings.distribution),
            "histogram": plain(findings.histogram),
            "curve": plain(findings.curve),
            "front": _rows(findings.front),
            "optimised": plain(findings.optimised),
            "edits": _rows(findings.edits),
            "effects": plain(findings.effects),
            "examination": plain(findings.examination),
            "evidence": _rows(findings.evidence),
            "steps": plain(findings.steps),
            "calls": plain(findings.calls),
            "counts": plain(counts)
            | {"accepted_total": counts.accepted_total, "rejected_total": counts.rejected_total},
            "timings": plain(findings.timings),
            "warnings": list(findings.warnings),
        }
    )


def _best(findings: Findings) -> dict[str, Any]:
    best = findings.best
    return {
        "text": best.prompt.text if best else None,
        "activation": best.peak if best else None,
        "corpus_max": findings.corpus_max,
        "share": findings.share,
        "deviations": findings.deviations,
        "record": best.id if best else None,
    }


def _rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [
        {
            "rank": rank,
            "record": record.id,
            "text": record.prompt.text,
            "activation": record.peak,
            "surprise": record.surprise,
            "token": record.peak_token,
            "position": record.position,
            "origin": record.prompt.origin.value,
            "source": record.prompt.source,
            "status": record.status.value,
        }
        for rank, record in enumerate(records, start=1)
    ]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
