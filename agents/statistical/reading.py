"""Pages turned into columns: every feature, count and word before each token, as arrays that sums run over.

Fitting pages come first, one page in four only checks. A nominal column numbers a feature's values, an ordinal one is a
count cut off at 400; words and marks before a token are agents/statistical/reach.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agents.statistical.reach import Reach, marks_before, words_before
from memory.records import Predicate, Rule
from tools import rules
from tools.pages import Page
from tools.rules.counts import COUNTS
from tools.rules.text import Text, text_of

RAREST = 3  # a value seen less often on the fitting pages is not listed
CHECKING = 4  # one page in so many
HIGHEST = 400  # counts are cut off here

TABLES = (
    "token", "word", "pair", "previous", "previous-word", "second-previous", "line-opening", "inside",
    "class-pair", "class", "previous-class", "column", "indentation", "position", "runs-3", "ends-3", "ends-4",
    "ends-5", "word-back-2", "chunk-shape", "word-starts-3", "runs-4", "any-case",
)  # fmt: skip
FAMILIES = tuple(name for name in rules.FEATURES if name not in TABLES and name != rules.ALWAYS)

Numbers = NDArray[np.float64]


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
    texts: tuple[Text, ...]
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
        return np.concatenate([rules.holds(predicate, text) for text in self.texts])

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


def read(pages: Sequence[Page]) -> Reading:
    """Turn pages into columns; features of every page are computed once."""
    fitting = [page for n, page in enumerate(pages) if n % CHECKING]
    checking = [page for n, page in enumerate(pages) if not n % CHECKING]
    ordered = [*fitting, *checking] if fitting else [*checking, *checking]  # a single page fits and checks
    fitted = sum(len(page.tokens) for page in fitting or checking)
    texts = [text_of(page.tokens) for page in ordered]
    measured = np.concatenate([page.values for page in ordered]).astype(float)
    return Reading(
        measured,
        fitted,
        tuple(_column(feature, texts, fitted) for feature in (*TABLES, *FAMILIES)),
        {name: _count(name, texts) for name in COUNTS},
        words_before(texts),
        marks_before(texts),
        tuple(texts),
        np.repeat(np.arange(len(texts), dtype=np.int32), [len(text.tokens) for text in texts]),
    )


def _column(feature: str, texts: Sequence[Text], fitted: int) -> Column:
    told = [value for text in texts for value in text.asked(rules.FEATURES[feature])]
    numbering: dict[str, int] = {}
    raw = np.array([numbering.setdefault(value, len(numbering)) for value in told], dtype=np.int64)
    counts = np.bincount(raw[:fitted], minlength=len(numbering))
    kept = np.flatnonzero(counts >= RAREST)
    names = list(numbering)
    kept = kept[[names[n] != "" for n in kept]] if len(kept) else kept  # the text is shorter than asked for
    renumber = np.full(len(numbering), len(kept), dtype=np.int32)
    renumber[kept] = np.arange(len(kept), dtype=np.int32)
    codes = renumber[raw]
    checked = np.bincount(codes[fitted:], minlength=len(kept) + 1)[:-1].astype(float)
    return Column(feature, tuple(names[n] for n in kept), codes, counts[kept].astype(float), checked)


def _count(name: str, texts: Sequence[Text]) -> NDArray[np.int16]:
    counted = [np.minimum(text.asked(COUNTS[name]), HIGHEST) for text in texts]
    return np.concatenate(counted).astype(np.int16)
