"""Competing claims from the records, each with texts that could refute it.

A claim names what must be there (the token itself, what stands before it, the line it is in) and predicts: ordinary
contexts with it fire, the same contexts with one thing changed stay silent. So every pair of predictions is a minimal
pair, and a claim that is too wide or too narrow fails on one of its sides.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from agents.mind import Evidence
from memory.records import Hypothesis, Origin, Prompt, Record
from tools.pages import Page
from tools.rules import START, token_class, visible

PAIRS = 4  # minimal pairs a claim starts with
CONTEXT_TOKENS = (4, 18)
NEIGHBOURHOOD = 6  # tokens before a peak that belong to its own context


def claims(evidence: Evidence, wanted: int, rng: random.Random) -> list[Hypothesis]:
    """Up to `wanted` claims not made before, the plainest first."""
    known = {hypothesis.id for hypothesis in evidence.hypotheses}
    made: list[Hypothesis] = []
    for identity, statement, pairs in _candidates(evidence, rng):
        if identity not in known and len(made) < wanted:
            known.add(identity)
            fires, silent = zip(*[next(pairs) for _ in range(PAIRS)], strict=True)
            made.append(Hypothesis(identity, statement, tuple(fires), tuple(silent)))
    return made


def tests(evidence: Evidence, wanted: int, rng: random.Random) -> list[Prompt]:
    """Fresh minimal pairs for the claims whose fate is still open, in turn."""
    open_claims = {h.id for h in evidence.hypotheses if h.fate in ("proposed", "untested") and h.author == "built-in"}
    makers = {identity: pairs for identity, _, pairs in _candidates(evidence, rng) if identity in open_claims}
    made: list[Prompt] = []
    while makers and len(made) < wanted:
        for identity, pairs in makers.items():
            fires, silent = next(pairs)
            made.append(Prompt(fires, Origin.PAIR, hypothesis=identity, predicted=True))
            made.append(Prompt(silent, Origin.PAIR, hypothesis=identity, predicted=False))
    return made[:wanted]


Pairs = Iterator[tuple[str, str]]


def _candidates(evidence: Evidence, rng: random.Random) -> Iterator[tuple[str, str, Pairs]]:
    """(identity, statement, an endless maker of (fires, silent) texts), most shown by the top records first."""
    measured = [record for record in evidence.top if record.position is not None]
    tokens = Counter(record.peak_token for record in measured)
    for token, _ in tokens.most_common(6):
        mine = [record for record in measured if record.peak_token == token]
        name = f"\u2018{visible(token)}\u2019"
        yield (
            f"token {token!r}",
            f"It fires on the token {name}, whatever precedes it.",
            _token_pairs(evidence, token, rng),
        )
        before, share = _usual_previous(mine)
        if share >= 0.4 and before != START:
            statement = f"It fires on {name} only after \u2018{visible(before)}\u2019."
            yield f"pair {before!r} {token!r}", statement, _previous_pairs(evidence, before, token, rng)
        yield (
            f"context {token!r}",
            f"It fires on {name} only in contexts like those of its strongest examples.",
            _context_pairs(evidence, mine, token, rng),
        )
    classes = Counter(token_class(record.peak_token) for record in measured)
    for kind, count in classes.most_common(1):
        if count >= 0.6 * len(measured) and len(tokens) > 3:
            yield f"class {kind!r}", f"It fires on any token of class {kind}.", _class_pairs(evidence, kind, rng)


def _usual_previous(records: Sequence[Record]) -> tuple[str, float]:
    before = Counter(r.tokens[r.position - 1] if r.position else START for r in records if r.position is not None)
    token, count = before.most_common(1)[0]
    return token, count / len(records)


def _token_pairs(evidence: Evidence, token: str, rng: random.Random) -> Pairs:
    while True:
        context = ordinary_context(evidence.pages, rng)
        yield context + token, context + _other_token(evidence.pages, token, rng)


def _previous_pairs(evidence: Evidence, before: str, token: str, rng: random.Random) -> Pairs:
    while True:
        context = ordinary_context(evidence.pages, rng)
        yield context + before + token, context + _other_token(evidence.pages, before, rng) + token


def _context_pairs(evidence: Evidence, records: Sequence[Record], token: str, rng: random.Random) -> Pairs:
    while True:
        record = rng.choice(list(records))
        at = record.position or 0
        own = "".join(record.tokens[max(0, at - NEIGHBOURHOOD) : at])
        yield own + token, ordinary_context(evidence.pages, rng) + token


def _class_pairs(evidence: Evidence, kind: str, rng: random.Random) -> Pairs:
    listed = sorted({t for page in evidence.pages[:60] for t in page.tokens if "\ufffd" not in t})
    inside = [token for token in listed if token_class(token) == kind]
    outside = [token for token in listed if token_class(token) != kind]
    while inside and outside:
        context = ordinary_context(evidence.pages, rng)
        yield context + rng.choice(inside), context + rng.choice(outside)


def ordinary_context(pages: Sequence[Page], rng: random.Random) -> str:
    """A few tokens of ordinary text, cut where the corpus has a token boundary."""
    for _ in range(20):
        page = pages[rng.randrange(len(pages))]
        size = rng.randint(*CONTEXT_TOKENS)
        start = rng.randrange(max(1, len(page.tokens) - size))
        text = "".join(page.tokens[start : start + size])
        if "\ufffd" not in text and text.strip():
            return text
    return "x = "


def _other_token(pages: Sequence[Page], token: str, rng: random.Random) -> str:
    """Another token of the same class, so that only the identity differs; of any class when there is none."""
    kind = token_class(token)
    other = token
    for _ in range(200):
        page = pages[rng.randrange(len(pages))]
        other = page.tokens[rng.randrange(len(page.tokens))]
        if other != token and other.strip() != token.strip() and "\ufffd" not in other and token_class(other) == kind:
            return other
    return other if other != token else " something"
