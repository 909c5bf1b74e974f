"""The product's own search, as the product runs it: from corpus windows, told what cross-entropy is typical."""

from evals.rivals.course import Course, Run, Trail
from tools.search import search


def climb(course: Course) -> Run:
    """One run; its steps are the texts it confirmed."""
    trail = Trail(course)
    found = search(
        course.subject,
        course.target,
        seeds=course.windows,
        length=course.length,
        seconds=course.seconds,
        seed=course.seed,
        scale=course.sigma,
        typical=course.typical,
    )
    stands = [(stop.seconds, stop.text) for stop in found.trail if stop.seconds <= course.seconds]
    return Run(tuple(stands), len(found.trail), trail.seconds)
