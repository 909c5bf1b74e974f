"""A person's claims within a conversation: stated, put in other words, and tested like any other claim of the run.

A running inquiry measures their texts in its next round. A finished one does not go on, so they are measured and
weighed here. Refuses to know what fate a claim deserves (agents/weighing.py).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from agents.weighing import weighed
from graphs.talk import claims
from graphs.talk.desk import Desk, Unable
from graphs.talk.drawing import words
from memory.records import BUILT_IN, Fate, Hypothesis, Origin

if TYPE_CHECKING:
    from rich.text import Text


def meant(desk: Desk, name: str, said: str) -> Hypothesis:
    """The claim that an edit names; raises Unable where there is none, or nothing to put in its place."""
    with desk.reading() as store:
        desk.age(store)  # a copy without the run would have no claims at all
        old = claims.found(store.hypotheses(desk.run_id), name)
    if old is None:
        raise Unable(f"no claim is called {name!r:.60}: show hypotheses lists them")
    if not said.strip():
        raise Unable("an edit says what the claim is to be: edit h-3: CLAIM")
    return old


def stated(desk: Desk, said: str, *, command: str = "hypothesis", old: Hypothesis | None = None) -> "Iterator[Text]":
    """Add a person's claim to the run with the texts that test it.

    old: the claim it puts in other words. One that is still open is replaced, and no longer tested; a fate that was
    measured stays.
    """
    claim = claims.read_claim(said)
    if not claim.statement:
        raise Unable("a claim says in words what the neuron fires on")
    bench = desk.session().bench
    twin = next((known for known in bench.store.hypotheses(desk.run_id) if known.id == claim.id), None)
    completed = old is not None and old.id == claim.id and (old.fate.open or old.fate is Fate.REPLACED)
    if twin is not None and not completed and twin.fate is not Fate.REPLACED:
        raise Unable(f"{claim.id} says that already")
    claim = claims.tested(claim, bench.pages.evidence, seed=bench.means.seed)
    if completed and not claim.triggers and not claim.non_triggers:
        raise Unable(f"{claim.id} says that already, and this gives it no texts to test it with")
    if not claim.triggers and not claim.non_triggers and bench.mind.name == BUILT_IN:
        raise Unable(claims.WANTING)
    replaced = (
        [replace(old, fate=Fate.REPLACED, reason=f"{claim.id} stands in its place")]
        if old and old.fate.open and not completed
        else []
    )
    edited = {"edited": old.id} if old else {}
    desk.commit(command, desk.waits(claims.tests_of(claim)) | edited, hypotheses=[*replaced, claim])
    yield words(f"{claim.id} joins the claims: {claim.statement}")
    yield words(f"  {claims.told(claim)}; next tests it", "dim")
    if old and not completed:
        yield words(f"  {old.id} {'is replaced by it' if replaced else f'stays {old.fate.value}'}", "dim")


def unanswered(desk: Desk) -> list[Hypothesis]:
    """A person's claims of which nothing is known yet."""
    with desk.reading() as store:
        own = [claim for claim in store.hypotheses(desk.run_id) if claim.author == claims.AUTHOR]
    return [claim for claim in own if not (claim.hits or claim.misses or claim.reason)]


def weighed_now(desk: Desk) -> "Iterator[Text]":
    """Test a person's claims on a finished run: measure their texts, and weigh them."""
    bench = desk.session().bench
    for claim in unanswered(desk):
        prompts = claims.tests_of(claim)
        read = desk.measured("weigh", prompts)
        made = [replace(record, prompt=prompt) for record, prompt in zip(read, prompts, strict=True)]
        known = bench.store.records(desk.run_id, origins=[Origin.PAIR, Origin.HYPOTHESIS])
        every = {record.id: record for record in [*known, *made]}
        now = weighed(claim, every.values(), firing=bench.pages.distribution.firing)
        if now.fate is Fate.PROPOSED:
            now = replace(now, reason=f"not decided: {now.reason}")
        desk.commit("weighed", {}, hypotheses=[now])
        yield words(f"  {now.id} {now.fate.value}: {now.statement}", "bold")
        yield words(f"  {now.reason}", "dim")
