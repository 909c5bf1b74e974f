"""The examination: before a language model may judge or simulate, it does so where the truth is known.

1. Every puzzle is sat with its true explanation and with a false one (both false ones where the budget allows), in
   three jobs: detect (which texts fire), fuzz (are the right tokens marked), simulate (a value for every token), by the
   very questions that are asked later on.
2. A sitting's accuracy is the AUC of the answers for what is known to fire against what is known to be silent. For
   yes-or-no answers that is the balanced accuracy; always-none, always-all and coin flips get .5.
3. A job's score is the mean accuracy with the true explanations, with a bootstrap over puzzles; its floor is the mean
   accuracy with the false ones. The margin is the mean difference of the two, puzzle by puzzle.
4. A job is passed when enough was answered, the score reaches BAR, and the lower end of the margin's 95 % interval is
   above zero. Who fails, fails by name.

Refuses to keep anything: an Examination is plain data, and `paper()` says when an old one no longer counts.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents import judge, simulator
from agents.chat_model import ChatModel
from agents.examination.puzzles import ACTIVE, Puzzle, fingerprint, puzzles
from agents.examination.result import Examination, Mark
from agents.interview import Interview, Replies
from memory.records import LlmCall, Score
from tools.scoring import Array, auc

# Half way from guessing (.5) to always right (1): the scores of a worse judge say more about it than about the unit.
BAR = 0.75
LEAST_COVERAGE = 0.8  # of the questions; there are few, and none of them is hard to answer in form
FEWEST_PUZZLES = 12  # under a dozen the interval of the margin says nothing
RESAMPLES = 2_000
COST = {"detect": 2, "fuzz": 2, "simulate": 1}  # calls a sitting
JOBS = tuple(COST)
BUDGET = 160  # calls: all puzzles, each with one false explanation
METRIC, SPLIT = "accuracy in the examination", "puzzles with known answers"


@dataclass(frozen=True)
class Sitting:
    """One puzzle done with one explanation: what was said of each item (NaN where nothing was) and what is known.

    said: float64 [items]; fires, silent: bool [items], both False where the truth is neither. An item is a text, or a
    token.
    """

    said: Array
    fires: np.ndarray
    silent: np.ndarray
    faults: tuple[str, ...]

    @property
    def accuracy(self) -> float | None:
        """The AUC over items with an answer; None where one side has none."""
        kept = ~np.isnan(self.said) & (self.fires | self.silent)
        fires = self.fires[kept]
        return auc(self.said[kept], fires) if fires.any() and not fires.all() else None


def paper() -> str:
    """A key of puzzles, questions and bar: an examination with another one is out of date."""
    questions = (judge.NOTICE, judge.APPLIES, judge.FITS, judge.SHAPE, simulator.EVERY, simulator.SOME)
    whole = "\n".join((*questions, fingerprint(), f"{BAR} {LEAST_COVERAGE} {FEWEST_PUZZLES}"))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def examine(
    chat: ChatModel,
    *,
    seed: int = 0,
    budget: int = BUDGET,
    jobs: Sequence[str] = JOBS,
    calls: list[LlmCall] | None = None,
) -> Examination:
    """Examine `chat` in `jobs` with at most `budget` calls. The exchanges are added to `calls`, for whoever keeps them.

    Never raises for what a model does: a model that is silent, refuses or talks rubbish fails by name.
    """
    interview = Interview(chat, max_calls=budget)
    chosen, decoys = _plan(budget, jobs, seed)
    if not chosen:
        needed = 2 * FEWEST_PUZZLES * sum(COST[job] for job in jobs)
        reason = f"a budget of {budget} calls is too small for an examination, which takes {needed}"
        marks = tuple(Mark(job, False, Score.unscored(METRIC, SPLIT, reason), reason=reason) for job in jobs)
    else:
        marks = tuple(_marked(job, interview, chosen, decoys, seed) for job in jobs)
    if calls is not None:
        calls.extend(interview.drain())
    return Examination(chat.name, marks, paper(), seed, interview.asked)


def _plan(budget: int, jobs: Sequence[str], seed: int) -> tuple[list[Puzzle], int]:
    """The puzzles to sit, in an order by the seed, and with how many false explanations each."""
    every = list(puzzles())
    order = [every[place] for place in np.random.default_rng(seed).permutation(len(every))]
    sitting = sum(COST[job] for job in jobs)
    if budget >= 3 * sitting * len(order):
        return order, 2
    affordable = budget // (2 * sitting)
    return (order[:affordable], 1) if affordable >= FEWEST_PUZZLES else ([], 0)


def _marked(job: str, interview: Interview, chosen: Sequence[Puzzle], decoys: int, seed: int) -> Mark:
    true: list[Sitting] = []
    false: list[list[Sitting]] = []
    for number, puzzle in enumerate(chosen):
        first = (seed + number) % len(puzzle.decoys)
        claims = [puzzle.decoys[(first + n) % len(puzzle.decoys)] for n in range(decoys)]
        true.append(_SAT[job](interview, puzzle, puzzle.truth, seed))
        false.append([_SAT[job](interview, puzzle, claim, seed) for claim in claims])
    sittings = [*true, *(sitting for several in false for sitting in several)]
    said = np.concatenate([sitting.said for sitting in sittings])
    coverage = round(float((~np.isnan(said)).mean()), 6)
    pairs = [
        (right.accuracy, float(np.mean(wrong)))
        for right, several in zip(true, false, strict=True)
        if right.accuracy is not None and (wrong := [s.accuracy for s in several if s.accuracy is not None])
    ]
    if coverage < LEAST_COVERAGE or len(pairs) < FEWEST_PUZZLES:
        reason = _silence(coverage, sittings)
        unscored = Score.unscored(METRIC, SPLIT, reason)
        return Mark(job, False, unscored, n=len(pairs), coverage=coverage, reason=reason)
    return _graded(job, np.array(pairs, float), said[~np.isnan(said)], coverage, seed)


def _graded(job: str, pairs: Array, said: Array, coverage: float, seed: int) -> Mark:
    """The mark for pairs of accuracies, [puzzles, (true, false)]."""
    draws = np.random.default_rng(seed).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    means = pairs[draws].mean(1)
    (low, high), (least, most) = (
        [round(float(end), 6) for end in np.quantile(column, [0.025, 0.975])]
        for column in (means[:, 0], means[:, 0] - means[:, 1])
    )
    value, floor = (round(float(mean), 6) for mean in pairs.mean(0))
    score = Score(METRIC, SPLIT, value, len(pairs), low, high, floor, "false explanations", 1.0)
    margin = round(value - floor, 6)
    reason = _fault(job, said, value, f"{margin:.2f} [{least:.2f}, {most:.2f}]", least)
    return Mark(job, not reason, score, margin, least, most, len(pairs), coverage, reason)


def _fault(job: str, said: Array, value: float, margin: str, least: float) -> str:
    """Why the job was not passed, or nothing."""
    if not np.ptp(said):
        same = "yes" if said[0] else "no"
        whole = f"it gives every token the value {said[0]:g}" if job == "simulate" else f"it says {same} to everything"
        return f"{whole} ({job})"
    if value < BAR:
        return f"its accuracy with true explanations is {value:.2f}, below {BAR} ({job})"
    if least <= 0:
        return f"it does not tell true explanations from false ones: a difference of {margin} ({job})"
    return ""


def _silence(coverage: float, sittings: Sequence[Sitting]) -> str:
    faults = Counter(fault for sitting in sittings for fault in sitting.faults)
    named = ", ".join(f"{name} {count}" for name, count in faults.most_common())
    return f"it answered {coverage:.0%} of the examination ({named})"


def _detected(interview: Interview, puzzle: Puzzle, claim: str, seed: int) -> Sitting:
    return _decided(judge.applies, interview, claim, puzzle.detection(), seed)


def _fuzzed(interview: Interview, puzzle: Puzzle, claim: str, seed: int) -> Sitting:
    return _decided(judge.fits, interview, claim, puzzle.fuzzing(seed), seed)


def _decided(
    ask: Callable[..., Replies[bool]], interview: Interview, claim: str, trials: Sequence[judge.Trial], seed: int
) -> Sitting:
    replies = ask(interview, claim, [trial.text for trial in trials], seed=seed)
    said = np.array([np.nan if value is None else float(value) for value in replies.values])
    fires = np.array([trial.truth for trial in trials], bool)
    return Sitting(said, fires, ~fires, replies.faults)


def _simulated(interview: Interview, puzzle: Puzzle, claim: str, seed: int) -> Sitting:
    replies = simulator.simulated(interview, claim, [text.tokens for text in puzzle.texts], seed=seed)
    known = np.concatenate([np.array(text.activations, float) for text in puzzle.texts])
    said = [
        np.full(len(text.tokens), np.nan) if values is None else values
        for text, values in zip(puzzle.texts, replies.values, strict=True)
    ]
    return Sitting(np.concatenate(said), known >= ACTIVE, known == 0, replies.faults)


_SAT: dict[str, Callable[[Interview, Puzzle, str, int], Sitting]]
_SAT = {"detect": _detected, "fuzz": _fuzzed, "simulate": _simulated}
