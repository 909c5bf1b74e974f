"""Text that an agent has seen is never scored.

A held-out page that is identical to a seen text is refused: somebody mixed up the halves. A page that shares a window
of 32 tokens with one (licence headers, generated code; a seen text inside it, or it inside a seen text) is left out,
and whoever scores says how many were. Knows tokens and texts, nothing of rules.
"""

from collections.abc import Iterable, Sequence

from memory.records import Record, text_key
from tools.pages import Page

WINDOW = 32  # tokens in common that make a page unfit


class LeakError(ValueError):
    """A page that was to be scored is a text that an agent has seen. The message is one line for a person."""


def assert_unseen(held_out: Sequence[Page], seen: Iterable[Page | Record]) -> tuple[Page, ...]:
    """The held-out pages that share no window of 32 tokens with a seen text (a shorter page: no whole of itself).

    seen: every page and record that any agent was given. Raises LeakError when a page is identical to one of them.
    """
    seen = tuple(seen)
    keys = {text_key("".join(text.tokens)) for text in seen if text.tokens}
    keys |= {text.prompt.key for text in seen if isinstance(text, Record)}
    for page in held_out:
        if text_key("".join(page.tokens)) in keys:
            raise LeakError(f"a held-out page ({page.source}) is a text that an agent has seen; it cannot be scored")
    lengths = {min(WINDOW, len(page.tokens)) for page in held_out} - {0}
    known = {length: _windows([text.tokens for text in seen], length) for length in lengths}
    return tuple(page for page in held_out if not _shares(page.tokens, known))


def _windows(texts: Iterable[Sequence[str]], length: int) -> set[int]:
    """Hashes of all windows of so many tokens; 64 bits, which do not collide by chance here."""
    return {hash(tuple(text[at : at + length])) for text in texts for at in range(len(text) - length + 1)}


def _shares(tokens: Sequence[str], known: dict[int, set[int]]) -> bool:
    length = min(WINDOW, len(tokens))
    return bool(length) and not known[length].isdisjoint(_windows([tokens], length))
