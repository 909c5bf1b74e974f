"""`python -m evals.puzzles`: is a unit explained from a handful of sentences, with no model to ask?

A puzzle is five to a dozen tokenised sentences with an activation, 0 to 10, at some tokens. For every sentence the rule
is learned from the others and predicts each of its tokens; the predictions of all sentences together are correlated
with the activations. The floors, token look-up and previous token, leave one sentence out in the same way. Name,
explanation and false explanations of a puzzle are never given to the learner. Without --file: the puzzles of
evals/puzzles.json and those that judges are examined with. The format of a file is that of OpenAI's neuron puzzles
(Bills et al. 2023, "Language models can explain neurons in language models"): {name: {"name", "explanation",
"sentences": [[token or [token] or [token, activation]]], "false_explanations"}}.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.examination import puzzles as examination
from agents.statistical.few import few_rule
from evals import crew
from evals.experiment import publish
from memory.records import Rule
from tools import rules
from tools.pages import Page
from tools.scoring import previous_floor, simulation, token_floor
from tools.scoring.correlations import correlation

FILE = Path(__file__).with_name("puzzles.json")
METRIC, SPLIT = "puzzle correlation", "each sentence left out"
TOKEN, PREVIOUS = "token_lookup", "previous_token"


class PuzzleError(ValueError):
    """A file that holds no puzzles. One line."""


Puzzles = Mapping[str, Sequence[Page]]


def read_puzzles(path: Path) -> Puzzles:
    """The sentences of every puzzle of a file. Raises PuzzleError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        read = {str(name): [_page(each, str(name)) for each in puzzle["sentences"]] for name, puzzle in found.items()}
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise PuzzleError(f"{path}: not a file of puzzles ({type(error).__name__}: {error})") from error
    if lacking := [name for name, pages in read.items() if len(pages) < 2]:
        raise PuzzleError(f"{path}: fewer than two sentences in {', '.join(lacking)}")
    if not read:
        raise PuzzleError(f"{path}: no puzzle")
    return read


def _page(sentence: Sequence[str | Sequence[Any]], source: str) -> Page:
    tokens = tuple(str(each if isinstance(each, str) else each[0]) for each in sentence)
    values = [float(each[1]) if not isinstance(each, str) and len(each) > 1 else 0.0 for each in sentence]
    return Page(tokens, np.array(values, np.float32), source)


def examined() -> Puzzles:
    """The puzzles that judges are examined with."""
    return {
        puzzle.name: [Page(text.tokens, np.array(text.activations, np.float32), puzzle.name) for text in puzzle.texts]
        for puzzle in examination.puzzles()
    }


def unseen(pages: Sequence[Page]) -> list[np.ndarray]:
    """What is predicted of each sentence by the rule of the others: [tokens] each."""
    others = [[page for page in pages if page is not own] for own in pages]
    return [np.array(rules.predict(few_rule(rest), page.tokens)) for rest, page in zip(others, pages, strict=True)]


def attempt(name: str, pages: Sequence[Page]) -> dict[str, Any]:
    """One puzzle: its correlation with interval, both floors, and the rule from all its sentences."""
    measured, tokens = [page.values.astype(float) for page in pages], [page.tokens for page in pages]
    floors = {TOKEN: token_floor(tokens, measured), PREVIOUS: previous_floor(tokens, measured)}
    score = simulation(
        unseen(pages), measured, floor=floors[TOKEN], floor_name=TOKEN, metric=METRIC, split=SPLIT, seed=0
    )
    rule: Rule = few_rule(pages)
    return {
        "name": name,
        "sentences": len(pages),
        "n": sum(map(len, tokens)),
        "correlation": score.value,
        "low": score.low,
        "high": score.high,
        "reason": score.reason,
        **{floor: correlation(told, measured) for floor, told in floors.items()},
        "clauses": len(rule.clauses),
        "rule": rules.lines(rule, 4)[:6],
    }


def figures(puzzles: Puzzles, source: str) -> dict[str, Any]:
    """The figures of all puzzles as plain data; a constant prediction, which has no correlation, counts as 0."""
    rows = [attempt(name, pages) for name, pages in puzzles.items()]
    found = np.array([row["correlation"] or 0.0 for row in rows])
    draws = np.random.default_rng(0).integers(len(found), size=(400, len(found)))
    low, high = np.quantile(found[draws].mean(1), (0.025, 0.975))
    return {
        "mean_correlation": _mean(rows, "correlation"),
        "interval": [round(float(low), 4), round(float(high), 4)],  # over puzzles
        "floors": {TOKEN: _mean(rows, TOKEN), PREVIOUS: _mean(rows, PREVIOUS)},
        "ceiling": 1.0,
        "unscored": sum(row["correlation"] is None for row in rows),
        "puzzles": {row["name"]: row["correlation"] for row in rows},
        "source": source,
        "rows": rows,
    }


def _mean(rows: Sequence[Mapping[str, Any]], key: str) -> float:
    return round(float(np.mean([row[key] or 0.0 for row in rows])), 4)


def table(found: Mapping[str, Any]) -> list[str]:
    """The figures as aligned text."""
    lines = [f"{'puzzle':28}{'sentences':>10}{'corr.':>8}{'95 %':>16}{'token':>8}{'previous':>10}"]
    for row in found["rows"]:
        span = f"{_number(row['low'])} {_number(row['high'])}"
        cells = f"{_number(row['correlation']):>8}{span:>16}{_number(row[TOKEN]):>8}{_number(row[PREVIOUS]):>10}"
        lines.append(f"{row['name'][:27]:28}{row['sentences']:>10}{cells}")
    (low, high), floors, many = found["interval"], found["floors"], len(found["rows"])
    return [
        *lines,
        f"mean correlation {found['mean_correlation']:.3f} ({low:.3f} to {high:.3f}) over {many} puzzles,",
        f"beside {floors[TOKEN]:.3f} of token look-up and {floors[PREVIOUS]:.3f} of the previous token",
        f"(ceiling 1; {found['unscored']} constant predictions count as 0)",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="python -m evals.puzzles", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, metavar="FILE", help="puzzles in OpenAI's format; without it our own")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures as data")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    arguments = parsed(words)
    try:
        puzzles = read_puzzles(arguments.file or FILE)
    except PuzzleError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if arguments.file is None:
        puzzles = {**puzzles, **examined()}
    crew.quieten()
    found = figures(puzzles, arguments.file.name if arguments.file else "our own")
    print("\n".join(table(found)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if told := publish("puzzles", found["rows"], ("correlation", TOKEN, PREVIOUS)):
        print(told)


if __name__ == "__main__":
    main()
