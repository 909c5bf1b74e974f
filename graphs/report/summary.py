"""The end report for a terminal: neuron, verdict, explanation, rule, scores, triggers, best prompt, changes, lists.

Knows the order of the blocks and rich's Text, never rich's markup: every string is made visible first and printed as it
is. Fits 80 columns: long texts are cut around their peak token. Refuses to know where it is printed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from graphs.report.findings import Change, Findings
from graphs.report.visible import number, percent, visible
from graphs.report.wording import (
    Proof,
    bounded,
    cautions,
    cited,
    nothing_shortened,
    proven_lines,
    score_sentence,
    standing,
    telling_changes,
)
from memory.records import Record, Score
from tools.rules import shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BAR = 28  # characters of a score bar
SNIPPET = 56  # characters of a text in a list
CHANGES = 3  # of each kind
TOKENS = 5  # of each end of the output side
MARKERS = {"kills": "red", "lowers": "magenta", "keeps": "green", "raises": "yellow"}


def blocks(findings: Findings) -> "Iterator[RenderableType]":
    """The summary, block by block; an empty string is an empty line."""
    yield from _opening(findings)
    if findings.explanation:
        yield from _section("Rule")
        yield from _rule(findings)
    yield from _scores("Scores on text that nobody saw", findings.held_out)
    if findings.elsewhere:
        yield from _scores("Scores on other text", findings.elsewhere)
    yield from _examination(findings.examination)
    yield from _output(findings.effects)
    yield from _section("Minimal triggers")
    yield from [
        _row(row.activation, visible(row.text), f"keeps {percent(row.kept)} of record {row.parent}")
        for row in findings.triggers[:5]
    ] or [_muted(nothing_shortened(findings))]
    yield from _strongest(findings)
    yield from _section("What kills, keeps and raises it")
    yield from _changes(findings.changes)
    for title, records in (("Top 10", findings.top), ("Bottom 10", findings.bottom)):
        yield from _section(title)
        yield from [_record(record, place) for place, record in enumerate(records[:10], start=1)] or [_muted("none")]
    yield from _section("Statistics")
    yield from _statistics(findings)
    if held := cautions(findings):
        yield from _section("Limits")
        yield from map(_item, held)


def _opening(findings: Findings) -> "Iterator[RenderableType]":
    from rich.rule import Rule as Line
    from rich.text import Text

    target = findings.run.target
    heading = Text(target.name, "bold").append(f"  {findings.verdict or 'no verdict'}", "bold yellow")
    yield Line(heading, align="left", characters="─", style="dim")
    side = "positive" if target.sign > 0 else "negative"
    kind = target.kind.value.replace("_", " ")
    yield _muted(f"{visible(target.model)}, {kind} {target.index} at {visible(target.hook)}, {side} side")
    yield _muted(f"{visible(findings.corpus)}")
    yield _muted(f"run {visible(findings.run.id)}, {visible(findings.run.state)}, mind {visible(findings.mind)}")
    yield ""
    words = visible(findings.explanation.text) if findings.explanation else "No explanation was reached."
    yield _indented(words, style="bold")
    if findings.explanation and findings.explanation.evidence:
        yield _muted(cited(findings.explanation))


def _rule(findings: Findings) -> "Iterator[RenderableType]":
    from rich.padding import Padding
    from rich.text import Text

    lines, base = proven_lines(findings), findings.explanation.rule.base if findings.explanation else 0.0
    yield _indented(f"start at {base:+.2f}{', whatever the text' if not lines else ', then add for each token'}")
    for line in lines:
        text = Text()
        for name, amount in line.levels:
            text.append(f"{name} " if name else "", "bold")
            text.append(f"{amount:+.2f}   ", "yellow" if amount > 0 else "cyan")
        text.append(f"and {line.more:,} more" if line.more else "", "dim")
        yield _muted(line.words)
        yield Padding(text, (0, 0, 0, 4))
        if line.proof:
            yield from _proof(line.proof)


def _proof(proof: Proof) -> "Iterator[RenderableType]":
    """The certificate's figures, and the ends of its first pair with the activation there."""
    from rich.text import Text

    yield _indented(proof.words, style={None: "dim", True: "green", False: "red"}[proof.bears], by=4)
    for record in [record for pair in proof.pairs[:1] for record in pair]:
        words = visible("".join(record.tokens))
        end = words if len(words) <= SNIPPET else f"…{words[1 - SNIPPET :]}"
        yield Text(f"    {number(record.values[-1]):>7}  {end}", "dim", no_wrap=True, overflow="ellipsis")


def _scores(title: str, scores: Sequence[Score]) -> "Iterator[RenderableType]":
    """Scores under a title; a split is told where it changes, and only what is new of it."""
    yield from _section(title)
    told = ""
    for score in scores:
        split = score.split.removeprefix(told).strip(" :,")
        told = told if told and score.split.startswith(told) else score.split
        yield from _score(score, f"{visible(split)}: " if split else "")
    if not scores:
        yield _muted("none was computed")


def _score(score: Score, split: str) -> "Iterator[RenderableType]":
    from rich.text import Text

    name = f"  {visible(score.metric)}"
    text = Text(f"{_cut(name, 51):<52}", no_wrap=True, overflow="ellipsis")
    if score.value is None:
        yield text.append("unscored", "dim italic")
        yield _indented(f"{split}{visible(score.reason) or 'no reason was given'}", style="dim", by=4)
        return
    interval = "" if score.low is None or score.high is None else f"  {number(score.low)} to {number(score.high)}"
    yield text.append(number(score.value), "bold").append(interval, "dim")
    if bounded(score):
        yield _bar(score)
    yield _indented(f"{split}{score_sentence(score)}", style="dim", by=4)


def _bar(score: Score) -> "Text":
    from rich.text import Text

    def place(value: float) -> int:
        return min(BAR - 1, max(0, round(value * BAR) - 1))

    cells = [("█", "yellow") if at < round((score.value or 0.0) * BAR) else ("░", "dim") for at in range(BAR)]
    if score.floor is not None:
        cells = [("▒", "dim") if at <= place(score.floor) and cell[0] == "█" else cell for at, cell in enumerate(cells)]
        cells[place(score.floor)] = ("┃", "bold")
    if score.ceiling is not None:
        cells[place(score.ceiling)] = ("│", "bold")
    bar = Text("    ")
    for cell in cells:
        bar.append(*cell)
    return bar


def _examination(examination: dict[str, Any]) -> "Iterator[RenderableType]":
    if not examination:
        return
    yield from _section("The judge")
    yield _muted(f"{visible(examination['model'])}, examined with puzzles before it was heard")
    for mark in examination["marks"]:
        score, passed = mark["score"], mark["passed"]
        told = f"accuracy {number(score['value'])}, with false explanations {number(score['floor'])}"
        aside = f"; {visible(mark['reason'])}" if mark["reason"] else ""
        yield _indented(f"{visible(mark['job']):<9} {'passed' if passed else 'refused'}: {told}{aside}")


def _output(effects: dict[str, Any]) -> "Iterator[RenderableType]":
    if not effects:
        return
    yield from _section("What it brings about")
    yield _indented(visible(effects["told"]))
    for title, side in (("towards", effects["towards"]), ("away from", effects["away"])):
        listed = "   ".join(f"{shown(pull['token'])} {pull['amount']:+.1f}" for pull in side[:TOKENS])
        yield _indented(
            f"{title:<10}{listed}" if listed else f"{title}: {visible(effects['lens_reason'])}", style="dim"
        )
    if effects["usual"] is not None:
        among = effects.get("towards_among")
        beside = standing(among) if among else f"half of the other units of its layer reach {effects['usual']:.1f}"
        yield _muted(f"in deviations over the vocabulary; {beside}")


def _strongest(findings: Findings) -> "Iterator[RenderableType]":
    yield from _section("Strongest prompt")
    if findings.best is None:
        yield _muted(f"no prompt made it fire; the corpus maximum is {number(findings.corpus_max)}")
        return
    yield _record(findings.best)
    told = f"{percent(findings.share)} of the corpus maximum, {number(findings.corpus_max)}"
    if findings.deviations is not None:
        told += f"; {number(findings.deviations)} deviations above the corpus mean"
    yield _muted(told)


def _changes(changes: Iterable[Change]) -> "Iterator[RenderableType]":
    from rich.text import Text

    rows = list(changes)
    for kind, colour in MARKERS.items():
        for row in telling_changes(rows, kind)[:CHANGES]:
            swapped = f"{visible(row.old) or '(nothing)'} → {visible(row.new) or '(nothing)'}"
            text = Text(f"  {kind:<7}", colour, no_wrap=True, overflow="ellipsis")
            text.append(f" {_cut(swapped, 42):<42}", "default")
            text.append(f" {number(row.activation_before):>7} → {number(row.activation_after)}", "default")
            yield text
    if not rows:
        yield _muted("no single-token change was measured")


def _statistics(findings: Findings) -> "Iterator[RenderableType]":
    counts, spread = findings.counts, findings.distribution
    equals = "=" if counts.balanced else "is not"
    total = f"{counts.accepted_total:,} accepted + {counts.rejected_total:,} rejected"
    yield _indented(f"{counts.generated:,} generated {equals} {total}")
    for name, parts in (("accepted", counts.accepted), ("rejected", counts.rejected)):
        listed = ", ".join(f"{visible(part)} {count:,}" for part, count in parts.items())
        yield _indented(f"{name}: {listed or 'none'}", style="dim", by=4)
    yield _indented(
        f"corpus: {spread.tokens:,} tokens, mean {number(spread.mean)}, deviation {number(spread.deviation)}, "
        f"fires from {number(spread.firing)}",
        style="dim",
        by=4,
    )
    times = ", ".join(f"{visible(name)} {number(value)} s" for name, value in findings.timings.items())
    yield _indented(f"time: {times or 'not taken'}; {len(findings.calls):,} LLM calls", style="dim", by=4)


def _record(record: Record, rank: int | None = None) -> "Text":
    from rich.text import Text

    lead = f"{rank:>4} " if rank is not None else "  "
    text = Text(f"{lead}{number(record.peak):>7}  ", no_wrap=True, overflow="ellipsis")
    if record.position is None:
        return text.append(f"{record.status.value}: ", "red").append(_cut(visible(record.prompt.text), SNIPPET))
    peak = visible(record.peak_token)[:24]
    room = SNIPPET - len(peak)
    before = visible("".join(record.tokens[max(0, record.position - 40) : record.position]))
    after = visible("".join(record.tokens[record.position + 1 : record.position + 20]))
    kept = min(len(before), max(room * 2 // 3, room - len(after)))
    text.append(f"…{before[len(before) - kept + 1 :]}" if kept < len(before) else before)
    text.append(peak, "bold yellow reverse" if (record.peak or 0.0) > 0 else "bold")
    return text.append(_cut(after, max(0, room - kept)))


def _row(value: float | None, words: str, aside: str) -> "Text":
    from rich.text import Text

    text = Text(f"  {number(value):>7}  ", no_wrap=True, overflow="ellipsis")
    return text.append(f"{_cut(words, 38):<38} ", "bold").append(aside, "dim")


def _section(title: str) -> "Iterator[RenderableType]":
    from rich.text import Text

    yield ""
    yield Text(title, "bold underline")


def _item(words: str) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text("  -"), Text(words))
    return grid


def _indented(words: str, *, style: str = "", by: int = 2) -> "RenderableType":
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(words, style), (0, 0, 0, by), expand=False)


def _muted(words: str) -> "RenderableType":
    return _indented(words, style="dim")


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else f"{words[: max(0, width - 1)]}…"
