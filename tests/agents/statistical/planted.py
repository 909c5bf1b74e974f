"""Units whose behaviour is known, over made-up code: pages of tokens with the value a planted unit has at each."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from agents.mind import Evidence
from memory.records import Origin, Prompt, Record, Target
from tools import rules
from tools.pages import Distribution, Page

NAMES = [" self", " x", " value", " name", " path", " key", " line", " data", " node", " item", " count", " size"]
CALLS = [" open", " print", " len", " str", " list", " sorted", " range", " join", " split", " format"]
NUMBERS = [" 0", " 1", " 2", " 10", " 42", " 100", " 3", " 7", " 255"]
OPERATORS = [" =", " ==", " +", " -", " in", " and", " or", " not", " is"]
OPENINGS = ["if", "for", "while", "return", "def", "assert", "with", "raise", "yield", "elif"]
PAGE_TOKENS = 240

Unit = Callable[[Sequence[str], np.random.Generator], np.ndarray]


def code(draw: np.random.Generator, size: int = PAGE_TOKENS) -> tuple[str, ...]:
    """About a page of made-up code: lines that open with a keyword, names, calls, numbers, strings and comments."""
    tokens: list[str] = []
    while len(tokens) < size:
        tokens += ["\n" + "    " * int(draw.integers(0, 3))] if tokens else []
        tokens.append(str(draw.choice(OPENINGS)))
        for _ in range(int(draw.integers(1, 6))):
            tokens += _piece(draw)
        tokens += [":"] if draw.random() < 0.4 else []
        if draw.random() < 0.08:
            tokens += [" #", *draw.choice(NAMES, int(draw.integers(2, 8))).tolist()]
    return tuple(tokens[:size])


def _piece(draw: np.random.Generator) -> list[str]:
    kind = draw.random()
    name = str(draw.choice(NAMES))
    if kind < 0.35:
        return [name]
    if kind < 0.5:
        return [name, ".", str(draw.choice(NAMES)).strip()]
    if kind < 0.65:
        return [str(draw.choice(CALLS)), "(", name.strip(), ")"]
    if kind < 0.75:
        return [' "', *draw.choice(NAMES, draw.integers(3, 9)).tolist(), '"']
    return [str(draw.choice(NUMBERS if kind < 0.85 else OPERATORS))]


def when(feature: str, chosen: Sequence[str], height: float = 4.0) -> Unit:
    """A unit that has `height` where a feature has one of the values, and is silent elsewhere."""
    wanted = set(chosen)
    return lambda tokens, _: height * np.array([value in wanted for value in rules.values(feature, tokens)])


def _but_not_after(tokens: Sequence[str], _: np.random.Generator) -> np.ndarray:
    before = ["", *tokens[:-1]]
    return np.array([4.0 * (t.strip() == "self" and b != ".") for b, t in zip(before, tokens, strict=True)])


def _graded(tokens: Sequence[str], _: np.random.Generator) -> np.ndarray:
    heights = {" self": 5.0, "self": 3.5, " x": 2.0, "x": 1.5, " key": 1.0}
    return np.array([heights.get(token, 0.0) for token in tokens])


def _position(tokens: Sequence[str], _: np.random.Generator) -> np.ndarray:
    return 5.0 * np.exp(-np.arange(len(tokens)) / 12)


def _dense(tokens: Sequence[str], _: np.random.Generator) -> np.ndarray:
    return np.array([1.0 + 0.3 * (rules.token_class(token) == "lower case") for token in tokens])


def _noise(tokens: Sequence[str], draw: np.random.Generator) -> np.ndarray:
    return np.maximum(0.0, draw.normal(size=len(tokens)))


def _rare_noise(tokens: Sequence[str], draw: np.random.Generator) -> np.ndarray:
    return np.where(draw.random(len(tokens)) < 0.002, draw.exponential(4.0, len(tokens)), 0.0)


def _noisy_token(tokens: Sequence[str], draw: np.random.Generator) -> np.ndarray:
    return when("token", [" self"])(tokens, draw) + 0.15 * draw.normal(size=len(tokens))


def _dead(tokens: Sequence[str], draw: np.random.Generator) -> np.ndarray:
    return -0.1 + 1e-5 * draw.random(len(tokens))


UNITS: dict[str, Unit] = {
    "single token": when("token", [" self"]),
    "noisy token": _noisy_token,
    "token set": when("token", [" self", " path", " key", " node"]),
    "graded tokens": _graded,
    "bigram": when("pair", [f".{rules.JOIN}self", f"({rules.JOIN}key"]),
    "digits": when("class", ["digits"]),
    "line": when("line-opening", ["assert"]),
    "inside": when("inside", ["string \"", "comment"], 2.0),
    "token but not after": _but_not_after,
    "position": _position,
    "dense": _dense,
    "dead": _dead,
    "noise": _noise,
    "rare noise": _rare_noise,
}  # fmt: skip


def split(text: str) -> tuple[str, ...]:
    """The tokens of made-up code, as its tokenizer would find them in a text."""
    return tuple(re.findall(r"\n *| ?[A-Za-z_]+| ?\d+| ==| ?[^\w\s]| +", text))


def measured(unit: str, prompts: Sequence[Prompt], *, first: int = 1000) -> list[Record]:
    """What an experiment would record of the unit."""
    draw = np.random.default_rng(0)
    return [
        _record(first + n, prompt, split(prompt.text), UNITS[unit](split(prompt.text), draw))
        for n, prompt in enumerate(prompts)
    ]


def pages(unit: str, *, seed: int, number: int) -> tuple[Page, ...]:
    """`number` pages with the unit's value at every token."""
    draw = np.random.default_rng([seed, len(unit)])
    found = []
    for page in range(number):
        tokens = code(draw)
        found.append(Page(tokens, UNITS[unit](tokens, draw).astype(np.float32), f"made-up.py:{page}"))
    return tuple(found)


def evidence(shown: Sequence[Page], *, strongest: int = 20) -> Evidence:
    """What an agent would be given about pages: their distribution, and their strongest pages as records."""
    values = np.concatenate([page.values for page in shown]).astype(float)
    floor = max(0.0, float(np.median(values)))
    ranked = sorted(shown, key=lambda page: -float(page.values.max()))
    top = tuple(_corpus_record(n, page) for n, page in enumerate(ranked[:strongest], 1))
    bottom = tuple(_corpus_record(n, page) for n, page in enumerate(ranked[::-1][:10], strongest + 1))
    twentieth = top[-1].peak or 0.0
    spread = Distribution(
        tokens=values.size, mean=float(values.mean()), deviation=float(values.std()), lowest=float(values.min()),
        highest=float(values.max()), active=float((values > 0).mean()), quantiles=((0.5, float(np.median(values))),),
        floor=floor, firing=floor + max(0.5 * (twentieth - floor), 0.25 * (float(values.max()) - floor), 1e-3),
    )  # fmt: skip
    target = Target("made-up", "0" * 8, "blocks.0.mlp.out.hook_in", 0, 1)
    return Evidence(target, spread, tuple(shown), top, bottom, (), (), ())


def _corpus_record(number: int, page: Page) -> Record:
    prompt = Prompt("".join(page.tokens), Origin.CORPUS, source=page.source)
    return _record(number, prompt, page.tokens, page.values)


def _record(number: int, prompt: Prompt, tokens: tuple[str, ...], values: np.ndarray) -> Record:
    place = int(values.argmax())
    told = tuple(float(value) for value in values)
    return Record(number, 1, prompt, tokens, tuple(range(len(told))), told, told[place], place)
