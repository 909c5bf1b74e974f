"""What a clause asks, and of which sort it is: of the token or its word, the few tokens before, context, or the place.

A clause belongs to the sorts of all its questions; verdicts compare what each sort explains.
"""

from enum import StrEnum

from agents.statistical.atoms import family
from memory.records import Clause, Predicate
from tools.rules import ALWAYS, conjuncts


class Sort(StrEnum):
    """How far a question looks."""

    TOKEN = "token"
    N_GRAM = "n-gram"
    CONTEXT = "context"
    POSITION = "position"


TOKEN = {"token", "word", "class", "any-case", "shape", "word-has", "digits-of-number", "word-starts"}
N_GRAM = {"previous", "second-previous", "pair", "previous-word", "previous-class", "class-pair", "matches",
          "word-back-2", "word-back-3", "runs-2", "runs-3", "runs-4", "chunk-shape", "back"}  # fmt: skip
POSITION = {"position", "tokens", "characters", "lines"}
NEAR = 3  # words back that still make an n-gram


def sorts_of(clause: Clause) -> set[Sort]:
    """The sorts of all questions of a clause."""
    own = set() if clause.feature == ALWAYS else {sort_of(Predicate(clause.feature, tuple(clause.levels)))}
    return own | {sort_of(part) for part in conjuncts(clause.when)}


def sort_of(predicate: Predicate) -> Sort:
    """The sort of one question; of several, the farthest-looking."""
    of = predicate.of
    if predicate.parts and of != "back":
        order = list(Sort)
        return max((sort_of(part) for part in predicate.parts), key=order.index)
    if of.startswith("ends"):
        within = bool(predicate.values) and all(
            len(value.split()) < 2 and value.strip().isalnum() for value in predicate.values
        )
        return Sort.TOKEN if within else Sort.N_GRAM
    if of in TOKEN or of.startswith(("word-starts", "word-like", "word-nearer", "run-of-")):
        return Sort.TOKEN
    if of.startswith(("phrase-", "last-of-")):
        return Sort.N_GRAM if of.startswith("phrase-") else Sort.CONTEXT
    if of in POSITION:
        return Sort.POSITION
    near = of == "near-word" and (predicate.high or 0) <= NEAR
    return Sort.N_GRAM if of in N_GRAM or near else Sort.CONTEXT


def cause(clause: Clause, sign: int) -> Predicate | None:
    """Where a clause raises (or lowers): its condition and the values of that sign, strongest first."""
    strongest = max(map(abs, clause.levels.values()), default=0.0)
    chosen = sorted(
        (v for v, n in clause.levels.items() if sign * n > 0.3 * strongest), key=lambda v: -abs(clause.levels[v])
    )
    if not chosen:
        return None
    parts = [] if clause.feature == ALWAYS else [Predicate(family(clause.feature), tuple(chosen))]
    parts += [] if clause.when is None else [clause.when]
    return parts[0] if len(parts) == 1 else Predicate("all", parts=tuple(parts))
