"""Greedy Coordinate Gradient (Zou et al. 2023, arXiv:2307.15043), whose loss is minus the drive at the last token.

1. The gradient of the drive with respect to one-hot tokens; at each position the `top` best tokens.
2. `width` candidates, each with one random position replaced by one of its best, uniformly.
3. Only candidates that survive decode -> encode stay (the authors' filter).
4. The best candidate is the next row, better or not.

512 and 256 are the paper's numbers; 64 and 64 are narrower steps. The last token was chosen over the best token because
GCG-64 reached more with it on the few neurons tried.
"""

import torch

from evals.rivals.course import Course, Run, Trail, surviving
from evals.rivals.drive import Drive, last
from tools.proposals import special


def paper(course: Course) -> Run:
    """512 candidates of the best 256."""
    return climb(course, width=512, top=256)


def narrow(course: Course) -> Run:
    """64 candidates of the best 64."""
    return climb(course, width=64, top=64)


def climb(course: Course, *, width: int, top: int) -> Run:
    """One run. Raises nothing: with no surviving candidate a step is lost."""
    trail = Trail(course)
    drive = Drive(course.subject, course.target, last)
    chance = torch.Generator().manual_seed(course.seed)
    refused = special(course.subject)
    row = torch.tensor(course.first_row())
    trail.add([row.tolist()])
    for _ in trail.ticks():
        slopes = drive.slopes(row)
        slopes[:, refused] = -torch.inf
        best = slopes.topk(min(top, slopes.shape[1] - len(refused)), dim=1).indices
        places = torch.randint(len(row), (width,), generator=chance)
        picks = torch.randint(best.shape[1], (width,), generator=chance)
        rows = row.repeat(width, 1)
        rows[torch.arange(width), places] = best[places, picks]
        rows = surviving(course.subject, rows)
        if len(rows):
            row = rows[drive.scores(rows).argmax()]
            trail.add([row.tolist()])
    return trail.run()
