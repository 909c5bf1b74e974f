"""nanoGCG (the package `nanogcg`, 0.3.0) with its own defaults; only the loss is another.

Its start ("x x x ..."), candidate sampling, search width 512, top-k 256, buffer, ASCII filter and re-tokenisation are
its own code. What is replaced: the cross-entropy of a target string becomes minus the drive at the last token, with
the model stopped at the target's layer. What is set: 16 tokens instead of 20, candidates in batches of 64 (quicker than
its one batch), no prefix cache (there is no prefix but BOS, and the package does not know how today's caches grow).

`gc.freeze` takes the loaded libraries out of its garbage collections, which would cost it a quarter of a second a step.
"""

import gc
import logging
import sys

import torch

from evals.rivals.course import Course, Run, Trail
from evals.rivals.drive import BATCH, Drive, last

ENDLESS = sys.maxsize  # its number of steps: the clock ends it


def climb(course: Course) -> Run:
    """One run, from a start if the course has one. Raises ImportError without the dependency group `bench`."""
    from nanogcg import GCGConfig  # pyright: ignore[reportMissingImports]
    from nanogcg.gcg import GCG  # pyright: ignore[reportMissingImports]

    logging.getLogger("nanogcg").setLevel(logging.ERROR)
    gc.freeze()

    class Climb(GCG):
        """GCG whose loss is minus the drive; it notes the row at the beginning of every step."""

        def compute_token_gradient(self, optim_ids: torch.Tensor) -> torch.Tensor:
            trail.add(optim_ids.tolist())
            return -drive.slopes(optim_ids[0])[None]

        def _compute_candidates_loss_original(self, search_batch_size: int, input_embeds: torch.Tensor) -> torch.Tensor:
            parts = input_embeds.split(search_batch_size)
            with torch.no_grad():
                losses = torch.cat([-drive.of_embedded(part) for part in parts])
            trail.steps += 1
            self.stop_flag = trail.seconds >= course.seconds
            return losses

    trail = Trail(course)
    torch.manual_seed(course.seed)
    drive = Drive(course.subject, course.target, last)
    words = course.subject.decode(course.first_row()) if course.start else " ".join("x" * course.length)
    config = GCGConfig(num_steps=ENDLESS, optim_str_init=words, batch_size=BATCH, use_prefix_cache=False)
    Climb(course.subject.hf, course.subject.tokenizer, config).run("", "")
    return trail.run()
