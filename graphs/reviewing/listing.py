"""The list of runs: searched by words or by meaning, filtered, sorted, a page at a time.

Knows what the first page asks of the store and how its links are made. Refuses to know explanations' meaning
(meaning.py) and how it is drawn (the template).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast, get_args

from graphs.reviewing import asked
from graphs.reviewing.drawing import address
from graphs.reviewing.meaning import Meanings, Progress
from memory.overview import NAME, Choice, Line, Overview, Sorting

SIZE = 50
NEAREST = 200  # runs that a search by meaning shows
SORTINGS = get_args(Sorting)
COLUMNS: tuple[tuple[Sorting, str], ...] = (
    ("name", "unit"),
    ("verdict", "verdict"),
    ("explanation", "what it does"),
    ("score", "main score"),
    ("gain", "above its floor"),
    ("state", "state"),
    ("started", "started"),
)
ASCENDING = frozenset({"name", "verdict", "explanation", "state", "model"})  # what is read from the start first


def context(overview: Overview, given: Mapping[str, str], *, meanings: Meanings) -> dict[str, Any]:
    """Everything the list's template shows. Raises BadQuestion."""
    choice = _choice(given)
    sort = cast(Sorting, asked.one_of(given, "sort", SORTINGS, otherwise="started"))
    turn = asked.one_of(given, "order", ("asc", "desc"), otherwise="asc" if sort in ASCENDING else "desc")
    page, like = asked.page(given), asked.text(given, "like")
    shown: dict[str, Any] = {"reading": None, "similarity": {}}
    if like:
        lines, total, shown = _alike(overview, choice, like, page, meanings)
    else:
        total = overview.line_count(choice)
        lines = overview.lines(choice, sort=sort, descending=turn == "desc", limit=SIZE, offset=(page - 1) * SIZE)
    kept = {"q": choice.words, "like": like, "verdict": given.get("verdict"), "layer": choice.layer}
    kept["model"] = choice.model
    order = {"sort": sort, "order": turn} if not like else {}
    return shown | {
        "lines": lines,
        "paging": asked.Paging(page, SIZE, total),
        "kept": kept,
        "sort": None if like else sort,
        "turn": turn,
        "headings": [(name, words, _heading(name, sort, turn, kept)) for name, words in COLUMNS],
        "turned": lambda number: address("/", **kept, **order, page=number),
        "verdicts": overview.verdicts(),
        "layers": overview.layers(),
        "models": overview.models(),
    }


def _choice(given: Mapping[str, str]) -> Choice:
    verdict = asked.text(given, "verdict")
    return Choice(
        words=_named(asked.text(given, "q")),
        verdict="" if verdict == "none" else verdict,
        layer=asked.whole(given, "layer", most=100_000),
        model=asked.text(given, "model"),
    )


def _named(words: str | None) -> str | None:
    """The words to look for; 9.652, as a conversation names a neuron, is L9N652 in a list."""
    found = NAME.fullmatch(words) if words else None
    return f"L{found[1]}N{found[3]}" if found and found[2] in ".:" else words


def _heading(name: Sorting, sort: str, turn: str, kept: dict[str, Any]) -> str:
    """Where a column's heading leads: sorted by it, and the other way round when it is already."""
    usual = "asc" if name in ASCENDING else "desc"
    other = {"asc": "desc", "desc": "asc"}[turn]
    return address("/", **(kept | {"like": None}), sort=name, order=other if name == sort else usual)


def _alike(
    overview: Overview, choice: Choice, like: str, page: int, meanings: Meanings
) -> tuple[list[Line], int, dict[str, Any]]:
    """The runs whose explanation is nearest to the words, or how far reading the explanations has got."""
    found = meanings.similarities(like, overview.texts_by_run())
    if isinstance(found, Progress):
        return [], 0, {"reading": found, "similarity": {}}
    chosen = replace(choice, ids=tuple(found))
    lines = overview.lines(chosen, limit=len(found))
    lines = sorted(lines, key=lambda line: -found[line.run_id])[:NEAREST]
    return lines[(page - 1) * SIZE : page * SIZE], len(lines), {"reading": None, "similarity": found}
