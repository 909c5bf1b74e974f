"""Evolutionary Prompt Optimization (Thompson et al. 2024, arXiv:2402.01702), anew; numbers from its authors' code.

1. A population of 8 rows, one for each penalty lambda on a log grid from 1/10 to 10; loss = -drive + lambda x
   cross-entropy.
2. The gradient of each member's loss with respect to its one-hot tokens; its 512 best tokens at each position.
3. 32 children each: one random position replaced by one of the best, uniformly.
4. For each lambda the best of parents and children stays: a row may hold several places.
5. Every 50 steps all places go to the row that is best for one lambda drawn from [2/3, 6] (restart), but not at
   the first step, where theirs does it too: it would throw seven of the eight starts away.

Two things are done for it: special tokens are no replacement, and only children that survive decode -> encode are
tried, since what does not survive scores nothing here. All members it stands at are kept, so that its whole front is
scored.
"""

import math

import torch

from evals.rivals.course import Course, Run, Trail, surviving
from evals.rivals.drive import BATCH, Drive
from tools.proposals import special

POPULATION, CHILDREN, TOP = 8, 32, 512
LOWEST, HIGHEST = 0.1, 10.0  # lambda
RESTART = 50  # steps
RESTART_PENALTY, RESTART_SPREAD = 2.0, 3.0


def climb(course: Course) -> Run:
    """One run."""
    trail = Trail(course)
    epo = _Epo(course)
    rows = epo.first_rows()
    values = epo.values(rows)
    trail.add(rows.tolist())
    for step in trail.ticks():
        children = epo.children(rows)
        everyone = torch.cat([rows, children])
        values = torch.cat([values, epo.values(children)], 1)
        kept = epo.restarted(values) if step and step % RESTART == 0 else epo.selected(values)
        rows, values = everyone[kept], values[:, kept]
        trail.add(rows.tolist())
    return trail.run()


class _Epo:
    """The moves of one run. `values` are [2, rows]: drive and cross-entropy."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._drive = Drive(course.subject, course.target)
        self._chance = torch.Generator().manual_seed(course.seed)
        self._refused = special(course.subject)
        self._size = len(self._drive.table)
        self._penalties = torch.linspace(math.log(LOWEST), math.log(HIGHEST), POPULATION).exp()

    def first_rows(self) -> torch.Tensor:
        """Eight random rows, or the start eight times."""
        course = self._course
        if course.start:
            return torch.tensor([course.first_row()] * POPULATION)
        seeds = [course.seed * POPULATION + i for i in range(POPULATION)]
        return torch.tensor(
            [Course(course.subject, course.target, 0.0, seed, course.length).first_row() for seed in seeds]
        )

    def values(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, tokens] -> [2, rows]."""
        parts = [torch.zeros(2, 0)]
        for part in rows.split(BATCH) if len(rows) else ():
            with torch.no_grad():
                drives, logits = self._drive.with_logits(self._drive.table[part])
                surprises = (logits.logsumexp(-1) - logits.gather(2, part[..., None])[..., 0]).mean(1)
            parts.append(torch.stack([drives, surprises]))
        return torch.cat(parts, 1)

    def children(self, rows: torch.Tensor) -> torch.Tensor:
        """Up to 32 children of each of the rows."""
        slopes = self._slopes(rows)
        slopes[:, :, self._refused] = torch.inf
        best = (-slopes).topk(min(TOP, self._size - len(self._refused)), dim=-1).indices
        parents = torch.arange(len(rows)).repeat(CHILDREN)
        places = torch.randint(rows.shape[1], parents.shape, generator=self._chance)
        picks = torch.randint(best.shape[-1], parents.shape, generator=self._chance)
        children = rows[parents]
        children[torch.arange(len(children)), places] = best[parents, places, picks]
        return surviving(self._course.subject, children)

    def selected(self, values: torch.Tensor) -> torch.Tensor:
        """For each lambda, which row is best."""
        return (values[0] - self._penalties[:, None] * values[1]).argmax(1)

    def restarted(self, values: torch.Tensor) -> torch.Tensor:
        """The row that is best for a random lambda, in all places."""
        low, high = 1 / RESTART_SPREAD, RESTART_SPREAD
        penalty = RESTART_PENALTY * (low + (high - low) * float(torch.rand(1, generator=self._chance)))
        return (values[0] - penalty * values[1]).argmax().repeat(POPULATION)

    def _slopes(self, rows: torch.Tensor) -> torch.Tensor:
        """The gradient of each member's loss: [rows, tokens, vocabulary]."""
        with torch.enable_grad():
            tokens = torch.nn.functional.one_hot(rows, self._size).to(self._drive.table.dtype).requires_grad_()
            drives, logits = self._drive.with_logits(tokens @ self._drive.table)
            surprises = -(logits.log_softmax(-1) * tokens).sum(-1).mean(-1)
            losses = -drives + self._penalties * surprises
            return torch.autograd.grad(losses.sum(), tokens)[0]
