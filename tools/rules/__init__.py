"""Executable explanations: what can be said of a token and what precedes it, and what a rule then predicts.

A rule only looks at tokens up to and including the current one, so it is as causal as the model, and it is never code:
what cannot be run is refused by name. Rooms: text (tokens, words, lines), features and counts (what can be asked),
predicates (asked of a text), language (rules run and checked), told (rules as lines), marks (values made visible).
"""

from tools.rules.errors import RuleError
from tools.rules.features import DESCRIPTIONS, FEATURES, shape, token_class
from tools.rules.language import ALWAYS, check, predict, predict_text, size, table, values, where
from tools.rules.marks import JOIN, START, shown, visible
from tools.rules.predicates import conjuncts, holds, strings
from tools.rules.text import Text, text_of
from tools.rules.told import clause_line, lines, said

__all__ = [
    "ALWAYS", "DESCRIPTIONS", "FEATURES", "JOIN", "START", "RuleError", "Text", "check", "clause_line", "conjuncts",
    "holds", "lines", "predict", "predict_text", "said", "shape", "shown", "size", "strings", "table", "text_of",
    "token_class", "values", "visible", "where",
]  # fmt: skip
