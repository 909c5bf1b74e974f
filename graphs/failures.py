"""Failures a person can put right, from every room, and the one line each is told in."""

import errno
import sys
from importlib import import_module

EXPECTED = {
    "agents.chat_model": "ChatModelError",
    "graphs.settings": "SettingError",
    "memory.database": "StoreError",
    "memory.interchange": "InterchangeError",
    "memory.recall": "EncoderError",
    "tools.augment": "MaskedModelError",
    "tools.corpus": "CorpusError",
    "tools.features": "DictionaryError",
    "tools.subject": "SubjectError",
}


def expected_failures() -> tuple[type[Exception], ...]:
    """The exceptions that end a command with one line and exit status 2.

    Of modules that are loaded: nobody else can have raised one, and to load torch for a wrong flag takes seconds.
    """
    loaded = [getattr(import_module(module), name) for module, name in EXPECTED.items() if module in sys.modules]
    return (*loaded, OSError)


def told(error: Exception) -> str:
    """One line for a person."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left on the disk that holds {error.filename or 'the data folder'}: free some, or use --home"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())
