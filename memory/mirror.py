"""A mirror of an experiment in Weights & Biases: what it is told goes there as well, in a thread nobody waits for.

Knows W&B's three calls. Whatever one of them raises, from a package that is not there to a key that is wrong, ends the
mirror and nothing else: its name is what `end` returns.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from typing import Any

ENDING = 10.0  # seconds that the end of an experiment waits for W&B
SETTINGS = {"silent": True, "login_timeout": 5}  # nothing on the terminal, and no question that waits for ever


class Mirror:
    """One run of W&B, in the order it is told of things. Its thread is a daemon."""

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self._pool = ThreadPool(1)
        self._trouble = ""
        self._run: Any = None
        self._tell(lambda: self._begin(name, config))

    def log(self, step: int, metrics: dict[str, Any]) -> None:
        """Metrics of a step."""
        self._tell(lambda: self._run.log(metrics, step=step))

    def end(self, *, failed: bool) -> str:
        """Close the run; "told", or why W&B was not told everything."""
        last = self._tell(lambda: self._run.finish(exit_code=int(failed)))
        last.wait(ENDING)
        if not last.ready():
            self._trouble = self._trouble or f"it did not end within {ENDING:g} seconds"
        self._pool.close()
        return f"not told: {self._trouble}" if self._trouble else "told"

    def _begin(self, name: str, config: dict[str, Any]) -> None:
        self._run = importlib.import_module("wandb").init(project=name, config=config, settings=SETTINGS)
        if getattr(self._run, "disabled", False):
            raise RuntimeError("W&B is turned off here (WANDB_MODE)")

    def _tell(self, call: Callable[[], None]) -> Any:
        def told() -> None:
            if not self._trouble:
                call()

        return self._pool.apply_async(told, error_callback=self._failed)

    def _failed(self, error: BaseException) -> None:
        reason = " ".join(str(error).split())[:200]
        self._trouble = self._trouble or f"{type(error).__name__}: {reason}"
