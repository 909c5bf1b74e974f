"""The generative test: texts written from the rule alone, measured, and counted. No language model, no held-out text.

1. Positives: places of evidence pages where the rule predicts much, different tokens first. What stands before such a
   place is set behind a stretch of another page, so that the text is new; it counts when the rule still predicts much
   at its end. Where it only does at the opening of a page, that opening is taken as it stands.
2. Controls: the same text with one of its last six tokens changed, each of them in turn first, for another that
   evidence pages hold, so that the rule predicts little. Both sides differ in one token: a rule that names the wrong
   one is found out.
3. Both are measured by `ask`. A pair counts when its texts are read as tokens of which the rule still says what was
   meant; the split says how many were not.
4. `clarity` (tools/fade.py) of the activation where a text ends: positives over controls, and positives over as many
   places of evidence pages drawn at random. What is from one page is resampled together.
5. The token table of the evidence pages goes through the same with texts of its own, and what it comes to is the floor,
   or chance where that is more. Who claims less is tested more gently: a floor above the rule may mean that the rule
   dares more.

Much is at least half way from the lowest prediction to the highest of those pages, little at most a quarter.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from agents.mind import Evidence
from agents.statistical.mind import floor_rules
from memory.records import Explanation, Origin, Prompt, Record, Rule, Score
from tools.fade import clarity
from tools.pages import Page
from tools.rules import predict

Ask = Callable[[Sequence[Prompt]], Sequence[Record]]

PAIRS = 24
PAGES = 80  # evidence pages that places are taken from, beside the strongest
STRONGEST = 20
OWN, BEFORE = (5, 12, 24), 8  # tokens of a place's own context (tried in turn), and of the other page before it
TRIES, SWAPS = 4, 24  # places tried for each pair wanted, and replacements tried at a token
CHANGED = 6  # last tokens that may be changed
MUCH, LITTLE = 0.5, 0.25
NAMES = ("generated, against minimal changes (AUC)", "generated, against ordinary text (AUC)")
SPLIT = "texts written from the rule"
TABLE, CHANCE = "token table", "chance"

Ends = list[tuple[Page, float]]  # the page a text is from, and the activation where it ends


@dataclass(frozen=True)
class Writer:
    """A rule, what counts as much and as little of its predictions, and the tokens that texts are made of."""

    rule: Rule
    much: float
    little: float
    tokens: tuple[str, ...]

    def at_end(self, tokens: Sequence[str]) -> float:
        """What the rule predicts at the last token."""
        return predict(self.rule, tokens)[-1]


@dataclass(frozen=True, eq=False)
class Came:
    """What a rule's texts came to: positives, their controls, ordinary places; and how many pairs were written."""

    positives: Ends
    controls: Ends
    ordinary: Ends
    written: int


def generated(explanation: Explanation, ask: Ask, evidence: Evidence, *, seed: int) -> list[Score]:
    """Clarity of the rule's own new positives over its controls, and over ordinary text, beside a token table's.

    ask measures prompts, at most 48 at a time, twice, and returns their records in order (ValueError when some are
    missing). Evidence pages only; deterministic by seed.
    """
    own = _tried(explanation.full or explanation.rule, ask, evidence, seed=seed)
    if own is None:
        return [Score.unscored(name, SPLIT, "the rule predicts the same everywhere") for name in NAMES]
    out = own.written - len(own.positives)
    scored = _clarity(own, SPLIT + (f", {out} of {own.written} pairs left out" if out else ""), seed)
    if all(score.value is None for score in scored):
        return scored  # nothing that a floor could stand beside
    table = _tried(floor_rules(evidence.pages, 1)[0], ask, evidence, seed=seed, source=TABLE)
    floors = [None, None] if table is None else _clarity(table, SPLIT, seed)
    return [_beside(score, floor) for score, floor in zip(scored, floors, strict=True)]


def _tried(rule: Rule, ask: Ask, evidence: Evidence, *, seed: int, source: str | None = None) -> Came | None:
    """The texts of a rule, measured; None where it predicts the same everywhere. source: whose texts they are."""
    rng = random.Random(seed)
    pages = _drawn(evidence.pages, rng)
    told = [np.array(predict(rule, page.tokens)) for page in pages]
    everything = np.concatenate(told) if told else np.empty(0)
    if not everything.size or not np.ptp(everything):
        return None
    low, span = float(everything.min()), float(np.ptp(everything))
    tokens = tuple(dict.fromkeys(token for page in pages for token in page.tokens if "\ufffd" not in token))
    writer = Writer(rule, low + MUCH * span, low + LITTLE * span, tokens)
    pairs = list(_pairs(writer, pages, told, rng))
    read = _measured([(text, control) for _, text, control in pairs], ask, source)
    kept = [(page, both) for (page, _, _), both in zip(pairs, read, strict=True) if _as_meant(writer, both)]
    positives, controls = ([(page, both[side].values[-1]) for page, both in kept] for side in (0, 1))
    return Came(positives, controls, _ordinary(evidence.pages, len(positives), rng), len(pairs))


def _clarity(came: Came, split: str, seed: int) -> list[Score]:
    """The clarity of positives over controls, and over ordinary places."""
    found = []
    for name, side in zip(NAMES, (came.controls, came.ordinary), strict=True):
        raised, low = ([value for _, value in ends] for ends in (came.positives, side))
        groups = [page for page, _ in (*came.positives, *side)]
        found.append(replace(clarity(raised, low, split=split, seed=seed, groups=groups), metric=name))
    return found


def _beside(score: Score, table: Score | None) -> Score:
    """A score beside what the token table's own texts come to, or chance where that is more or the table has none."""
    if score.value is None:
        return score
    if table is None or table.value is None:
        why = "it predicts the same everywhere" if table is None else table.reason
        return replace(score, floor_name=f"{CHANCE}; no {TABLE}: {why}")
    if score.floor is not None and table.value <= score.floor:
        return replace(score, floor_name=f"{CHANCE}; {TABLE} {table.value:.2f}")
    ends = "" if table.low is None or table.high is None else f", {table.low:.2f} to {table.high:.2f}"
    return replace(score, floor=table.value, floor_name=f"{TABLE} by its own texts{ends}")


def _drawn(pages: Sequence[Page], rng: random.Random) -> list[Page]:
    """Random evidence pages and the strongest ones, which come last there."""
    ordinary, strongest = pages[:-STRONGEST], pages[-STRONGEST:]
    return [*rng.sample(ordinary, min(PAGES, len(ordinary))), *strongest]


def _measured(pairs: Sequence[tuple[str, str]], ask: Ask, source: str | None) -> list[tuple[Record, Record]]:
    """Both texts of every pair, read. Those of a floor predict nothing of the unit."""
    prompts = [
        Prompt(text, Origin.PAIR, predicted=None if source else fires, source=source)
        for pair in pairs
        for text, fires in zip(pair, (True, False), strict=True)
    ]
    records = list(ask(prompts)) if prompts else []
    if len(records) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts were asked about, and {len(records)} records came back")
    return list(zip(records[::2], records[1::2], strict=True))


def _as_meant(writer: Writer, pair: tuple[Record, Record]) -> bool:
    """Whether both texts were measured, and the rule says of their tokens what was meant."""
    if not all(record.values for record in pair):
        return False
    fires, silent = (writer.at_end(record.tokens) for record in pair)
    return fires >= writer.much and silent <= writer.little


def _pairs(
    writer: Writer, pages: Sequence[Page], told: Sequence[np.ndarray], rng: random.Random
) -> Iterator[tuple[Page, str, str]]:
    """Up to 24 texts, each with the page it is from and its control."""
    written: set[str] = set()
    for page, place in _places(writer, pages, told, rng)[: PAIRS * TRIES]:
        tokens = _positive(writer, page, place, pages[rng.randrange(len(pages))], rng)
        control = tokens and _control(writer, tokens, len(written), rng)
        if tokens and control and (text := "".join(tokens)) not in written:
            written.add(text)
            yield page, text, "".join(control)
        if len(written) == PAIRS:
            return


def _places(
    writer: Writer, pages: Sequence[Page], told: Sequence[np.ndarray], rng: random.Random
) -> list[tuple[Page, int]]:
    """Where the rule predicts much, in random order, a place of every token before a second one of any."""
    by_token: dict[str, list[tuple[Page, int]]] = {}
    for page, predicted in zip(pages, told, strict=True):
        for place in np.flatnonzero(predicted >= writer.much):
            by_token.setdefault(page.tokens[place], []).append((page, int(place)))
    found = [rng.sample(places, min(PAIRS * TRIES, len(places))) for places in by_token.values()]
    rng.shuffle(found)
    return [place for layer in zip_longest(*found) for place in layer if place is not None]


def _positive(writer: Writer, page: Page, place: int, other: Page, rng: random.Random) -> list[str] | None:
    """The place behind a stretch of another page, with as little of its own context as will do; else as it stands."""
    start = rng.randrange(max(1, len(other.tokens) - BEFORE))
    for own in (*OWN, None):
        before = other.tokens[start : start + BEFORE] if own else ()
        tokens = [*before, *page.tokens[max(0, place + 1 - (own or OWN[-1])) : place + 1]]
        if not any("\ufffd" in token for token in tokens) and writer.at_end(tokens) >= writer.much:
            return tokens
    return None


def _control(writer: Writer, tokens: list[str], turn: int, rng: random.Random) -> list[str] | None:
    """The tokens with one changed so that the rule predicts little; another of the last ones is tried first each turn.

    A replacement begins with a space if the token does, so that its neighbours are read as before.
    """
    reach = min(CHANGED, len(tokens))
    for step in range(reach):
        at = len(tokens) - 1 - (turn + step) % reach
        for token in rng.sample(writer.tokens, min(SWAPS, len(writer.tokens))):
            changed = [*tokens[:at], token, *tokens[at + 1 :]]
            like = token.startswith(" ") == tokens[at].startswith(" ")
            if like and token != tokens[at] and writer.at_end(changed) <= writer.little:
                return changed
    return None


def _ordinary(pages: Sequence[Page], number: int, rng: random.Random) -> Ends:
    """Activations at random places of random pages."""
    chosen = [pages[rng.randrange(len(pages))] for _ in range(number)]
    return [(page, float(page.values[rng.randrange(len(page.values))])) for page in chosen]
