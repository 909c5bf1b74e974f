"""A language model as judge of an explanation: examined once, which all runs share, and heard within its budget.

An examination is kept by the judge's name, the paper (puzzles, questions and bar) and, where Ollama tells it, the
digest of the weights behind the name. One that was not sat to its end, for a server that fell silent or a budget that
was spent, is not kept: another day may bring it to its end. Refuses to know how a judge is examined and what is asked.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.chat_model import ChatModel
from agents.examination.examination import BUDGET, examine, paper
from agents.examination.puzzles import wrong_explanations
from agents.examination.result import Examination
from agents.hearing import heard
from agents.judge import Judge
from agents.mind import Evidence
from agents.ollama_server import model_digest
from agents.simulator import Simulator
from graphs.bench import Bench
from graphs.tracing import span
from memory.records import Explanation, LlmCall, Record, Score, Verdict, plain, revive

FOLDER = "examinations"
WRONG = 2  # truths of the examination's puzzles, the floor of a judge's scores
OLLAMA = "ollama:"


@dataclass(frozen=True)
class Hearing:
    """What a judge said of an explanation, the examination it passed or failed, and all it was asked."""

    scores: tuple[Score, ...] = ()
    update: dict[str, Any] = field(default_factory=dict)
    calls: tuple[LlmCall, ...] = ()


def judged(
    bench: Bench, explanation: Explanation, evidence: Evidence, earlier: Sequence[Record], *, calls_left: int
) -> Hearing:
    """The judge's scores on held-out windows; nothing where there is no judge. Raises LeakError.

    Of a unit that never fires nobody is asked anything.
    """
    chat, seed = bench.judge, bench.means.seed
    if chat is None:
        return Hearing()
    if explanation.verdict is Verdict.DEAD:
        reason = "nothing fires, so there is nothing to judge"
        return Hearing((Score.unscored(f"detection by {chat.name}", "held-out windows", reason),))
    calls: list[LlmCall] = []
    with span("judge.examination", judge=chat.name) as told:
        examination = _examined(bench, chat, calls_left, calls)
        told(calls=len(calls))
    scores: list[Score] = []
    for job in (Judge, Simulator):
        speaker = job(chat, examination, max_calls=max(0, calls_left - len(calls)))
        with span("judge" if isinstance(speaker, Judge) else "simulator", judge=chat.name):
            scores += heard(
                explanation,
                evidence,
                bench.pages.held_out,
                judge=speaker if isinstance(speaker, Judge) else None,
                simulator=speaker if isinstance(speaker, Simulator) else None,
                wrong=wrong_explanations(WRONG, seed=seed),
                seed=seed,
                seen=earlier,
            )
        calls += speaker.drain()
    return Hearing(tuple(scores), {"examination": plain(examination)}, tuple(calls))


def _examined(bench: Bench, chat: ChatModel, calls_left: int, calls: list[LlmCall]) -> Examination:
    """The examination that is kept, or a new one; its exchanges are added to `calls`."""
    served = chat.name.removeprefix(OLLAMA) if chat.name.startswith(OLLAMA) else None
    digest = model_digest(bench.means.ollama_url, served) if served is not None else None
    key = hashlib.sha256("\n".join((chat.name, digest or "", paper())).encode()).hexdigest()[:16]
    path = bench.means.shared / FOLDER / f"{key}.json"
    kept = _read(path, chat.name)
    if kept is not None:
        return kept
    found = examine(chat, budget=min(BUDGET, max(0, calls_left)), calls=calls)
    if all(mark.score.value is not None for mark in found.marks):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(plain(found), ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(path)
    return found


def _read(path: Path, name: str) -> Examination | None:
    """What is kept there of this judge; None where that is nothing that can be read."""
    try:
        kept = revive(Examination, json.loads(path.read_text(encoding="utf-8")))
        return kept if (kept.model, kept.paper) == (name, paper()) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
