"""The words of a text, what may stand in their place, and the subject's own expectation of it.

1. A word is a run of letters, digits and underscores (an apostrophe may stand inside), or a run of punctuation.
2. A replacement is of the same sort, takes over the word's capitals, and differs from it in more than case. What stands
   around the word, spaces included, is left as it is.
3. The subject's own words: log p(token | what is left of the word), likeliest first, and the neighbours in the input
   embedding of a word that is one token, in turn.

Knows texts; refuses to know targets and activations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tools.subject import Subject

Span = tuple[int, int]  # characters of a text, end excluded

WORD = re.compile(r"\w+(?:['’]\w+)*")
MARK = re.compile(r"[^\w\s]+")
EITHER = re.compile(f"{WORD.pattern}|{MARK.pattern}")
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be been but by did do does for from had has have he her him his i if in into is it its me
        my no nor not of on or our she so than that the their them then there these they this those to too us was we
        were what when which who will with would you your""",
    )
)


class WordSource(Protocol):
    """Proposes up to `count` replacements for each span of a text, likeliest first; the caller checks that they fit.

    `name` says where a replacement came from.
    """

    name: str

    def words(self, text: str, spans: Sequence[Span], *, count: int) -> list[list[str]]: ...


class SubjectWords:
    """What the subject itself expects or finds alike. One pass a text, none for a text it has just seen."""

    name = "subject"

    def __init__(self, subject: Subject) -> None:
        from tools.proposals import Neighbours

        self._subject = subject
        self._neighbours = Neighbours(subject)

    def words(self, text: str, spans: Sequence[Span], *, count: int) -> list[list[str]]:
        """A `WordSource`; a span beyond the context has none."""
        from tools.proposals import expectations

        ids = self._subject.encode(text)[: self._subject.context - 1]
        if not ids or not spans:
            return [[] for _ in spans]
        ends = [len(self._subject.decode(ids[: i + 1])) for i in range(len(ids))]
        log_p = expectations(self._subject, ids)
        likeliest = log_p.topk(min(8 * count, log_p.shape[1]), dim=1).indices.tolist()
        found = []
        for start, end in spans:
            place = next((i for i, stop in enumerate(ends) if stop > start), None)
            found.append([] if place is None else self._fitting(ids, place, likeliest[place], text[start:end], count))
        return found

    def _fitting(self, ids: Sequence[int], place: int, likeliest: Sequence[int], word: str, count: int) -> list[str]:
        old = self._subject.token(ids[place])
        alike = self._neighbours.of(ids[place], 2 * count) if old.strip() == word else []
        spaced = old[:1].isspace()
        offers = [[self._subject.token(new) for new in offer] for offer in (likeliest, alike)]
        fitting = [[new.strip() for new in offer if new[:1].isspace() == spaced] for offer in offers]
        return list(_in_turn(fitting))


def spans(text: str, *, skip_stopwords: bool = False) -> list[Span]:
    """Where the words and the punctuation of a text stand, in order."""
    found = [match.span() for match in EITHER.finditer(text)]
    return [(a, b) for a, b in found if not (skip_stopwords and text[a:b].casefold() in STOPWORDS)]


def fits(new: str, old: str) -> bool:
    """Whether it is one word where that was a word, punctuation where that was punctuation, and another."""
    pattern = WORD if WORD.fullmatch(old) else MARK
    return pattern.fullmatch(new) is not None and new.casefold() != old.casefold()


def cased(new: str, like: str) -> str:
    """A word in the capitals of another: upper, lower, or with a first capital; as it is where the other is mixed."""
    if like.islower():
        return new.lower()
    if like.isupper() and len(like) > 1:
        return new.upper()
    if like[:1].isupper() and like[1:] == like[1:].lower():
        return new[:1].upper() + new[1:].lower()
    return new


def _in_turn(offers: Sequence[Sequence[str]]) -> Iterator[str]:
    for rank in range(max(map(len, offers), default=0)):
        yield from (offer[rank] for offer in offers if rank < len(offer))
