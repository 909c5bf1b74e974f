"""Small drawings beside a number, as inline SVG: a score with floor, interval and ceiling; a change; a sum.

Knows lengths only; what they mean is said beside them and in every drawing's description. Refuses to know colours
(the style sheet's classes).
"""

import math
from collections.abc import Callable, Sequence
from html import escape

from graphs.report.charts import label, line, svg, ticks
from graphs.report.visible import number, percent, visible
from graphs.report.wording import score_sentence
from memory.records import Score


def score_axis(score: Score) -> tuple[float, float]:
    """The axis of a score: 0 to 1, and as far beyond as its own figures reach."""
    figures = [score.value, score.low, score.high, score.floor, score.ceiling]
    known = [figure for figure in figures if figure is not None and math.isfinite(figure)]
    return min(0.0, *known, 0.0), max(1.0, *known, 1.0)


def score_chart(score: Score) -> str:
    """The main score, large: a bar from zero to the value, grey up to its floor, its interval, and its ceiling."""
    if score.value is None:
        return ""
    width, height, top, thick = 400, 104, 34, 26
    low, high = score_axis(score)

    def across(value: float) -> float:
        return 8 + (value - low) / (high - low) * (width - 16)

    zero, end, middle = across(0.0), across(score.value), top + thick / 2
    body = [_bar(across(low), top, across(high) - across(low), thick, "track")]
    body.append(_bar(min(zero, end), top, abs(end - zero), thick, "fill"))
    if score.floor is not None:
        edge = across(score.floor)
        body.append(_bar(min(zero, edge), top, abs(edge - zero), thick, "below"))
        body.append(line(edge, top - 8, edge, top + thick + 5, "limit"))
        words = f"floor {number(score.floor)}"
        body.append(_beside(edge, top - 13, words, width))
    if score.ceiling is not None:
        edge = across(score.ceiling)
        body.append(line(edge, top - 8, edge, top + thick + 5, "limit"))
        crowded = score.floor is not None and abs(edge - across(score.floor)) < 96
        body.append(_beside(edge, top - (25 if crowded else 13), f"ceiling {number(score.ceiling)}", width))
    body += _whisker(score, across, middle, 8)
    if score.low is not None and score.high is not None:
        words = f"{number(score.low)} to {number(score.high)}"
        centre = min(max((across(score.low) + across(score.high)) / 2, 40), width - 40)
        body.append(label(centre, top + thick + 16, words, "note", anchor="middle"))
    body += [label(across(tick), height - 6, f"{tick:g}", "tick", anchor="middle") for tick in ticks(low, high)]
    body.append(line(across(low), height - 20, across(high), height - 20, "axis"))
    words = f"{score.metric} {number(score.value)}"
    return svg("".join(body), words, score_sentence(score), width=width, height=height, kind="score")


def score_strip(score: Score) -> str:
    """A score in a table row: bar, floor, interval and ceiling without words, all on the same axis."""
    if score.value is None:
        return ""
    width, height = 220, 18
    low, high = score_axis(score)

    def across(value: float) -> float:
        return 3 + (value - low) / (high - low) * (width - 6)

    zero, end = across(0.0), across(score.value)
    body = [_bar(across(low), 3, across(high) - across(low), 12, "track")]
    body.append(_bar(min(zero, end), 3, abs(end - zero), 12, "fill"))
    if score.floor is not None:
        edge = across(score.floor)
        body.append(_bar(min(zero, edge), 3, abs(edge - zero), 12, "below"))
        body.append(line(edge, 0, edge, 18, "limit"))
    if score.ceiling is not None:
        body.append(line(across(score.ceiling), 0, across(score.ceiling), 18, "limit"))
    body += _whisker(score, across, 9, 4)
    words = f"{score.metric} {number(score.value)}"
    return svg("".join(body), words, score_sentence(score), width=width, height=height, kind="strip")


def share_bar(share: float | None) -> str:
    """The strongest prompt against the corpus maximum, which is the mark at 100 %."""
    if share is None or not math.isfinite(share):
        return ""
    full = max(1.15, share * 1.05)
    body = _bar(0, 2, 220, 8, "track") + _bar(0, 2, max(0.0, share) / full * 220, 8, "fill")
    body += line(220 / full, 0, 220 / full, 12, "limit")
    about = f"the strongest prompt reaches {percent(share)} of the strongest activation in the corpus"
    return svg(body, "Share of the corpus maximum", about, width=220, height=12, kind="strip")


def dumbbell(before: float | None, after: float | None, *, highest: float) -> str:
    """A change of activation: hollow where it was, full where it is now, on one axis from zero for all changes."""
    if before is None or after is None or not highest > 0:
        return ""
    width = 150

    def across(value: float) -> float:
        return 6 + min(max(value, 0.0), highest) / highest * (width - 12)

    kind = "gain" if after > before else "loss"
    body = line(6, 9, width - 6, 9, "grid") + line(across(before), 9, across(after), 9, f"link {kind}")
    body += f'<circle cx="{across(before):.1f}" cy="9" r="4" class="hollow"/>'
    body += f'<circle cx="{across(after):.1f}" cy="9" r="4.6" class="now {kind}"/>'
    about = f"from {number(before)} to {number(after)}"
    return svg(body, "Change of activation", about, width=width, height=18, kind="strip")


def stack(parts: Sequence[tuple[str, int, str]], *, title: str) -> str:
    """Parts of one sum (name, count, class), drawn end to end in their order."""
    total = sum(count for _, count, _ in parts)
    if total <= 0:
        return ""
    x, body = 0.0, []
    for name, count, kind in parts:
        wide = count / total * 600
        if count:
            tip = f"{name}: {count:,} ({percent(count / total)})"
            body.append(f"<g><title>{escape(visible(tip))}</title>{_bar(x, 0, max(0.8, wide - 1.2), 22, kind)}</g>")
        x += wide
    about = ", ".join(f"{count:,} {name}" for name, count, _ in parts)
    return svg("".join(body), title, about, width=600, height=22, kind="stack")


def _whisker(score: Score, across: Callable[[float], float], y: float, half: float) -> list[str]:
    if score.low is None or score.high is None:
        return []
    low, high = across(score.low), across(score.high)
    ends = [line(x, y - half, x, y + half, "whisker") for x in (low, high)]
    return [line(low, y, high, y, "whisker"), *ends]


def _bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{kind}"/>'


def _beside(x: float, y: float, words: str, width: int) -> str:
    half = 3.6 * len(words)
    return label(min(max(x, half), width - half), y, words, "note", anchor="middle")
