"""Random swaps: hill climbing without any gradient, 256 rows a step, each with one token replaced by chance.

Only rows that survive decode -> encode are tried; the best is the next row when it is better.
"""

import torch

from evals.rivals.course import Course, Run, Trail, surviving
from evals.rivals.drive import Drive

WIDTH = 256


def climb(course: Course) -> Run:
    """One run."""
    trail = Trail(course)
    drive = Drive(course.subject, course.target)
    chance = torch.Generator().manual_seed(course.seed)
    words = torch.tensor(course.vocabulary())
    row = torch.tensor(course.first_row())
    best = float(drive.scores(row[None])[0])
    trail.add([row.tolist()])
    for _ in trail.ticks():
        rows = row.repeat(WIDTH, 1)
        places = torch.randint(len(row), (WIDTH,), generator=chance)
        rows[torch.arange(WIDTH), places] = words[torch.randint(len(words), (WIDTH,), generator=chance)]
        rows = surviving(course.subject, rows)
        scores = drive.scores(rows) if len(rows) else torch.zeros(0)
        if len(rows) and float(scores.max()) > best:
            best, row = float(scores.max()), rows[scores.argmax()]
            trail.add([row.tolist()])
    return trail.run()
