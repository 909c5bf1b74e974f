"""The morning report: what an overnight run found, as terminal blocks and as one HTML file, and its line of status.

Knows the queue's rows (what each run came to). Everything comes from there: nothing is measured again. Ranked by score
over floor; a score never stands without its floor. Every string is made visible and quoted.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from graphs.night.folder import Night
from graphs.report.visible import counted, number, visible
from memory.queue import OPEN, Item, Queue, State

if TYPE_CHECKING:
    from rich.console import RenderableType

STALE = 30.0  # seconds without a heartbeat
GOING = ("running", "draining")
FAR = 2.0  # times the corpus maximum, which the search reached
LISTED = 15  # rows in the terminal; the page has all
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Morning:
    """What an overnight run came to. beat: its last heartbeat, empty when it never had one."""

    night: Night
    items: tuple[Item, ...]
    beat: dict[str, Any]

    @property
    def ended(self) -> tuple[Item, ...]:
        """Targets whose run is whole."""
        return tuple(item for item in self.items if item.told)

    @property
    def scored(self) -> tuple[Item, ...]:
        """Those with a score and its floor, by what it is above that."""
        found = [item for item in self.ended if not _wanting(item)]
        return tuple(sorted(found, key=lambda item: (-above(item), item.name)))

    @property
    def unscored(self) -> tuple[tuple[Item, str], ...]:
        """Those without, and why."""
        return tuple((item, why) for item in self.ended if (why := _wanting(item)))

    @property
    def failures(self) -> tuple[Item, ...]:
        """Targets that were set aside, and those that needed a second try."""
        return tuple(item for item in self.items if item.state is State.SET_ASIDE or item.tries)

    @property
    def left(self) -> int:
        """Targets that nobody has finished."""
        return sum(item.state in OPEN for item in self.items)

    @property
    def layers(self) -> list[tuple[int, Counter[str]]]:
        """Verdicts by layer; features count as layer -1."""
        by_layer: dict[int, Counter[str]] = {}
        for item in self.ended:
            by_layer.setdefault(item.unit.get("layer", -1), Counter())[item.told.get("verdict") or "none"] += 1
        return sorted(by_layer.items())

    @property
    def verdicts(self) -> list[str]:
        """The verdicts there are, the most frequent first."""
        return [verdict for verdict, _ in sum((counts for _, counts in self.layers), Counter()).most_common()]

    @property
    def surprises(self) -> list[tuple[Item, str]]:
        """What a person would want to look at: far stronger texts than the corpus has, and rules below their floor."""
        found = []
        for item in self.ended:
            best, highest = item.told.get("best"), item.told.get("corpus_max") or 0.0
            if best is not None and highest > 0 and best >= FAR * highest:
                found.append(
                    (best / highest, item, f"a text drives it to {best / highest:.1f} times its corpus maximum")
                )
        found.sort(key=lambda each: -each[0])
        below = [(item, "its rule predicts no better than the floor") for item in self.scored if above(item) <= 0]
        return [(item, words) for _, item, words in found[:10]] + below[-10:]

    @property
    def cost(self) -> dict[str, float]:
        """What it took: passes and exchanges of every target, seconds and records of whole runs."""
        took: dict[str, float] = {}
        for name in ("seconds", "records"):
            took[name] = sum(item.told.get(name) or 0 for item in self.ended)
        for name in ("passes", "llm_calls"):
            took[name] = sum(getattr(item, name) for item in self.items)
        return took


def above(item: Item) -> float:
    """A scored target's score less its floor."""
    return item.told["score"] - item.told["floor"]


def _wanting(item: Item) -> str:
    """Why a whole run is not ranked; empty for one that is."""
    if item.told.get("score") is None:
        return item.told.get("reason") or "no score"
    return "" if item.told.get("floor") is not None else "its score has no floor"


def gathered(night: Night) -> Morning:
    """The morning of an overnight run, as it stands."""
    try:
        beat = json.loads(night.heartbeat.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        beat = {}
    return Morning(night, tuple(Queue(night.folder).items()), beat)


def line(beat: dict[str, Any], *, now: float) -> str:
    """How an overnight run stands, in one line."""
    done, total = beat["done"], beat["total"]
    words = [f"{beat['name']}: {beat['state']}", f"{done} of {total} done"]
    words += [f"{beat['set_aside']} set aside"] if beat["set_aside"] else []
    if beat["state"] == "running":
        words += [f"{_clock(beat['eta_seconds'])} left"] if beat["eta_seconds"] is not None else []
        rate = beat.get("ended", done) / beat["hours"] if beat["hours"] else 0  # of this owner
        words += [f"{rate:.{0 if rate >= 1 else 1}f} an hour"] if rate else []
    if beat["state"] in GOING:
        words += [f"{each['target']} {each['node']}" for each in beat["workers"]]
        if now - beat["time"] > STALE:
            words.insert(1, f"NO HEARTBEAT for {_clock(now - beat['time'])}")
    words += [f"{counted(beat['waiting'], 'run')} to be taken into the store"] if beat.get("waiting") else []
    words += [visible(beat[why]) for why in ("waits", "why") if beat.get(why)]
    return " · ".join(words)


def blocks(morning: Morning) -> "Iterator[RenderableType]":
    """The report for a terminal."""
    from rich.table import Table
    from rich.text import Text

    yield Text(f"\nOvernight run {morning.night.name}: {len(morning.ended)} of {len(morning.items)} done", "bold")
    for words in opening(morning):
        yield Text(f"  {words}")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    right = ("full rule", "floor", "told rule")
    for name in ("unit", *right, "verdict", "it"):
        side = "right" if name in right else "left"
        table.add_column(name, justify=side, no_wrap=name != "it", style="" if name != "verdict" else "cyan")  # type: ignore[arg-type]
    for item in morning.scored[:LISTED]:
        told = item.told
        prose = visible(told["prose"])
        cells = (number(told["score"]), number(told["floor"]), number(told.get("shown")), told["verdict"])
        table.add_row(item.name, *cells, prose if len(prose) < 90 else f"{prose[:89]}…")
    yield table
    for title, rows in (
        ("Surprises", [(item.name, words) for item, words in morning.surprises]),
        ("Failures", [(item.name, f"{item.state.value}: {item.reason}") for item in morning.failures]),
    ):
        yield Text(f"\n{title}" if rows else f"\n{title}: none", "bold")
        for name, words in rows[:LISTED]:
            yield Text(f"  {name}  {visible(words)}")


def opening(morning: Morning) -> list[str]:
    """The first lines: how many of each verdict, how good, at what cost."""
    counts = sum((counts for _, counts in morning.layers), Counter())
    told = [", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "nothing is explained yet"]
    if morning.scored:
        scores = [item.told["score"] for item in morning.scored]
        floors = [item.told["floor"] for item in morning.scored]
        told.append(
            f"median held-out correlation of the full rule {number(median(scores))}, of its floor "
            f"{number(median(floors))}{_of_the_shown(morning)}; {_better(morning)}; {len(morning.unscored)} unscored"
        )
    cost, hours = morning.cost, morning.beat.get("hours_in_all") or 0.0
    told.append(
        f"{_clock(cost['seconds'])} of work"
        + (f" in {_clock(hours * 3600)}" if hours else "")
        + f", {cost['passes']:,.0f} forward passes, {cost['llm_calls']:,.0f} exchanges, {cost['records']:,.0f} prompts"
    )
    if morning.left:
        left = f"{counted(morning.left, 'target')} {'is' if morning.left == 1 else 'are'} left"
        told.append(f"{left}: {visible(morning.beat.get('why') or 'it is not over')}")
    return told


def _of_the_shown(morning: Morning) -> str:
    told = [item.told for item in morning.scored]
    shown, floors = ([each[key] for each in told if each.get(key) is not None] for key in ("shown", "shown_floor"))
    if not shown or not floors:
        return ""
    return f", of the rule that is told {number(median(shown))}, of its floor {number(median(floors))}"


def _better(morning: Morning) -> str:
    """How many are above their floors: by the paired interval where every run has one."""
    told = len(morning.scored)
    lows = [low for item in morning.scored if (low := item.told.get("beyond_low")) is not None]
    if len(lows) == told:
        return f"{sum(low > 0 for low in lows)} of {told} above every floor, even at the low end of the interval"
    return f"{sum(above(item) > 0 for item in morning.scored)} of {told} above the token table"


def write(morning: Morning, path: Path) -> Path:
    """The report as one HTML file that needs nothing else; replaced whole."""
    from graphs.report.page import write_whole

    return write_whole(render(morning), path)


def render(morning: Morning) -> str:
    """The page as a string."""
    from graphs.night import charts
    from graphs.report.page import environment, styled

    template = environment(HERE).get_template("morning.html.j2")
    return template.render(
        m=morning,
        opening=opening(morning),
        above=above,
        reports=_reports(morning),
        written=time.strftime("%Y-%m-%d %H:%M"),
        scatter=charts.scatter(morning),
        **styled(),
    )


def _reports(morning: Morning) -> dict[str, str]:
    """Where the page of each run lies, seen from the morning report."""
    folder = morning.night.home / "reports"
    return {
        item.name: f"../../reports/{item.run_id}.html"
        for item in morning.items
        if (folder / f"{item.run_id}.html").exists()
    }


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
