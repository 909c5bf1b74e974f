"""From arguments and environment to means: which model, which corpus, which mind, within which budgets.

Knows every flag and every variable of .env.example, and decides once what the defaults stand for, with one line for the
person each. What cannot be used is a SettingError with one line. Loads nothing heavy.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from graphs import offline
from graphs.state import Means

POCKET, STANDARD_LIBRARY = "pocket", "stdlib"
HUB_MODEL, HUB_CORPUS = "gpt2", "hf:NeelNanda/pile-10k"
BUILT_IN = "built-in"


class SettingError(ValueError):
    """An argument that cannot be used. The message is one line for a person."""


@dataclass(frozen=True)
class Choice:
    """What a default came to, and why."""

    name: str
    why: str


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m graphs.interpret`."""
    made = argparse.ArgumentParser(
        prog="python -m graphs.interpret",
        description="Find out what one neuron of a language model does, and show the evidence.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    target = made.add_argument_group("target")
    target.add_argument("--layer", type=int, help="layer, from 0")
    target.add_argument("--neuron", type=int, help="neuron of the layer's MLP, from 0")
    target.add_argument("--negative", action="store_true", help="study what drives it down instead of up")
    target.add_argument("--position", help="what a text's activation is: max, last, mean or an index")
    sources = made.add_argument_group("sources")
    sources.add_argument("--model", help="a hub name or a folder; gpt2 when it can be had, else the bundled pocket")
    sources.add_argument("--corpus", help="a folder, a .txt, .jsonl or .parquet file, hf:DATASET, or stdlib")
    sources.add_argument("--survey-tokens", type=int, help="tokens the survey reads; by the model's size")
    sources.add_argument("--seed-prompts", type=Path, metavar="FILE", help="your own prompts, one a line")
    sources.add_argument("--notes", type=Path, metavar="FILE", help="an analyst's notes for the agents")
    sources.add_argument("--device", help="cpu, cuda or mps")
    mind = made.add_argument_group("mind")
    mind.add_argument("--llm", help="auto, built-in, ollama:MODEL, PROVIDER:MODEL or scripted:FILE")
    mind.add_argument("--temperature", type=float, help="of the language model")
    mind.add_argument("--ollama-url", metavar="URL", help="where Ollama listens (OLLAMA_HOST)")
    mind.add_argument("--llm-timeout", type=float, metavar="SECONDS", help="for one exchange")
    mind.add_argument("--seed", type=int, help="everything random follows from it")
    budget = made.add_argument_group("budget")
    budget.add_argument("--max-iterations", type=int, help="rounds of measured prompts")
    budget.add_argument("--minutes", type=float, help="time for the inquiry after the survey")
    budget.add_argument("--max-llm-calls", type=int, help="exchanges with a language model")
    budget.add_argument("--max-forward-passes", type=int, help="prompts sent through the model")
    budget.add_argument("--k", dest="keep", type=int, help="how many top and bottom prompts agents see")
    budget.add_argument("--min-improvement", type=float, help="what counts as a better prompt")
    budget.add_argument("--stagnation", type=int, help="rounds without progress before exploring at random")
    output = made.add_argument_group("output")
    output.add_argument("--home", help="where records and reports are kept (NEURONAUT_HOME)")
    output.add_argument("--json", type=Path, metavar="FILE", help="also write the findings as data")
    output.add_argument("--resume", metavar="RUN_ID", help="go on with a run that was stopped")
    made.set_defaults(**{name: getattr(Means, name) for name in PASSED if hasattr(Means, name)})
    return made


def home(arguments: argparse.Namespace) -> str:
    """The folder records are kept in."""
    return str(getattr(arguments, "home", os.environ.get("NEURONAUT_HOME", "runs")))


def choose_model(wanted: str | None) -> Choice:
    """The model to study. Sets the hub's environment. Raises SettingError when a named one cannot be had."""
    if wanted == POCKET or (wanted is not None and Path(wanted).is_dir()):
        offline.settle(wanted=False)
        return Choice(wanted, "the bundled model" if wanted == POCKET else "from its folder")
    if wanted is not None:
        return _named(wanted)
    if offline.cached(HUB_MODEL):
        offline.settle(wanted=False)
        return Choice(HUB_MODEL, "it is in the hub's cache")
    if offline.settle(wanted=True):
        return Choice(HUB_MODEL, "the hub answers")
    return Choice(POCKET, f"the bundled model: {HUB_MODEL} is not cached and the hub does not answer")


def _named(wanted: str) -> Choice:
    if offline.cached(wanted):
        offline.settle(wanted=False)
        return Choice(wanted, "it is in the hub's cache")
    if offline.settle(wanted=True):
        return Choice(wanted, "the hub answers")
    raise SettingError(
        f"model '{wanted}' is no folder, is not in the hub's cache, and the hub does not answer: "
        "check the name, connect, or use --model pocket"
    )


def choose_corpus(wanted: str | None, model: str) -> Choice:
    """The text to read. The hub's dataset needs the hub, or a copy of it."""
    if wanted is not None:
        return Choice(wanted, "as asked")
    if model != POCKET and os.environ.get("HF_HUB_OFFLINE") != "1":
        return Choice(HUB_CORPUS, "the hub answers")
    return Choice(STANDARD_LIBRARY, "this interpreter's standard library")


def choose_mind(wanted: str, url: str | None) -> Choice:
    """The mind. `auto` asks whether Ollama answers; a named model is opened, and checked, later."""
    if wanted == BUILT_IN:
        return Choice(BUILT_IN, "as asked")
    if wanted != "auto":
        return Choice(wanted, "as asked")
    from agents.ollama_server import choose_model as installed

    found = installed(url, wanted=os.environ.get("NEURONAUT_OLLAMA_MODEL"), seconds=1.0)
    if found is None:
        return Choice(BUILT_IN, "no language model: Ollama does not answer")
    return Choice(f"ollama:{found}", "Ollama answers")


def means(arguments: argparse.Namespace, model: Choice, corpus: Choice, mind: Choice) -> Means:
    """The means of a new run. Raises SettingError for missing or senseless values."""
    given = vars(arguments)
    if "layer" not in given or "neuron" not in given:
        raise SettingError("say which neuron: --layer L --neuron N")
    passed = {name: value for name, value in given.items() if name in PASSED}
    for name in POSITIVE & set(passed):
        if passed[name] is not None and not passed[name] > 0:
            raise SettingError(f"--{name.replace('_', '-')} must be above zero, not {passed[name]}")
    position = str(given.get("position", "max"))
    if position not in ("max", "last", "mean") and not position.lstrip("-").isdigit():
        raise SettingError(f"--position is max, last, mean or an index, not '{position}'")
    return Means(
        **passed,
        sign=-1 if given.get("negative") else 1,
        position=position,
        model=model.name,
        corpus=corpus.name,
        llm=None if mind.name == BUILT_IN else mind.name,
        ollama_url=given.get("ollama_url", os.environ.get("OLLAMA_HOST")),
        home=home(arguments),
        notes=_read(given["notes"]) if "notes" in given else "",
        seed_prompts=tuple(_lines(given["seed_prompts"])) if "seed_prompts" in given else (),
    )


PASSED = {
    "layer", "neuron", "survey_tokens", "device", "temperature", "llm_timeout", "seed", "max_iterations", "minutes",
    "max_llm_calls", "max_forward_passes", "keep", "min_improvement", "stagnation",
}  # fmt: skip
POSITIVE = {"survey_tokens", "llm_timeout", "max_iterations", "minutes", "max_forward_passes", "keep", "stagnation"}


def _lines(path: Path) -> list[str]:
    return [line for line in _read(path).splitlines() if line.strip()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from error
