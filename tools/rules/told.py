"""A rule and a predicate as readable lines, for people who read the rule itself. Prose is written in agents/."""

from dataclasses import replace

from memory.records import Clause, Predicate, Rule
from tools.rules.counts import COUNTS
from tools.rules.features import DESCRIPTIONS
from tools.rules.language import ALWAYS, check
from tools.rules.marks import shown
from tools.rules.predicates import NAMES, NEAR_CHARACTERS, NEAR_TEXT, NEAR_WORD

LISTED = 8  # values of a predicate that a line names


def lines(rule: Rule, limit: int = 12) -> list[str]:
    """The rule as a person reads it: one line a clause, strongest values first. Raises RuleError."""
    check(rule)
    return [f"start at {rule.base:+.2f}", *(clause_line(clause, limit) for clause in rule.clauses)]


def clause_line(clause: Clause, limit: int = 12) -> str:
    """One clause in one line."""
    ranked = sorted(clause.levels.items(), key=lambda item: -abs(item[1]))
    condition = "" if clause.when is None else said(clause.when)
    if clause.feature == ALWAYS:
        return f"{condition or 'everywhere'}: {sum(clause.levels.values()):+.2f}"
    listed = ", ".join(f"{shown(value)} {level:+.2f}" for value, level in ranked[:limit])
    more = f", and {len(ranked) - limit} more" if len(ranked) > limit else ""
    return f"{f'{condition}, and ' if condition else ''}{DESCRIPTIONS[clause.feature]}: {listed}{more}"


def said(predicate: Predicate) -> str:
    """A predicate in one line: "the text so far ends in ‘ing’ and not (earlier in the line stands ‘#’)"."""
    of, parts = predicate.of, [said(part) for part in predicate.parts]
    if of == "not":
        return f"not ({parts[0]})"
    if of in ("all", "any"):
        word = " and " if of == "all" else " or "
        return word.join(part if len(parts) == 1 or each.of not in ("all", "any") else f"({part})"
                         for part, each in zip(parts, predicate.parts, strict=True))  # fmt: skip
    if of == "back":
        low = predicate.low or 1
        return f"{_range(replace(predicate, low=low, high=predicate.high or low))} tokens before, {parts[0]}"
    if of in COUNTS:
        return f"{NAMES[of]}: {_range(predicate)}"
    listed = " or ".join(map(shown, predicate.values[:LISTED]))
    more = f" or {len(predicate.values) - LISTED} more" if len(predicate.values) > LISTED else ""
    unit = {NEAR_WORD: "words", NEAR_CHARACTERS: "characters", NEAR_TEXT: "characters"}.get(of)
    reach = f", {predicate.high} {unit} back" if unit else ""
    return f"{NAMES[of]} {listed}{more}{reach}"


def _range(predicate: Predicate) -> str:
    low, high = predicate.low, predicate.high
    if low is not None and high is not None:
        return str(low) if low == high else f"{low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}"
