"""A person's claim about a unit: from a line of words to a hypothesis with texts that can refute it.

`CLAIM | fires: TEXT; TEXT | silent: TEXT` names the texts. Of a claim that only quotes what it speaks of ("fires on
'import'"), minimal pairs are made: ordinary text, and the same with the quoted words behind it. Refuses to know what
becomes of a claim: it is tested like any other (agents/weighing.py).
"""

import random
import re
from collections.abc import Sequence
from itertools import cycle

from agents.statistical.prompts import random_prompts
from agents.weighing import ENOUGH, OF_EACH, predictions
from memory.records import Hypothesis, Prompt, text_key
from tools.pages import Page

AUTHOR = "person"
PAIRS = 2 * OF_EACH
_PART = re.compile(r"\s*\|\s*(fires|silent)\s*:\s*", re.IGNORECASE)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)")
_ROLES = re.compile(
    r"\b(?:not|never|no|without|except|unless|but|only|after|before|behind|followed|preceded|than|silent)\b|n[’']t\b",
    re.IGNORECASE,
)  # a quoted word among these may be what it does not fire on
WANTING = (
    "nothing tests that yet: say no more than that it fires on 'THIS' or 'THAT', or name texts, as in "
    "hypothesis: CLAIM | fires: TEXT; TEXT; TEXT | silent: TEXT; TEXT; TEXT"
)


def read_claim(words: str) -> Hypothesis:
    """The claim with the texts it names; it has no texts yet where none are named."""
    statement, *parts = _PART.split(words)
    texts: dict[str, list[str]] = {"fires": [], "silent": []}
    for side, listed in zip(parts[::2], parts[1::2], strict=True):
        texts[side.lower()] += [text for text in (each.strip() for each in listed.split(";")) if text]
    said = " ".join(statement.split())
    identity = f"p-{text_key(said)[:8]}"
    return Hypothesis(identity, said, tuple(texts["fires"]), tuple(texts["silent"]), author=AUTHOR)


def tested(claim: Hypothesis, pages: Sequence[Page], seed: int) -> Hypothesis:
    """The claim with minimal pairs from the words it says it fires on, where it names no texts itself."""
    quoted = [next(filter(None, found)) for found in _QUOTED.findall(claim.statement)]
    plain = not _ROLES.search(_QUOTED.sub("", claim.statement))
    if claim.triggers or claim.non_triggers or not quoted or not plain:
        return claim
    ordinary = [prompt.text for prompt in random_prompts(pages, PAIRS, random.Random(seed))]
    fires = [_behind(text, words) for text, words in zip(ordinary, cycle(quoted), strict=False)]
    return Hypothesis(claim.id, claim.statement, tuple(fires), tuple(ordinary), author=claim.author)


def tests_of(claim: Hypothesis) -> list[Prompt]:
    """The texts that test a claim, as prompts."""
    return predictions(claim)


def told(claim: Hypothesis) -> str:
    """How a claim will be tested, in one line."""
    each = f"{len(claim.triggers)} texts that should fire and {len(claim.non_triggers)} that should stay silent"
    few = min(len(claim.triggers), len(claim.non_triggers)) < OF_EACH
    return f"{each} test it" + (f"; {OF_EACH} of each, {ENOUGH} in all, decide" if few else "")


def found(claims: Sequence[Hypothesis], name: str) -> Hypothesis | None:
    """The claim of an id, or the n-th for h-n, in small letters or capitals."""
    by_id = {claim.id.lower(): claim for claim in claims}
    name = name.lower()
    place = re.fullmatch(r"h-(\d{1,4})", name)
    if name in by_id or not place:
        return by_id.get(name)
    return claims[int(place[1]) - 1] if 0 < int(place[1]) <= len(claims) else None


def _behind(text: str, words: str) -> str:
    gap = " " if text[-1:].isalnum() and words[:1].isalnum() else ""
    return f"{text}{gap}{words}"
