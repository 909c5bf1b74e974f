"""What a conversation works on: one run, its store, and the opened model once something has to be measured.

The store is held for the moment of a command, so that an overnight run can put its own runs there in between; from the
first measurement on the opened session holds it. Where another process has it, its last published copy is read, and
what needs more raises Unable. Steps of a conversation are committed under the run, numbered after all others, with
SPOKEN in their update (graphs/steps.py), whole or not at all.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs.settings import choose_model
from graphs.state import SPOKEN, STORE, Means
from memory.queries import Queries
from memory.records import Candidate, Hypothesis, LlmCall, Origin, Prompt, Record, Run, Step, Trigger, plain
from memory.snapshot import Snapshot
from memory.store import Store, StoreLocked, UnknownRun

if TYPE_CHECKING:
    from graphs.session import Session

NODE = "conversation"
BUSY = "another process is writing this store: I read its last copy, and cannot measure or keep anything now"


class Unable(Exception):
    """What was asked cannot be done now. The message is one line for a person."""


def of_an_inquiry(run: Run) -> bool:
    """Whether an inquiry made a run, which can go on; tools.prune --keep makes runs as well."""
    return "command" not in run.settings


class Desk:
    """One run to talk about. `means` begins a new run, which opens the model at once; else `run_id` names one."""

    def __init__(self, home: Path, run_id: str | None, *, means: Means | None = None, ask: bool = False) -> None:
        self.home, self.ask = home, ask
        self._since = time.monotonic()
        self._session: Session | None = None
        if run_id is None:
            assert means is not None, "a conversation is about a run, or begins one"
            self._session = _begun(means)
            run_id = self._session.run_id
            self._settle(self._session)
        self.run_id = run_id

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the store, and forget the model."""
        if self._session is not None:
            self._session.bench.close()
            self._session = None

    @property
    def opened(self) -> bool:
        """Whether the model is loaded."""
        return self._session is not None

    @contextmanager
    def reading(self) -> Iterator[Queries]:
        """The store, or its last copy where another process has it; StoreLocked where there is not even a copy."""
        if self._session is not None:
            yield self._session.bench.store
            return
        try:
            store: Store | Snapshot = Store.open(self.home / STORE)
        except StoreLocked:
            store = Snapshot(self.home / STORE)
        with store:
            yield store

    def busy(self) -> bool:
        """Whether another process has the store."""
        with self.reading() as store:
            return isinstance(store, Snapshot)

    def age(self, store: Queries) -> str:
        """How old what is read is, in words; nothing for the store itself. StoreLocked for a copy without the run."""
        if not isinstance(store, Snapshot):
            return ""
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(store.published))
        try:
            store.run(self.run_id)
        except UnknownRun as error:
            words = f"another process is writing this store, and in its last copy, of {at}, {error}"
            raise StoreLocked(words) from None
        return f"as it stood at {at}: another process is writing this store"

    def run(self) -> Run:
        """The run that is talked about; UnknownRun when the store has none of this name."""
        with self.reading() as store:
            self.age(store)
            return store.run(self.run_id)

    def session(self) -> "Session":
        """The run's session with the model loaded, opened on first use (half a minute). Raises Unable."""
        if self._session is None:
            _load()
            from graphs.session import Session, resumable

            try:
                means = resumable(self.home, self.run_id)
                choose_model(means.model, means.corpus)
                self._session = Session(means, run_id=self.run_id)
            except StoreLocked:
                raise Unable(BUSY) from None
            self._settle(self._session)
        return self._session

    def commit(
        self,
        command: str,
        update: Mapping[str, Any],
        *,
        prompts: Sequence[Prompt] = (),
        records: Sequence[Record] = (),
        hypotheses: Sequence[Hypothesis] = (),
        triggers: Sequence[Trigger] = (),
        calls: Sequence[LlmCall] = (),
    ) -> None:
        """Add one step to the run, with the prompts its records came from as accepted candidates. Raises Unable."""
        with self.reading() as store:
            if not isinstance(store, Store):
                raise Unable(BUSY)
            number = store.last_step(self.run_id) + 1
            peaks = [record.peak for record in records if record.peak is not None]
            step = Step(
                run_id=self.run_id,
                number=number,
                node=NODE,
                update={SPOKEN: command, "best": max(peaks, default=None), **update},
                records=tuple(replace(record, step=number) for record in records),
                candidates=tuple(Candidate(number, prompt) for prompt in prompts),
                hypotheses=tuple(hypotheses),
                triggers=tuple(triggers),
                calls=tuple(calls),
                seconds=time.monotonic() - self._since,
            )
            self._since = time.monotonic()
            if not store.commit(step):
                raise Unable("somebody else has just added to this run: say it again")

    def measured(
        self,
        command: str,
        prompts: Sequence[Prompt],
        *,
        update: Mapping[str, Any] | None = None,
        triggers: Sequence[Trigger] = (),
    ) -> list[Record]:
        """Records of prompts, each text once a run: what is new is measured and committed before this returns."""
        session, store = self.session(), self.session().bench.store
        fresh = {prompt.key: prompt for prompt in reversed(prompts) if prompt.key not in store.seen(self.run_id)}
        chosen = list(reversed(fresh.values()))
        first = store.next_record_id(self.run_id)
        made = session.bench.measured(chosen, step=0, first_id=first, surprises={}) if chosen else ()
        if chosen or triggers or update:
            self.commit(command, update or {}, prompts=chosen, records=made, triggers=triggers)
        known = {record.prompt.key: record for record in reversed(store.records(self.run_id))}
        return [known[prompt.key] for prompt in prompts]

    def begin(self) -> None:
        """Somebody begins to do something: what is committed next took the time from now."""
        self._since = time.monotonic()

    def note(self, text: str) -> None:
        """Keep a note with the run; agents see it from now on."""
        self.commit("note", {"note": text})
        if (session := self._session) is not None:
            from graphs.session import with_notes

            session.means = session.bench.limited({"notes": with_notes(session.means.notes, [text])})

    def notes(self) -> list[str]:
        """What was noted in conversations about the run, in order."""
        with self.reading() as store:
            return store.noted(self.run_id)

    def last_tested(self) -> int | None:
        """The record of the last text that a person had measured in a conversation; None before the first."""
        with self.reading() as store:
            spoken = {step.number for step in store.steps(self.run_id) if step.node == NODE}
            found = [record.id for record in store.records(self.run_id, origins=[Origin.USER]) if record.step in spoken]
        return found[-1] if found else None

    def waits(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """The update of a step that hands prompts to the inquiry, to be measured in its next round."""
        return {"adds": [plain(prompt) for prompt in prompts]}

    def _settle(self, session: "Session") -> None:
        """For this conversation only: a person is asked where they want to be."""
        self.run_id = session.run_id
        session.means = session.bench.limited({"ask": self.ask})


def _load() -> None:
    """Import what measures: seconds, and only who measures needs it. Ctrl-C does not reach the thread that does it.

    An import that was cut short may not be possible a second time.
    """
    loading = threading.Thread(target=import_module, args=("graphs.session",), daemon=True)
    loading.start()
    loading.join()


def _begun(means: Means) -> "Session":
    """The session of a new run."""
    from graphs.session import Session

    return Session(means)
