"""Texts to try next, without a language model: tests of open claims, crossings of strong texts, and random ones."""

import random
from collections.abc import Iterator, Sequence

from agents.mind import Evidence
from agents.statistical.hypotheses import tests
from agents.statistical.variants import ordinary_context
from memory.records import Origin, Prompt
from tools.pages import Page

EXPLOITING = 0.3  # share of prompts that cross strong texts to find a stronger one
LONGEST = 40  # tokens of context a crossing keeps


def proposals(evidence: Evidence, wanted: int, rng: random.Random) -> list[Prompt]:
    """`wanted` prompts: tests first, then crossings; random text fills what is left."""
    made = tests(evidence, round(wanted * (1 - EXPLOITING)), rng)
    made += [prompt for prompt, _ in zip(_crossings(evidence, rng), range(wanted - len(made)), strict=False)]
    return made + random_prompts(evidence.pages, wanted - len(made), rng)


def random_prompts(pages: Sequence[Page], wanted: int, rng: random.Random) -> list[Prompt]:
    """Exploration: ordinary corpus contexts ending in a token drawn from anywhere in the corpus."""
    made: list[Prompt] = []
    for _ in range(max(0, wanted)):
        page = pages[rng.randrange(len(pages))]
        ending = page.tokens[rng.randrange(len(page.tokens))]
        made.append(Prompt(ordinary_context(pages, rng) + ending.replace("\ufffd", ""), Origin.RANDOM))
    return made


def _crossings(evidence: Evidence, rng: random.Random) -> Iterator[Prompt]:
    """The context of one strong text with the peak token of another."""
    strong = [record for record in evidence.top if record.position]
    while len(strong) > 1:
        left, right = rng.sample(strong, 2)
        at = left.position or 0
        context = "".join(left.tokens[max(0, at - rng.randint(2, LONGEST)) : at])
        yield Prompt(context + right.peak_token, Origin.HYPOTHESIS, parent=left.id)
