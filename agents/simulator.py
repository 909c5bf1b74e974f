"""A language model as simulator of an explanation: from its prose alone, a number 0 to 10 at every token.

What: Bills et al. 2023 (Language models can explain neurons in language models), with the all-at-once form and its
expected values where the server gives log-probabilities, and a list of the tokens above zero where it gives none.

1. Texts, in an order shuffled by the seed, are put into questions of at most MOST_TOKENS tokens, numbered through.
2. With log-probabilities: a value is asked for every token; the prediction is the mean of the numbers 0 to 10 that
   could have been said there, by their chances. Later values are read after what was said for earlier ones: a chat
   server tells nothing about the tokens of its prompt, which is where Bills et al. read theirs.
3. Without, and from then on where a model once lost count of the tokens: only those above zero are listed, and what is
   left out of an answer that was given is 0.
4. A question without a usable answer leaves its texts without predictions: None, never zeros. The share of texts with
   predictions stands in the score's `reason`; below half there is no score.

Refuses to see activations, and to simulate for a model that has not passed its examination.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from agents.chances import Spoken, expected_numbers
from agents.chat_model import ChatModel
from agents.examination.result import Examination
from agents.exhibits import quote
from agents.interview import Interview, Replies, placed
from agents.judge import LEAST_COVERAGE, NOTICE
from memory.records import LlmCall, Score
from tools.scoring import simulation

Array = NDArray[np.float64]

MOST = 10  # the highest value
MOST_TOKENS = 64  # in a question: about 700 tokens of answer when every one of them gets a value
ALTERNATIVES = 20  # what Ollama and OpenAI give at most

EVERY = """\
Task: predict the unit's value at every token, as whole numbers from 0 (silent) to 10 (as high as it gets), if the claim
is true and complete. Each text lists its tokens as pairs of a number and the token itself, in order.
`values`: one entry for every token of every text, in order: its number under `token`, the value under `value`.
Leave no token out. Where the claim does not say that the unit fires, the value is 0."""

SOME = """\
Task: predict the unit's value at every token, as whole numbers from 0 (silent) to 10 (as high as it gets), if the claim
is true and complete. Each text lists its tokens as pairs of a number and the token itself, in order.
`values`: an entry only for a token whose value is above 0: its number under `token`, the value under `value`.
A token you leave out counts as 0; most do. If there is none, leave the list empty."""

_VALUE = re.compile(r'"value"\s*:\s*([0-9]+)')


class Level(BaseModel):
    """The value at one token."""

    token: int
    value: int = Field(ge=0, le=MOST)


class Levels(BaseModel):
    """The answer of a simulator."""

    values: list[Level]


class Simulator:
    """`chat` as simulator, if its examination lets it. `max_calls` bounds its exchanges over all texts."""

    def __init__(self, chat: ChatModel, examination: Examination, *, max_calls: int | None = None) -> None:
        self.name = chat.name
        self._interview = Interview(chat, max_calls=max_calls)
        self._examination = examination

    def predict(self, claim: str, texts: Sequence[Sequence[str]], *, seed: int) -> Replies[Array]:
        """Values 0 to 10, float64 [tokens] a text, None for a text without; nothing from a model that was refused."""
        if self._examination.refusal("simulate", self.name):
            return Replies((None,) * len(texts), ("refused-judge",) * len(texts))
        return simulated(self._interview, claim, texts, seed=seed)

    def score(
        self,
        claim: str,
        texts: Sequence[Sequence[str]],
        measured: Sequence[Array],
        *,
        floor: Sequence[Array],
        floor_name: str,
        pages: Sequence[int] | None = None,
        split: str,
        seed: int,
    ) -> tuple[Score, Replies[Array]]:
        """How well the predictions track what was measured, over the texts that got any, and the predictions.

        floor: what a simulator without a language model predicts at the same tokens (a token table). Always-none is no
        floor: it is constant, so it has no correlation. pages: what each text is from; texts of one page are resampled
        together.
        """
        metric = f"simulation by {self.name}"
        if not texts:
            return Score.unscored(metric, split, "there is no text to score on"), Replies(())
        told = self.predict(claim, texts, seed=seed)
        refusal = self._examination.refusal("simulate", self.name)
        if refusal or told.coverage < LEAST_COVERAGE:
            return Score.unscored(metric, split, refusal or told.told), told
        known = {n: values for n, values in enumerate(told.values) if values is not None}
        groups: dict[int, list[int]] = {}
        for n in known:
            groups.setdefault(n if pages is None else pages[n], []).append(n)

        def joined(side: Mapping[int, Array] | Sequence[Array]) -> list[Array]:
            return [np.concatenate([np.asarray(side[n], float) for n in page]) for page in groups.values()]

        score = simulation(
            joined(known),
            joined(measured),
            floor=joined(floor),
            floor_name=f"{floor_name}; always-none is constant",
            metric=metric,
            split=split,
            seed=seed,
        )
        reason = "; ".join(part for part in (score.reason, f"texts: {told.told}") if part)
        return replace(score, reason=reason), told

    def drain(self) -> tuple[LlmCall, ...]:
        """The exchanges since the last drain."""
        return self._interview.drain()


def simulated(interview: Interview, claim: str, texts: Sequence[Sequence[str]], *, seed: int) -> Replies[Array]:
    """Values 0 to 10 at every token of every text, by the claim."""
    values: list[Array | None] = [None] * len(texts)
    faults = ["too-long" if text else "empty" for text in texts]
    for number, batch in enumerate(_batches(texts, seed)):
        found, fault = _asked(interview, claim, [texts[place] for place in batch], seed=seed + number)
        for place, levels in zip(batch, found or [None] * len(batch), strict=True):
            values[place], faults[place] = levels, fault
    return Replies(tuple(values), tuple(f for value, f in zip(values, faults, strict=True) if value is None))


def _batches(texts: Sequence[Sequence[str]], seed: int) -> list[list[int]]:
    """Shuffled texts in groups that fit a question; those that never fit are in none."""
    order = [place for place, text in enumerate(texts) if 0 < len(text) <= MOST_TOKENS]
    random.Random(seed).shuffle(order)
    batches: list[list[int]] = []
    room = 0
    for place in order:
        if len(texts[place]) > room:
            batches.append([])
            room = MOST_TOKENS
        batches[-1].append(place)
        room -= len(texts[place])
    return batches


def _asked(
    interview: Interview, claim: str, texts: Sequence[Sequence[str]], *, seed: int
) -> tuple[list[Array] | None, str]:
    """The values of texts that share a question, and the fault where there are none."""
    total = sum(map(len, texts))

    def every(answer: Levels, text: str, spoken: Sequence[Spoken]) -> Array | None:
        levels = _levels(answer, total)
        whole = levels is not None and not np.isnan(levels).any()
        interview.weighs = whole and bool(spoken)
        if levels is None or not whole:
            return None
        numbers = expected_numbers(text, _VALUE, spoken, most=MOST)
        if len(numbers) == total:  # in the order in which the tokens were named
            levels[[item.token for item in answer.values]] = numbers
        return levels

    def some(answer: Levels, *_: object) -> Array | None:
        levels = _levels(answer, total)
        return None if levels is None else np.nan_to_num(levels, nan=0.0)

    found, fault = None, ""
    if interview.weighs:
        question = _question(claim, texts, EVERY)
        found, fault = interview.ask(question, Levels, every, agent="simulator", seed=seed, alternatives=ALTERNATIVES)
    if not interview.weighs and found is None:
        found, fault = interview.ask(_question(claim, texts, SOME), Levels, some, agent="simulator", seed=seed)
    if found is None:
        return None, fault
    return [part.copy() for part in np.split(found, np.cumsum([len(text) for text in texts])[:-1])], ""


def _levels(answer: Levels, total: int) -> Array | None:
    """The values said, NaN where nothing was; None when a token is not there, or is valued twice."""
    if not answer.values:
        return np.full(total, np.nan)
    said = placed([(item.token, float(item.value)) for item in answer.values], range(total))
    twice = len({item.token for item in answer.values}) < len(answer.values)
    if said is None or twice:
        return None
    return np.array([np.nan if value is None else value for value in said])


def _question(claim: str, texts: Iterable[Sequence[str]], task: str) -> str:
    lines, first = [], 0
    for text in texts:
        lines.append(quote({"tokens": [[first + place, token] for place, token in enumerate(text)]}))
        first += len(text)
    shown = "\n".join(lines)
    return f"{NOTICE}\n\n<claim>\n{quote({'claim': claim})}\n</claim>\n\n<texts>\n{shown}\n</texts>\n\n{task}"
