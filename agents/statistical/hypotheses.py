"""Competing claims from the records, each with texts that could refute it.

A claim names what must be there (the token, one of a set, what stands before it, the text it is in) and predicts:
contexts with it fire, the same contexts with one thing changed stay silent. So every pair of predictions is a minimal
pair, and a claim that is too wide or too narrow fails on one of its sides. A context is ordinary text that leaves the
unit silent by itself, cut where a token of the same shape follows in the corpus, so that the splice tokenises as meant.
A claim's identity says all that its tests need, so it can be tested for as long as it is open.
"""

import ast
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from agents.mind import Evidence
from memory.records import Fate, Hypothesis, Origin, Prompt, Record
from tools.pages import Page
from tools.rules import START, token_class, visible

AUTHOR = "built-in"
PAIRS = 4  # minimal pairs a claim starts with
CONTEXT_TOKENS = (4, 18)
NEIGHBOURHOOD = (6, 16)  # tokens before a peak that belong to its own context
SET_TOKENS = 8  # the most tokens of a set
CLASS_PAGES = 60  # read for the tokens of a class
DRAWS = 200  # at something that fits, before something else is taken

Pairs = Iterator[tuple[str, str]]  # (fires, silent)


def claims(evidence: Evidence, wanted: int, rng: random.Random) -> list[Hypothesis]:
    """Up to `wanted` claims not made before, the plainest first; none without text or anything that fires."""
    known = {hypothesis.id for hypothesis in evidence.hypotheses}
    made: list[Hypothesis] = []
    for identity, statement in _candidates(evidence):
        if identity not in known and len(made) < wanted:
            known.add(identity)
            drawn = list(islice(_pairs(identity, evidence, rng), PAIRS))
            if len(drawn) == PAIRS:
                fires, silent = zip(*drawn, strict=True)
                made.append(Hypothesis(identity, statement, tuple(fires), tuple(silent), author=AUTHOR))
    return made


def tests(evidence: Evidence, wanted: int, rng: random.Random) -> list[Prompt]:
    """Fresh minimal pairs for the claims whose fate is still open, in turn."""
    own = [claim for claim in evidence.hypotheses if claim.author == AUTHOR]
    undecided = [claim.id for claim in own if claim.fate in (Fate.PROPOSED, Fate.UNTESTED)]
    makers = {identity: _pairs(identity, evidence, rng) for identity in undecided}
    made: list[Prompt] = []
    while makers and len(made) < wanted:
        for identity, pairs in list(makers.items()):
            drawn = next(pairs, None)
            if drawn is None:
                del makers[identity]
                continue
            sides = zip(drawn, (True, False), strict=True)
            made += [Prompt(text, Origin.PAIR, hypothesis=identity, predicted=fires) for text, fires in sides]
    return made[:wanted]


def _candidates(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(identity, statement), most shown by the top records first."""
    firing = _firing(evidence)
    tokens = Counter(record.peak_token for record in firing)
    common = [token for token, _ in tokens.most_common(SET_TOKENS)]
    new = not any(claim.id.startswith("set ") for claim in evidence.hypotheses)
    if new and len(common) > 1 and sum(tokens[token] for token in common) >= 0.6 * len(firing):
        names = " or ".join(_name(token) for token in sorted(common))
        yield f"set {sorted(common)!r}", f"It fires on {names}, and not on other tokens of their kind."
    for token in common[:6]:
        name = _name(token)
        yield f"token {token!r}", f"It fires on {name} whatever precedes it, and not on other tokens of its kind."
        before, share = _usual_previous([record for record in firing if record.peak_token == token])
        if share >= 0.4 and before != START and "\ufffd" not in before:
            yield f"pair {before!r}, {token!r}", f"It fires on {name} only after {_name(before)}."
        yield f"context {token!r}", f"It fires on {name} only in contexts like those of its strongest examples."
    classes = Counter(token_class(record.peak_token) for record in firing)
    for kind, count in classes.most_common(1):
        if count >= 0.6 * len(firing) and len(tokens) > 3:
            yield f"class {kind!r}", f"It fires on any token of class {kind}."


def _firing(evidence: Evidence) -> list[Record]:
    """The top records that fire, at a token that can be spelt."""
    firing = evidence.distribution.firing
    measured = [record for record in evidence.top if record.peak is not None and record.peak >= firing]
    return [record for record in measured if record.peak_token and "\ufffd" not in record.peak_token]


def _usual_previous(records: Sequence[Record]) -> tuple[str, float]:
    before = Counter(r.tokens[r.position - 1] if r.position else START for r in records if r.position is not None)
    token, count = before.most_common(1)[0]
    return token, count / len(records)


def _pairs(identity: str, evidence: Evidence, rng: random.Random) -> Pairs:
    """Minimal pairs of a claim, for ever; none when the evidence has no text for it."""
    kind, _, rest = identity.partition(" ")
    parts = ast.literal_eval(f"({rest},)")
    if not evidence.pages:
        return
    if kind == "pair":
        yield from _previous_pairs(evidence, parts[0], parts[1], rng)
    elif kind == "context":
        yield from _context_pairs(evidence, parts[0], rng)
    elif kind == "class":
        yield from _class_pairs(evidence, parts[0], rng)
    else:
        yield from _token_pairs(evidence, parts[0] if kind == "set" else parts, rng)


def _token_pairs(evidence: Evidence, tokens: Sequence[str], rng: random.Random) -> Pairs:
    while True:
        token = rng.choice(tokens)
        context = _silent_context(evidence, token, rng)
        yield context + token, context + _other_token(evidence.pages, token, tokens, rng)


def _previous_pairs(evidence: Evidence, before: str, token: str, rng: random.Random) -> Pairs:
    while True:
        context = _silent_context(evidence, before, rng)
        other = _other_token(evidence.pages, before, [before], rng, following=token)
        yield context + before + token, context + other + token


def _context_pairs(evidence: Evidence, token: str, rng: random.Random) -> Pairs:
    records = [record for record in _firing(evidence) if record.peak_token == token]
    while records:
        record = rng.choice(records)
        at = record.position or 0
        own = "".join(record.tokens[max(0, at - rng.randint(*NEIGHBOURHOOD)) : at])
        yield own + token, _silent_context(evidence, token, rng) + token


def _class_pairs(evidence: Evidence, kind: str, rng: random.Random) -> Pairs:
    listed = sorted({t for page in evidence.pages[:CLASS_PAGES] for t in page.tokens if "\ufffd" not in t})
    inside = [token for token in listed if token_class(token) == kind]
    outside = [token for token in listed if token_class(token) != kind]
    while inside and outside:
        token = rng.choice(inside)
        context = _silent_context(evidence, token, rng)
        alike = [other for other in outside if _beginning(other) == _beginning(token)]
        yield context + token, context + rng.choice(alike or outside)


def ordinary_context(pages: Sequence[Page], rng: random.Random) -> str:
    """A few tokens of ordinary text, cut where the corpus has a token boundary."""
    return next((text for text, _, _ in _stretches(pages, rng)), "x = ")


def _silent_context(evidence: Evidence, following: str, rng: random.Random) -> str:
    """Ordinary text in which nothing fires, before a token shaped like `following`; of other shape when none is found.

    Values are read where the text stands in the corpus, so a context cut short may still differ a little.
    """
    second = ""
    for text, after, highest in _stretches(evidence.pages, rng):
        if highest < evidence.distribution.firing:
            second = second or text
            if _shape(after) == _shape(following):
                return text
    return second or "x = "


def _stretches(pages: Sequence[Page], rng: random.Random) -> Iterator[tuple[str, str, float]]:
    """Stretches of pages that can be spelt: the text, the token after it, and the highest value in it."""
    for _ in range(DRAWS):
        page = pages[rng.randrange(len(pages))]
        size = rng.randint(*CONTEXT_TOKENS)
        start = rng.randrange(max(1, len(page.tokens) - size))
        text, end = "".join(page.tokens[start : start + size]), start + size
        if "\ufffd" not in text and text.strip():
            after = page.tokens[end] if end < len(page.tokens) else ""
            yield text, after, float(page.values[start:end].max())


def _other_token(
    pages: Sequence[Page], token: str, excluded: Collection[str], rng: random.Random, *, following: str | None = None
) -> str:
    """Another token as like it as 200 draws find, so that only the identity differs: of its shape, or beginning alike.

    following: what is to stand after it, as something of that shape does in the corpus.
    """
    best, likeness = " something", (False, False, False)
    taken = {each.strip() or each for each in excluded}
    for _ in range(DRAWS):
        page = pages[rng.randrange(len(pages))]
        place = rng.randrange(len(page.tokens))
        other, after = page.tokens[place], (*page.tokens[place + 1 : place + 2], "")[0]
        if (other.strip() or other) in taken or "\ufffd" in other:
            continue
        fits = following is None or _shape(after) == _shape(following)
        like = (_beginning(other) == _beginning(token), _shape(other) == _shape(token), fits)
        if like > likeness:
            best, likeness = other, like
        if all(like):
            break
    return best


def _shape(token: str) -> tuple[str, bool]:
    """What decides how a tokenizer joins a token to the text before it: its class, and whether a space leads."""
    return token_class(token), token[:1] == " "


def _beginning(token: str) -> tuple[bool, bool, bool]:
    return token[:1] == " ", token.lstrip(" ")[:1].isalnum(), not token.strip()


def _name(token: str) -> str:
    return f"\u2018{visible(token)}\u2019"
