"""Tokens as a heat map: HTML in which the background of every token says how strongly it acts.

Knows tokens, values and two colour scales. Orange is positive, blue negative; both start at zero, and a negative value
is never coloured more strongly than a positive one of its size. Space, tab and line break are marked by the style
sheet alone, so that copied text is the measured text. Refuses to know colours: it names levels p1..p10 and n1..n10.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from graphs.report.visible import number, visible
from memory.records import Record

LEVELS = 10
_PIECES = re.compile(r"[ ]|\n|\t|[^ \t\n]+")


@dataclass(frozen=True)
class Scale:
    """The values at which orange and blue are strongest, both above zero."""

    positive: float
    negative: float

    def level(self, value: float) -> str:
        """The level's class name, empty near zero and for what is no number."""
        full = self.positive if value > 0 else self.negative
        if not (value != 0 and abs(value) < float("inf") and full > 0):
            return ""
        step = min(LEVELS, round(abs(value) / full * LEVELS))
        return f"{'p' if value > 0 else 'n'}{step}" if step else ""


def scale_of(rows: Iterable[Sequence[float]]) -> Scale:
    """One scale for many rows of values, so that equal colours mean equal values all over a page."""
    values = [value for row in rows for value in row if abs(value) < float("inf")]
    high = max([value for value in values if value > 0], default=0.0)
    return Scale(high, max(high, -min(values, default=0.0)))


def heat(tokens: Sequence[str], values: Sequence[float], scale: Scale, *, peak: int | None = None) -> str:
    """HTML for all tokens, every one with its value as a title, the peak outlined."""
    return "".join(
        _cell(token, value, scale, outlined=place == peak)
        for place, (token, value) in enumerate(zip(tokens, values, strict=False))
    )


def record_heat(record: Record, scale: Scale, *, before: int = 60, after: int = 24) -> str:
    """A record's tokens around its peak, with a note of how many were left out on either side."""
    if not record.values:
        return _pieces(record.prompt.text[:600])
    start, stop = _window(record, before=before, after=after)
    if len(record.values) <= before + after:
        start, stop = 0, len(record.values)
    peak = None if record.position is None else record.position - start
    body = heat(record.tokens[start:stop], record.values[start:stop], scale, peak=peak)
    return _left_out(start) + body + _left_out(len(record.tokens) - stop)


def record_line(record: Record, scale: Scale, *, before: int = 16, after: int = 5) -> str:
    """A record on one line: plain text around the peak token, which alone is coloured."""
    if not record.values:
        return _pieces(record.prompt.text[:200], inline=True)
    start, stop = _window(record, before=before, after=after)
    cells = []
    for place in range(start, stop):
        text = _pieces(record.tokens[place], inline=True)
        if place == record.position:
            value = record.values[place]
            text = f'<mark class="{scale.level(value)}" title="{number(value)}">{text}</mark>'
        cells.append(text)
    return f"{'⋯ ' if start else ''}{''.join(cells)}{' ⋯' if stop < len(record.tokens) else ''}"


def changed(before: str, after: str) -> str:
    """A minimal pair in one line of HTML: what both texts share, the old part struck out, the new part underlined."""
    lead, old, new, rest = _difference(before, after, around=60)
    gone = f"<del>{_pieces(old)}</del>" if old else ""
    came = f"<ins>{_pieces(new)}</ins>" if new else ""
    return f"{_pieces(lead)}{gone}{came}{_pieces(rest)}"


def sides(fires: str, silent: str) -> tuple[str, str]:
    """Both texts of a minimal pair as HTML, in each the part that the other does not have marked."""
    lead, one, other, rest = _difference(fires, silent, around=42)
    marked = f"<ins>{_pieces(one) or '∅'}</ins>", f"<del>{_pieces(other) or '∅'}</del>"
    return f"{_pieces(lead)}{marked[0]}{_pieces(rest)}", f"{_pieces(lead)}{marked[1]}{_pieces(rest)}"


def _difference(before: str, after: str, *, around: int) -> tuple[str, str, str, str]:
    """What both begin with, the part of each that differs, and what both end with; cut to `around` characters."""
    head = _whole_words(before, _shared(before, after))
    tail = _whole_words(before[::-1], _shared(before[head:][::-1], after[head:][::-1]))
    lead = f"⋯{before[:head][-around:]}" if head > around else before[:head]
    rest = before[len(before) - tail :] if tail else ""
    most = around * 2 // 3
    rest = f"{rest[:most]}⋯" if len(rest) > most else rest
    return lead, before[head : len(before) - tail], after[head : len(after) - tail], rest


def _shared(one: str, other: str) -> int:
    same = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        same += 1
    return same


def _whole_words(text: str, same: int) -> int:
    while 0 < same < len(text) and text[same - 1].isalnum() and text[same].isalnum():
        same -= 1
    return same


def _window(record: Record, *, before: int, after: int) -> tuple[int, int]:
    centre = before if record.position is None else record.position
    return max(0, centre - before), min(len(record.tokens), len(record.values), centre + after + 1)


def _left_out(tokens: int) -> str:
    return f'<span class="gap">⋯ {tokens} token{"s" * (tokens > 1)} ⋯</span>' if tokens > 0 else ""


def _cell(token: str, value: float, scale: Scale, *, outlined: bool) -> str:
    tag, level = ("mark" if outlined else "span"), scale.level(value)
    kind = f' class="{level}"' if level else ""
    return f'<{tag}{kind} title="{number(value)}">{_pieces(token)}</{tag}>'


def _pieces(text: str, *, inline: bool = False) -> str:
    return "".join(_piece(piece, inline=inline) for piece in _PIECES.findall(text))


def _piece(piece: str, *, inline: bool) -> str:
    if piece == " ":
        return '<i class="sp"> </i>'
    if piece == "\t":
        return '<i class="tab"> </i>' if inline else '<i class="tab">\t</i>'
    if piece == "\n":
        return '<i class="nl"></i>' if inline else '<i class="nl">\n</i>'
    return escape(visible(piece))
