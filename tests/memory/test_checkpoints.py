"""Checkpoints carry the nouns, strictly, and outlive the process that wrote them."""

import logging
from pathlib import Path

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from memory.checkpoints import saver
from memory.records import Kind, Origin, Target, Verdict, plain


def test_nouns_and_plain_data_come_back_from_another_saver(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    target = Target("pocket", "abc", "blocks.1.mlp.out.hook_in", 1, 7, kind=Kind.FEATURE)
    state = {"target": target, "verdict": Verdict.DEAD, "origin": Origin.SEED, "plain": plain(target)}
    path = tmp_path / "new folder" / "checkpoints.sqlite"
    with saver(path) as kept:
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = state
        where = kept.put(
            {"configurable": {"thread_id": "r1", "checkpoint_ns": ""}},
            checkpoint,
            {"source": "loop", "step": 1},
            {},
        )
    with saver(path) as read:
        found = read.get(where)
    assert found is not None
    assert found["channel_values"] == state
    assert isinstance(found["channel_values"]["verdict"], Verdict)
    assert not caplog.records
