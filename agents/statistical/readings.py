"""Readings by their pages: the same pages, with the same answers to what was asked, are read once."""

from functools import lru_cache

import numpy as np

from agents.statistical.reading import Reading, read
from memory.records import Record
from tools.pages import Page


def reading_of(pages: tuple[Page, ...], asked: tuple[Record, ...] = ()) -> Reading:
    """The reading of evidence pages and of the texts that were asked about."""
    return _read(pages, tuple(record for record in asked if len(record.values) > 1))


@lru_cache(maxsize=4)
def _read(pages: tuple[Page, ...], asked: tuple[Record, ...]) -> Reading:
    return read(pages, [_page(record) for record in asked])


def _page(record: Record) -> Page:
    return Page(record.tokens, np.array(record.values, np.float32), record.prompt.source or record.prompt.origin.value)
