"""What the numbers settle costs no call."""

from dataclasses import replace

import pytest

from agents.language import Language
from agents.mind import Evidence
from evals.ollama_stub import OllamaStub
from memory.records import Explanation, Rule, Verdict
from tests.agents.scene import SteadyMind, evidence, opened


class MeasuredMind(SteadyMind):
    """A fallback that came to a verdict."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def explain(self, evidence: Evidence, seed: int) -> Explanation:
        return replace(super().explain(evidence, seed), verdict=self._verdict, rule=Rule(0.0))


def test_nobody_is_asked_to_explain_a_dead_unit() -> None:
    with OllamaStub() as stub:
        mind = Language(opened(stub), MeasuredMind(Verdict.DEAD))
        explained = mind.explain(evidence(), 1)
    assert explained == MeasuredMind(Verdict.DEAD).explain(evidence(), 1)
    assert (stub.chats, mind.asked, mind.drain()) == ([], 0, ())


@pytest.mark.parametrize("verdict", [Verdict.DENSE, Verdict.POSITIONAL, Verdict.UNEXPLAINED])
def test_a_unit_that_does_something_is_put_into_words(verdict: Verdict) -> None:
    with OllamaStub() as stub:
        mind = Language(opened(stub), MeasuredMind(verdict))
        explained = mind.explain(evidence(), 1)
    assert mind.asked == len(stub.chats) == 1
    assert explained.author == mind.name
