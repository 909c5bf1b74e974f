"""A rule as a language model may write it, and how it becomes a Rule: data of a bounded, flat shape, never code.

Knows the shape (clauses of prose, tests that all hold, and a level), the words for levels and the vocabulary of tests.
Refuses to know whether a rule is true (agents/acceptance.py). Nothing a model writes here makes its whole answer
useless: `RULE` fields are shown to it as a schema but read here, clause by clause, and a clause that cannot be used is
refused by name (an unknown test, a wrong type, a pattern that is a bomb) while the others stay. More clauses than are
read are refused together.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError

from agents.cleaning import clean_prose
from memory.records import Clause, Predicate, Rule
from tools.rules import ALWAYS, RuleError, check, visible
from tools.rules.predicates import NAMES

MOST_CLAUSES, MOST_TESTS, MOST_VALUES, LONGEST_VALUE = 8, 4, 40, 200
SHARES = {"strong": 1.0, "weak": 0.35, "against": -1.0}  # of the rise above silence
LONGEST_REASON = 160  # characters

VOCABULARY = (
    "token", "word", "any-case", "class", "ends", "word-starts", "word-has", "matches", "previous", "previous-word",
    "line-opening", "inside", "line-word", "earlier-word", "near-word", "near-text", "tokens", "line-words",
    "run-of-digits", "run-of-capitals", "word-like",
)  # fmt: skip

INSTRUCTIONS = """\
`rule` (may be empty): the claim as data, run at every token. A clause holds where all its `tests` do. A test asks:
{vocabulary}.
`values`: what it may be, exactly as written, with leading spaces (" the"). A question about a number takes `low`
and/or `high` instead; near-word and near-text also need `high`, how far back. `negated` turns a test round. `class` is
digits, CAPITALS, Capitalised, lower case or punctuation. `matches` takes one short regular expression. Clauses add up;
`level` is strong, weak, against (holds the unit down) or a number. At most {clauses} clauses of {tests} tests."""


def _untitled(schema: dict[str, Any]) -> None:
    """The schema without titles: it is part of every question."""
    for part in (schema, *schema.get("properties", {}).values()):
        part.pop("title", None)


class Asked(BaseModel):
    """One test of a token and what precedes it."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_untitled)

    name: str
    values: list[str] = Field(default_factory=list)
    low: int | None = None
    high: int | None = None
    negated: bool = False


class ProposedClause(BaseModel):
    """Where all tests hold, the unit has this level."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_untitled)

    prose: str
    tests: list[Asked]
    level: Literal["strong", "weak", "against"] | float = "strong"


ProposedClauses = SkipValidation[list[ProposedClause]]


def instructions() -> str:
    """What a model is told of the language of rules."""
    vocabulary = "; ".join(f"{name}: {NAMES[name]}" for name in VOCABULARY)
    return INSTRUCTIONS.format(vocabulary=vocabulary, clauses=MOST_CLAUSES, tests=MOST_TESTS)


def read_rule(answer: object, *, base: float = 0.0, scale: float = 1.0) -> tuple[Rule | None, tuple[str, ...]]:
    """The rule in an answer's clauses (None without a sound one), and why the others were refused, one line each.

    base: the unit's silence. scale: its rise above silence, which "strong" stands for; both in its own unit.
    """
    if not answer:
        return None, ()
    if not isinstance(answer, list):
        return None, (f"the rule is no list of clauses but {type(answer).__name__}",)
    if len(answer) > MOST_CLAUSES:
        return None, (f"the rule has {len(answer)} clauses; {MOST_CLAUSES} is the most",)
    clauses: list[Clause] = []
    refusals: list[str] = []
    for number, item in enumerate(answer, 1):
        try:
            clauses.append(_clause(item, scale))
        except RuleError as error:
            refusals.append(refusal(f"clause {number}", str(error)))
    return (Rule(base, tuple(clauses)) if clauses else None), tuple(refusals)


def refusal(clause: str, reason: str) -> str:
    """One printable line of bounded length."""
    reason = visible(reason.partition(": there are ")[0])
    return f"{clause}: {reason if len(reason) <= LONGEST_REASON else reason[:LONGEST_REASON] + '…'}"


def _clause(item: Any, scale: float) -> Clause:
    """A clause that can be run. Raises RuleError."""
    try:
        read = item if isinstance(item, ProposedClause) else ProposedClause.model_validate(item)
    except ValidationError as error:
        fault = error.errors()[0]
        raise RuleError(f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}") from None
    if not 1 <= len(read.tests) <= MOST_TESTS:
        raise RuleError(f"it has {len(read.tests)} tests; 1 to {MOST_TESTS} are read")
    parts = tuple(_predicate(test) for test in read.tests)
    when = parts[0] if len(parts) == 1 else Predicate("all", parts=parts)
    level = SHARES[read.level] * scale if isinstance(read.level, str) else read.level
    clause = Clause(ALWAYS, {"": level}, clean_prose(read.prose, sentences=1, characters=200), when)
    check(Rule(0.0, (clause,)))
    return clause


def _predicate(test: Asked) -> Predicate:
    if test.name not in NAMES:
        raise RuleError(f"nothing is called '{test.name[:60]}'")
    if len(test.values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in test.values):
        raise RuleError(f"'{test.name}' lists more than {MOST_VALUES} values or one over {LONGEST_VALUE} characters")
    asked = Predicate(test.name, tuple(dict.fromkeys(test.values)), test.low, test.high)
    return Predicate("not", parts=(asked,)) if test.negated else asked
