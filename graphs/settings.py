"""From arguments and environment to means: which model, which corpus, which mind, within which budgets.

Knows every flag, NEURONAUT_* and OLLAMA_HOST, and decides once what the defaults stand for, with one line for the
person each. What cannot be used is a SettingError with one line. Loads nothing heavy.
"""

import argparse
import math
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphs import flags, offline
from graphs.flags import JUDGED_CALLS
from graphs.state import Means
from memory.records import BUILT_IN

POCKET, STANDARD_LIBRARY = "pocket", "stdlib"
HUB = "hf:"
HUB_MODEL, HUB_CORPUS = "gpt2", f"{HUB}NeelNanda/pile-10k"
LARGEST_SEED = 2**31 - 1


class SettingError(ValueError):
    """An argument that cannot be used. The message is one line for a person."""


@dataclass(frozen=True)
class Choice:
    """What a default came to, and why."""

    name: str
    why: str


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m graphs.interpret`."""
    made = flags.parser(
        "python -m graphs.interpret", "Find out what one neuron of a language model does, and show the evidence."
    )
    flags.add_target(made)
    flags.add_sources(made)
    flags.add_mind(made)
    flags.add_budget(made)
    output = flags.add_output(made)
    output.add_argument("--json", type=Path, metavar="FILE", help="also write the findings as data")
    output.add_argument("--resume", metavar="RUN_ID", help="go on with a run that was stopped, with its own settings")
    set_defaults(made)
    return made


def set_defaults(made: argparse.ArgumentParser) -> None:
    """Give every flag that means know the value they have by themselves."""
    known = {action.dest for action in made._actions}
    wanted = (PASSED - UNIT - {"max_llm_calls"}) & known
    made.set_defaults(**{name: value for name in wanted if (value := getattr(Means, name, None)) is not None})


def home(arguments: argparse.Namespace) -> str:
    """The folder records are kept in. Raises SettingError for one whose name is not UTF-8."""
    found = str(getattr(arguments, "home", os.environ.get("NEURONAUT_HOME", "runs")))
    _check_words({"home": found})
    return found


def elsewhere(arguments: argparse.Namespace) -> str:
    """The flag that names the data folder again, for a command that goes on; nothing where it was not given."""
    return f" --home {shlex.quote(arguments.home)}" if hasattr(arguments, "home") else ""


def ollama_url(arguments: argparse.Namespace) -> str | None:
    """Where Ollama listens, None for its usual place."""
    return getattr(arguments, "ollama_url", os.environ.get("OLLAMA_HOST"))


def choose_model(wanted: str | None, corpus: str | None = None) -> Choice:
    """The model to study. Asks the hub when model or corpus may need it, and sets its environment by the answer.

    Raises SettingError when a model asked for by name cannot be had.
    """
    local = wanted == POCKET or (wanted is not None and Path(wanted).is_dir())
    hub_corpus = corpus.startswith(HUB) if corpus is not None else not local
    kept = not local and offline.cached(wanted or HUB_MODEL)
    hub = offline.settle(wanted=hub_corpus or not (local or kept))
    if local:
        return Choice(str(wanted), "the bundled model" if wanted == POCKET else "from its folder")
    if kept:
        return Choice(wanted or HUB_MODEL, "it is in the hub's cache")
    if hub:
        return Choice(wanted or HUB_MODEL, "the hub answers")
    if wanted is None:
        return Choice(POCKET, f"the bundled model: {HUB_MODEL} is not cached and the hub does not answer")
    raise SettingError(
        f"model '{wanted}' is no folder, is not in the hub's cache, and the hub does not answer: "
        "check the name, connect, or use --model pocket"
    )


def choose_corpus(wanted: str | None, model: str) -> Choice:
    """The text to read: what was asked for; for a model of the hub its dataset when the hub answers; else Python."""
    if wanted is not None:
        return Choice(wanted, "as asked")
    if model != POCKET and not Path(model).is_dir() and offline.allowed():
        return Choice(HUB_CORPUS, "the hub answers")
    return Choice(STANDARD_LIBRARY, "this interpreter's standard library")


def choose_mind(wanted: str, url: str | None) -> Choice:
    """The mind. `auto` asks whether Ollama answers; a named model is opened, and checked, later."""
    if wanted == BUILT_IN:
        return Choice(BUILT_IN, "as asked")
    if wanted != "auto":
        return Choice(wanted, "as asked")
    from agents.ollama_server import choose_model as installed

    model = os.environ.get("NEURONAUT_OLLAMA_MODEL")
    found = installed(url, wanted=model, seconds=1.0)
    if found is None:
        return Choice(BUILT_IN, f"no language model: Ollama does not answer, or has no {model or 'model that chats'}")
    return Choice(f"ollama:{found}", "Ollama answers")


def means(arguments: argparse.Namespace, model: Choice, corpus: Choice, mind: Choice) -> Means:
    """The means of a new run. Raises SettingError for missing or senseless values."""
    given = vars(arguments)
    _check_unit(given, model.name)
    passed = {name: value for name, value in given.items() if name in PASSED}
    check_numbers(passed)
    position = str(given.get("position", "max"))
    if not re.fullmatch(r"max|last|mean|-?[0-9]{1,9}", position):
        raise SettingError(f"--position is max, last, mean or an index, not '{position}'")
    if "judge" in passed:
        passed.setdefault("max_llm_calls", JUDGED_CALLS)
    if passed.get("feature") is not None:
        passed.setdefault("sae", POCKET)
    return Means(
        **passed,
        sign=-1 if given.get("negative") else 1,
        position=position,
        model=model.name,
        corpus=corpus.name,
        llm=None if mind.name == BUILT_IN else mind.name,
        ollama_url=ollama_url(arguments),
        home=home(arguments),
        notes=_read(given["notes"]) if "notes" in given else "",
        seed_prompts=tuple(_lines(given["seed_prompts"])) if "seed_prompts" in given else (),
    )


def chosen(arguments: argparse.Namespace, say: Callable[[str], None]) -> Means:
    """The means of a new run, with a line for what model, corpus and mind came to and why. Raises SettingError."""
    given = vars(arguments)
    _check_words(given)
    model = choose_model(given.get("model"), given.get("corpus"))
    say(f"model {model.name}: {model.why}")
    corpus = choose_corpus(given.get("corpus"), model.name)
    say(f"corpus {corpus.name}: {corpus.why}")
    mind = choose_mind(given.get("llm", "auto"), ollama_url(arguments))
    say(f"mind {mind.name}: {mind.why}")
    return means(arguments, model, corpus, mind)


PASSED = {
    "layer", "neuron", "survey_tokens", "device", "temperature", "llm_timeout", "seed", "max_iterations", "minutes",
    "max_llm_calls", "max_forward_passes", "keep", "min_improvement", "stagnation", "near_mid",
    "near_high", "near_low", "sae", "feature", "hook", "index", "masked_lm", "judge",
}  # fmt: skip
UNIT = {"layer", "neuron"}  # never taken for granted
POSITIVE = {
    "survey_tokens", "llm_timeout", "max_iterations", "minutes", "max_forward_passes", "keep", "stagnation", "near_mid",
    "near_high", "near_low",
}  # fmt: skip
FROM_ZERO = {"temperature", "seed", "max_llm_calls", "min_improvement"}


def _check_unit(given: dict[str, Any], model: str) -> None:
    """Raise SettingError unless exactly one unit is named, and one that can be studied that way."""
    units = [("layer", "neuron"), ("feature",), ("hook", "index")]
    named = [names for names in units if all(name in given for name in names)]
    if len(named) != 1 or any(name in given for names in units if names not in named for name in names):
        raise SettingError("say which unit: --layer L --neuron N, or --sae SAE --feature N, or --hook NAME --index N")
    if named == [("feature",)] and "sae" not in given and model != POCKET:
        raise SettingError("say which dictionary the feature belongs to: --sae RELEASE/ID or a folder")
    if named == [("feature",)] and given.get("negative"):
        raise SettingError("a feature never goes below zero, so there is no --negative side to study")


def _check_words(given: dict[str, Any]) -> None:
    """Raise SettingError for words that no file of ours can carry: those of a folder whose name is not UTF-8."""
    for name, words in given.items():
        if isinstance(words, str) and any("\ud800" <= mark <= "\udfff" for mark in words):
            raise SettingError(f"--{name.replace('_', '-')} is not UTF-8: {words!a}")


def check_numbers(passed: dict[str, Any]) -> None:
    """Raise SettingError for a number that makes no sense, NaN and infinity among them."""
    for name, value in passed.items():
        flag = f"--{name.replace('_', '-')}"
        if name in POSITIVE and not 0 < value < math.inf:
            raise SettingError(f"{flag} must be above zero, not {value}")
        if name in FROM_ZERO and not 0 <= value < math.inf:
            raise SettingError(f"{flag} must be zero or more, not {value}")
    if (seed := passed.get("seed", 0)) > LARGEST_SEED:
        raise SettingError(f"--seed is at most {LARGEST_SEED}, not {seed:.3g}")


def _lines(path: Path) -> list[str]:
    return [line for line in _read(path).splitlines() if line.strip()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from error
