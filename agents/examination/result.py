"""What an examination came to: plain data, which `plain` and `revive` of memory/records.py keep and bring back.

Knows who may do what. Refuses to know how the examination went.
"""

from dataclasses import dataclass

from memory.records import Score


@dataclass(frozen=True)
class Mark:
    """How one job went. `score` is the accuracy with true explanations; its floor is the one with false ones.

    `margin` is the mean difference of the two over puzzles, `low` and `high` its 95 % interval, `n` the puzzles in it.
    """

    job: str
    passed: bool
    score: Score
    margin: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    coverage: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Examination:
    """A model's marks, and which paper (puzzles, questions and bar) they were given for."""

    model: str
    marks: tuple[Mark, ...]
    paper: str
    seed: int = 0
    calls: int = 0

    @property
    def passed(self) -> bool:
        """Whether every job that was examined was passed."""
        return bool(self.marks) and all(mark.passed for mark in self.marks)

    def refusal(self, job: str, model: str) -> str | None:
        """Why `model` may not do a job, in one line; None when it may."""
        mark = next((mark for mark in self.marks if mark.job == job), None)
        if model != self.model:
            return f"the judge was refused: {model} was not examined, {self.model} was"
        if mark is None:
            return f"the judge was refused: {model} was not examined in the job {job!r}"
        return None if mark.passed else f"the judge was refused: {mark.reason}"
