"""The pages of an overnight run's targets, read in one pass before it begins (tools/ahead.py).

Nothing stands or falls by it: a target that cannot be had is left out here, and its own run says why.
"""

from graphs.bench import PAGES, target_of
from graphs.failures import expected_failures
from graphs.night.folder import Night
from memory.queue import Queue
from tools.ahead import read_ahead
from tools.subject import Subject
from tools.survey import Progress, Survey


def read_pages(asked: Night, subject: Subject, survey: Survey, *, progress: Progress | None = None) -> None:
    """Read the random pages of every target in the queue, and keep them where its run will look for them."""
    places = {}
    for item in Queue(asked.folder).items():
        try:
            target = target_of(subject, asked.means_of(item))
        except expected_failures():
            continue
        places[target] = asked.work(item) / PAGES
    read_ahead(subject, survey, places, progress=progress)
