"""LangSmith: one trace a run, with its nodes, agents and tools as spans, and its scores as feedback.

    service.py    which service is meant, read from the environment
    trimming.py   what of a payload is worth sending
    spans.py      what a trace is made of, and the link of this process
    link.py       LangSmith's client, kept off the network; how long the process may wait
    outbox.py     batches as files, before they are sent and until they have arrived
    delivery.py   the thread that sends them; wire.py is what it asks and what an answer means
    __main__.py   sends what is left in a folder: python -m graphs.tracing --replay

A run is never slowed or failed by any of it, and its whole record is in the store with or without a trace. Nobody
waits longer than link.SECONDS. Importing this imports nothing heavy.
"""

from graphs.tracing.service import KEYS, SWITCHES, settle, unsent
from graphs.tracing.spans import Trace, flush, span, start, trace

__all__ = ["KEYS", "SWITCHES", "Trace", "flush", "settle", "span", "start", "trace", "unsent"]
