"""Values that were read once are found again, bit by bit; what does not fit is read anew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.records import Target
from tools.kept_values import keep, kept

TARGET = Target("tiny", "0f3a", "blocks.0.mlp.hook_post", 0, 1)
ROWS = [[5, 6, 7], [8], [9, 10]]
VALUES = [np.array([0.5, -1, 2], np.float32), np.array([], np.float32), np.array([1e-9, 3], np.float32)]

rows = st.lists(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=6), min_size=1, max_size=6)


@given(rows, st.data())
def test_what_was_kept_comes_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, ids: list, data) -> None:
    number = st.floats(width=32, allow_nan=False)
    values = [
        np.array(data.draw(st.lists(number, min_size=size, max_size=size)), np.float32)
        for size in (data.draw(st.sampled_from([0, len(row)])) for row in ids)
    ]
    folder = tmp_path_factory.mktemp("pages")
    keep(folder, TARGET, ids, values)
    found = kept(folder, TARGET, ids)
    assert found is not None
    assert [each.tobytes() for each in found] == [each.tobytes() for each in values]


@pytest.mark.parametrize(
    ("target", "ids"),
    [
        (replace(TARGET, index=2), ROWS),
        (replace(TARGET, sign=-1), ROWS),
        (replace(TARGET, model_hash="other"), ROWS),
        (TARGET, [[5, 6, 7], [8], [9, 11]]),
        (TARGET, [[5, 6], [7, 8], [9, 10]]),
        (TARGET, ROWS[:2]),
    ],
)
def test_values_of_another_target_or_of_other_rows_are_not_taken_for_these(
    tmp_path: Path, target: Target, ids: list[list[int]]
) -> None:
    keep(tmp_path, TARGET, ROWS, VALUES)
    assert kept(tmp_path, target, ids) is None


def test_a_file_that_is_damaged_or_holds_something_else_is_not_believed(tmp_path: Path) -> None:
    keep(tmp_path, TARGET, ROWS, VALUES)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert kept(tmp_path, TARGET, ROWS) is None
    np.savez(path, sizes=np.array([3, 1, 2]), values=np.zeros(5, np.float32))
    assert kept(tmp_path, TARGET, ROWS) is None
    np.savez(path, sizes=np.array([3, 1, 2]), values=np.array([object()] * 6))
    assert kept(tmp_path, TARGET, ROWS) is None


def test_a_folder_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file", TARGET, ROWS, VALUES)
    assert kept(tmp_path / "file", TARGET, ROWS) is None
    keep(None, TARGET, ROWS, VALUES)
    assert kept(None, TARGET, ROWS) is None
