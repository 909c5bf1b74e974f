"""A conversation's answers as lines for a terminal: heat over tokens, records on one line, clauses with their proof.

Knows rich's Text, never its markup; every string is made visible first. Refuses to know where lines are printed.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agents.statistical.certificates import stands
from graphs.report.visible import number, percent, visible
from graphs.report.wording import RuleLine, beats_floor, certified, rule_lines
from memory.records import BUILT_IN, Certificate, Explanation, Fate, Hypothesis, Record, Rule, Score, Status
from tools.rules import predict, shown

if TYPE_CHECKING:
    from rich.text import Text

SHADES = ("#3a2a10", "#4d3510", "#63420f", "#7a4f0e", "#935c0c", "#ad6a0a", "#c77808", "#e08605", "#f59a1c", "#ffb347")
LIGHT = 7  # from this shade on the letters are black
HEAT_BEFORE, HEAT_AFTER = 60, 24  # tokens shown around the peak
SNIPPET = 58
LEVELS = 5
FATES = {Fate.SUPPORTED: ("✓", "green"), Fate.REFUTED: ("✗", "red")}


def words(text: str, style: str = "") -> "Text":
    """One line of words, whatever is in them."""
    from rich.text import Text

    return Text(visible(text), style)


def heat(record: Record, highest: float) -> "Text":
    """The tokens around the peak on a background that says how strongly each acts, next to `highest`."""
    from rich.text import Text

    if not record.values:
        return words(f"  {record.prompt.text[:400]}")
    centre = record.position or 0
    start, stop = max(0, centre - HEAT_BEFORE), min(len(record.tokens), centre + HEAT_AFTER + 1)
    line = Text("  " if not start else f"  ⋯ {start} tokens ⋯ ")
    for place in range(start, stop):
        share = record.values[place] / highest if highest > 0 else 0.0
        level = min(len(SHADES), round(share * len(SHADES)))
        style = "" if level < 1 else f"{'black' if level > LIGHT else 'white'} on {SHADES[level - 1]}"
        line.append(visible(record.tokens[place]), f"{style} underline" if place == record.position else style)
    return line if stop == len(record.tokens) else line.append(f" ⋯ {len(record.tokens) - stop} tokens ⋯")


def peak_line(record: Record, highest: float, firing: float, *, policy: str = "max") -> str:
    """What a text came to under a position policy, in one sentence."""
    if record.peak is None or record.position is None:
        return f"nothing could be measured: {record.status.value}. record {record.id}"
    share = f", {percent(record.peak / highest)} of the corpus maximum {number(highest)}" if highest > 0 else ""
    side = "it fires" if record.peak >= firing else _silent(record, firing)
    return f"{_value(record, policy)}{share}; {side} (from {number(firing)}). record {record.id}"


def unread(record: Record) -> str:
    """What was not read of a text, in words; empty where all of it was."""
    if record.status is not Status.TRUNCATED:
        return ""
    return f"only the first {len(record.tokens):,} tokens were read: the text is longer than the model's context"


def _silent(record: Record, firing: float) -> str:
    if record.status is not Status.TRUNCATED:
        return "it does not fire"
    return "nothing in them fires" if max(record.values) < firing else "taken together they do not fire"


def _value(record: Record, policy: str) -> str:
    """What a record's figure is, and where it was read."""
    place, tokens = record.position or 0, len(record.tokens)
    at = f"at {shown(record.peak_token)} (token {place + 1} of {tokens})"
    if policy == "mean":
        return f"mean {number(record.peak)} over {tokens} tokens, strongest {number(record.values[place])} {at}"
    return f"{'peak' if policy == 'max' else 'value'} {number(record.peak)} {at}"


def record_line(record: Record, rank: int | None = None) -> "Text":
    """A record on one line: its peak, and the text around the peak token."""
    from rich.text import Text

    lead = "  " if rank is None else f"{rank:>4} "
    line = Text(f"{lead}{number(record.peak):>7}  ", no_wrap=True, overflow="ellipsis")
    if record.position is None:
        return line.append(f"{record.status.value}: {visible(record.prompt.text)[:SNIPPET]}", "dim")
    peak = visible(record.peak_token)[:24]
    before = visible("".join(record.tokens[max(0, record.position - 40) : record.position]))
    after = visible("".join(record.tokens[record.position + 1 : record.position + 20]))
    room = SNIPPET - len(peak)
    kept = min(len(before), max(room * 2 // 3, room - len(after)))
    line.append(f"…{before[len(before) - kept + 1 :]}" if kept < len(before) else before)
    line.append(peak, "bold yellow reverse" if (record.peak or 0.0) > 0 else "bold")
    return line.append(after[: max(0, room - kept)])


def clause_lines(explanation: Explanation, records: Sequence[Record]) -> "Iterator[Text]":
    """The compact rule, clause by clause, each with its certificate and one pair of the records behind it."""
    known = {record.id: record for record in records}
    proofs = {proof.clause: proof for proof in explanation.certificates}
    yield words(f"  start at {explanation.rule.base:+.2f}, then add for each token:", "dim")
    for place, line in enumerate(rule_lines(explanation.rule)):
        yield words(f"  {place + 1}. {line.words}")
        yield _levels(line)
        if place in proofs:
            yield from _proof(proofs[place], known)
        elif explanation.certificates:
            yield words("     no minimal pair tests this", "dim")


def _levels(line: RuleLine) -> "Text":
    from rich.text import Text

    text = Text("     ")
    for name, amount in line.levels[:LEVELS]:
        text.append(f"{name} " if name else "", "bold").append(f"{amount:+.2f}   ", "yellow" if amount > 0 else "cyan")
    more = line.more + max(0, len(line.levels) - LEVELS)
    return text.append(f"and {more:,} more" if more else "", "dim")


def _proof(proof: Certificate, known: dict[int, Record]) -> "Iterator[Text]":
    from rich.text import Text

    cited = "; ".join(f"{one}–{other}" for one, other in proof.pairs[:4])
    yield words(f"     {certified(proof)} (records {cited})", "green" if stands(proof) else "red")
    for identity in proof.pairs[0] if proof.pairs else ():
        if (record := known.get(identity)) is not None and record.values:
            end = visible("".join(record.tokens))
            cut = end if len(end) <= SNIPPET else f"…{end[1 - SNIPPET :]}"
            yield Text(
                f"     {identity:>5} {number(record.values[-1]):>7}  {cut}", "dim", no_wrap=True, overflow="ellipsis"
            )


def reasons(record: Record, explanation: Explanation) -> "Iterator[Text]":
    """Which clauses of the compact rule hold at a record's peak token, and what they add up to."""
    place = record.position
    if place is None or record.peak is None:
        yield words("nothing was measured there, so there is nothing to explain")
        return
    rule, tokens = explanation.rule, record.tokens
    told = f"  at {shown(record.peak_token)} the rule starts at {rule.base:+.2f}"
    yield words(told, "dim")
    lines = rule_lines(rule)
    for number_of, clause in enumerate(rule.clauses):
        added = predict(Rule(0.0, (clause,)), tokens)[place]
        if added:
            yield words(f"  {added:+6.2f}  {lines[number_of].words}", "yellow" if added > 0 else "cyan")
    compact = predict(rule, tokens)[place]
    fullest = "" if explanation.full is None else f" (the full rule {number(predict(explanation.full, tokens)[place])})"
    yield words(f"  predicted {number(compact)}{fullest}, measured {number(record.values[place])}", "bold")


def score_lines(scores: Sequence[Score]) -> "Iterator[Text]":
    """Every score with its floor, under the text it was had on; green where it is above the floor for sure."""
    split = ""
    for score in scores:
        if score.split != split:
            split = score.split
            yield words(f"  on {split}", "dim")
        if score.value is None:
            yield words(f"    unscored             {score.metric}: {score.reason}", "dim")
            continue
        ends = "no interval" if score.low is None else f"{number(score.low)} to {number(score.high)}"
        figures = f"{number(score.value):>8}  floor {number(score.floor):<6}"
        aside = f"; {score.reason}" if score.reason else ""
        told = f"  {figures} {score.metric} ({ends}, n={score.n:,}; floor: {score.floor_name or 'unknown'}{aside})"
        yield words(told, "green" if beats_floor(score) else "")


def claim_line(rank: int, claim: Hypothesis) -> "Text":
    """A claim in one line: its number in the run, fate and tally."""
    mark, colour = FATES.get(claim.fate, ("○", ""))
    tally = f" {claim.hits}:{claim.misses}" if claim.hits or claim.misses else ""
    by = "" if claim.author == BUILT_IN else f" ({claim.author})"
    return words(f"  h-{rank} {mark}{tally} {claim.statement}{by}", colour)
