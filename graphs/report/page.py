"""The page: findings drawn as one HTML file that needs nothing else, neither network nor script.

Knows the template, the style sheet and the page's limits. Every string that reaches the page has its invisible
characters written out (`visible`) and is then quoted by jinja2, whether or not the template remembers to ask. The page
forbids itself scripts, requests and forms; its one style sheet is named by hash.
Refuses to know how findings came about.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs.report import bars, charts, heat, wording
from graphs.report.findings import Findings
from graphs.report.visible import number, percent, visible
from memory.records import Record
from tools.rules import shown

if TYPE_CHECKING:
    import jinja2

EVIDENCE_ROWS = 400
CHANGES = 10  # shown of each kind
HERE = Path(__file__).parent
KINDS = {
    "kills": "Kills it: at most a fifth of the activation is left after this one change.",
    "lowers": "Lowers it: less is left, but more than a fifth.",
    "keeps": "Keeps it: this change leaves the activation standing.",
    "raises": "Raises it: this change makes it stronger still.",
}


def write(findings: Findings, path: Path) -> Path:
    """Write the page to `path`, whole or not at all; folders are made. Errors: OSError."""
    return write_whole(render(findings), path)


def write_whole(page: str, path: Path) -> Path:
    """Write a page to `path`, whole or not at all; folders are made. Errors: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def render(findings: Findings) -> str:
    """The page as a string."""
    return environment(HERE).get_template("report.html.j2").render(_context(findings))


def environment(*folders: Path) -> "jinja2.Environment":
    """Templates of some folders, under the rules that every page is drawn by."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_legible,
    )
    made.filters.update(
        number=_typeset, percent=percent, token=shown, points=_points, standing=wording.standing, cites=wording.cites
    )
    return made


def styled() -> dict[str, Any]:
    """The style sheet, and the name by hash under which a page allows it."""
    from markupsafe import Markup

    style = (HERE / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {"style": Markup(style), "style_hash": f"sha256-{digest}"}


def shown_evidence(findings: Findings, *, most: int = EVIDENCE_ROWS) -> list[Record]:
    """The records of the evidence table by id: those that a claim cites first, then the strongest, at most `most`."""
    known: dict[int, Record] = {}
    best = (findings.best,) if findings.best else ()
    for record in (*best, *findings.top, *findings.bottom, *findings.corpus_top, *findings.evidence):
        known.setdefault(record.id, record)
    cited = findings.cited
    ranked = sorted(known.values(), key=lambda row: (row.id not in cited, -(row.peak or 0.0), row.id))
    return sorted(ranked[:most], key=lambda row: row.id)


def _context(findings: Findings) -> dict[str, Any]:
    evidence = shown_evidence(findings)
    best = (findings.best,) if findings.best else ()
    strongest = (*findings.top, *findings.bottom, *findings.corpus_top, *best, *findings.front)
    scale = heat.scale_of(record.values for record in strongest)
    return styled() | {
        "f": findings,
        "target": findings.run.target,
        "scale": scale,
        "evidence": evidence,
        "all_evidence": len({record.id for record in (*evidence, *findings.evidence)}),
        "shown": frozenset(record.id for record in evidence),
        "tests": _tests(evidence),
        "rule": wording.proven_lines(findings),
        "cautions": wording.cautions(findings),
        "kinds": [(words, wording.telling_changes(findings.changes, kind)) for kind, words in KINDS.items()],
        "most_changes": CHANGES,
        "nothing_shortened": wording.nothing_shortened(findings).capitalize(),
        "nothing_optimised": wording.nothing_optimised(findings).capitalize(),
        "sentence": wording.score_sentence,
        "draw": _drawings(findings, scale),
    }


def _drawings(findings: Findings, scale: heat.Scale) -> dict[str, Any]:
    from markupsafe import Markup

    changes = [value for row in findings.changes for value in (row.activation_before, row.activation_after)]
    highest = max([value for value in changes if value is not None], default=0.0)
    counts, best = findings.counts, findings.best
    rule = findings.explanation.rule if findings.explanation else None
    largest = wording.largest_level(rule) if rule else 0.0
    histogram = charts.histogram(
        findings.histogram,
        firing=findings.distribution.firing,
        best=best.peak if best else None,
        corpus_max=findings.corpus_max,
    )
    parts = [(f"{name}, accepted", count, f"yes s{place % 6}") for place, (name, count) in _ranked(counts.accepted)]
    parts += [(f"{name}, rejected", count, f"no s{place % 6}") for place, (name, count) in _ranked(counts.rejected)]
    return {
        "histogram": Markup(histogram),
        "curve": Markup(charts.curve(findings.curve, corpus_max=findings.corpus_max)),
        "front": Markup(
            charts.front(
                [(row.surprise or 0.0, row.peak or 0.0) for row in findings.fluent],
                [(row.surprise or 0.0, row.peak or 0.0) for row in findings.front],
                typical=findings.optimised.get("typical"),
                top=findings.corpus_max,
            )
        ),
        "share": Markup(bars.share_bar(findings.share)),
        "counts": Markup(bars.stack(parts, title="Generated prompts")),
        "score": lambda score: Markup(bars.score_chart(score)) if wording.bounded(score) else "",
        "strip": lambda score: Markup(bars.score_strip(score)) if wording.bounded(score) else "",
        "sides": lambda pair: [Markup(side) for side in heat.sides(*(row.prompt.text for row in pair))],
        "chip": lambda amount: heat.Scale(largest, largest).level(amount),
        "record": lambda record: Markup(heat.record_heat(record, scale)),
        "line": lambda record: Markup(heat.record_line(record, scale)),
        "importance": lambda row, values: Markup(
            heat.heat(row.tokens, values, heat.Scale(row.activation, row.activation))
        ),
        "change": lambda row: Markup(heat.changed(row.before, row.after)),
        "dumbbell": lambda row: Markup(bars.dumbbell(row.activation_before, row.activation_after, highest=highest)),
    }


def _ranked(counts: dict[str, int]) -> Iterable[tuple[int, tuple[str, int]]]:
    return enumerate(sorted(counts.items(), key=lambda item: -item[1]))


def _tests(evidence: Iterable[Record]) -> dict[str, list[int]]:
    tests: dict[str, list[int]] = {}
    for record in evidence:
        if record.prompt.hypothesis is not None:
            tests.setdefault(record.prompt.hypothesis, []).append(record.id)
    return tests


def _typeset(value: float | None) -> str:
    return number(value).replace("-", "\N{MINUS SIGN}")


def _points(pulls: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tokens with their change of probability in points."""
    return [pull | {"amount": 100 * pull["amount"]} for pull in pulls]


def _legible(value: Any) -> Any:
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value, keep="\n")
    return value
