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
   places of evidence pages drawn at random.

Much is at least half way from the lowest prediction to the highest of those pages, little at most a quarter.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from agents.mind import Evidence
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


def generated(explanation: Explanation, ask: Ask, evidence: Evidence, *, seed: int) -> list[Score]:
    """Clarity of the rule's own new positives over its controls, and over ordinary text.

    ask measures prompts, at most 48, and returns their records in order (ValueError when some are missing). Evidence
    pages only; deterministic by seed.
    """
    rule, rng = explanation.full or explanation.rule, random.Random(seed)
    pages = _drawn(evidence.pages, rng)
    told = [np.array(predict(rule, page.tokens)) for page in pages]
    everything = np.concatenate(told) if told else np.empty(0)
    if not everything.size or not np.ptp(everything):
        return [Score.unscored(name, SPLIT, "the rule predicts the same everywhere") for name in NAMES]
    low, span = float(everything.min()), float(np.ptp(everything))
    tokens = tuple(dict.fromkeys(token for page in pages for token in page.tokens if "\ufffd" not in token))
    writer = Writer(rule, low + MUCH * span, low + LITTLE * span, tokens)
    pairs = list(_pairs(writer, pages, told, rng))
    kept = [pair for pair in _measured(pairs, ask) if _as_meant(writer, pair)]
    split = SPLIT + (f", {len(pairs) - len(kept)} of {len(pairs)} pairs left out" if len(kept) < len(pairs) else "")
    positives, controls = ([pair[side].values[-1] for pair in kept] for side in (0, 1))
    ordinary = _ordinary(evidence.pages, len(positives), rng)
    found = (clarity(positives, side, split=split, seed=seed) for side in (controls, ordinary))
    return [replace(score, metric=name) for score, name in zip(found, NAMES, strict=True)]


def _drawn(pages: Sequence[Page], rng: random.Random) -> list[Page]:
    """Random evidence pages and the strongest ones, which come last there."""
    ordinary, strongest = pages[:-STRONGEST], pages[-STRONGEST:]
    return [*rng.sample(ordinary, min(PAGES, len(ordinary))), *strongest]


def _measured(pairs: Sequence[tuple[str, str]], ask: Ask) -> list[tuple[Record, Record]]:
    prompts = [
        Prompt(text, Origin.PAIR, predicted=fires)
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
) -> Iterator[tuple[str, str]]:
    """Up to 24 texts, each with its control."""
    written: set[str] = set()
    for page, place in _places(writer, pages, told, rng)[: PAIRS * TRIES]:
        tokens = _positive(writer, page, place, pages[rng.randrange(len(pages))], rng)
        control = tokens and _control(writer, tokens, len(written), rng)
        if tokens and control and (text := "".join(tokens)) not in written:
            written.add(text)
            yield text, "".join(control)
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


def _ordinary(pages: Sequence[Page], number: int, rng: random.Random) -> list[float]:
    """Activations at random places of random pages."""
    chosen = [pages[rng.randrange(len(pages))] for _ in range(number)]
    return [float(page.values[rng.randrange(len(page.values))]) for page in chosen]
