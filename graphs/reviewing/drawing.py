"""How pages are drawn: the templates, their filters, and the drawings shared with the report.

Knows jinja2 and the report's drawings. Every string that reaches a page has its invisible characters written out and is
then quoted, whether or not the template remembers to ask. Refuses to know where what is drawn comes from.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from graphs.report import bars, charts, heat, page, wording
from graphs.report.findings import Findings
from graphs.report.visible import number
from memory.records import Record

if TYPE_CHECKING:
    import jinja2

STEPS = 100  # on a page of a trace
HERE = Path(__file__).parent
REPORT = HERE.parent / "report"


@cache
def style() -> tuple[str, str]:
    """The style sheet, the report's with what pages add, and a short name for exactly this one."""
    text = "".join(path.read_text("utf-8") for path in (REPORT / "report.css", HERE / "review.css"))
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def environment() -> jinja2.Environment:
    """The templates of the pages, with those of the report that they share."""
    made = page.environment(HERE / "templates", REPORT)
    made.filters.update(segment=_segment, when=moment, lasting=lasting)
    made.globals.update(address=address, step_address=step_address, style_name=style()[1])
    return made


def prepare() -> None:
    """Have every template and the style sheet ready, so that the first page is as quick as the next."""
    for name in environment().list_templates(extensions=["j2"]):
        environment().get_template(name)


def render(name: str, **context: Any) -> str:
    """A page as a string."""
    return environment().get_template(name).render(context)


def step_address(run_id: str, number: int) -> str:
    """Where a step stands in the trace of its run."""
    return f"{address(f'/run/{_segment(run_id)}/trace', page=1 + (number - 1) // STEPS)}#step-{number}"


def address(path: str, **asked: Any) -> str:
    """A link with those questions that have an answer."""
    given = {name: value for name, value in asked.items() if value not in (None, "")}
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def moment(seconds: float | None) -> str:
    """A time of this machine's clock, to the minute; a dash for none."""
    if seconds is None or not 0 <= seconds < 253_402_214_400:
        return "–"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def lasting(seconds: float | None) -> str:
    """A length of time in its two largest units; a dash for none."""
    if seconds is None or not 0 <= seconds < 1e10:
        return "–"
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def drawings(scale: heat.Scale) -> dict[str, Any]:
    """What templates draw themselves, with the values of tokens on one scale."""
    from markupsafe import Markup

    return {
        "record": lambda record: Markup(heat.record_heat(record, scale)),
        "whole": lambda record: Markup(
            heat.heat(record.tokens, record.values, scale, peak=record.position)
            if record.values
            else heat.record_heat(record, scale)
        ),
        "line": lambda record: Markup(heat.record_line(record, scale)),
        "score": lambda score: Markup(bars.score_chart(score)) if wording.bounded(score) else "",
        "strip": lambda score: Markup(bars.score_strip(score)) if wording.bounded(score) else "",
        "sides": lambda pair: [Markup(side) for side in heat.sides(*(row.prompt.text for row in pair))],
        "importance": lambda row, values: Markup(
            heat.heat(row.tokens, values, heat.Scale(row.activation, row.activation))
        ),
        "ending": lambda text: Markup(heat.changed(text, text)),
        "change": lambda before, after: Markup(heat.changed(before, after)),
        "dumbbell": lambda before, after, highest: Markup(bars.dumbbell(before, after, highest=highest)),
    }


def run_drawings(findings: Findings, scale: heat.Scale) -> dict[str, Any]:
    """The drawings of one run besides: curve, front, shares, and how strongly a rule's values are coloured."""
    from markupsafe import Markup

    rule = findings.explanation.rule if findings.explanation else None
    largest = wording.largest_level(rule) if rule else 0.0
    fluent, leading = (
        [(row.surprise or 0.0, row.peak or 0.0) for row in rows] for rows in (findings.fluent, findings.front)
    )
    top = findings.corpus_max
    typical = findings.optimised.get("typical")
    return drawings(scale) | {
        "curve": Markup(charts.curve(findings.curve, corpus_max=top)) if top == top else "",
        "front": Markup(charts.front(fluent, leading, typical=typical, top=top)) if top == top else "",
        "share": Markup(bars.share_bar(findings.share)),
        "chip": lambda amount: heat.Scale(largest, largest).level(amount),
    }


def scale_of(records: Iterable[Record]) -> heat.Scale:
    """One scale for the records of a page."""
    return heat.scale_of(record.values for record in records)


def _segment(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")
