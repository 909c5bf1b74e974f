"""Failures a person can put right, from every room, and the one line each is told in."""

import errno


def expected_failures() -> tuple[type[Exception], ...]:
    """The exceptions that end a command with one line and exit status 2."""
    from agents.chat_model import ChatModelError
    from graphs.settings import SettingError
    from memory.database import StoreError
    from memory.interchange import InterchangeError
    from memory.recall import EncoderError
    from tools.augment import MaskedModelError
    from tools.corpus import CorpusError
    from tools.features import DictionaryError
    from tools.subject import SubjectError

    models = (SubjectError, DictionaryError, MaskedModelError, ChatModelError, EncoderError)
    return (SettingError, CorpusError, StoreError, InterchangeError, *models, OSError)


def told(error: Exception) -> str:
    """One line for a person."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left on the disk that holds {error.filename or 'the data folder'}: free some, or use --home"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())
