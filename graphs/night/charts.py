"""The one chart of a morning report: each target's score against its floor, as inline SVG."""

from typing import TYPE_CHECKING

from graphs.report.charts import label, line, svg
from graphs.report.visible import number

if TYPE_CHECKING:
    from markupsafe import Markup

    from graphs.night.report import Morning

SIDE, LEFT, BOTTOM, TOP = 360, 44, 36, 10
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


def scatter(morning: "Morning") -> "Markup | str":
    """Scores over floors: what stands above the diagonal tells more than its floor. Empty without a score."""
    from markupsafe import Markup

    if not morning.scored:
        return ""
    span = SIDE - TOP - BOTTOM

    def across(value: float) -> float:
        return LEFT + min(max(value, 0.0), 1.0) * span

    def up(value: float) -> float:
        return SIDE - BOTTOM - min(max(value, 0.0), 1.0) * span

    body = []
    for step in STEPS:
        body += [
            line(across(0), up(step), across(1), up(step), "grid"),
            label(LEFT - 6, up(step) + 4, number(step), "tick", anchor="end"),
        ]
        body.append(label(across(step), SIDE - BOTTOM + 16, number(step), "tick", anchor="middle"))
    body.append(line(across(0), up(0), across(1), up(1), "axis"))
    body.append(label(across(0.5), SIDE - 4, "floor (token table)", "tick", anchor="middle"))
    for item in morning.scored:
        x, y = across(item.told["floor"]), up(item.told["score"])
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" class="mark o-corpus"/>')
    title = "Held-out correlation of each unit's rule, over its floor"
    about = f"{len(morning.scored)} units; those above the diagonal predict better than a table of tokens."
    return Markup(svg("".join(body), title, about, width=SIDE + LEFT, height=SIDE, kind="chart"))
