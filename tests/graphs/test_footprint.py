"""The memory of a worker between two targets."""

import ctypes
import subprocess
import sys

import pytest

from graphs.night.footprint import give_back, resident_gb

SCATTERED = """
from graphs.night.footprint import give_back, resident_gb
pieces = [bytes(2000) for _ in range(200_000)]
kept = pieces[::100]
del pieces
before = resident_gb()
give_back()
print(before, resident_gb())
"""


def glibc() -> bool:
    return hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not glibc(), reason="another allocator")
def test_what_lies_free_between_pieces_that_are_kept_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True).stdout
    before, after = map(float, told.split())
    assert before > 0.35
    assert after < before / 2


def test_a_process_knows_its_memory() -> None:
    give_back()
    assert 0.01 < resident_gb() < 100
