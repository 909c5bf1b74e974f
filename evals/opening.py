"""What an inquiry knows of a unit before its first round, and how it asks for more, without a store or a graph.

The corpus's strongest and weakest texts and the seed prompts are measured first, as the survey node does. The same for
a real unit and a planted one: all that is needed is something that reads texts.
"""

from collections.abc import Callable, Sequence

from agents.mind import Evidence
from graphs.nodes import SEED_PROMPTS
from memory.records import Origin, Prompt, Record, Target
from tools.pages import Distribution, Page
from tools.subject import Reading

Measure = Callable[[Sequence[str]], Sequence[Reading]]


class Asker:
    """Measures prompts and numbers the records; `asked` counts those that are not rows of the corpus."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._records = 0
        self.asked = 0

    def __call__(self, prompts: Sequence[Prompt]) -> list[Record]:
        """One record a prompt, in order."""
        readings = self._measure([prompt.text for prompt in prompts])
        first = self._records + 1
        self._records += len(prompts)
        self.asked += sum(prompt.origin is not Origin.CORPUS for prompt in prompts)
        return [
            Record(first + n, 1, prompt, r.tokens, r.token_ids, r.values, r.peak, r.position, r.status)
            for n, (prompt, r) in enumerate(zip(prompts, readings, strict=True))
        ]


def opening(
    target: Target, distribution: Distribution, pages: tuple[Page, ...], extremes: Sequence[Prompt], ask: Asker
) -> Evidence:
    """The evidence before the first round: all that was measured stands in `top`, highest first."""
    built_in = SEED_PROMPTS.read_text(encoding="utf-8").splitlines()
    seeds = [Prompt(line.replace("\\n", "\n"), Origin.SEED) for line in built_in]
    distinct = {prompt.key: prompt for prompt in [*extremes, *seeds]}
    records = [record for record in ask(list(distinct.values())) if record.peak is not None]
    return Evidence(
        target=target,
        distribution=distribution,
        pages=pages,
        top=tuple(sorted(records, key=lambda record: -(record.peak or 0.0))),
        bottom=(),
        hypotheses=(),
        triggers=(),
        variants=(),
    )
