"""A planted neuron among the model's: what it gives at every token of a text, behind the methods of a Subject.

Knows a spec and the tokenizer of the bundled model. The noise is a function of the seed and the text up to the token,
so that the same text always gives the same values. No model is loaded.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer

from evals.planted.matching import Pattern
from evals.planted.specs import Part, Spec
from memory.records import Status, Target
from tools import pocket
from tools.subject import Reading

HALF = "\ufffd"  # what half a character decodes to
CONTEXT = 256  # BOS included, as the bundled model's


class Vocabulary:
    """The tokenizer of the bundled model, as a Subject offers it."""

    context = CONTEXT

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(str(pocket.FOLDER / "tokenizer.json"))
        self._strings: dict[int, str] = {}

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without BOS; half a surrogate is read as '?'."""
        return self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8"), add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def token(self, token_id: int) -> str:
        """The text of one token; half a character shows as U+FFFD."""
        found = self._strings.get(token_id)
        if found is None:
            found = self._strings[token_id] = self.decode([token_id])
        return found


class Planted:
    """One planted neuron. `passes` counts the texts it was measured on."""

    context = CONTEXT

    def __init__(self, spec: Spec, vocabulary: Vocabulary, *, seed: int = 0) -> None:
        self.spec = spec
        self.passes = 0
        self.encode, self.decode, self.token = vocabulary.encode, vocabulary.decode, vocabulary.token
        self._seed = seed
        self._parts = [(Pattern(part.when), _unless(part), part.value) for part in spec.parts]

    @property
    def target(self) -> Target:
        """The unit as agents are told of it: they never see the spec, nor its name."""
        digest = hashlib.sha256(repr((self.spec, self._seed)).encode()).hexdigest()
        return Target("planted", digest[:16], "planted", 0, int(digest[16:20], 16))

    def truth(self, ids: Sequence[int]) -> np.ndarray:
        """The value at every token without noise, float64 [tokens]."""
        strings = [self.token(token_id) for token_id in ids]
        text = "".join(strings)
        if HALF in text:
            return self._truth_by_prefix([self.decode(ids[: n + 1]) for n in range(len(ids))])
        ends = np.cumsum([len(string) for string in strings]).tolist()
        total, any_holds = np.zeros(len(ids)), np.zeros(len(ids), bool)
        for when, unless, value in self._parts:
            for place, fires in enumerate(when.places(text, ends)):
                if fires and not (unless is not None and unless.holds(text, ends[place])):
                    total[place] += value
                    any_holds[place] = True
        return np.where(any_holds, total, self.spec.otherwise)

    def noisy(self, ids: Sequence[int], truth: np.ndarray) -> np.ndarray:
        """The truth at every token of a text with the neuron's noise."""
        if not self.spec.noise:
            return truth
        return truth + self.spec.noise * _noise(f"{self._seed}/{self.spec.name}", map(self.token, ids))

    def measure(self, texts: Sequence[str], target: Target | None = None, *, policy: str = "max") -> list[Reading]:
        """The neuron at every token of every text, order kept."""
        return self.measure_ids([self.encode(text) for text in texts], target, policy=policy)

    def measure_ids(
        self, encoded: Sequence[Sequence[int]], target: Target | None = None, *, policy: str = "max"
    ) -> list[Reading]:
        """As `measure`, for token ids. Longer than the context is cut and marked truncated."""
        del target
        if policy != "max":
            raise ValueError("a planted neuron is read at its maximum")
        self.passes += len(encoded)
        return [self._reading(list(ids)) for ids in encoded]

    def _reading(self, ids: list[int]) -> Reading:
        if not ids:
            return Reading((), (), (), None, None, Status.EMPTY)
        status = Status.TRUNCATED if len(ids) > CONTEXT - 1 else Status.MEASURED
        ids = ids[: CONTEXT - 1]
        values = self.noisy(ids, self.truth(ids))
        at = int(values.argmax())
        return Reading(tuple(map(self.token, ids)), tuple(ids), tuple(values.tolist()), float(values[at]), at, status)

    def _truth_by_prefix(self, prefixes: Sequence[str]) -> np.ndarray:
        """Where characters are in pieces: each prefix is a text of its own."""
        values = []
        for text in prefixes:
            held = [
                value
                for when, unless, value in self._parts
                if when.holds(text, len(text)) and not (unless is not None and unless.holds(text, len(text)))
            ]
            values.append(sum(held) if held else self.spec.otherwise)
        return np.array(values, float)


def _unless(part: Part) -> Pattern | None:
    return None if part.unless is None else Pattern(part.unless)


def _noise(key: str, strings: Iterable[str]) -> np.ndarray:
    """Standard Gaussian noise [tokens], each number drawn by a hash of the text up to its token (Box, Muller)."""
    digest = hashlib.blake2b(key.encode(), digest_size=16)
    drawn = bytearray()
    for string in strings:
        digest.update(string.encode())
        drawn += digest.digest()
    uniform = (np.frombuffer(bytes(drawn), np.uint64).reshape(-1, 2).astype(float) + 1) / 2.0**64
    return np.sqrt(-2 * np.log(np.minimum(uniform[:, 0], 1.0))) * np.cos(2 * np.pi * uniform[:, 1])
