"""What a language model could have said instead: the log-probabilities that came with an answer.

Knows the two shapes in which providers send them (Ollama: a list; OpenAI: a list under `content`) and how a whole
number in an answer becomes the mean of the numbers that could have stood there. Refuses to guess: where the tokens do
not spell the answer, or no number is among them, the number said is the number meant.
"""

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

_NUMBER = re.compile(r"[^0-9]*([0-9]{1,2})[^0-9]*")


@dataclass(frozen=True)
class Spoken:
    """One token of an answer, and the (token, log-probability) pairs that could have stood there."""

    text: str
    chances: tuple[tuple[str, float], ...] = ()


def spoken_tokens(data: Any) -> tuple[Spoken, ...]:
    """The tokens in a message's `logprobs`; none when nothing is said of alternatives."""
    entries = data.get("content") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        return ()
    tokens = tuple(_spoken(entry) for entry in entries)
    return tokens if any(token.chances for token in tokens) else ()


def expected_numbers(text: str, pattern: re.Pattern[str], tokens: Sequence[Spoken], *, most: int) -> list[float]:
    """The mean number, 0 to `most` (at most 19), at every match of the pattern's first group in an answer's text."""
    matches = list(pattern.finditer(text))
    spelled = "".join(token.text for token in tokens)
    shift = spelled.find(text)
    if shift < 0:
        return [float(found[1]) for found in matches]
    ends = list(accumulate(len(token.text) for token in tokens))
    return [_expected(found[1], shift + found.start(1), tokens, ends, most) for found in matches]


def _expected(said: str, place: int, tokens: Sequence[Spoken], ends: Sequence[int], most: int) -> float:
    at = bisect_right(ends, place)
    split = place + len(said) > ends[at]  # a number of two digits said as two tokens
    second = _second_digits(tokens[at + 1]) if split and at + 1 < len(tokens) else {}
    weights: defaultdict[float, float] = defaultdict(float)
    for token, chance in tokens[at].chances:
        if found := _NUMBER.fullmatch(token):
            follows = second if split and found[1] == said[0] else {}
            for digit, share in follows.items():
                weights[float(said[0] + digit)] += math.exp(chance) * share
            weights[float(found[1])] += math.exp(chance) * (1.0 - sum(follows.values()))
    fitting = {number: weight for number, weight in weights.items() if number <= most}
    total = sum(fitting.values())
    return sum(number * weight for number, weight in fitting.items()) / total if total > 0 else float(said)


def _second_digits(token: Spoken) -> dict[str, float]:
    """The chance of every digit that could follow."""
    shares: defaultdict[str, float] = defaultdict(float)
    for text, chance in token.chances:
        if text[:1] and text[0] in "0123456789":
            shares[text[0]] += math.exp(chance)
    total = max(1.0, sum(shares.values()))  # rounding may carry a sure thing beyond 1
    return {digit: share / total for digit, share in shares.items()}


def _spoken(entry: Any) -> Spoken:
    alternatives = _field(entry, "top_logprobs")
    pairs = [(_field(each, "token"), _field(each, "logprob")) for each in alternatives or ()]
    chances = [
        (text, min(float(chance), 0.0))
        for text, chance in pairs
        if isinstance(text, str) and isinstance(chance, int | float) and not math.isnan(chance)
    ]
    token = _field(entry, "token")
    return Spoken(token if isinstance(token, str) else "", tuple(chances))


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, dict) else getattr(entry, name, None)
