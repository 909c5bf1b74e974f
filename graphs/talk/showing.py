"""Answers that need only what is kept: lists, scores, the explanation, other runs like this one, and two side by side.

Every function takes the readable half of the store and yields lines. Refuses to measure.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from graphs.report.visible import number
from graphs.report.wording import cited
from graphs.talk import drawing
from graphs.talk.commands import usage
from graphs.talk.drawing import words
from memory.queries import Queries
from memory.recall import MiniLM
from memory.records import DERIVED, HELD_OUT, Origin, Record, Run, text_key
from memory.store import Store

if TYPE_CHECKING:
    from rich.text import Text

ALIKE = 5  # other runs shown
BOTH = 8  # texts shown of two runs
NATURAL = [origin for origin in Origin if origin not in DERIVED]


def help_lines() -> "Iterator[Text]":
    """Every command and what it is for."""
    from rich.text import Text

    for form, what in usage():
        if len(form) > 28:
            yield words(f"  {form}", "bold")
            yield words(f"  {'':<28}  {what}", "dim")
        else:
            yield Text.assemble("  ", (f"{form:<28}", "bold"), ("  " + what, "dim"))
    yield words("  Tab completes, the arrows recall, Ctrl-C ends a command, Ctrl-D leaves.", "dim")


def standing(store: Queries, run_id: str) -> "Iterator[Text]":
    """The run in a few lines: what it is about, what became of it, and the explanation."""
    run, counts = store.run(run_id), store.counts(run_id)
    target = run.target
    yield words(f"{target.name} of {target.model}, run {run.id}: {run.state}, {counts['records']:,} records", "bold")
    explanation = store.explanation(run_id)
    if explanation is not None:
        yield words(f"{explanation.verdict.value}: {explanation.text}")
    elif counts["records"]:
        made = run.settings.get("command")
        goes_on = f"made by {made}: there is no inquiry to go on with" if made else "say next to go on with the inquiry"
        yield words(f"no explanation yet: {goes_on}")
    else:
        yield words("nothing is known yet: say next to begin, or test this: TEXT")


def explained(store: Queries, run_id: str) -> "Iterator[Text]":
    """The explanation, its clauses, their certificates and the records behind them."""
    explanation = store.explanation(run_id)
    if explanation is None:
        yield words("there is no explanation yet: say next to go on with the inquiry")
        return
    yield words(f"{explanation.verdict.value}: {explanation.text}", "bold")
    wanted = {each for proof in explanation.certificates for pair in proof.pairs[:1] for each in pair}
    yield from drawing.clause_lines(explanation, store.records(run_id, ids=wanted))
    if explanation.evidence:
        yield words(f"  {cited(explanation)}", "dim")


def fired(store: Queries, run_id: str, record: Record) -> "Iterator[Text]":
    """Why a text fired, or did not: the clauses that hold at its peak token, predicted against measured."""
    explanation = store.explanation(run_id)
    yield words(f"why {number(record.peak)} on “{record.prompt.text[:60]}” (record {record.id}):")
    if explanation is None:
        yield words("there is no explanation yet to say so: say next to go on with the inquiry")
        return
    yield from drawing.reasons(record, explanation)


def listed(store: Queries, run_id: str, *, strongest: bool, most: int) -> "Iterator[Text]":
    """The strongest or weakest natural texts, in rank order."""
    order = "peak_desc" if strongest else "peak_asc"
    found = [r for r in store.records(run_id, limit=most, order=order, origins=NATURAL) if r.peak is not None]
    yield from (drawing.record_line(record, rank) for rank, record in enumerate(found, 1))
    if not found:
        yield words("nothing was measured yet")


def scored(store: Queries, run_id: str) -> Iterator["Text"]:
    """Every score of the explanation with its floor."""
    scores = store.scores(run_id)
    yield from drawing.score_lines(scores)
    if not scores:
        yield words("there is no score yet: the explanation comes at the end of the inquiry")


def claimed(store: Queries, run_id: str) -> Iterator["Text"]:
    """Every claim of the run with its fate."""
    claims = store.hypotheses(run_id)
    yield from (drawing.claim_line(rank, claim) for rank, claim in enumerate(claims, 1))
    if not claims:
        yield words("no claim was made yet")


def alike(store: Queries, run_id: str) -> Iterator["Text"]:
    """Other runs by how near their explanation's meaning is: cosines of sentence embeddings, exact."""
    told = store.texts_by_run()
    if run_id not in told:
        yield words("there is no explanation yet to look for others like it")
        return
    target = store.run(run_id).target
    others: dict[str, tuple[Run, str]] = {}
    for run in store.runs():  # newest first: one run a unit
        if run.id in told and run.target != target:
            others.setdefault(f"{run.target.model} {run.target.name}", (run, told[run.id]))
    if not others:
        yield words("no other neuron in this store has an explanation")
        return
    vectors = _vectors(store, [told[run_id], *(text for _, text in others.values())])
    cosines = [float(vectors[0] @ vector) for vector in vectors[1:]]
    ranked = sorted(zip(cosines, others.values(), strict=True), key=lambda pair: -pair[0])
    for cosine, (run, text) in ranked[:ALIKE]:
        yield words(f"  {cosine:.2f}  {run.target.name} of {run.target.model}  {run.id}", "bold")
        yield words(f"        {text}", "dim")


def side_by_side(store: Queries, run_id: str, other: str) -> Iterator["Text"]:
    """Two runs: what each is said to do, how well that predicts, and the texts measured in both."""
    for each in (run_id, other):
        run, told, scores = store.run(each), store.explanation(each), store.scores(each)
        head = next((each for each in scores if each.value is not None and each.split.startswith(HELD_OUT)), None)
        figure = "" if head is None else f", {head.metric} {number(head.value)} (floor {number(head.floor)})"
        strongest = store.records(each, limit=1, order="peak_desc", origins=NATURAL)
        yield words(f"{run.target.name} of {run.target.model}  {run.id}{figure}", "bold")
        yield words(f"  {told.verdict.value}: {told.text}" if told else "  no explanation")
        yield from map(drawing.record_line, strongest)
    pairs = sorted(store.compare(run_id, other), key=lambda pair: -max(pair.first, pair.second))
    yield words(f"{len(pairs)} texts were measured in both" + (", the strongest:" if pairs else ""), "bold")
    for pair in pairs[:BOTH]:
        yield words(f"  {number(pair.first):>7} {number(pair.second):>7}  {pair.text[-54:]}")


def _vectors(store: Queries, texts: Sequence[str]) -> Any:
    """float32 [texts, 384]; kept embeddings are used and new ones kept where the store is ours."""
    keys = [text_key(text) for text in texts]
    kept = store.embeddings(set(keys)) if isinstance(store, Store) else {}
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    fresh = dict(zip(missing, _encoder().encode(list(missing.values())), strict=True)) if missing else {}
    if fresh and isinstance(store, Store):
        store.keep_embeddings(fresh)
    return [({**kept, **fresh})[key] for key in keys]


@cache
def _encoder() -> MiniLM:
    """One for a process: it takes seconds to load."""
    return MiniLM()
