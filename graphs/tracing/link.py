"""The link of a process to LangSmith: the client that makes batches, the outbox they lie in, and their delivery.

Knows how long the process as a whole may wait for the service, and the two lines about it: where the last trace is, and
what could not be sent. The client never speaks to the network itself: its requests end in the outbox.
"""

import logging
import shlex
import time
from pathlib import Path
from typing import Any

from graphs.tracing.delivery import Delivery
from graphs.tracing.outbox import Outbox, session
from graphs.tracing.service import Service, hidden
from graphs.tracing.trimming import telling_client, told_metadata, trimmed

SECONDS = 3.0  # that a process waits for LangSmith, all in all
MOMENT = 1.0  # of them for the address of a trace
QUIET = ("langsmith", "langchain_core")  # whose warnings would reach the terminal
INFO = {
    "version": "0.13.0",
    "instance_flags": {"zstd_compression_enabled": False},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_971_520,
        "scale_up_nthreads_limit": 1,
        "scale_up_qsize_trigger": 1000,
        "scale_down_nempty_trigger": 4,
    },
}  # what the client would ask the service for; told, it asks nothing


class Link:
    """One process, one service, one folder for what waits."""

    def __init__(self, service: Service, folder: Path) -> None:
        for name in QUIET:
            logging.getLogger(name).addHandler(logging.NullHandler())
        self.service = service
        self._outbox = Outbox(folder, service.url)
        self._left = SECONDS
        self._addresses: dict[str, str | None] = {}
        self.client = self._client()  # raises what is wrong with the environment before a thread is there
        self._delivery = Delivery(service, self._outbox)

    def address(self, trace: str) -> str | None:
        """The address of a trace, if the service tells it in a moment."""
        began = time.monotonic()
        project = self._delivery.project(min(MOMENT, self._left))
        self._left = max(0.0, self._left - (time.monotonic() - began))
        self._addresses[trace] = None if project is None else f"{project}/r/{trace}?poll=true"
        return self._addresses[trace]

    def close(self) -> str | None:
        """Send what is left while there is time; a line about what could not be sent, None when everything was."""
        until = time.monotonic() + self._left
        self.client.flush(timeout=self._left)
        self.client.close(timeout=0)
        unsent, why = self._delivery.close(max(0.0, until - time.monotonic()))
        lost = f"{_counted(self._outbox.lost)} lost ({self._outbox.why})" if self._outbox.lost else ""
        folder = self._outbox.folder
        replay = f"python -m graphs.tracing --replay {shlex.quote(str(folder))}"
        if unsent:
            kept = f"{_counted(unsent)} kept in {folder}; {replay} sends them"
            return f"not traced: LangSmith {why}: {f'{lost}, ' if lost else ''}{kept}"
        return f"not traced: {lost}; {replay} sends what is there and makes room" if lost else None

    def told(self) -> str | None:
        """The line that says where the last trace is; None when there was none."""
        if not self._addresses:
            return None
        trace, address = list(self._addresses.items())[-1]
        where = address or f"{trace}, whose address LangSmith did not tell"
        return f"trace: {where}" + (f" (the last of {len(self._addresses)})" if len(self._addresses) > 1 else "")

    def _client(self) -> Any:
        from langsmith import run_trees

        client = telling_client()(
            api_url=self.service.url,
            api_key=self.service.key,
            workspace_id=self.service.workspace,
            session=session(self._outbox, lambda path: self._delivery.add(path)),
            info=INFO,
            hide_inputs=hidden("INPUTS") or trimmed,
            hide_outputs=hidden("OUTPUTS") or trimmed,
            hide_metadata=hidden("METADATA") or told_metadata,
            omit_traced_runtime_info=True,
            tracing_mode="langsmith",
            disable_prompt_cache=True,
        )
        run_trees._CLIENT = client  # what LangChain traces outside of a run goes the same way
        return client


def _counted(batches: int) -> str:
    return f"{batches} batch{'' if batches == 1 else 'es'}"
