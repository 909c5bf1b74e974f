"""What the supervisor may do next. Checked here, in Python, whoever decides."""

from graphs.state import Inquiry, Means

PRUNE_VISITS, SEARCH_VISITS, OPEN_CLAIMS = 3, 2, 8
EXPLORING = 3  # rounds that a run has although nothing can be claimed
STEPS_A_ROUND, STEPS_BESIDE = 8, 20  # an ordinary round takes four: each of two nodes, and the supervisor before it


def most_steps(means: Means) -> int:
    """The steps after which a run ends, however little they brought."""
    return STEPS_BESIDE + STEPS_A_ROUND * means.max_iterations


def budget_left(state: Inquiry, means: Means) -> float:
    """The share left of the scarcest budget, 0 when one is spent."""
    return max(0.0, 1.0 - max(_used(state, means).values()))


def spent(state: Inquiry, means: Means) -> str | None:
    """The name of a budget that is spent, None while there is none."""
    return next((name for name, share in _used(state, means).items() if share >= 1.0), None)


def _used(state: Inquiry, means: Means) -> dict[str, float]:
    """The share used of every budget."""
    used = {
        "rounds": state.get("iteration", 0) / max(1, means.max_iterations),
        "forward passes": state.get("passes", 0) / max(1, means.max_forward_passes),
        "steps": (state.get("step", 0) - state.get("spoken", 0)) / most_steps(means),
    }
    if means.minutes is not None:
        used["minutes"] = state.get("seconds", 0.0) / (60 * means.minutes)
    return used


def legal(state: Inquiry, means: Means, *, open_claims: int) -> list[str]:
    """The nodes that may run now; never empty, and only the explainer once a budget is spent."""
    visits = state.get("visits", {})
    if budget_left(state, means) <= 0:
        return ["explainer"]
    allowed = []
    waiting = len(state.get("waiting", []))
    if waiting:
        allowed.append("experiment")
    if not state.get("barren", False) and open_claims < OPEN_CLAIMS and not waiting:
        allowed.append("hypothesis")
    thirsty = waiting < max(1, means.prompts_a_round // 2) and not state.get("dry", False)
    exploring = state.get("barren", False) and visits.get("experiment", 0) < EXPLORING
    if thirsty and (open_claims or not visits.get("hypothesis") or exploring):
        allowed.append("prompt_generator")
    if visits.get("prune_augment", 0) < PRUNE_VISITS:
        allowed.append("prune_augment")
    if visits.get("sae_optimizer", 0) < SEARCH_VISITS:
        allowed.append("sae_optimizer")
    if visits.get("prune_augment", 0) and visits.get("sae_optimizer", 0) and not waiting:
        allowed.append("explainer")
    return allowed or ["explainer"]
