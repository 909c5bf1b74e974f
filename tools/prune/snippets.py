"""Where snippets come from: a file or standard input, the strongest records of a stored run, or a corpus.

A file holds one snippet a line, spaces kept; when a line is exactly `---` it holds blocks of lines between such lines
instead. Whatever cannot be had is a SnippetError with one line for a person, or the error of the store or the corpus.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memory.records import DERIVED, Origin

if TYPE_CHECKING:
    from memory.records import Run, Target
    from tools.subject import Subject
    from tools.survey import Progress

STORE = "neuronaut.duckdb"
STANDARD_INPUT = "-"
SEPARATOR = re.compile(r"^---[ \t]*$", re.MULTILINE)


class SnippetError(ValueError):
    """There are no snippets there. The message is one line for a person."""


@dataclass(frozen=True)
class Snippet:
    """A text to prune, and where it is from."""

    text: str
    source: str
    origin: Origin = Origin.USER


def from_file(name: str) -> list[Snippet]:
    """The snippets of a UTF-8 text file, or of standard input for `-`. Raises SnippetError."""
    where = "standard input" if name == STANDARD_INPUT else name
    try:
        content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
        found = split(content.decode("utf-8-sig"))
    except OSError as error:
        raise SnippetError(f"cannot read {where}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SnippetError(f"cannot read {where}: it is not UTF-8 text") from error
    if not found:
        raise SnippetError(f"{where} holds no snippet: write one a line, or blocks between lines of ---")
    return [Snippet(text, f"{where}#{number}") for number, text in enumerate(found, 1)]


def split(content: str) -> list[str]:
    """The snippets of a text: its blocks between lines of `---`, or else its lines; empty ones are left out."""
    content = content.replace("\r\n", "\n")
    blocks = SEPARATOR.split(content)
    pieces = [block.strip("\n") for block in blocks] if len(blocks) > 1 else content.split("\n")
    return [piece for piece in pieces if piece.strip()]


def stored_run(home: Path, run_id: str) -> Run:
    """A run of the store in `home`. Raises SnippetError when there is no store, StoreError for anything else."""
    from memory.store import Store

    path = home / STORE
    if not path.exists():
        raise SnippetError(f"there is no store in {home}: give --home the folder of the run")
    with Store.open(path) as store:
        return store.run(run_id)


def from_run(home: Path, run_id: str, most: int) -> list[Snippet]:
    """The strongest records of a run that were not themselves cut, swapped, rewritten or searched for."""
    from memory.store import Store

    natural = [origin for origin in Origin if origin not in DERIVED]
    with Store.open(home / STORE) as store:
        records = store.records(run_id, limit=most, order="peak_desc", origins=natural)
    if not records:
        raise SnippetError(f"run {run_id} holds no record")
    return [Snippet(each.prompt.text, f"{run_id}#{each.id}", each.prompt.origin) for each in records]


def from_corpus(
    subject: Subject,
    target: Target,
    spec: str,
    home: Path,
    most: int,
    *,
    tokens: int | None = None,
    progress: Progress | None = None,
) -> list[Snippet]:
    """The rows of a corpus where the target is highest, from its survey, which is taken when there is none.

    Raises CorpusError when there is nothing to read, SnippetError when the target has no value on any row.
    """
    from tools.survey import take

    bank = subject.bank(target)
    survey = take(subject, spec, home, bank=bank, tokens=tokens, progress=progress)
    side = "top" if target.sign > 0 else "bottom"
    rows = survey.extremes(bank.row(target), target.index, half="evidence", side=side).rows[:most]
    if not rows:
        raise SnippetError(f"{target.name} has no value on any text of corpus '{spec}'")
    return [Snippet(subject.decode(survey.rows.ids(row)), survey.rows.sources[row], Origin.CORPUS) for row in rows]
