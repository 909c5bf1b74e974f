"""Findings to draw: a made-up neuron that waits for `self` as a method's first parameter, read on Python.

Everything is computed from small texts by one planted function, so that numbers and records agree with each other.
`python -m tests.graphs.sample_findings FOLDER` writes the pages to look at.
"""

import math
import re
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.examination.result import Examination, Mark
from agents.mind import Distribution
from graphs.report.findings import Change, Counts, CurvePoint, Findings, Histogram, Move
from graphs.report.page import write
from memory.records import (
    Certificate,
    Clause,
    Explanation,
    Fate,
    Hypothesis,
    LlmCall,
    Origin,
    Predicate,
    Prompt,
    Record,
    Rule,
    Run,
    Score,
    Status,
    Target,
    Trigger,
    Verdict,
    plain,
)
from tools.effects import Ablation, Effects, Pull, told
from tools.rules import ALWAYS, JOIN

HOSTILE = "</style><script>alert(1)</script>\" onmouseover='x' \x1b[31mred\x1b[0m \u202egnp.exe \x07 \udc80 https://evil.test/"
EXAMPLES = [
    ("class Queue:\n    def __init__(self, size=16):\n        self._items = deque(maxlen=size)\n", "lib/queue.py:41"),
    ("    @property\n    def name(self) -> str:\n        return self._name\n", "lib/pathlib.py:518"),
    ("    async def __aenter__(self):\n        await self.connect()\n        return self\n", "lib/asyncio/locks.py:14"),
    ("\tdef close(self):\n\t\tif not self._closed:\n\t\t\tself._sock.close()\n", "lib/socketserver.py:470"),
    ("    def test_empty_header(self):\n        self.assertEqual(parse(''), [])\n", "lib/test/test_email.py:2203"),
    ("    def __repr__(self):\n        return f'{type(self).__name__}({self.x!r})'\n", "lib/dataclasses.py:388"),
    (
        "    def _flush_unlocked(self):\n        if self.closed:\n            raise ValueError('closed')\n",
        "lib/_pyio.py:1290",
    ),
    ("    def __exit__(self, kind, value, tb):\n        self.release()\n", "lib/threading.py:132"),
    ("    def visit_Name(self, node):\n        return node.id\n", "lib/ast.py:408"),
    (
        "    def get(self, key, default=None):\n        return self.data.get(key, default)\n",
        "lib/collections/abc.py:791",
    ),
]
SILENT = [
    "The committee met on Tuesday and adjourned without a vote.",
    "import os, sys, json\nfrom pathlib import Path\n",
    "for row in csv.reader(file):\n    total += float(row[2])\n",
    "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89",
    "SELECT name, price FROM items WHERE price > 10;",
    "def main(argv):\n    return run(argv[1:])\n",
    "Le chat dort sur le canapé depuis ce matin.",
    "x = [i ** 2 for i in range(10) if i % 2]",
    "!!! ??? ... --- ;;; ::: ///",
    "lambda a, b: a if a > b else b",
]
TARGET = Target("pocket", "9f1c04e7a1b2c3d4", "blocks.2.mlp.hook_post", 2, 117)
FIRING, CORPUS_MAX = 3.6, 8.06
OUTPUT = Effects(
    "L2N117",
    towards=(Pull(",", 6.1), Pull(")", 5.2)),
    away=(Pull(" import", -5.0),),
    usual=4.4,
    ablations=(Ablation("zero", 0.0, 0.041, 0.03, 0.053, 0.0004, 0.002, 96),),
    raised=(Pull(",", 0.021),),
    lowered=(Pull("\n", -0.013),),
    high=7.9,
    moved=0.004,
    passes=2100,
)


PASSED = Mark(
    "detect", True, Score("accuracy", "puzzles", 0.9, 16, 0.8, 1.0, 0.4, "false", 1.0), 0.5, 0.4, 0.6, 16, 1.0
)


def tokens_of(text: str) -> tuple[str, ...]:
    """A rough tokenizer: words with their leading space, punctuation, line breaks with their indentation."""
    return tuple(re.findall(r"\n[ \t]*| ?[A-Za-z_]+| ?\d| ?[^\w\s]|[ \t]+|.", text, flags=re.DOTALL))


def values_of(tokens: tuple[str, ...]) -> tuple[float, ...]:
    """The planted function: strong on `self` after `def name(`, weak on other uses of it, a little noise elsewhere."""
    values = []
    for place, token in enumerate(tokens):
        noise = zlib.crc32("".join(tokens[max(0, place - 3) : place + 1]).encode("utf-8", "replace")) / 2**32
        before = "".join(tokens[max(0, place - 4) : place])
        method = "def " in before and before.endswith("(")
        weight = {"self": 5.91 if method else 0.9, "cls": 3.4 if method else 0.4, " self": 0.7}.get(token, 0.0)
        values.append(round(weight * (1 + 0.35 * noise) + 0.28 * noise - 0.17, 4))
    return tuple(values)


def record(id: int, text: str, origin: Origin = Origin.CORPUS, **about: object) -> Record:
    """A record of `text` as the planted neuron would answer it; keywords go to its prompt."""
    tokens = tokens_of(text)
    values = values_of(tokens)
    peak = max(values)
    prompt = replace(Prompt(text, origin), **about)  # type: ignore[arg-type]
    return Record(id, id // 12, prompt, tokens, tuple(range(len(tokens))), values, peak, values.index(peak))


def sample() -> Findings:
    """A finished run that went well."""
    corpus_top = sorted(
        (record(11 + place, text, source=src) for place, (text, src) in enumerate(EXAMPLES)), key=_strength
    )
    found = "    def render(self):\n        return self"
    best = replace(record(204, found, Origin.OPTIMISER, parent=17), values=_raised(found, 8.41), peak=8.41)
    swaps = [record(60 + place, text, Origin.SWAP, parent=12) for place, text in enumerate(_swaps())]
    tested = [
        record(120 + place, text, Origin.HYPOTHESIS, hypothesis=f"h{place % 3 + 1}", predicted=place % 2 == 0)
        for place, text in enumerate(["def area(self):", "self.area = 3", "def area(cls):", "def area(shape):"] * 4)
    ]
    silent = sorted(
        (record(300 + place, text, Origin.SEED) for place, text in enumerate(SILENT)), key=lambda r: r.peak or 0
    )
    failed = replace(record(333, "\x00" * 3, Origin.RANDOM), values=(), peak=None, position=None, status=Status.FAILED)
    pairs = [
        record(401 + place, text, Origin.PAIR, predicted=place % 2 == 0, source=f"pair h1 {place // 2}")
        for place, text in enumerate(["def area(self", "def area[self", "def name(self", "def name, self"])
    ]
    evidence = (*corpus_top, *swaps, *tested, *pairs, best, *silent, failed)
    return Findings(
        run=Run("20250611-142233-L2N117", TARGET, 7, {"max_prompts": 600, "max_seconds": 300, "k": 10}, "finished"),
        mind="built-in",
        corpus="Python 3.11 standard library, 1,412 files; evidence half 698 files, scoring half 714 files",
        distribution=_distribution(),
        corpus_max=CORPUS_MAX,
        histogram=_histogram(),
        explanation=_explanation(),
        scores=_scores(),
        hypotheses=_hypotheses(),
        triggers=_triggers(),
        top=(best, *corpus_top[:9]),
        bottom=tuple(silent),
        best=best,
        changes=_changes(),
        curve=_curve(),
        fluent=tuple(
            replace(best, id=best.id + n, peak=peak, surprise=nats)
            for n, (peak, nats) in enumerate([(8.41, 7.9), (7.7, 5.1), (7.2, 5.6), (5.2, 3.1), (2.4, 1.2)])
        ),
        optimised={
            "typical": 3.9,
            "inverse": {
                "status": "reached",
                "continuous": 21.3,
                "discrete": 6.2,
                "gap": 15.1,
                "text": "( self",
                "curve": [],
            },
            "alignment": {
                "target": "L2N117",
                "dictionary": "pocket@0123",
                "reason": None,
                "sides": [
                    {
                        "weights": "down",
                        "vectors": "encoder",
                        "reaches": True,
                        "floor": 0.31,
                        "usual": 0.3,
                        "matches": [{"feature": 12, "cosine": 0.44}, {"feature": 7, "cosine": -0.2}],
                    },
                    {
                        "weights": "up",
                        "vectors": "decoder",
                        "reaches": False,
                        "floor": 0.31,
                        "usual": 0.3,
                        "matches": [],
                    },
                ],
            },
        },
        edits=(record(71, "def area(object, name):\n", Origin.EDIT, parent=12),),
        effects=_effects(),
        corpus_top=tuple(corpus_top),
        evidence=evidence,
        steps=_steps(),
        counts=Counts(
            412,
            {"seed": 18, "corpus": 20, "guided": 184, "random": 31, "swap": 77},
            {"duplicate": 46, "near-mediocre": 29, "too-long": 5, "empty": 2},
        ),
        timings={"survey": 41.2, "search": 63.8, "prune_and_swap": 9.4, "explain": 2.1, "score": 12.6, "total": 131.0},
        warnings=("The corpus is one project's code; other code may show other uses.",),
    )


def dead() -> Findings:
    """A run on a neuron that never fires: no best, no triggers, no explanation, scores that could not be had."""
    silent = tuple(
        replace(record(place, text), values=(0.0,) * len(tokens_of(text)), peak=0.0)
        for place, text in enumerate(SILENT)
    )
    return Findings(
        run=Run(
            "20250611-150101-L0N3", replace(TARGET, layer=0, index=3, hook="blocks.0.mlp.hook_post"), 7, {}, "finished"
        ),
        mind="built-in",
        corpus="Python 3.11 standard library, 1,412 files",
        distribution=Distribution(1_204_881, -0.11, 0.02, -0.17, -0.01, 0.0, (), 0.0, 0.01),
        corpus_max=-0.01,
        scores=(Score.unscored("simulation correlation", "held-out", "the held-out half holds no activation"),),
        bottom=silent,
        evidence=silent,
        counts=Counts(10, {"seed": 10}),
    )


def hostile() -> Findings:
    """The good run with hostile text everywhere a model, a corpus or a person may write."""
    base, bad = sample(), HOSTILE
    worst = record(900, f"def f(self): {bad}", source=bad)
    return replace(
        base,
        run=Run(bad, replace(TARGET, model=bad, hook=bad, model_hash=bad), 7, {bad: bad}, f"failed({bad})"),
        mind=bad,
        corpus=bad,
        explanation=Explanation(
            Verdict.CONTEXT,
            bad,
            Rule(
                0.1,
                (
                    Clause(bad, {bad: 1.5, "b": 0.2}, bad),
                    Clause(ALWAYS, {"": 1.0}, bad, Predicate("token", (bad,))),
                    Clause("token", {bad: 1.0}, bad, Predicate(bad, (bad,))),
                ),
            ),
            (900, 900_001),
            author=bad,
        ),
        scores=(Score(bad, bad, 0.4, 10, 0.3, 0.5, 0.2, bad), Score.unscored(bad, bad, bad)),
        hypotheses=(Hypothesis(bad, bad, (bad,), (bad,), Fate.REFUTED, reason=bad, author=bad),),
        triggers=(
            Trigger(bad, 2.0, 0.9, 900, (bad, "self"), (1.0, 0.5), 9, bad, (0.5, 0.2)),
            Trigger(bad, 2.0, 0.9, 900),
        ),
        fluent=(replace(worst, surprise=3.0), replace(worst, id=901, surprise=math.nan)),
        edits=(worst,),
        optimised={
            "typical": None,
            "inverse": {"status": bad, "continuous": 1.0, "discrete": None, "gap": None, "text": bad},
            "alignment": {"target": bad, "dictionary": bad, "sides": [], "reason": bad},
        },
        effects=plain(replace(OUTPUT, towards=(Pull(bad, 9.0),), raised=(Pull(bad, 0.1),))) | {"told": bad},
        examination=plain(
            Examination(bad, (Mark(bad, False, Score.unscored(bad, bad, bad), reason=bad), PASSED), bad, 0, 9)
        ),
        top=(worst,),
        best=worst,
        corpus_top=(worst,),
        evidence=(worst, *base.evidence),
        changes=(Change("kills", f"a {bad} b", f"a {bad[::-1]} b", bad, bad, 2.0, None, (900,)),),
        curve=(CurvePoint(1, 0.5, bad), CurvePoint(9, 2.0, "corpus")),
        calls=(LlmCall(bad, bad, bad, 1.0, bad, bad, bad),),
        steps=(Move(1, bad, 0.1, bad),),
        counts=Counts(3, {bad: 1}, {bad: 2}),
        timings={bad: 1.0},
        warnings=(bad,),
    )


def with_calls() -> Findings:
    """The good run as a language model's: calls that worked, one that was repaired, one that failed."""
    prompt = (
        "You study one neuron.\n\nStrongest texts:\n 8.06  class Queue: def __init__(self\n\nPropose three hypotheses."
    )
    answer = '{"hypotheses": ["first parameter self", "any use of self", "class bodies"]}'
    calls = (
        LlmCall("hypothesis", "llama3.2:3b", "ok", 2.31, prompt, answer),
        LlmCall("explainer", "llama3.2:3b", "repaired", 4.02, prompt, answer, "answer was cut in mid-string"),
        LlmCall("supervisor", "llama3.2:3b", "timeout", 30.0, prompt, "", "no answer in 30 s"),
    )
    return replace(sample(), mind="llama3.2:3b", calls=calls)


def _strength(row: Record) -> float:
    return -(row.peak or 0.0)


def _raised(text: str, peak: float) -> tuple[float, ...]:
    values = values_of(tokens_of(text))
    return tuple(peak if value == max(values) else value for value in values)


def _swaps() -> list[str]:
    return [f"    @property\n    def name({word}) -> str:" for word in ("self", "cls", "this", "me", "")]


def _distribution() -> Distribution:
    quantiles = ((0.01, -0.17), (0.25, -0.12), (0.5, -0.06), (0.75, 0.02), (0.99, 1.31), (0.999, 6.4))
    return Distribution(1_204_881, 0.018, 0.42, -0.17, CORPUS_MAX, 0.21, quantiles, 0.0, FIRING)


def _histogram() -> Histogram:
    edges = tuple(round(-0.2 + 0.14 * place, 2) for place in range(60))
    counts = [int(900_000 * 0.42**place) + max(0, int(190 - 3 * (place - 45) ** 2)) + 9 for place in range(59)]
    counts[0], counts[57:] = 260_000, [2, 1]
    return Histogram(edges, tuple(counts))


def _explanation() -> Explanation:
    openings = {
        "def": 0.88,
        "async": 0.61,
        "class": -0.2,
        "if": -0.33,
        "return": -0.31,
        "for": -0.28,
        "assert": -0.2,
        "x": 0.1,
    }
    rule = Rule(
        -0.04,
        (
            Clause("pair", {f"({JOIN}self": 5.31, f"({JOIN}cls": 2.9, f".{JOIN}\n": -0.4}),
            Clause("token", {"self": 1.02, "cls": 0.41, " self": 0.4}),
            Clause("line-opening", openings),
            Clause("inside", {"(": 0.22, "comment": -0.51}),
            Clause(ALWAYS, {"": -0.4}, when=Predicate("not", parts=(Predicate("line-opening", ("def", "async")),))),
            Clause("token", {"cls": 0.3}, when=Predicate("line-opening", ("class",))),
        ),
    )
    text = "Fires on self as the first parameter of a method, right after “def name(”; half as strongly on cls there."
    return Explanation(
        Verdict.N_GRAM,
        text,
        rule,
        (11, 12, 14, 60, 61, 120, 204),
        full=replace(rule, clauses=rule.clauses * 7),
        certificates=(
            Certificate(0, ((401, 402), (403, 404), (401, 999_999)), 5.2, 5, 6),
            Certificate(9, ((401, 402),), 1.0, 1, 1),
        ),
    )


def _scores() -> tuple[Score, ...]:
    lookup, wrong = "token lookup", "best of always-none and 2 explanations of puzzles"
    return (
        Score("simulation correlation", "held-out files", 0.81, 6_144, 0.76, 0.85, 0.44, lookup, 0.93),
        Score("detection, balanced accuracy", "held-out files", 0.94, 100, 0.88, 0.97, 0.5, "always none", 1.0),
        Score("F1 of firing", "held-out files", 0.87, 6_144, 0.82, 0.9, 0.58, lookup, 0.95),
        Score("rewrite success", "fresh prompts", 0.41, 24, 0.22, 0.61, 0.36, "best of 5 random", None),
        Score("detection by a judge", "held-out windows", 0.8, 20, 0.7, 0.9, 0.55, wrong, reason="20 of 24 answered"),
        Score.unscored("clarity (AUC)", "fresh prompts", "fewer than five texts of either side"),
        *(ablation.score() for ablation in OUTPUT.ablations),
    )


def _effects() -> dict[str, Any]:
    return plain(OUTPUT) | {"told": told(OUTPUT)}


def _hypotheses() -> tuple[Hypothesis, ...]:
    return (
        Hypothesis(
            "h1", "`self` fires only as the first parameter of a function", fate=Fate.SUPPORTED, hits=14, misses=1
        ),
        Hypothesis("h2", "any use of `self` fires", fate=Fate.REFUTED, hits=5, misses=11, reason="self.x stays at 0.9"),
        Hypothesis(
            "h3", "`cls` in the same place fires as well", fate=Fate.SUPPORTED, hits=7, misses=2, reason="at half"
        ),
        Hypothesis("h4", "a decorator line above raises it", fate=Fate.UNTESTED, reason="the budget ended first"),
    )


def _triggers() -> tuple[Trigger, ...]:
    return (
        Trigger("def name(self", 7.31, 0.97, 12, ("def", " name", "(", "self"), (3.1, 0.24, 4.4, 7.2), 31, "self"),
        Trigger(
            "def __init__(self", 6.9, 0.91, 11, ("def", " __init__", "(", "self"), (2.7, 0.4, 4.1, 6.8), 44, "self"
        ),
        Trigger(
            "\tdef close(self", 6.66, 0.94, 14, ("\t", "def", " close", "(", "self"), (0.2, 2.9, 0.1, 4.0, 6.5), 38
        ),
    )


def _changes() -> tuple[Change, ...]:
    base = "    @property\n    def name({}) -> str:"
    before = base.format("self")
    rows = [
        ("kills", "this", 0.06),
        ("kills", "me", -0.02),
        ("kills", "", 0.01),
        ("keeps", "cls", 3.9),
        ("raises", "self", 8.1),
    ]
    pairs = [Change(kind, before, base.format(new), "self", new, 7.4, after, (60, 61)) for kind, new, after in rows[:4]]
    return (
        *pairs,
        Change("kills", before, before.replace("def", "if"), "def", "if", 7.4, 0.7, (60, 63)),
        Change("keeps", before, before.replace("name", "total"), "name", "total", 7.4, 7.2, (60, 64)),
        Change("raises", before, before.replace("name", "render"), "name", "render", 7.4, 8.1, (60, 204)),
    )


def _curve() -> tuple[CurvePoint, ...]:
    rows = [(1, 0.11, "seed"), (9, 1.2, "seed"), (19, 6.7, "corpus"), (22, 8.06, "corpus"), (131, 8.12, "swap")]
    rows += [(188, 8.3, "hypothesis"), (262, 8.41, "optimiser"), (330, 8.41, "random")]
    return tuple(CurvePoint(*row) for row in rows)


def _steps() -> tuple[Move, ...]:
    nodes = [
        "survey",
        "seed",
        "measure",
        "hypothesise",
        "propose",
        "measure",
        "prune",
        "swap",
        "measure",
        "search",
        "explain",
        "score",
    ]
    whys = {
        "hypothesise": "no open hypothesis",
        "search": "18 prompts without improvement",
        "explain": "4 hypotheses settled",
    }
    return tuple(
        Move(place, node, round(41.2 / (place + 0.5), 2), whys.get(node, ""))
        for place, node in enumerate(nodes, start=1)
    )


if __name__ == "__main__":
    for made in (sample, dead, hostile, with_calls):
        print(write(made(), Path(sys.argv[1]) / f"{made.__name__}.html"))
