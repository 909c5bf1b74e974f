"""What stands before a token: the words and the marks of all pages in a row, and how far back each reach goes.

A reach is a stretch of text that ends before the token: its line, sentence, chunk or text, or the last few words or
characters. The same questions are asked of words (tools/rules WORDS) and of single marks (STRETCHES).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from tools.rules.predicates import NEAR_CHARACTERS, NEAR_TEXT, NEAR_WORD, STRETCHES, WORDS
from tools.rules.text import Text

KEPT = 64  # blocks of texts that are kept
NEAR_WORDS, NEAR_LETTERS = (1, 2, 3, 5, 8, 13), (12, 20, 30, 45, 70)
Places = NDArray[np.int64]
Numbered = tuple[tuple[str, ...], NDArray[np.int32]]  # names in the order they appear, and the places of some of them


@dataclass(frozen=True)
class Block:
    """The words or marks of some texts.

    names: what each code stands for. codes, offsets: [elements] in order, with the character each begins at, counted
    over all texts. before: [tokens] how many elements stand before a token. starts: by reach, [tokens] the first
    element it holds. anchors: [tokens] the character that a reach of characters counts back from: the token's
    end for words (which begin in it), its beginning for marks (which stand wholly before the token). letters: how many
    characters the texts have.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    offsets: Places
    before: Places
    starts: dict[str, Places]
    anchors: Places
    letters: int


@dataclass(frozen=True)
class Reach(Block):
    """The words or marks before every token of all texts, and how far back reaches of a number go."""

    near: tuple[tuple[str, int], ...]

    def reaches(self) -> Iterator[tuple[str, int | None]]:
        """Every reach: its name, and how far back it goes where that is a number."""
        yield from ((name, None) for name in self.starts)
        yield from self.near

    def first(self, reach: str, tokens: Places, high: int | None) -> Places:
        """The first element in the reach of some tokens; never before their text."""
        if high is None:
            return self.starts[reach][tokens]
        text = self.starts["earlier-word" if "earlier-word" in self.starts else "earlier-text"][tokens]
        if reach == NEAR_WORD:
            return np.maximum(text, self.before[tokens] - high)
        return np.maximum(text, np.searchsorted(self.offsets, self.anchors[tokens] - high))

    def held(self, reach: str, wanted: Iterable[int], tokens: Places, high: int | None) -> NDArray[np.bool_]:
        """Whether any of some words or marks stands in the reach of tokens."""
        asked = np.zeros(len(self.names), bool)
        asked[list(wanted)] = True
        seen = np.concatenate([[0], np.cumsum(asked[self.codes])])
        first, last = self.first(reach, tokens, high), self.before[tokens]
        return seen[np.maximum(first, last)] > seen[first]

    def pairs(self, reach: str, tokens: Places, high: int | None) -> tuple[NDArray[np.int32], Places]:
        """(code, number of the token among `tokens`) of everything in reach, each pair once."""
        first, last = self.first(reach, tokens, high), self.before[tokens]
        widths = np.maximum(0, last - first)
        owner = np.repeat(np.arange(len(tokens)), widths)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths) + np.repeat(first, widths)
        once = self.earlier[place] < first[owner]
        return self.codes[place[once]], owner[once]

    @cached_property
    def earlier(self) -> Places:
        """[elements] where the same word or mark stood last before, -1 if nowhere."""
        order = np.argsort(self.codes, kind="stable")
        same = self.codes[order[1:]] == self.codes[order[:-1]]
        found = np.full(len(self.codes), -1, np.int64)
        found[order[1:][same]] = order[:-1][same]
        return found


def words_before(blocks: Sequence[tuple[Text, ...]]) -> Reach:
    """The words, and runs of marks, before every token."""
    near = [(NEAR_WORD, high) for high in NEAR_WORDS] + [(NEAR_CHARACTERS, high) for high in NEAR_LETTERS]
    return _joined([_words(texts) for texts in blocks], tuple(near))


def marks_before(blocks: Sequence[tuple[Text, ...]]) -> Reach:
    """The single marks before every token (those of the token itself left out)."""
    return _joined([_marks(texts) for texts in blocks], tuple((NEAR_TEXT, high) for high in NEAR_LETTERS))


@lru_cache(maxsize=KEPT)
def _words(texts: tuple[Text, ...]) -> Block:
    begins = {name: begin for name, (_, begin) in WORDS.items()}
    found = [(text.elements, text.element_starts, text.before) for text in texts]
    return _block(texts, found, begins, [text.ends for text in texts])


@lru_cache(maxsize=KEPT)
def _marks(texts: tuple[Text, ...]) -> Block:
    found = [
        ([text.string[at] for at in text.punctuation], text.punctuation, _below(text.punctuation, text.starts))
        for text in texts
    ]
    begins = {
        name: (lambda text, begin=begin: _below(text.punctuation, begin(text)))
        for name, (_, begin) in STRETCHES.items()
    }
    return _block(texts, found, begins, [text.starts for text in texts])


def _below(places: Sequence[int], offsets: Sequence[int]) -> list[int]:
    return np.searchsorted(places, offsets).tolist() if len(places) else [0] * len(offsets)


def _block(
    texts: Sequence[Text],
    found: Sequence[tuple[Sequence[str], Sequence[int], Sequence[int]]],
    begins: dict[str, Callable[[Text], list[int]]],
    anchors: Sequence[Sequence[int]],
) -> Block:
    numbering: dict[str, int] = {}
    codes = [numbering.setdefault(name, len(numbering)) for names, _, _ in found for name in names]
    at = np.cumsum([0, *(len(names) for names, _, _ in found)])
    letters = np.cumsum([0, *(len(text.string) for text in texts)])

    def shifted(columns: Sequence[Sequence[int]], by: Places) -> Places:
        return _shifted([np.array(column, np.int64) for column in columns], by)

    return Block(
        tuple(numbering),
        np.array(codes, np.int32),
        shifted([offsets for _, offsets, _ in found], letters),
        shifted([before for _, _, before in found], at),
        {name: shifted([begin(text) for text in texts], at) for name, begin in begins.items()},
        shifted(anchors, letters),
        int(letters[-1]),
    )


def _joined(blocks: Sequence[Block], near: tuple[tuple[str, int], ...]) -> Reach:
    """Blocks in a row, under one numbering."""
    names, codes = renumbered([(block.names, block.codes) for block in blocks])
    at = np.cumsum([0, *(len(block.codes) for block in blocks)])
    letters = np.cumsum([0, *(block.letters for block in blocks)])
    reaches = blocks[0].starts if blocks else ()
    return Reach(
        names,
        codes,
        _shifted([block.offsets for block in blocks], letters),
        _shifted([block.before for block in blocks], at),
        {name: _shifted([block.starts[name] for block in blocks], at) for name in reaches},
        _shifted([block.anchors for block in blocks], letters),
        int(letters[-1]),
        near,
    )


def _shifted(columns: Sequence[Places], by: Places) -> Places:
    return np.concatenate([np.zeros(0, np.int64), *(column + add for column, add in zip(columns, by, strict=False))])


def renumbered(blocks: Sequence[Numbered]) -> Numbered:
    """Blocks of numbered names in a row, under one numbering in the order of first appearance."""
    numbering: dict[str, int] = {}
    places = [[numbering.setdefault(name, len(numbering)) for name in names] for names, _ in blocks]
    rows = [np.array(at, np.int32)[codes] for at, (_, codes) in zip(places, blocks, strict=True) if len(codes)]
    return tuple(numbering), np.concatenate([np.zeros(0, np.int32), *rows])
