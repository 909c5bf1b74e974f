"""Language models that sit the examination, as what an Ollama server says: honest by rules written here, or hopeless.

A rule is a regex on the text up to and including a token, anchored at its end. The honest one reads claim, texts and
task from the question and nothing else, as a model would.
"""

import json
import random
import re
from collections.abc import Callable
from typing import Any

from agents import judge, simulator
from agents.examination.puzzles import puzzles
from evals.ollama_stub import Body

RULES: dict[str, tuple[str, str, str]] = {
    "colours": (r"\b(red|blue|green|yellow)", r"\b(horse|cat)", r"\b[Tt]he"),
    "weekdays": (r"\b(Mon|Sun|Fri|Tues)day", r"\b(May|March)", r"[0-9]"),
    "ending in ing": (r"ing", r"ly", r"\b[Ss][a-z]*"),
    "ending in tion": (r"tion", r"ment", r"\b\w{1,3}"),
    "after a full stop": (r"\. \w+", r", \w+", r"(?!)"),
    "from the sixth word on": (r"\A\S+( \S+){5,}", r"\A\S+( \S+)?", r"(?!)"),
    "bank of a river": (
        r"(river|Reeds|boat|otters).* bank",
        r"(cashier|loan|robbers|money).* bank",
        r"\b[Tt]he",
    ),
    "number after a price": (r"(price|cost).* [0-9]+", r"\b(today|days)", r"\bto"),
    "New York": (r"New York", r"France", r"winter"),
    "after not": (r"\bnot \w+", r"\bvery \w+", r"\b(eat|bread)"),
    "dog without a negation": (r"\A(?!.*\b([Nn]o|never)\b).*\bdog", r"\b([Nn]o|never)", r"\b[Aa]"),
    "name of a function": (r"\bdef \w+", r"\(", r"\breturn"),
    "number in square brackets": (r"\[[0-9]", r"\([0-9]", r"="),
    "superlatives": (r"(?!.*forest)\w+est", r"\b(car|train)", r"\bthe"),
    "capitals": (r"\b[A-Z]{2,}", r"\w-\w+", r"\A\S+"),
    "metals and instruments": (r"\b(iron|copper|violin|piano)", r"\b(Mars|tennis)", r"\b(lemon|smith)"),
}
CLAIMS = {
    claim: re.compile(f"(?s)(?:{rule})\\Z")
    for puzzle in puzzles()
    for claim, rule in zip((puzzle.truth, *puzzle.decoys), RULES[puzzle.name], strict=True)
}


def fires(claim: str, text: str) -> bool:
    """Whether the unit fires at the last token of a text."""
    return CLAIMS[claim].search(text) is not None


def fires_within(claim: str, text: str) -> bool:
    """Whether it fires at the end of any word or sign of a text."""
    ends = [place for place in range(1, len(text) + 1) if not re.match(r"\w\w|\w-", text[place - 1 : place + 1])]
    return any(fires(claim, text[:place]) for place in ends)


def asked(body: Body) -> tuple[str, list[dict[str, Any]], str]:
    """The claim, the texts and the kind of question of a request."""
    question = body["messages"][0]["content"]
    (claim,) = _block(question, "claim")
    tasks = {"detect": judge.APPLIES, "fuzz": judge.FITS, "rate": judge.RATES}
    tasks |= {"every": simulator.EVERY, "some": simulator.SOME}
    (kind,) = [name for name, task in tasks.items() if task in question]
    return claim["claim"], _block(question, "texts"), kind


def honest(body: Body) -> str:
    """Answers by the rules."""
    return answered(body, lambda claim, text: fires_within(claim, text), lambda claim, text: 10 * fires(claim, text))


def answered(body: Body, whole: Callable[[str, str], bool], level: Callable[[str, str], int]) -> str:
    """An answer of the right form: `whole` decides about a text, `level` about the token a text ends with."""
    claim, texts, kind = asked(body)
    if kind in ("every", "some"):
        values = [
            {"token": number, "value": level(claim, "".join(token for _, token in text["tokens"][: place + 1]))}
            for text in texts
            for place, (number, _) in enumerate(text["tokens"])
        ]
        return json.dumps({"values": [item for item in values if kind == "every" or item["value"]]})
    answers = []
    for text in texts:
        content = text["content"]
        if kind == "fuzz":
            ends = [found.end() for found in re.finditer("⟧", content)]
            yes = all(level(claim, re.sub("[⟦⟧]", "", content[:end])) > 0 for end in ends)
        else:
            yes = whole(claim, content)
        answers.append({"text": text["text"], "answer": 2 * yes if kind == "rate" else yes})
    return json.dumps({"answers": answers})


def always(yes: bool) -> Callable[[Body], str]:
    """The same answer to everything."""
    return lambda body: answered(body, lambda *_: yes, lambda *_: 10 * yes)


def coin(seed: int) -> Callable[[Body], str]:
    """A coin flip for everything."""
    rng = random.Random(seed)
    return lambda body: answered(body, lambda *_: rng.random() < 0.5, lambda *_: rng.randint(0, 10))


def deaf(body: Body) -> str:
    """Knows the puzzles by heart and does not listen to the claim."""
    claim = asked(body)[0]
    truth = next(puzzle.truth for puzzle in puzzles() if claim in (puzzle.truth, *puzzle.decoys))
    return answered(body, lambda _, text: fires_within(truth, text), lambda _, text: 10 * fires(truth, text))


def _block(question: str, name: str) -> list[dict[str, Any]]:
    inside = question.split(f"<{name}>\n", 1)[1].split(f"\n</{name}>", 1)[0]
    return [json.loads(line) for line in inside.splitlines()]
