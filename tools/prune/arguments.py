"""The arguments of `python -m tools.prune`, and which of them go together. Loads nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn


class UsageError(ValueError):
    """Arguments that do not go together. The message is one line for a person."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of the whole usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    made = _Parser(
        prog="python -m tools.prune",
        description="Cut snippets to the shortest text that keeps a unit firing, and find what raises and kills it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    target = made.add_argument_group("target")
    target.add_argument(
        "--model", help="pocket, a folder or a hub name; pocket, or the run's", default=argparse.SUPPRESS
    )
    target.add_argument("--layer", type=int, help="layer, from 0")
    target.add_argument("--neuron", type=int, help="neuron of the layer's MLP, from 0")
    target.add_argument("--sae", help="a dictionary: RELEASE/ID of sae_lens, a folder, or pocket")
    target.add_argument("--feature", type=int, help="a feature of that dictionary, instead of a neuron")
    target.add_argument("--hook", help="another hook point instead, as blocks.3.hook_out")
    target.add_argument("--index", type=int, help="which channel of the hook point")
    target.add_argument("--negative", action="store_true", help="study what drives it down instead of up")
    source = made.add_argument_group("snippets (one of file, run, corpus)")
    source.add_argument("--file", help="one a line, or blocks between lines of ---; - is standard input")
    source.add_argument("--run", help="the strongest records of this run, stored in --home")
    source.add_argument("--corpus", help="the strongest rows of a folder, a .txt, .jsonl or .parquet file, or stdlib")
    source.add_argument("--home", type=Path, default=Path("runs"), help="where runs and surveys are kept")
    source.add_argument("--top", type=_count, default=5, help="snippets taken from a run or a corpus")
    source.add_argument("--survey-tokens", type=_count, help="tokens read of a corpus; by the model's size")
    how = made.add_argument_group("pruning and augmenting")
    how.add_argument("--threshold", type=_share, default=0.5, help="share of the activation that is kept")
    how.add_argument("--contiguous", action="store_true", help="keep one piece of the text")
    how.add_argument("--window", type=int, help="always keep so many tokens either side of the peak")
    how.add_argument("--masked-lm", metavar="MODEL", help="a fill-mask folder or hub name; else the subject proposes")
    how.add_argument("--skip-stopwords", action="store_true", help="leave words like 'the' and 'of' alone")
    how.add_argument("--steps", type=_count, default=3, help="words replaced one after another")
    how.add_argument("--n", type=_count, default=5, help="replacements tried for each word")
    how.add_argument("--direction", choices=("maximise", "minimise"), default="maximise", help="where to walk")
    output = made.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--keep", action="store_true", help="keep every measured text as a record in --home")
    return made


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above zero, not '{word}'")
    return int(word)


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not '{word}'")
    return value


def check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for arguments that do not go together."""
    if sum(map(bool, (arguments.file, arguments.run, arguments.corpus))) != 1:
        raise UsageError("say where the snippets are: one of --file FILE, --run RUN or --corpus SPEC")
    if arguments.window is not None and arguments.window < 0:
        raise UsageError(f"--window must not be negative, but is {arguments.window}")
    of_run = arguments.run and arguments.layer is None and arguments.hook is None
    if arguments.negative and (arguments.feature is not None or of_run):
        raise UsageError("--negative needs --layer and --neuron, or --hook and --index")
    if arguments.feature is not None:
        if not arguments.sae or any(each is not None for each in (arguments.layer, arguments.neuron, arguments.hook)):
            raise UsageError("a feature needs --sae SAE --feature N, without --layer, --neuron and --hook")
        return
    neuron = (arguments.layer is not None, arguments.neuron is not None)
    hook = (arguments.hook is not None, arguments.index is not None)
    if any(hook) and (not all(hook) or any(neuron)):
        raise UsageError("a hook point needs --hook NAME --index N, without --layer and --neuron")
    if not any(hook) and not all(neuron) and (any(neuron) or not arguments.run):
        raise UsageError("say which unit: --layer L --neuron N, --sae SAE --feature N, or --hook NAME --index N")
