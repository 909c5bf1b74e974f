"""A study as lines for a person and as plain data for a program. Texts are shown quoted, control characters escaped."""

from collections.abc import Iterator, Sequence
from typing import Any

from tools.augment import Edit
from tools.prune.snippets import Snippet
from tools.prune.studies import Study

SHOWN = 8  # texts of a list
HEAD = 60  # characters of a snippet


def lines(number: int, snippet: Snippet, study: Study) -> Iterator[str]:
    """A study for the terminal."""
    head = snippet.text if len(snippet.text) <= HEAD else snippet.text[:HEAD] + "…"
    yield f"[{number}] {head!r} ({snippet.source})"
    kept = study.pruned
    if kept.warning:
        yield f"    {kept.status.value}: {kept.warning}"
    if kept.after is None or kept.kept is None:
        return
    yield f"    pruned      {kept.text!r}"
    yield (
        f"    keeps       {kept.after:.3f} of {kept.before:.3f} ({kept.kept:.0%}) at {kept.token!r}, "
        f"{len(kept.tokens)} of {len(study.reading.tokens)} tokens, {kept.calls} calls, {kept.passes} passes"
    )
    substitution = kept.substitution or (None,) * len(kept.tokens)
    for token, deletion, swapped in zip(kept.tokens, kept.importance, substitution, strict=True):
        yield f"    importance  {token!r}: deleted {deletion:+.3f}, replaced {_number(swapped)}"
    yield from _list("positive", study.positive)
    yield from _list("negative", study.negative)


def data(snippet: Snippet, study: Study) -> dict[str, Any]:
    """A study as plain data."""
    kept = study.pruned
    return {
        "snippet": snippet.text,
        "source": snippet.source,
        "status": kept.status.value,
        "warning": kept.warning,
        "pruned": kept.text,
        "span": list(kept.span) if kept.span else None,
        "before": kept.before,
        "after": kept.after,
        "kept": kept.kept,
        "peak_token": kept.token,
        "tokens": list(kept.tokens),
        "importance": list(kept.importance),
        "substitution": list(kept.substitution),
        "calls": kept.calls,
        "passes": kept.passes,
        "positive": [_edit(edit) for edit in study.positive],
        "negative": [_edit(edit) for edit in study.negative],
        "measured": len(study.walk.edits) if study.walk else 0,
    }


def _edit(edit: Edit) -> dict[str, Any]:
    names = ("id", "parent", "step", "text", "old", "new", "source", "activation", "change")
    return {name: getattr(edit, name) for name in names} | {"effect": edit.effect.value}


def _list(name: str, edits: Sequence[Edit]) -> Iterator[str]:
    more = f", the first {SHOWN}" if len(edits) > SHOWN else ""
    yield f"    {name}    {len(edits)}{more}"
    for edit in edits[:SHOWN]:
        yield f"      {edit.change or 0.0:+7.1%} {_number(edit.activation)}  {edit.text!r} ({edit.old} > {edit.new})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:+.3f}"
