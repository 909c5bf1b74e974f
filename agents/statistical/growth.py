"""One condition, grown question by question: the set of tokens that one clause will speak of.

A beam search over conjunctions of atoms, after Clark and Niblett's CN2 (1989) and the additive rule ensembles of
Dembczynski, Kotlowski and Slowinski (2010): from all fitting tokens, each step adds the question that lets one level
remove most squared error; the best conditions of every depth are then judged on the checking pages, and questions
that turn out to be idle are dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from agents.statistical.atoms import LONGEST_LIST, SHRINKAGE, Atom, proposals
from agents.statistical.reach import Places
from agents.statistical.reading import Numbers, Reading
from memory.records import Predicate

DEPTH, BEAM, BRANCHES, FINALISTS = 4, 5, 16, 6
BETTER = 1.02  # a further question has to remove so much more
LISTING = 0.995  # what a string more on a list leaves of a gain: a class wins where it says the same
IDLE = 0.99  # a question is dropped when so much is removed without it


@dataclass(frozen=True)
class Condition:
    """Atoms that all hold, the fitting tokens at which they do, and what one level there removes of squared error."""

    atoms: tuple[Atom, ...]
    tokens: Places
    gain: float

    @property
    def strings(self) -> int:
        """How many strings it lists."""
        return sum(atom.strings for atom in self.atoms)

    @property
    def listing(self) -> bool:
        """Whether one of its questions lists several values."""
        return any(atom.strings > 1 for atom in self.atoms)

    @property
    def worth(self) -> float:
        """The gain, a little less for what is not plain."""
        return self.gain * prod(atom.plainness for atom in self.atoms)


def grow(
    reading: Reading,
    residual: Numbers,
    *,
    price: float,
    longest: int = LONGEST_LIST,
    idle: float = IDLE,
    proven: bool = True,
) -> Iterator[Condition]:
    """Conditions worth a clause, the best on fitting and checking pages together first.

    proven: whether a case that no checking page has is left out; a claim that is still to be tested may be about one.

    Conditions without lists have a beam of their own: a list is always a little better at first than the plain question
    that would, with another, make it needless.
    """
    beam, kept = [Condition((), np.arange(reading.fitted), 0.0)], list[Condition]()
    for _ in range(DEPTH):
        grown = [child for parent in beam for child in _children(reading, residual, parent, price, longest)]
        ranked = _distinct(grown)
        beam = []
        for listing in (False, True) if longest > 1 else (False,):
            best = [each for each in ranked if each.listing is listing][:BEAM]
            known = max((each.gain for each in kept if each.listing is listing), default=0.0)
            kept += best
            beam += best if best and best[0].gain > BETTER * known else []
        if not beam:
            break
    ranked = sorted(kept, key=lambda each: -each.worth)
    finalists = [each for side in (False, True) for each in [e for e in ranked if e.listing is side][:FINALISTS]]
    judged = [(_judged(reading, residual, condition, proven), condition) for condition in finalists]
    for value, condition in sorted(judged, key=lambda item: -item[0]):
        if value > 0:
            yield _plain(reading, residual, condition, value, price=price, idle=idle, proven=proven)


def held(reading: Reading, atoms: tuple[Atom, ...]) -> NDArray[np.bool_]:
    """Where all atoms hold, bool [tokens]."""
    places = np.arange(len(reading.measured))
    for atom in atoms:
        places = places[atom.mask(reading, places)]
    found = np.zeros(len(reading.measured), bool)
    found[places] = True
    return found


def predicate(reading: Reading, atoms: tuple[Atom, ...]) -> Predicate | None:
    """The condition in the language of rules; None when there is nothing to ask."""
    parts = tuple(atom.predicate(reading) for atom in atoms)
    if len(parts) < 2:
        return parts[0] if parts else None
    return Predicate("all", parts=parts)


def _children(
    reading: Reading, residual: Numbers, parent: Condition, price: float, longest: int
) -> Iterator[Condition]:
    left = residual[parent.tokens]
    if len(left) < 4:
        return
    spent = price * parent.strings
    for gain, atom in proposals(reading, parent.tokens, left, price=price, longest=longest)[:BRANCHES]:
        if gain - spent > max(parent.gain * BETTER, price):
            tokens = parent.tokens[atom.mask(reading, parent.tokens)]
            exact = _removed(residual[tokens]) - spent - price * max(atom.strings, 0.5)
            if len(tokens) > 1:
                yield Condition((*parent.atoms, atom), tokens, max(exact, gain - spent if atom.strings > 1 else exact))


def _removed(left: Numbers) -> float:
    return float(left.sum() ** 2 / (len(left) + SHRINKAGE))


def _distinct(conditions: list[Condition]) -> list[Condition]:
    """Best first, one of those that hold at the same number of tokens and remove the same: the shortest."""
    ranked = sorted(conditions, key=lambda each: (-round(each.worth, 9), each.strings, len(each.atoms)))
    seen: set[tuple[int, int]] = set()
    found = []
    for each in ranked:
        key = (len(each.tokens), int(each.tokens[:50].sum()))
        if key not in seen:
            seen.add(key)
            found.append(each)
    return found


def _judged(reading: Reading, residual: Numbers, condition: Condition, proven: bool) -> float:
    """What the fitting pages' level removes on all pages; at most 0 if no checking page agrees."""
    level = float(residual[condition.tokens].sum() / (len(condition.tokens) + SHRINKAGE))
    everywhere = held(reading, condition.atoms)
    checked = residual[reading.checking][everywhere[reading.checking]]
    agreed = float((2 * level * checked - level * level).sum())
    if agreed < 0 or (proven and not len(checked)):
        return agreed
    return (condition.worth + agreed) * LISTING**condition.strings


def _plain(
    reading: Reading,
    residual: Numbers,
    condition: Condition,
    value: float,
    *,
    price: float,
    idle: float,
    proven: bool,
) -> Condition:
    """The condition without the questions that remove next to nothing."""
    for atom in condition.atoms[::-1]:
        fewer = tuple(each for each in condition.atoms if each is not atom)
        if fewer:
            tokens = np.flatnonzero(held(reading, fewer)[reading.fitting])
            shorter = Condition(fewer, tokens, _removed(residual[tokens]) - price * sum(a.strings for a in fewer))
            if (judged := _judged(reading, residual, shorter, proven)) >= idle * value:
                return _plain(reading, residual, shorter, judged, price=price, idle=idle, proven=proven)
    return condition
