"""Pages turned into columns: every feature, count and word before each token, as arrays that sums run over.

Fitting pages come first, one page in four only checks. A nominal column numbers a feature's values, an ordinal one is a
count cut off at 2000; words and marks before a token are agents/statistical/reach.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.statistical.reach import KEPT, Numbered, Reach, marks_before, renumbered, words_before
from memory.records import Predicate, Rule
from tools import rules
from tools.pages import Page
from tools.rules.counts import COUNTS
from tools.rules.text import Text, text_of

RAREST = 3  # a value seen less often on the fitting pages is not listed
CHECKING = 4  # one page in so many
HIGHEST = 2000  # counts are cut off here

TABLES = (
    "token", "word", "pair", "previous", "previous-word", "second-previous", "line-opening", "inside",
    "class-pair", "class", "previous-class", "column", "indentation", "position", "runs-3", "ends-3", "ends-4",
    "ends-5", "word-back-2", "chunk-shape", "word-starts-3", "runs-4", "any-case",
)  # fmt: skip
NOMINAL = (*TABLES, *(name for name in rules.FEATURES if name not in TABLES and name != rules.ALWAYS))
BLOCK = 64  # texts that are read together: the random pages of all units of a survey make the same blocks
PARTS = 6  # rows of such blocks that are kept whole: the pages of one unit, and what was asked of it last
ANSWERS = 512  # blocks by predicate whose answers are kept: what one explanation asks again and again

Numbers = NDArray[np.float64]
Block = tuple[Text, ...]


@dataclass(frozen=True)
class Column:
    """One feature over all tokens: its listed values, and each token's place among them (their number: not listed)."""

    feature: str
    listed: tuple[str, ...]
    codes: NDArray[np.int32]
    fitted: Numbers  # how often each listed value occurs among the fitting tokens
    checked: Numbers  # and among the checking ones

    def counts(self, part: slice) -> Numbers:
        """How often each listed value occurs in a part of the tokens."""
        return np.bincount(self.codes[part], minlength=len(self.listed) + 1)[:-1].astype(float)

    def sums(self, residual: Numbers, part: slice) -> Numbers:
        """Per listed value the sum of residuals over a part of the tokens."""
        summed = np.bincount(self.codes[part], weights=residual[part], minlength=len(self.listed) + 1)
        return summed[:-1].astype(float)

    def spread(self, levels: Numbers) -> Numbers:
        """Each token's amount for levels per listed value."""
        return np.append(levels, 0.0)[self.codes]


@dataclass(frozen=True, eq=False)
class Reading:
    """Pages turned into columns, fitting pages first: measured values, how many tokens fit, and every feature."""

    measured: Numbers
    fitted: int
    columns: tuple[Column, ...]
    counts: dict[str, NDArray[np.int16]]
    words: Reach
    marks: Reach
    blocks: tuple[Block, ...]
    pages: NDArray[np.int32]  # [tokens] number of the page

    @property
    def fitting(self) -> slice:
        """Tokens that levels are fitted to."""
        return slice(0, self.fitted)

    @property
    def checking(self) -> slice:
        """Tokens that only check."""
        return slice(self.fitted, None)

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by their feature."""
        return {column.feature: column for column in self.columns}

    @property
    def tables(self) -> tuple[Column, ...]:
        """The columns that whole tables are fitted to."""
        return tuple(self.by_name[feature] for feature in TABLES if feature in self.by_name)

    def column(self, feature: str) -> Column:
        """The column of a feature."""
        return self.by_name[feature]

    def error(self, residual: Numbers) -> float:
        """Mean squared error on the checking pages."""
        return float(np.square(residual[self.checking]).mean())

    def holds(self, predicate: Predicate) -> NDArray[np.bool_]:
        """Whether a predicate is true, at every token."""
        return np.concatenate([_holds(predicate, block) for block in self.blocks])

    def predicted(self, rule: Rule) -> Numbers:
        """What a rule over these columns predicts at every token."""
        told = np.full_like(self.measured, rule.base)
        for clause in rule.clauses:
            if clause.feature == rules.ALWAYS:
                amount: Numbers | float = clause.levels.get("", 0.0)
            else:
                column = self.column(clause.feature)
                amount = column.spread(np.array([clause.levels.get(value, 0.0) for value in column.listed]))
            told += amount if clause.when is None else amount * self.holds(clause.when)
        return told


def read(pages: Sequence[Page], asked: Sequence[Page] = ()) -> Reading:
    """Turn pages, and texts asked about, into columns; features of the pages are computed once."""
    groups = [list(enumerate(pages)), list(enumerate(asked, len(pages)))]
    fitting, checking = (
        [[page for n, page in group if bool(n % CHECKING) is fits] for group in groups] for fits in (True, False)
    )
    parts = [*(fitting if any(fitting) else checking), *checking]  # a single page fits and checks
    cut = [_blocks([text_of(page.tokens) for page in part]) for part in parts]
    blocks = [block for part in cut for block in part]
    fitted = sum(len(page.tokens) for part in parts[:2] for page in part)
    measured = np.concatenate([page.values for part in parts for page in part]).astype(float)
    return Reading(
        measured,
        fitted,
        tuple(_column(feature, [_together(part)[feature] for part in cut], fitted) for feature in NOMINAL),
        {name: np.concatenate([_counted(block)[name] for block in blocks]) for name in COUNTS},
        words_before(blocks),
        marks_before(blocks),
        tuple(blocks),
        np.repeat(np.arange(sum(map(len, parts)), dtype=np.int32), [len(p.tokens) for part in parts for p in part]),
    )


@lru_cache(maxsize=ANSWERS)
def _holds(predicate: Predicate, texts: Block) -> NDArray[np.bool_]:
    return np.concatenate([rules.holds(predicate, text) for text in texts])


def _blocks(texts: Sequence[Text]) -> tuple[Block, ...]:
    return tuple(tuple(texts[n : n + BLOCK]) for n in range(0, len(texts), BLOCK))


@lru_cache(maxsize=PARTS)
def _together(blocks: tuple[Block, ...]) -> dict[str, Numbered]:
    """Every nominal feature of some blocks in a row."""
    return {feature: renumbered([_numbered(block)[feature] for block in blocks]) for feature in NOMINAL}


@lru_cache(maxsize=KEPT)
def _numbered(texts: Block) -> dict[str, Numbered]:
    """Every nominal feature of some texts."""
    found = {}
    for feature in NOMINAL:
        numbering: dict[str, int] = {}
        asked = rules.FEATURES[feature]
        codes = [numbering.setdefault(value, len(numbering)) for text in texts for value in text.asked(asked)]
        found[feature] = tuple(numbering), np.array(codes, np.int32)
    return found


@lru_cache(maxsize=KEPT)
def _counted(texts: Block) -> dict[str, NDArray[np.int16]]:
    """Every count of some texts, cut off at HIGHEST."""
    nothing = np.zeros(0, np.int16)
    return {
        name: np.concatenate([nothing, *(np.minimum(text.asked(count), HIGHEST) for text in texts)]).astype(np.int16)
        for name, count in COUNTS.items()
    }


def _column(feature: str, blocks: Sequence[Numbered], fitted: int) -> Column:
    names, raw = renumbered(blocks)
    counts = np.bincount(raw[:fitted], minlength=len(names))
    kept = np.flatnonzero(counts >= RAREST)
    kept = kept[[names[n] != "" for n in kept]] if len(kept) else kept  # the text is shorter than asked for
    renumber = np.full(len(names), len(kept), dtype=np.int32)
    renumber[kept] = np.arange(len(kept), dtype=np.int32)
    codes = renumber[raw]
    checked = np.bincount(codes[fitted:], minlength=len(kept) + 1)[:-1].astype(float)
    return Column(feature, tuple(names[n] for n in kept), codes, counts[kept].astype(float), checked)
