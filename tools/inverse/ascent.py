"""Gradient ascent over the embeddings of a short row: what a unit wants to read, before it has to be text.

One batch holds every start. Refuses to know text; how a row is read stands in tools/inverse/reading.py.

1. Adam climbs, for each start, the drive at the last position in sigma, less the penalties. Each has a gradient:
   regulariser (squared norm), diversity (mean cosine of two positions), repetition (chance that two positions are the
   same token, each being a softmax over cosines with all tokens).
2. The first steps roam, ever more slowly. Their optimum is adversarial: the tokens nearest to it do little of it.
3. The last ones, the share `snap`, are read at the nearest tokens, and move the embeddings behind them by the gradient
   found there (PEZ, Wen et al. 2023, arXiv:2302.03668). The best row of each kind is kept.
"""

from dataclasses import dataclass

import torch

from tools.inverse.found import Plan
from tools.inverse.reading import Reader, Table

SOFTNESS = 0.05  # of the softmax over cosines: a token that is clearly the nearest takes nearly all of it


@dataclass(frozen=True)
class Climbed:
    """What each start came to.

    `embedded`, [starts, length, d], is the best while roaming and `values`, [starts, length], what it did; `rows` holds
    the best token ids while snapped, or the tokens nearest to `embedded` when no step was. The way there,
    [steps + 1, starts]: `activation`, and `objective` (the drive in sigma less the penalties).
    """

    embedded: torch.Tensor
    values: torch.Tensor
    rows: list[list[int]]
    activation: torch.Tensor
    objective: torch.Tensor


def climb(reader: Reader, embedded: torch.Tensor, plan: Plan) -> Climbed:
    """Climb from [starts, length, d]. Costs two passes a start and step, there and back, and one a start at the end."""
    table = reader.table
    moving = embedded.clone().requires_grad_()
    adam = torch.optim.Adam([moving])
    roamed, snapped = _Best(), _Best()
    way: list[tuple[torch.Tensor, torch.Tensor]] = []
    for step in range(plan.steps + 1):
        roaming, last = step < plan.roaming, step == plan.steps
        with torch.set_grad_enabled(not last):
            point = torch.nn.functional.normalize(moving, dim=2) * table.norm if plan.fixed_norm else moving
            point = point if roaming else point + (table.snapped(point.detach()) - point).detach()
            drive, value = reader.read(point)
            objective = drive[:, -1] / plan.scale - _penalty(point, table, plan)
        (roamed if roaming else snapped).keep(objective.detach(), point.detach(), value.detach())
        way.append((value.detach().amax(dim=1).cpu(), objective.detach().cpu()))
        if not last:
            [gradient] = torch.autograd.grad(-objective.sum(), moving)
            reader.subject.passes += len(moving)
            moving.grad = gradient.nan_to_num(0.0, 0.0, 0.0)
            adam.param_groups[0]["lr"] = plan.rate * table.unit * (1 - step / plan.roaming if roaming else 1.0)
            adam.step()
    rows = table.nearest((snapped if plan.roaming <= plan.steps else roamed).embedded).tolist()
    activation, objective = map(torch.stack, zip(*way, strict=True))
    return Climbed(roamed.embedded, roamed.values.cpu(), rows, activation, objective)


class _Best:
    """The best row of every start so far."""

    def __init__(self) -> None:
        self.objective = torch.empty(0)
        self.embedded = torch.empty(0)
        self.values = torch.empty(0)

    def keep(self, objective: torch.Tensor, embedded: torch.Tensor, values: torch.Tensor) -> None:
        """Take over the rows whose objective [starts] is higher; what is not a number never is."""
        if not len(self.objective):
            self.objective, self.embedded, self.values = objective.clone(), embedded.clone(), values.clone()
            return
        higher = (objective > self.objective) | (self.objective.isnan() & ~objective.isnan())
        self.objective = objective.where(higher, self.objective)
        self.embedded = embedded.where(higher[:, None, None], self.embedded)
        self.values = values.where(higher[:, None], self.values)


def _penalty(embedded: torch.Tensor, table: Table, plan: Plan) -> torch.Tensor:
    """What is taken off each start's drive, in sigma: [starts, length, d] -> [starts]. Weights of 0 cost nothing."""
    lost = plan.regulariser * (embedded / table.unit).pow(2).sum(dim=2).mean(dim=1)
    if plan.diversity:
        lost = lost + plan.diversity * _between(torch.nn.functional.normalize(embedded, dim=2))
    if plan.repetition:
        lost = lost + plan.repetition * _between((table.cosines(embedded) / SOFTNESS).softmax(dim=2))
    return lost


def _between(vectors: torch.Tensor) -> torch.Tensor:
    """Mean inner product of two different positions: [starts, length, k] -> [starts]; 0 for a single position."""
    length = vectors.shape[1]
    products = vectors @ vectors.transpose(1, 2)
    different = products.sum(dim=(1, 2)) - products.diagonal(dim1=1, dim2=2).sum(dim=1)
    return different / max(1, length * (length - 1))
