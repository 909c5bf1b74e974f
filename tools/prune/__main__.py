"""`python -m tools.prune --layer 3 --neuron 1 --file snippets.txt`: snippets cut to triggers, and what changes them.

For every snippet: the pruned text, the importance of its tokens, and the texts several words away that still fire
(positive) or no longer do (negative), with the change of the activation. Exit status 0, or 2 with one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.pocket import FOLDER, NAME
from tools.prune.arguments import UsageError, check, parser

if TYPE_CHECKING:
    from memory.records import Run, Target
    from tools.augment import ContextualAugmenter
    from tools.prune.snippets import Snippet
    from tools.prune.studies import Study
    from tools.subject import Subject

QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    arguments = parser().parse_args(words)
    _settle(arguments)
    from memory.database import StoreError
    from tools.augment import MaskedModelError
    from tools.corpus import CorpusError
    from tools.features import DictionaryError
    from tools.prune.snippets import SnippetError
    from tools.subject import SubjectError

    mistakes = (UsageError, SnippetError, SubjectError, MaskedModelError, CorpusError, DictionaryError, StoreError)
    try:
        _run(arguments)
    except (*mistakes, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _settle(arguments: argparse.Namespace) -> None:
    """Keep the hub's libraries quiet, and offline when everything asked for lies here; before they are imported."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    model = getattr(arguments, "model", NAME)
    here = [name is None or name == NAME or Path(name).is_dir() for name in (model, arguments.masked_lm)]
    if all(here) and not str(arguments.corpus).startswith("hf:"):
        os.environ.update(HF_HUB_OFFLINE="1")


def _run(arguments: argparse.Namespace) -> None:
    check(arguments)
    from memory.records import plain
    from tools.augment import ContextualAugmenter, load_masked
    from tools.loading import load
    from tools.prune.keeping import keep
    from tools.prune.printing import data, lines
    from tools.prune.snippets import from_file, stored_run

    snippets = from_file(arguments.file) if arguments.file else None
    run = stored_run(arguments.home, arguments.run) if arguments.run else None
    model = getattr(arguments, "model", run.target.model if run else NAME)
    subject = load(model, FOLDER if model == NAME else None)
    target = _target(subject, arguments, run)
    masked = load_masked(arguments.masked_lm) if arguments.masked_lm else None
    augmenter = ContextualAugmenter(subject, masked, skip_stopwords=arguments.skip_stopwords)
    snippets = snippets or _found(subject, target, arguments)
    if not arguments.json:
        print(f"{target.name} of {subject.name}, {len(snippets)} snippets")
    studies = []
    for number, snippet in enumerate(snippets, 1):
        studies.append(_studied(subject, target, snippet, augmenter, arguments))
        if not arguments.json:
            print("\n".join(lines(number, snippet, studies[-1])), flush=True)
    if arguments.json:
        found = [data(snippet, study) for snippet, study in zip(snippets, studies, strict=True)]
        print(json.dumps({"target": plain(target), "snippets": found}, ensure_ascii=False, indent=1, allow_nan=False))
    if arguments.keep:
        kept = keep(arguments.home, target, snippets, studies)
        print(f"kept as run {kept}", file=sys.stderr)


def _studied(
    subject: Subject, target: Target, snippet: Snippet, augmenter: ContextualAugmenter, arguments: argparse.Namespace
) -> Study:
    from tools.prune.studies import run_iterative_multi_token_on_snippets

    [study] = run_iterative_multi_token_on_snippets(
        subject,
        target,
        [snippet.text],
        augmenter=augmenter,
        steps=arguments.steps,
        direction=arguments.direction,
        n=arguments.n,
        threshold=arguments.threshold,
        window=arguments.window,
        contiguous=arguments.contiguous,
    )
    return study


def _target(subject: Subject, arguments: argparse.Namespace, run: Run | None) -> Target:
    """The unit asked for; that of the run when none was. Raises SubjectError, or UsageError for other weights."""
    sign = -1 if arguments.negative else 1
    if arguments.feature is not None:
        from tools.features import open_dictionary

        subject.attach(open_dictionary(arguments.sae, subject))
        return subject.feature(arguments.feature)
    if arguments.hook is not None:
        return subject.at(arguments.hook, arguments.index, sign)
    if arguments.layer is not None:
        return subject.neuron(arguments.layer, arguments.neuron, sign)
    assert run is not None
    if run.target.model_hash != subject.hash:
        raise UsageError(f"run {run.id} is about other weights of {run.target.model} than are there now")
    if run.target.dictionary:
        raise UsageError(f"run {run.id} is about a dictionary feature; name a neuron or a hook point")
    return run.target


def _found(subject: Subject, target: Target, arguments: argparse.Namespace) -> list[Snippet]:
    from tools.prune.snippets import from_corpus, from_run

    if arguments.run:
        return from_run(arguments.home, arguments.run, arguments.top)

    begun: list[int] = []

    def progress(done: int, total: int) -> None:
        if not begun:
            print(f"reading {total} tokens of {arguments.corpus}", file=sys.stderr, flush=True)
        begun.append(done)

    return from_corpus(
        subject,
        target,
        arguments.corpus,
        arguments.home,
        arguments.top,
        tokens=arguments.survey_tokens,
        progress=progress,
    )


if __name__ == "__main__":
    sys.exit(main())
