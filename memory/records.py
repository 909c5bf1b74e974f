"""The shared nouns. Frozen, plain data, and an on-disk format: change them by adding.

Knows what things are called and what belongs together. Refuses to know how anything is measured, decided or drawn.
Every noun turns into plain data with `plain` and back with `revive`, so that the store, LangGraph's checkpoints and
`--json` all speak of the same thing.
"""

import hashlib
import types
import typing
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Noun = TypeVar("Noun")
HELD_OUT = "held-out"  # how the split of a score begins that is measured on unseen text
BUILT_IN = "built-in"  # the mind without a language model; author of what it claims and explains


class Kind(StrEnum):
    """What sort of unit a target is. A residual coordinate is never called a neuron."""

    NEURON = "mlp_neuron"
    FEATURE = "sae_feature"
    COORDINATE = "residual_coordinate"
    HEAD = "attention_head"
    CHANNEL = "channel"  # of any other hook point


class Origin(StrEnum):
    """Where a prompt came from."""

    SEED = "seed"
    CORPUS = "corpus"
    USER = "user"
    HYPOTHESIS = "hypothesis"
    PAIR = "pair"  # one side of a minimal pair: meant to be near its other side
    RANDOM = "random"
    PRUNE = "prune"
    SWAP = "swap"  # one token replaced, by the subject's own proposals or its embedding neighbours
    EDIT = "edit"  # several words replaced, one after the other
    REWRITE = "rewrite"
    OPTIMISER = "optimiser"


class Status(StrEnum):
    """What became of a measurement."""

    MEASURED = "measured"
    TRUNCATED = "truncated"  # measured, but the text was longer than the context
    EMPTY = "empty"  # no token left to measure
    FAILED = "failed"


class Fate(StrEnum):
    """What became of a hypothesis."""

    PROPOSED = "proposed"
    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNTESTED = "untested"
    REPLACED = "replaced"  # a person put another in its place before it was decided

    @property
    def open(self) -> bool:
        """Whether measurements may still decide it."""
        return self in (Fate.PROPOSED, Fate.UNTESTED)


class Verdict(StrEnum):
    """What sort of unit it turned out to be."""

    DEAD = "dead"
    DENSE = "dense"
    POSITIONAL = "positional"
    SINGLE_TOKEN = "single-token"
    TOKEN_SET = "token-set"
    N_GRAM = "n-gram"
    CONTEXT = "context"
    POLYSEMANTIC = "polysemantic"
    UNEXPLAINED = "unexplained"


DERIVED = frozenset({Origin.PRUNE, Origin.SWAP, Origin.EDIT, Origin.REWRITE, Origin.OPTIMISER})  # made from other texts


@dataclass(frozen=True)
class Target:
    """One unit of one model: where it is read (hook point, index) and in which direction (sign +1 or -1).

    `dictionary` names the SAE a feature belongs to, as NAME@HASH.
    """

    model: str
    model_hash: str
    hook: str
    layer: int
    index: int
    kind: Kind = Kind.NEURON
    sign: int = 1
    dictionary: str | None = None

    @property
    def name(self) -> str:
        """L9N652 and the like."""
        letters = {Kind.NEURON: "N", Kind.FEATURE: "F", Kind.COORDINATE: "R", Kind.HEAD: "H", Kind.CHANNEL: "C"}
        letter = letters[self.kind]
        return f"L{self.layer}{letter}{self.index}{'-' if self.sign < 0 else ''}"


@dataclass(frozen=True)
class Prompt:
    """A text to measure and why: its parent record when it is a variant, the hypothesis it tests, the place it is from.

    `predicted` says what the hypothesis expects: True fires, False stays silent, None no prediction.
    """

    text: str
    origin: Origin
    parent: int | None = None
    hypothesis: str | None = None
    predicted: bool | None = None
    source: str | None = None  # "file.py:120" for corpus text

    @property
    def key(self) -> str:
        """Exact-duplicate key of the text."""
        return text_key(self.text)


@dataclass(frozen=True)
class Record:
    """One activation record: a prompt measured on a target in a run, with the value at every token after BOS.

    `values[i]` is the activation at `tokens[i]`, unitless, times the target's sign; `peak` is what the run's position
    policy reads (the maximum over tokens by default) and `position` where the maximum stands. For a failed measurement
    both are None and `status` says why. `surprise` is the subject's cross-entropy on the text in nats a token, where
    somebody asked for it.
    """

    id: int
    step: int
    prompt: Prompt
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    values: tuple[float, ...]
    peak: float | None
    position: int | None
    status: Status = Status.MEASURED
    surprise: float | None = None

    @property
    def peak_token(self) -> str:
        """The token at the peak, or an empty string when nothing was measured."""
        return self.tokens[self.position] if self.position is not None else ""


@dataclass(frozen=True)
class Candidate:
    """A proposed prompt and what became of it: `reason` is None when accepted, else why it was rejected.

    Reasons: duplicate, near-mediocre, empty, too-long. Rates are counted from these rows, never from counters.
    """

    step: int
    prompt: Prompt
    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Predicate:
    """Something that is true or false of a token and what precedes it, as data.

    `of` names what is asked (tools/rules lists it): a feature whose value is one of `values`, a count between `low` and
    `high` (both included, None is no bound), or an operator on `parts` (all, any, not, back).
    """

    of: str
    values: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    parts: tuple["Predicate", ...] = ()


@dataclass(frozen=True)
class Clause:
    """One line of a rule: where `when` holds (None: everywhere), add the level that `feature`'s value has in `levels`.

    `feature` names a function of a token and what precedes it (tools/rules lists them); the feature "always" has one
    value, the empty string, so a clause on it adds one level where `when` holds. `prose` says it in words.
    """

    feature: str
    levels: dict[str, float]
    prose: str = ""
    when: Predicate | None = None


@dataclass(frozen=True)
class Rule:
    """An executable explanation: `base` plus the levels of the clauses that hold is the predicted activation."""

    base: float
    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True)
class Hypothesis:
    """A claim that can fail: texts it predicts to fire, texts it predicts silent, and its fate with the evidence."""

    id: str
    statement: str
    triggers: tuple[str, ...] = ()
    non_triggers: tuple[str, ...] = ()
    fate: Fate = Fate.PROPOSED
    rule: Rule | None = None
    hits: int = 0  # predictions that held
    misses: int = 0  # predictions that failed
    reason: str = ""
    author: str = BUILT_IN


@dataclass(frozen=True)
class Trigger:
    """A pruned text: the shortest part of a record's text found that keeps the activation, with its importances."""

    text: str
    activation: float
    kept: float  # share of the parent's activation above the firing threshold
    parent: int
    tokens: tuple[str, ...] = ()
    importance: tuple[float, ...] = ()  # drop in activation when the token is deleted, per token
    passes: int = 0
    token: str = ""
    substitution: tuple[float, ...] = ()  # mean drop when the token is replaced and the others keep their places


@dataclass(frozen=True)
class Score:
    """One figure about an explanation, or `unscored` with the reason. Never a value without its floor."""

    metric: str
    split: str
    value: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    floor_name: str = ""
    ceiling: float | None = None
    reason: str = ""

    @staticmethod
    def unscored(metric: str, split: str, reason: str) -> "Score":
        """A score that could not be had."""
        return Score(metric, split, reason=reason)


@dataclass(frozen=True)
class Certificate:
    """What bears a clause out: minimal pairs of measured texts that differ in this clause alone.

    clause: its number in the compact rule. pairs: ids of records, the one where the clause raises more first. change:
    the mean difference over all such pairs. held, of: how many of them moved the clause's way, of how many. base,
    base_of: of the pairs in which no clause changes, how many moved as far, either way; None: they were not counted.
    """

    clause: int
    pairs: tuple[tuple[int, int], ...]
    change: float
    held: int
    of: int
    base: int = 0
    base_of: int | None = None


@dataclass(frozen=True)
class Explanation:
    """What the unit does: a typed verdict, prose, an executable rule, and the records it rests on."""

    verdict: Verdict
    text: str
    rule: Rule
    evidence: tuple[int, ...] = ()
    author: str = BUILT_IN
    full: Rule | None = None  # the same, at any size: what simulates best
    certificates: tuple[Certificate, ...] = ()  # of the clauses of `rule`


@dataclass(frozen=True)
class LlmCall:
    """One exchange with a language model. `status` is ok, repaired, or the name of the failure."""

    agent: str
    model: str
    status: str
    seconds: float
    prompt: str = ""
    answer: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Run:
    """One inquiry: which target, with which seed and settings. `state` is running, finished or failed(reason).

    `traces` are where it is traced outside of this store, oldest first: the address by the trace's id, None where the
    address is not known.
    """

    id: str
    target: Target
    seed: int
    settings: dict[str, Any]
    state: str = "running"
    traces: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Everything one step of a run adds, written in one transaction, with the step's own result as plain data."""

    run_id: str
    number: int
    node: str
    update: dict[str, Any]
    seconds: float = 0.0
    records: tuple[Record, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    explanation: Explanation | None = None
    scores: tuple[Score, ...] = ()
    calls: tuple[LlmCall, ...] = ()


def text_key(text: str) -> str:
    """A short key that equal texts share, whatever their line endings. Spaces count: a model reads them."""
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def plain(value: Any) -> Any:
    """Plain data (dict, list, str, number, None) for a noun or anything made of nouns."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value


def revive(noun: type[Noun], data: dict[str, Any]) -> Noun:
    """The noun that `plain` turned into `data`; keys it does not know are refused with TypeError."""
    hints = get_type_hints(noun)
    unknown = set(data) - set(hints)
    if unknown:
        raise TypeError(f"{noun.__name__} has no {', '.join(sorted(unknown))}")
    return noun(**{name: _revived(hints[name], value) for name, value in data.items()})


def _revived(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if value is None:
        return None
    if origin in (types.UnionType, typing.Union):
        return _revived(next(arm for arm in get_args(hint) if arm is not types.NoneType), value)
    if origin is tuple:
        return tuple(_revived(get_args(hint)[0], item) for item in value)  # whatever the length, of one kind
    if isinstance(hint, type) and is_dataclass(hint):
        return revive(hint, value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value
