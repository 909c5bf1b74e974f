"""Kill it at any instant and it resumes: nothing acknowledged is lost, nothing is done twice, the same is found."""

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphs.report.findings import as_json
from graphs.session import CHECKPOINTS, STORE, Session, resumable
from graphs.state import Means
from memory.records import Run, Target
from memory.store import RunConflict, Store, UnknownRun
from tests.graphs.small_runs import remains, small_means, timeless
from tests.graphs.victims import SPOTS, fork, inquire
from tests.tiny_models import write_gpt2

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
KILLED = -9


@pytest.fixture(scope="module")
def means(gpt2_folder: Path, corpus_folder: Path, home: Path) -> Means:
    """A run with every node in it."""
    return small_means(gpt2_folder, corpus_folder, home)


@pytest.fixture(scope="module")
def undisturbed(means: Means, warm: None) -> dict[str, Any]:
    """What the run leaves when nobody disturbs it, what it is called, what it finds and how long it takes."""
    del warm
    began = time.monotonic()
    with Session(means) as session:
        findings = session.run_search()
        found = remains(session.bench.store, session.run_id) | {"run_id": session.run_id}
    return found | {"findings": findings, "took": time.monotonic() - began}


def left(means: Means, run_id: str) -> dict[str, Any]:
    """What a run has left so far, read by another process than its own."""
    with Store.open(Path(means.home) / STORE) as store:
        return remains(store, run_id)


def finished(means: Means, run_id: str) -> dict[str, Any]:
    """What a run has left once it was taken up, and finished."""
    with Session(means, run_id=run_id) as session:
        session.run_search()
        return remains(session.bench.store, session.run_id)


def same(found: dict[str, Any], undisturbed: dict[str, Any]) -> bool:
    return all(found[part] == undisturbed[part] for part in found)


def holds(found: dict[str, Any], acknowledged: tuple[int, ...], undisturbed: dict[str, Any]) -> bool:
    """Whether all acknowledged steps are there, and every step that is there is whole and as it should be."""
    kept = [number for number, _, _ in found["steps"]]
    records = [record for record in undisturbed["records"] if record.step in kept]
    candidates = [candidate for candidate in undisturbed["candidates"] if candidate.step in kept]
    return (
        set(acknowledged) <= set(kept)
        and kept == list(range(1, len(kept) + 1))
        and found["steps"] == undisturbed["steps"][: len(kept)]
        and found["records"] == records
        and found["candidates"] == candidates
    )


def test_kill_9_between_and_inside_steps_of_one_run(means: Means, undisturbed: dict[str, Any]) -> None:
    rng = random.Random(2)
    steps = sorted(rng.sample(range(1, len(undisturbed["steps"]) + 1), 10))
    run_id = None
    for place, step in enumerate(steps):
        testament = inquire(means, run_id=run_id, spot=(SPOTS[place % len(SPOTS)], step))
        run_id = testament.run_id
        assert testament.status == KILLED
        assert run_id is not None
        assert holds(left(means, run_id), testament.steps, undisturbed)
    assert run_id is not None
    assert same(finished(means, run_id), undisturbed)


def test_kill_9_at_ten_random_moments(means: Means, undisturbed: dict[str, Any]) -> None:
    rng = random.Random(1)
    run_id, kills = None, 0
    while kills < 10 or run_id is not None:
        seconds = rng.uniform(0.1, 0.7 * undisturbed["took"]) if kills < 10 else 60.0
        testament = inquire(means, run_id=run_id, seconds=seconds)
        run_id = testament.run_id or run_id
        kills += testament.status == KILLED
        assert testament.status in (KILLED, 0)
        if run_id is not None:
            found = left(means, run_id)
            assert holds(found, testament.steps, undisturbed)
            run_id = None if same(found, undisturbed) else run_id
        assert testament.status == KILLED or run_id is None


def test_what_langgraph_says_of_its_own_is_no_step(means: Means, undisturbed: dict[str, Any]) -> None:
    """Killed between a node's writes and its checkpoint, LangGraph tells the node again, as kept from before."""
    testament = inquire(means, spot=("written", 4))
    assert (testament.status, testament.steps) == (KILLED, (1, 2, 3, 4))
    told: list[tuple[str, int]] = []
    with Session(means, run_id=testament.run_id) as session:
        session.run_search(watch=lambda node, update: told.append((node, update["step"])))
        assert same(remains(session.bench.store, session.run_id), undisturbed)
    assert told == [(node, number) for number, node, _ in undisturbed["steps"] if number >= told[0][1]]
    assert told[0][1] in (4, 5)


@pytest.mark.parametrize("spot", [("within", 1), ("after", 1)])
def test_a_run_killed_in_its_first_step_begins_it_again(
    means: Means, undisturbed: dict[str, Any], spot: tuple[str, int]
) -> None:
    testament = inquire(means, spot=spot)
    assert testament.run_id is not None
    assert same(finished(means, testament.run_id), undisturbed)


def test_a_run_killed_before_it_was_called_finished_is_finished_by_resuming(
    means: Means, undisturbed: dict[str, Any]
) -> None:
    testament = inquire(means, spot=("watch", len(undisturbed["steps"])))
    assert testament.run_id is not None
    assert same(left(means, testament.run_id), undisturbed)
    with Session(means, run_id=testament.run_id) as session:
        assert session.bench.store.run(session.run_id).state == "running"
        assert session.run_search().run.state == "finished"
        assert same(remains(session.bench.store, session.run_id), undisturbed)


def test_ctrl_c_stops_and_resuming_goes_on(means: Means, undisturbed: dict[str, Any]) -> None:
    def interrupt(node: str, update: dict[str, Any]) -> None:
        if update["step"] in (3, 6):
            raise KeyboardInterrupt(node)

    with Session(means) as session:
        run_id = session.run_id
        with pytest.raises(KeyboardInterrupt):
            session.run_search(watch=interrupt)
    with Session(means, run_id=run_id) as session, pytest.raises(KeyboardInterrupt):
        session.run_search(watch=interrupt)
    assert len(left(means, run_id)["steps"]) == 6
    assert same(finished(means, run_id), undisturbed)


def test_a_finished_run_is_only_read(means: Means, undisturbed: dict[str, Any]) -> None:
    seen: list[str] = []
    with Session(means, run_id=undisturbed["run_id"]) as session:
        second = session.run_search(watch=lambda node, _: seen.append(node))
    assert seen == []
    assert same(left(means, undisturbed["run_id"]), undisturbed)
    assert timeless(as_json(second)) == timeless(as_json(undisturbed["findings"]))


def test_a_run_whose_checkpoints_are_lost_repeats_nothing(means: Means, undisturbed: dict[str, Any]) -> None:
    testament = inquire(means, spot=("after", 7))
    assert testament.run_id is not None
    for file in Path(means.home).glob(f"{CHECKPOINTS}*"):
        file.unlink()
    assert same(finished(means, testament.run_id), undisturbed)


def test_a_run_is_resumed_from_its_name_alone(means: Means) -> None:
    with Session(means) as session:
        run_id = session.run_id
    assert resumable(Path(means.home), run_id) == means
    with pytest.raises(UnknownRun, match="no run 'nothing'"):
        resumable(Path(means.home), "nothing")
    with pytest.raises(UnknownRun), Session(means, run_id="nothing"):
        pass
    with Store.open(Path(means.home) / STORE) as store:  # nobody holds it
        assert "nothing" not in {run.id for run in store.runs()}


def test_a_failed_run_is_told_as_running_again_once_it_goes_on(means: Means) -> None:
    with Session(means) as session:
        run_id, store = session.run_id, session.bench.store
        store.finish(run_id, "failed(for the test)")
    told: list[str] = []
    with Session(resumable(Path(means.home), run_id), run_id=run_id) as session:
        store = session.bench.store
        assert store.run(run_id).state == "failed(for the test)"
        session.run_search(watch=lambda *_: told.append(store.run(run_id).state))
        assert set(told) == {"running"}
        assert store.run(run_id).state == "finished"


def test_a_run_is_not_continued_on_other_weights(means: Means, tmp_path: Path) -> None:
    with Session(means) as session:
        run_id = session.run_id
    changed = replace(means, model=str(write_gpt2(tmp_path / "other", "relu")))
    with Session(changed) as session:
        pass
    import torch
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(changed.model)
    with torch.no_grad():
        model.transformer.wte.weight.add_(1.0)
    model.save_pretrained(changed.model)
    with pytest.raises(RunConflict, match="other weights"), Session(changed, run_id=session.run_id):
        pass
    with Session(means, run_id=run_id):
        pass


def test_another_process_that_holds_the_records_is_named(means: Means, capfd: pytest.CaptureFixture[str]) -> None:
    import os
    import signal

    from graphs.interpret import main

    def hold(say: Any) -> None:
        with Session(means) as session:
            say(session.run_id)
            time.sleep(60)

    child, pipe = fork(hold)
    with os.fdopen(pipe) as lines:
        run_id = lines.readline().strip()
        try:
            assert main(["--resume", run_id, "--home", means.home]) == 2
            assert main(["--layer", "0", "--neuron", "5", "--model", means.model, "--home", means.home]) == 2
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    first, second = capfd.readouterr().err.splitlines()
    assert first == second
    assert f"in use by process {child} (" in first


def test_a_run_of_another_command_is_not_gone_on_with(tmp_path: Path) -> None:
    target = Target("tiny", "hash", "blocks.0.mlp.out.hook_in", 0, 1)
    with Store.open(tmp_path / STORE) as store:
        store.begin(Run("prune-1", target, 0, {"threshold": 0.5}))
    with pytest.raises(RunConflict, match="another command"):
        resumable(tmp_path, "prune-1")
