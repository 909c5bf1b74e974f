"""The nodes of the supervisor graph but the last (explaining.py). Thin: read the state, call one agent or tool, return
what became of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agents.mind import Evidence, View
from agents.statistical.mind import Statistical
from agents.statistical.prompts import random_prompts
from agents.weighing import predictions, weighed
from graphs.bench import Bench
from graphs.legality import budget_left, legal, spent
from graphs.state import Inquiry
from graphs.steps import Outcome
from graphs.tracing import span
from memory.records import Candidate, Fate, Kind, Origin, Prompt, Record, plain, revive
from tools.alignment import aligned
from tools.augment import IterativeMultiTokenAugmenter, swaps
from tools.inverse import Inverse, invert
from tools.prune import prune
from tools.search import Hit, search

CLAIMS = 4  # asked for at a time
ATTEMPTS = 5  # at guided prompts before random ones are taken
PRUNED = 4  # texts cut to triggers, of different peak tokens
SWAPPED_TOKENS, SWAPS = 6, 4  # tokens of a trigger exchanged, and replacements for each
EDITS, MOST_EDITS = 4, 96  # replacements of a word and texts shown on either side, and texts measured a step
SEARCH_PASSES, INVERSE_STEPS = 6000, 30
INVERSE_LEFT = 2000  # passes, for less of which there is no inversion
SEARCH_SEEDS = 8
NOTHING: Mapping[str, float] = MappingProxyType({})
SEED_PROMPTS = Path(__file__).parent / "seed_prompts.txt"


def supervisor(bench: Bench, state: Inquiry) -> Outcome:
    """Decide what runs next among what is legal."""
    run_id = state["run_id"]
    hypotheses = bench.store.hypotheses(run_id)
    best = state.get("best")
    view = View(
        iteration=state.get("iteration", 0),
        best=best if best is not None else 0.0,
        corpus_max=bench.pages.distribution.highest,
        open_hypotheses=sum(h.fate.open for h in hypotheses),
        waiting_prompts=len(state.get("waiting", [])),
        since_improvement=state.get("since_progress", 0),
        budget_left=budget_left(state, bench.means),
        visits=dict(state.get("visits", {})),
        last=state.get("goto", ""),
    )
    allowed = legal(state, bench.means, open_claims=view.open_hypotheses)
    with span("mind.route", view=view, allowed=allowed) as told:
        decision = bench.mind.route(view, allowed, bench.means.step_seed(state))
        told(node=decision.node, why=decision.why)
    if decision.node not in allowed:
        lawful = Statistical().route(view, allowed, bench.means.step_seed(state))
        decision = replace(lawful, why=f"{decision.node!r:.40} is not allowed now: {lawful.why}")
    gone = spent(state, bench.means)
    why = decision.why if gone is None else f"the {gone} of this inquiry are spent"
    return Outcome({"goto": decision.node, "why": why})


def survey(bench: Bench, state: Inquiry) -> Outcome:
    """What the corpus shows of the target, and the seed prompts, as records."""
    with span("corpus.extremes", "tool") as told:
        prompts = bench.pages.extremes()
        told(prompts=len(prompts))
    built_in = SEED_PROMPTS.read_text(encoding="utf-8").splitlines()
    prompts += [Prompt(line.replace("\\n", "\n"), Origin.SEED) for line in built_in]
    prompts += [Prompt(text, Origin.USER) for text in bench.means.seed_prompts]
    judged = _judged(bench, state, prompts)
    return _measured(bench, state, judged)


def hypothesis(bench: Bench, state: Inquiry) -> Outcome:
    """Competing claims; the texts that could refute them wait to be measured."""
    evidence = bench.evidence(state["run_id"])
    known = {claim.id for claim in evidence.hypotheses}
    with span("mind.hypothesise", wanted=CLAIMS, known=len(known)) as told:
        claims = bench.mind.hypothesise(evidence, CLAIMS, bench.means.step_seed(state))
        claims = [claim for claim in claims if claim.id not in known]
        told(claims=[claim.statement for claim in claims])
    judged = _judged(bench, state, [prompt for claim in claims for prompt in predictions(claim)])
    update = {"barren": not claims, "waiting": _waiting(state, judged), "rejected": _rejected(judged)}
    return Outcome(update, candidates=tuple(judged), hypotheses=tuple(claims))


def prompt_generator(bench: Bench, state: Inquiry) -> Outcome:
    """Prompts for the next round: guided ones, told why the last were refused, or random ones when the run is stuck."""
    wanted = bench.means.prompts_a_round
    evidence = bench.evidence(state["run_id"])
    stuck = state.get("since_progress", 0) >= bench.means.stagnation
    judged: list[Candidate] = []
    refused = [revive(Candidate, each) for each in state.get("rejected", [])]
    for attempt in range(0 if stuck else ATTEMPTS):
        missing = wanted - _accepted(judged)
        if missing <= wanted // 2:
            break
        with span("mind.propose", wanted=missing, attempt=attempt, refused=len(refused)) as told:
            proposed = bench.mind.propose(evidence, missing, refused, bench.means.step_seed(state) + attempt)
            told(proposed=len(proposed), texts=[prompt.text for prompt in proposed])
        fresh = _judged(bench, state, proposed, beside=judged)
        judged, refused = judged + fresh, [each for each in fresh if each.reason]
        if not proposed:
            break
    if stuck or not _accepted(judged):
        judged += _judged(bench, state, _random(bench, evidence, state, wanted), beside=judged)
    update = {"waiting": _waiting(state, judged), "rejected": _rejected(judged), "dry": not _accepted(judged)}
    if stuck:
        update |= {"since_progress": 0, "why": f"stuck for {bench.means.stagnation} rounds: exploring at random"}
    return Outcome(update, candidates=tuple(judged))


def experiment(bench: Bench, state: Inquiry) -> Outcome:
    """Measure what waits, and weigh every open claim by it."""
    run_id = state["run_id"]
    prompts = [revive(Prompt, each) for each in state.get("waiting", [])]
    outcome = _measured(bench, state, [], prompts)
    earlier = bench.store.records(run_id, origins=[Origin.PAIR, Origin.HYPOTHESIS])
    open_claims = [h for h in bench.store.hypotheses(run_id) if h.fate.open]
    firing = bench.pages.distribution.firing
    with span("weigh", claims=[claim.statement for claim in open_claims]) as told:
        now = [weighed(claim, [*earlier, *outcome.records], firing=firing) for claim in open_claims]
        told(fates=[f"{claim.fate.value}, {claim.hits}:{claim.misses}" for claim in now])
    decided = any(claim.fate in (Fate.SUPPORTED, Fate.REFUTED) for claim in now)
    risen = (outcome.update["best"] or 0.0) - (state.get("best") or 0.0) > bench.means.min_improvement
    update = outcome.update | {
        "iteration": state.get("iteration", 0) + 1,
        "waiting": [],
        "dry": False,
        "barren": state.get("barren", False) and bool(open_claims),
        "since_progress": 0 if decided or risen else state.get("since_progress", 0) + 1,
    }
    return replace(outcome, update=update, hypotheses=tuple(now))


def prune_augment(bench: Bench, state: Inquiry) -> Outcome:
    """Cut the strongest texts to minimal triggers, and change them to see what keeps, kills and raises."""
    run_id, floor = state["run_id"], bench.pages.distribution.floor
    chosen = _different(bench.evidence(run_id).top, PRUNED)
    triggers, cut = [], []
    for record in chosen:
        with span("prune", "tool", text=record.prompt.text, activation=record.peak) as told:
            trigger = prune(bench.subject, bench.target, record, floor=floor, alone=True).trigger(record.id)
            told(trigger=trigger and trigger.text, activation=trigger and trigger.activation)
        if trigger is not None:
            triggers.append(trigger)
            cut.append(Prompt(trigger.text, Origin.PRUNE, parent=record.id))
    judged = _judged(bench, state, cut)
    outcome = _measured(bench, state, judged)
    swapped: list[Prompt] = []
    for record in outcome.records[:2]:
        positions = range(max(0, len(record.tokens) - SWAPPED_TOKENS), len(record.tokens))
        with span("swap", "tool", text=record.prompt.text) as told:
            found = swaps(
                bench.subject, bench.target, record.prompt.text, per_token=SWAPS, floor=floor, positions=positions,
                seed=bench.means.step_seed(state),
            )  # fmt: skip
            told(variants=len(found))
        swapped += [Prompt(variant.text, Origin.SWAP, parent=record.id) for variant in found]
        with span("mind.rewrite", text=record.prompt.text, wanted=SWAPS) as told:
            rewritten = bench.mind.rewrite(record.prompt.text, SWAPS, bench.means.step_seed(state))
            told(texts=rewritten)
        swapped += [Prompt(text, Origin.REWRITE, parent=record.id) for text in rewritten]
    for record in outcome.records[:1]:
        swapped += _edits(bench, record, floor)
    more = _judged(bench, state, swapped, beside=judged)
    later = _measured(bench, state, more, first=len(outcome.records), best=outcome.update["best"])
    return Outcome(
        later.update,
        records=outcome.records + later.records,
        candidates=tuple(judged + more),
        triggers=tuple(triggers),
    )


def sae_optimizer(bench: Bench, state: Inquiry) -> Outcome:
    """Search for the inputs that drive the target hardest, and for the fluent ones that still do.

    Every text found is decoded and measured again. The first visit also inverts the target in the space of embeddings,
    and says which features of the dictionary a neuron's weights point at.
    """
    top = bench.evidence(state["run_id"]).top[:SEARCH_SEEDS]
    seeds = ["".join(r.tokens[max(0, r.position - 15) : r.position + 1]) for r in top if r.position is not None]
    scale, started = max(bench.pages.distribution.deviation, 1e-6), bench.subject.passes
    left = bench.means.max_forward_passes - state.get("passes", 0)
    told: dict[str, Any] = state.get("optimised", {}) or {"typical": bench.pages.typical} | _pointed_at(bench)
    inverted: tuple[str, ...] = ()
    if "inverse" not in told and left >= INVERSE_LEFT:
        with span("invert", "tool", steps=INVERSE_STEPS) as heard:
            inverse = invert(bench.subject, bench.target, steps=INVERSE_STEPS, scale=scale, seeds=seeds[:2])
            heard(**_inversion(inverse))
        told, inverted = told | {"inverse": _inversion(inverse)}, inverse.texts
    passes = min(SEARCH_PASSES, max(1, left - (bench.subject.passes - started)))
    with span("search", "tool", seeds=len(seeds) + len(inverted), passes=passes) as heard:
        found = search(
            bench.subject,
            bench.target,
            seeds=[*seeds, *inverted],
            passes=passes,
            seed=bench.means.step_seed(state),
            scale=scale,
            typical=bench.pages.typical,
        )
        heard(evaluated=found.evaluated, ending=found.status.value, texts=[hit.text for hit in found.hits])
    fluent = [found.typical] if found.typical else []
    shown: dict[Hit, None] = dict.fromkeys([*found.hits, *found.front, *fluent])
    prompts = [Prompt(text, Origin.OPTIMISER) for text in [*(hit.text for hit in shown), *inverted[:1]]]
    outcome = _measured(
        bench, state, _judged(bench, state, prompts), surprises={hit.text: hit.surprise for hit in shown}
    )
    ended = {"evaluated": told.get("evaluated", 0) + found.evaluated, "ending": found.status.value}
    return replace(outcome, update=outcome.update | {"optimised": told | ended})


def _inversion(inverse: Inverse) -> dict[str, Any]:
    """What an inversion came to, as plain data."""
    return {
        "status": inverse.status.value,
        "continuous": inverse.continuous,
        "discrete": inverse.discrete,
        "gap": inverse.gap,
        "text": inverse.texts[0] if inverse.texts else None,
        "curve": [[point.step, point.activation] for point in inverse.curve],
    }


def _pointed_at(bench: Bench) -> dict[str, Any]:
    """The features that a neuron's weights point at, as plain data; nothing where there is no dictionary."""
    dictionary = bench.subject.dictionary
    if bench.target.kind is not Kind.NEURON or dictionary is None:
        return {}
    with span("align", "tool") as told:
        alignment = plain(aligned(bench.subject, bench.target, dictionary))
        told(alignment=alignment)
    return {"alignment": alignment}


def _edits(bench: Bench, record: Record, floor: float) -> list[Prompt]:
    """Texts a few words away from a trigger: those that raise it most, and those that are gone furthest."""
    walker = IterativeMultiTokenAugmenter(
        bench.subject, bench.target, bench.words, n=EDITS, beam=2, most=MOST_EDITS, floor=floor
    )
    with span("edit", "tool", text=record.prompt.text) as told:
        positive, negative = walker.iterative_augment(record.prompt.text, steps=2)
        told(raised=len(positive), lowered=len(negative))
    chosen = [*positive[:EDITS], *negative[:EDITS]]
    return [Prompt(edit.text, Origin.EDIT, parent=record.id) for edit in chosen]


def _judged(
    bench: Bench, state: Inquiry, prompts: Sequence[Prompt], *, beside: Sequence[Candidate] = ()
) -> list[Candidate]:
    waiting = {revive(Prompt, each).key for each in state.get("waiting", [])}
    waiting |= {each.prompt.key for each in beside if each.reason is None}
    with span("screen", "tool", prompts=len(prompts)) as told:
        judged = bench.screening.judge(prompts, run_id=state["run_id"], step=state.get("step", 0) + 1, waiting=waiting)
        told(accepted=_accepted(judged), rejected=Counter(each.reason for each in judged if each.reason))
    return judged


def _measured(
    bench: Bench,
    state: Inquiry,
    judged: Sequence[Candidate],
    prompts: Sequence[Prompt] | None = None,
    *,
    first: int = 0,
    best: float | None = None,
    surprises: Mapping[str, float] = NOTHING,
) -> Outcome:
    """Measure accepted candidates (or `prompts`) now; `first` records of this step stand before them."""
    chosen = [each.prompt for each in judged if each.reason is None] if prompts is None else prompts
    start = bench.store.next_record_id(state["run_id"]) + first
    with span("measure", "tool", texts=len(chosen)) as told:
        records = bench.measured(chosen, step=state.get("step", 0) + 1, first_id=start, surprises=surprises)
        peaks = [record.peak for record in records if record.peak is not None]
        told(records=len(records), best=max(peaks, default=None))
    earlier = [value for value in (state.get("best"), best) if value is not None]
    return Outcome({"best": max([*peaks, *earlier], default=None)}, records, tuple(judged))


def _waiting(state: Inquiry, judged: Sequence[Candidate]) -> list[dict[str, object]]:
    return state.get("waiting", []) + [plain(each.prompt) for each in judged if each.reason is None]


def _rejected(judged: Sequence[Candidate]) -> list[dict[str, object]]:
    return [plain(each) for each in judged if each.reason is not None][-10:]


def _accepted(judged: Sequence[Candidate]) -> int:
    return sum(each.reason is None for each in judged)


def _random(bench: Bench, evidence: Evidence, state: Inquiry, wanted: int) -> list[Prompt]:
    import random

    return random_prompts(evidence.pages, wanted, random.Random(bench.means.step_seed(state)))


def _different(records: Sequence[Record], most: int) -> list[Record]:
    """The strongest record of each peak token, best first."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.peak_token.strip(), record)
    return list(first.values())[:most]
