"""Rules run and checked: what a rule predicts, how large it is, and what is refused.

A rule is data (memory.records.Rule): a base and clauses. A clause is a table from the values of one feature to an
amount, which counts where the clause's predicate holds. The prediction at a token is the base plus, for every clause
that holds there, the amount its table gives to the feature's value, and nothing where the value is not listed.
"""

from collections.abc import Sequence

from memory.records import Clause, Predicate, Rule
from tools.rules import predicates
from tools.rules.errors import RuleError
from tools.rules.features import FEATURES, Feature
from tools.rules.marks import visible
from tools.rules.text import Text, text_of

LARGEST_RULE = 200_000  # listed values in all
MOST_CLAUSES = 500
LARGEST_LEVEL = 1e30  # so that no sum of levels overflows
ALWAYS = "always"


def predict(rule: Rule, tokens: Sequence[str]) -> list[float]:
    """The predicted activation at every token, same unit as the measured ones. Raises RuleError."""
    return predict_text(rule, text_of(tuple(tokens)))


def predict_text(rule: Rule, text: Text) -> list[float]:
    """As `predict`, on a text that is at hand."""
    predicted = [rule.base] * len(text.tokens)
    for clause in rule.clauses:
        held = None if clause.when is None else predicates.holds(clause.when, text)
        if held is not None and not held.any():
            continue
        for place, value in enumerate(text.asked(_known(clause.feature))):
            if held is None or held[place]:
                predicted[place] += clause.levels.get(value, 0.0)
    return predicted


def check(rule: Rule) -> Rule:
    """The rule itself when it can be run, else RuleError saying what is wrong."""
    if not _finite(rule.base):
        raise RuleError("the base of the rule is not a finite number")
    if len(rule.clauses) > MOST_CLAUSES:
        raise RuleError(f"the rule has {len(rule.clauses)} clauses; {MOST_CLAUSES} is the most")
    for clause in rule.clauses:
        _known(clause.feature)
        if not isinstance(clause.levels, dict) or not all(map(_finite, clause.levels.values())):
            raise RuleError(f"a level of the clause on '{clause.feature}' is not a finite number")
        if not isinstance(clause.prose, str) or not all(isinstance(value, str) for value in clause.levels):
            raise RuleError(f"a value or the prose of the clause on '{clause.feature}' is no text")
        if clause.feature == ALWAYS and set(clause.levels) - {""}:
            raise RuleError(f"the clause on '{ALWAYS}' has levels for values; it has one level, of the empty value")
        if clause.when is not None:
            predicates.check(clause.when)
    if size(rule) > LARGEST_RULE:
        raise RuleError(f"the rule lists {size(rule)} values; {LARGEST_RULE} is the most")
    return rule


def size(rule: Rule) -> int:
    """How many strings the rule lists, in its tables and its predicates."""
    return sum(_listed(clause) + predicates.strings(clause.when) for clause in rule.clauses)


def _listed(clause: Clause) -> int:
    return 0 if clause.feature == ALWAYS else len(clause.levels)


def values(feature: str, tokens: Sequence[str]) -> list[str]:
    """The feature's value at every token. Raises RuleError for an unknown feature."""
    return _known(feature)(Text(tokens))


def where(predicate: Predicate, level: float, prose: str = "") -> Clause:
    """A clause that adds one level wherever the predicate holds. Raises RuleError."""
    predicates.check(predicate)
    return Clause(ALWAYS, {"": level}, prose, predicate)


def table(feature: str, levels: dict[str, float], prose: str = "") -> Clause:
    """A clause, refused with RuleError when the feature is unknown."""
    check(Rule(0.0, (clause := Clause(feature, levels, prose),)))
    return clause


def _known(feature: str) -> Feature:
    if not isinstance(feature, str) or feature not in FEATURES:
        raise RuleError(f"no feature is called '{visible(str(feature)[:40])}': there are {', '.join(FEATURES)}")
    return FEATURES[feature]


def _finite(level: object) -> bool:
    return isinstance(level, int | float) and not isinstance(level, bool) and abs(level) <= LARGEST_LEVEL
