"""Patterns of a rule: regular expressions that end at the token, by RE2, which takes linear time whatever it is given.

Refused by name: what RE2 does not read (look-around, back references), patterns that are long, repeat a repetition or
count high. RE2 would run a nested repetition safely; a person cannot read one.
"""

import re
from functools import lru_cache
from typing import Any

from tools.rules.errors import RuleError
from tools.rules.marks import visible
from tools.rules.text import Text

LONGEST, HIGHEST_COUNT = 200, 100
REACH = 300  # characters before the token's end that a pattern sees
_NESTED = re.compile(r"[*+}]\??\)+(?:[*+]|\{)")
_COUNTED = re.compile(r"\{(\d*),?(\d*)\}")
_HALF = re.compile("[\ud800-\udfff]")  # half a character, which RE2 does not read


def check(pattern: str) -> None:
    """RuleError when the pattern is not run."""
    told = visible(pattern[:60])
    if len(pattern) > LONGEST:
        raise RuleError(f"the pattern '{told}…' is longer than {LONGEST} characters")
    if _NESTED.search(pattern):
        raise RuleError(f"the pattern '{told}' repeats a repetition")
    if any(int(bound or 0) > HIGHEST_COUNT for pair in _COUNTED.findall(pattern) for bound in pair):
        raise RuleError(f"the pattern '{told}' counts above {HIGHEST_COUNT}")
    if _HALF.search(pattern):
        raise RuleError(f"the pattern '{told}' has half a character")
    _compiled(pattern)


def matches(pattern: str, text: Text) -> list[bool]:
    """Per token, whether the text up to its end (the last 300 characters) ends in a match."""
    compiled, string = _compiled(pattern), _HALF.sub("\ufffd", text.string)
    return [compiled.search(string[max(0, end - REACH) : end]) is not None for end in text.ends]


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        re2.compile(pattern, options)  # alone first: "a)|(?:b" would break out of the group below
        return re2.compile(f"(?:{pattern})\\z", options)
    except re2.error as error:
        told = error.args[0] if error.args else ""
        reason = visible(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told))
        raise RuleError(f"the pattern '{visible(pattern[:60])}' cannot be read: {reason}") from error
