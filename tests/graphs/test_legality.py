"""What is legal is decided by the state alone, and every budget ends the run whoever decides."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.inquiry import WORKERS, build
from graphs.legality import EXPLORING, OPEN_CLAIMS, PRUNE_VISITS, SEARCH_VISITS, budget_left, legal, most_steps
from graphs.state import Inquiry, Means

MEANS = Means(0, 0, max_iterations=4, prompts_a_round=6, max_forward_passes=1000, minutes=1.0)
PROMPT: dict[str, Any] = {"text": "waiting", "origin": "pair"}

states = st.fixed_dictionaries(
    {"run_id": st.just("r")},
    optional={
        "step": st.integers(0, 60),
        "iteration": st.integers(0, 5),
        "passes": st.integers(0, 1100),
        "seconds": st.floats(0, 70),
        "waiting": st.lists(st.just(PROMPT), max_size=8),
        "barren": st.booleans(),
        "dry": st.booleans(),
        "visits": st.dictionaries(st.sampled_from([*WORKERS, "supervisor"]), st.integers(1, 4)),
    },
)


@given(states, st.integers(0, 9))
def test_something_is_always_legal_and_only_known_nodes_are(state: Inquiry, open_claims: int) -> None:
    allowed = legal(state, MEANS, open_claims=open_claims)
    assert allowed
    assert len(set(allowed)) == len(allowed)
    assert set(allowed) <= {*WORKERS, "explainer"}
    assert set(allowed) <= set(build().nodes)


@given(states, st.integers(0, 9))
def test_a_spent_budget_leaves_only_the_explanation(state: Inquiry, open_claims: int) -> None:
    spent = (
        state.get("iteration", 0) >= MEANS.max_iterations
        or state.get("passes", 0) >= MEANS.max_forward_passes
        or state.get("seconds", 0.0) >= 60
        or state.get("step", 0) >= most_steps(MEANS)
    )
    assert (budget_left(state, MEANS) == 0) == spent
    if spent:
        assert legal(state, MEANS, open_claims=open_claims) == ["explainer"]


@given(states, st.integers(0, 9))
def test_a_node_with_nothing_to_do_is_not_legal(state: Inquiry, open_claims: int) -> None:
    allowed = legal(state, MEANS, open_claims=open_claims)
    waiting, visits = len(state.get("waiting", [])), state.get("visits", {})
    assert ("experiment" in allowed) <= (waiting > 0)
    assert ("hypothesis" in allowed) <= (open_claims < OPEN_CLAIMS and not state.get("barren", False))
    assert ("prompt_generator" in allowed) <= (not state.get("dry", False))
    assert ("prune_augment" in allowed) <= (visits.get("prune_augment", 0) < PRUNE_VISITS)
    assert ("sae_optimizer" in allowed) <= (visits.get("sae_optimizer", 0) < SEARCH_VISITS)


def test_where_nothing_can_be_claimed_a_few_rounds_explore() -> None:
    barren: Inquiry = {"run_id": "r", "barren": True, "visits": {"hypothesis": 1}}
    assert "prompt_generator" in legal(barren, MEANS, open_claims=0)
    explored: Inquiry = {**barren, "visits": {"hypothesis": 1, "experiment": EXPLORING}}
    assert "prompt_generator" not in legal(explored, MEANS, open_claims=0)


@settings(max_examples=200)
@given(st.data())
def test_whoever_decides_and_however_little_comes_of_it_the_run_ends(data: st.DataObject) -> None:
    state: Inquiry = {"run_id": "r", "step": 1, "visits": {"survey": 1}}
    claims = 0
    for _ in range(most_steps(MEANS)):
        node = data.draw(st.sampled_from(legal(state, MEANS, open_claims=claims)))
        state["step"] = state.get("step", 0) + 2  # the supervisor's and its own
        state["visits"] = {**state.get("visits", {}), node: state.get("visits", {}).get(node, 0) + 1}
        if node == "explainer":
            break
        if node == "experiment":
            state["waiting"], state["iteration"] = [], state.get("iteration", 0) + 1
        if node in ("hypothesis", "prompt_generator"):
            state["waiting"] = state.get("waiting", []) + [PROMPT] * data.draw(st.integers(0, 3))
            claims = data.draw(st.integers(0, 9))
    else:
        raise AssertionError(f"no end: {state}")
    assert state.get("step", 0) <= most_steps(MEANS) + 3
