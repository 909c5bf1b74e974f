"""A small scene for the agents' tests: one target with evidence, a mind that always answers the same, a chat model."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from agents.chat_model import ChatModel, open_chat_model
from agents.mind import Decision, Distribution, Evidence, Page, View
from evals.ollama_stub import OllamaStub
from memory.records import (
    Candidate,
    Clause,
    Explanation,
    Fate,
    Hypothesis,
    LlmCall,
    Origin,
    Prompt,
    Record,
    Rule,
    Target,
    Trigger,
    Verdict,
)

LEGAL = ("experiment", "hypothesise", "explain")
VIEW = View(3, 6.5, 7.0, 1, 2, 0, 0.8, {"experiment": 2}, "experiment")


def record(id: int, tokens: Sequence[str], position: int, peak: float, *, parent: int | None = None) -> Record:
    """A measured text whose value is zero but at its peak."""
    values = tuple(peak if place == position else 0.0 for place in range(len(tokens)))
    origin = Origin.CORPUS if parent is None else Origin.SWAP
    prompt = Prompt("".join(tokens), origin, parent=parent)
    return Record(id, 1, prompt, tuple(tokens), tuple(range(len(tokens))), values, peak, position)


def evidence(*, hostile: str = "") -> Evidence:
    """Two texts that fire, one that does not, a trigger and a swap; `hostile` stands in the first text."""
    return Evidence(
        target=Target("pocket", "0" * 8, "blocks.1.mlp.out.hook_in", 1, 7),
        distribution=Distribution(1000, 0.1, 0.4, -0.2, 7.0, 0.05, ((0.5, 0.0), (0.99, 2.0)), 0.0, 3.0),
        pages=(Page(("An", " ordinary", " page"), np.array([0.0, 0.2, 0.1], dtype=np.float32), "book:3"),),
        top=(
            record(11, ("The", " harbour", " master", hostile), 1, 7.0),
            record(12, ("A", " harbour", " wall"), 1, 6.0),
        ),
        bottom=(record(13, ("The", " station", " master"), 1, -0.2),),
        hypotheses=(
            Hypothesis("h-port", "Fires on harbours.", fate=Fate.SUPPORTED, hits=3),
            Hypothesis("h-sea", "Fires on the sea.", fate=Fate.REFUTED, misses=2),
        ),
        triggers=(Trigger("The harbour", 6.8, 0.97, 11),),
        variants=(record(14, ("The", " garden"), 1, 0.1, parent=11),),
        notes="Compare with ports.",
    )


class SteadyMind:
    """A deterministic fallback."""

    name = "steady"

    def route(self, view: View, legal: Sequence[str], seed: int) -> Decision:
        return Decision(legal[0], f"first of {len(legal)} after {view.last}, seed {seed}")

    def hypothesise(self, evidence: Evidence, wanted: int, seed: int) -> list[Hypothesis]:
        return [Hypothesis(f"steady-{n}-{seed}", evidence.target.name, ("steady text",)) for n in range(wanted)]

    def propose(self, evidence: Evidence, wanted: int, rejected: Sequence[Candidate], seed: int) -> list[Prompt]:
        start = len(rejected) + len(evidence.top)
        return [Prompt(f"steady prompt {start + n} {seed}", Origin.RANDOM) for n in range(wanted)]

    def rewrite(self, text: str, wanted: int, seed: int) -> list[str]:
        return [f"steady {text} {n} {seed}" for n in range(wanted)]

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        rule = Rule(0.0, (Clause("token", {" harbour": 6.5}, "the token is harbour"),))
        text = f"Fires on harbour ({seed})."
        return Explanation(Verdict.SINGLE_TOKEN, text, rule, (evidence.top[0].id,), full=Rule(1.0))

    def drain(self) -> tuple[LlmCall, ...]:
        return ()


class Verse(BaseModel):
    """An answer of two fields, both required."""

    text: str
    lines: int


def opened(stub: OllamaStub, *, timeout_seconds: float = 5.0) -> ChatModel:
    """A chat model on a stub."""
    return open_chat_model("ollama:llama3.2", base_url=stub.url, timeout_seconds=timeout_seconds, seed=3)
