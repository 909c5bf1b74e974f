"""What a trace is made of: one root a run, named by its target; within it the nodes, and in those agents and tools.

LangGraph makes the root and the nodes; `span` adds what a node calls, and LangChain what a language model is asked.
Where nobody traces, everything here does nothing and imports nothing. One link a process is open at a time.
"""

import atexit
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from graphs.tracing.link import Link
from graphs.tracing.service import settle, wanted
from memory.records import Score

Kind = Literal["chain", "tool", "llm"]
Keep = Callable[[str, str | None], None]  # a trace's id, and its address once it is known

_open: list[Link] = []


def start(folder: Path) -> None:
    """Open the link of this process where traces are wanted, unless it is open; `folder` is for what waits.

    A link that cannot be opened is one line.
    """
    if _open or settle() is not None or (service := wanted()) is None:
        return
    from langsmith.utils import LangSmithError

    try:
        _open.append(Link(service, folder))
    except (LangSmithError, ValueError, OSError) as error:
        _say(f"not traced: {' '.join(str(error).split())[:200]}")
        return
    atexit.register(flush)  # for whoever forgets


def flush() -> str | None:
    """Send what is traced or give up on it in time, and close the link: what was not sent is one line on stderr.

    Returns the line that says where the last trace is.
    """
    if not _open:
        return None
    link = _open.pop()
    atexit.unregister(flush)
    if line := link.close():
        _say(line)
    return link.told()


class Trace:
    """One trace of a run; where nobody traces it does nothing."""

    def __init__(self, link: Link | None, keep: Keep) -> None:
        self._link, self._keep = link, keep
        self.id: UUID | None = None

    def begin(self) -> dict[str, Any]:
        """What LangGraph is told so that what it runs now is this trace."""
        if self._link is None:
            return {}
        from langchain_core.tracers import LangChainTracer
        from langsmith import uuid7

        self.id = uuid7()
        self._keep(str(self.id), None)
        tracer = LangChainTracer(client=self._link.client, project_name=self._link.service.project)
        return {"run_id": self.id, "callbacks": [tracer]}

    def end(self) -> None:
        """Ask where it is, for a moment."""
        if self._link is not None and self.id is not None:
            address = self._link.address(str(self.id))
            if address is not None:
                self._keep(str(self.id), address)

    def scored(self, scores: Sequence[Score]) -> None:
        """Post scores as feedback on the trace; one without a value goes as the word unscored, with its reason."""
        if self._link is None or self.id is None:
            return
        import warnings

        for key, score in keyed(scores).items():
            value = score.value if score.value is not None and isfinite(score.value) else None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it names no project: its trace does
                self._link.client.create_feedback(
                    key=key,
                    score=value,
                    value="unscored" if value is None else None,
                    comment=_told(score),
                    trace_id=self.id,
                    source_info=_facts(score),
                    feedback_source_type="model",
                )


def trace(keep: Keep) -> Trace:
    """A trace that can be begun. `keep` is told its id, and its address as soon as that is known."""
    return Trace(_open[0] if _open else None, keep)


@contextmanager
def span(name: str, kind: Kind = "chain", **inputs: Any) -> Iterator[Callable[..., None]]:
    """A span within the node that is running; what is yielded takes the outputs. Nothing outside of a trace."""
    if not _open:
        yield _unheard
        return
    import langsmith

    if langsmith.get_current_run_tree() is None:
        yield _unheard
        return
    with langsmith.trace(name, kind, inputs=inputs, client=_open[0].client) as run:
        yield lambda **outputs: run.end(outputs=outputs)


def keyed(scores: Sequence[Score]) -> dict[str, Score]:
    """Scores by the key of their feedback: simulation_full_rule; with the split where a metric has several."""
    metrics = [score.metric for score in scores]
    alone = {score: metrics.count(score.metric) == 1 for score in scores}
    return {_slug(s.metric if alone[s] else f"{s.metric} {s.split}"): s for s in scores}


def _slug(words: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in words.lower()).split())[:120]


def _told(score: Score) -> str:
    if score.value is None:
        return f"{score.split}: unscored, {score.reason}"
    bounds = "" if score.low is None or score.high is None else f", {score.low:.3f} to {score.high:.3f}"
    floor = "" if score.floor is None else f", floor {score.floor:.3f} ({score.floor_name})"
    return f"{score.split}, n {score.n}{bounds}{floor}"


def _facts(score: Score) -> dict[str, Any]:
    names = ("metric", "split", "n", "low", "high", "floor", "floor_name", "ceiling")
    return {name: getattr(score, name) for name in names}


def _unheard(**outputs: Any) -> None:
    """Nobody traces this."""
    del outputs


def _say(line: str) -> None:
    from graphs.console import clean

    print(clean(line), file=sys.stderr, flush=True)
