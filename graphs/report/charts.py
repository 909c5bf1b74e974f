"""Charts with axes, as inline SVG: the activation histogram and the search curve. Numbers in, one SVG string out.

Knows lengths and positions. Every chart carries a title and a description for those who cannot see it. Refuses to know
colours (the style sheet's classes), fonts, and where the numbers are from.
"""

import math
from collections.abc import Sequence
from html import escape

from graphs.report.findings import CurvePoint, Histogram
from graphs.report.visible import number, visible
from memory.records import Origin

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 34, 34
_SHAPES = ("circle", "square", "diamond", "triangle")


def svg(body: str, title: str, about: str, *, width: int, height: int, kind: str) -> str:
    """An SVG element that scales with its container and says in words what it shows."""
    title, about = visible(title), visible(about)
    fit = ' preserveAspectRatio="none"' if kind == "stack" else ""
    told = escape(f"{title}. {about}")
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}"{fit} role="img" aria-label="{told}">'
        f"<title>{escape(title)}</title><desc>{escape(about)}</desc>{body}</svg>"
    )


def label(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    """A piece of text at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(visible(words))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def ticks(low: float, high: float, *, wanted: int = 5) -> list[float]:
    """Round numbers from low to high, about as many as wanted."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def shape(x: float, y: float, origin: str, *, size: float = 4.0) -> str:
    """A prompt's mark: colour and form both tell its origin."""
    names = [member.value for member in Origin]
    place = names.index(origin) if origin in names else len(names)
    kind = f'class="mark o-{origin if origin in names else "other"}"'
    form = _SHAPES[place % len(_SHAPES)]
    if form == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {kind}/>'
    if form == "square":
        return f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size:.1f}" height="{2 * size:.1f}" {kind}/>'
    reach = size * 1.3
    sides = [(0, -reach), (reach, 0), (0, reach), (-reach, 0)] if form == "diamond" else []
    sides = sides or [(0, -reach), (reach, size), (-reach, size)]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in sides)
    return f'<polygon points="{points}" {kind}/>'


def histogram(data: Histogram, *, firing: float, best: float | None, corpus_max: float) -> str:
    """Token counts by activation on a logarithmic count axis, with the firing threshold and both maxima marked."""
    if not data.counts or len(data.edges) != len(data.counts) + 1 or not any(data.counts):
        return ""
    marks = [value for value in (firing, best, corpus_max) if value is not None and math.isfinite(value)]
    low, high = min(data.edges[0], *marks), max(data.edges[-1], *marks)
    spread = (high - low) * 0.02 or 1.0
    low, high = low - spread, high + spread
    decades = max(1, math.ceil(math.log10(max(data.counts))))
    base, step = HEIGHT - BOTTOM, (HEIGHT - TOP - BOTTOM) / (decades + 0.3)

    def across(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(count: float) -> float:
        return base - (math.log10(count) + 0.3) * step if count > 0 else base

    body = [_grid(up(10.0**power), _power(power)) for power in range(decades + 1)]
    for start, stop, count in zip(data.edges, data.edges[1:], data.counts, strict=False):
        if count:
            wide = max(0.8, across(stop) - across(start) - 0.6)
            kind = "bar cold" if stop <= 0 else ("bar hot" if start >= firing else "bar quiet")
            tip = f"<title>{number(start)} to {number(stop)}: {count:,} tokens</title>"
            place = f'x="{across(start):.1f}" y="{up(count):.1f}" width="{wide:.1f}" height="{base - up(count):.1f}"'
            body.append(f'<rect {place} class="{kind}">{tip}</rect>')
    body += [_under(across(tick), base, tick) for tick in ticks(low, high)]
    body.append(line(LEFT, base, WIDTH - RIGHT, base, "axis"))
    body.append(_flag(across(firing), base, f"fires from {number(firing)}", row=0))
    if best is not None and math.isfinite(best):
        body.append(_flag(across(best), base, f"best {number(best)}", row=0))
    body.append(_flag(across(corpus_max), base, f"corpus max {number(corpus_max)}", row=1))
    about = (
        f"{sum(data.counts):,} tokens; fires from {number(firing)}, best {number(best)}, corpus {number(corpus_max)}"
    )
    return svg("".join(body), "Histogram of activations", about, width=WIDTH, height=HEIGHT, kind="chart")


def curve(points: Sequence[CurvePoint], *, corpus_max: float) -> str:
    """Best activation so far by number of measured prompts; a mark's colour and form tell the prompt's origin."""
    points = [point for point in points if math.isfinite(point.best)]
    if not points:
        return ""
    tops = [corpus_max, *(point.best for point in points)]
    low, high, last = min(0.0, *tops), max(tops) * 1.08 or 1.0, max(1, points[-1].prompts)
    base = HEIGHT - BOTTOM

    def across(prompts: float) -> float:
        return LEFT + prompts / last * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return base - (value - low) / (high - low) * (base - TOP)

    body = [_grid(up(tick), f"{tick:g}") for tick in ticks(low, high)]
    body += [_under(across(tick), base, tick) for tick in ticks(0, last)]
    body.append(line(LEFT, up(corpus_max), WIDTH - RIGHT, up(corpus_max), "limit"))
    words = f"corpus max {number(corpus_max)}"
    body.append(label(WIDTH - RIGHT, up(corpus_max) + 14, words, "note", anchor="end"))
    path = f"M{across(points[0].prompts):.1f},{up(points[0].best):.1f}"
    path += "".join(f"H{across(point.prompts):.1f}V{up(point.best):.1f}" for point in points[1:])
    body.append(f'<path d="{path}H{WIDTH - RIGHT}" class="trail"/>')
    before = [-math.inf, *(point.best for point in points)]
    gains = [point for point, last_best in zip(points, before, strict=False) if point.best > last_best]
    body += [shape(across(point.prompts), up(point.best), point.origin) for point in gains]
    body.append(_legend(list(dict.fromkeys(point.origin for point in gains))))
    about = f"from {number(points[0].best)} to {number(points[-1].best)} in {points[-1].prompts:,} measured prompts"
    return svg("".join(body), "Search curve", about, width=WIDTH, height=HEIGHT, kind="chart")


def front(
    points: Sequence[tuple[float, float]], leading: Sequence[tuple[float, float]], *, typical: float | None, top: float
) -> str:
    """Activation by cross-entropy: every point (nats, activation), the leading ones joined, what is typical marked."""
    points = [point for point in points if all(map(math.isfinite, point))]
    if not points:
        return ""
    across_all = [nats for nats, _ in points] + ([typical] if typical is not None else [])
    left, right = 0.0, max(across_all) * 1.06 or 1.0
    low, high = min(0.0, *(value for _, value in points)), max(top, *(value for _, value in points)) * 1.08 or 1.0
    base = HEIGHT - BOTTOM

    def across(nats: float) -> float:
        return LEFT + (nats - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return base - (value - low) / (high - low) * (base - TOP)

    body = [_grid(up(tick), f"{tick:g}") for tick in ticks(low, high)]
    body += [_under(across(tick), base, tick) for tick in ticks(left, right)]
    body.append(line(LEFT, up(top), WIDTH - RIGHT, up(top), "limit"))
    body.append(label(LEFT + 4, up(top) + 14, f"corpus max {number(top)}", "note"))
    if typical is not None:
        body.append(_flag(across(typical), base, f"ordinary text {number(typical)} nats a token", row=0))
    steps = sorted(leading)
    path = "".join(f"{'L' if n else 'M'}{across(nats):.1f},{up(value):.1f}" for n, (nats, value) in enumerate(steps))
    body.append(f'<path d="{path}" class="trail"/>' if len(steps) > 1 else "")
    body += [shape(across(nats), up(value), Origin.OPTIMISER.value) for nats, value in points]
    about = (
        f"{len(points)} texts, activation {number(min(v for _, v in points))} to {number(max(v for _, v in points))}"
    )
    return svg("".join(body), "Activation against cross-entropy", about, width=WIDTH, height=HEIGHT, kind="chart")


def _legend(origins: Sequence[str]) -> str:
    x, y, parts = float(LEFT), 8.0, []
    for origin in origins:
        wide = 24 + 7.2 * len(visible(origin))
        if x + wide > WIDTH and x > LEFT:
            x, y = float(LEFT), y + 15
        parts.append(shape(x + 5, y, origin) + label(x + 14, y + 4.5, origin, "note"))
        x += wide
    return "".join(parts)


def _grid(y: float, words: str) -> str:
    return line(LEFT, y, WIDTH - RIGHT, y, "grid") + label(LEFT - 6, y + 4, words, "tick", anchor="end")


def _under(x: float, base: float, value: float) -> str:
    words = f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
    return line(x, base, x, base + 4, "axis") + label(x, base + 17, words, "tick", anchor="middle")


def _flag(x: float, base: float, words: str, *, row: int) -> str:
    anchor = "end" if x > WIDTH * 0.6 else "start"
    y = TOP - 20 + 15 * row
    return line(x, y - 9, x, base, "limit") + label(x + (-4 if anchor == "end" else 4), y, words, "note", anchor=anchor)


def _power(power: int) -> str:
    return f"{10 ** (power % 3)}{('', 'k', 'M', 'G', 'T')[min(power // 3, 4)]}"
