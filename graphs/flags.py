"""The flags that commands share, group by group.

Knows their names and their help. Refuses to know what they come to (graphs/settings.py). Loads nothing heavy.
"""

import argparse
from pathlib import Path

from graphs.state import EXAMINATION, HEARING, Means

JUDGED_CALLS = Means.max_llm_calls + HEARING  # what may be asked where there is a judge and no limit was given


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """A parser that shows defaults, and leaves out what was not given."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )


def add_target(made: argparse.ArgumentParser) -> None:
    """Which unit."""
    target = made.add_argument_group("target")
    target.add_argument("--layer", type=int, help="layer, from 0")
    target.add_argument("--neuron", type=int, help="neuron of the layer's MLP, from 0")
    target.add_argument("--sae", metavar="SAE", help="a dictionary: RELEASE/ID of sae_lens, a folder, or pocket")
    target.add_argument("--feature", type=int, help="a feature of that dictionary, instead of a neuron")
    target.add_argument("--hook", metavar="NAME", help="any hook point, instead of a neuron")
    target.add_argument("--index", type=int, help="which channel of that hook point")
    target.add_argument("--negative", action="store_true", help="study what drives it down instead of up")
    target.add_argument("--position", help="a text's activation: max (the default), last, mean or an index")


def add_reading(made: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Which model and text; the group, for more of its kind."""
    sources = made.add_argument_group("sources")
    sources.add_argument("--model", help="a hub name or a folder; gpt2 when it can be had, else the bundled pocket")
    sources.add_argument(
        "--corpus",
        help="a folder, a .txt, .jsonl or .parquet file, hf:DATASET, or stdlib; "
        "pile-10k for a model of the hub when the hub answers, else stdlib",
    )
    sources.add_argument("--survey-tokens", type=int, help="tokens the survey reads; by the model's size")
    sources.add_argument("--device", help="cpu, cuda or mps")
    return sources


def add_sources(made: argparse.ArgumentParser) -> None:
    """Which model and text, and what an inquiry is given beside them."""
    sources = add_reading(made)
    sources.add_argument("--seed-prompts", type=Path, metavar="FILE", help="your own prompts, one a line")
    sources.add_argument("--notes", type=Path, metavar="FILE", help="an analyst's notes for the agents")
    sources.add_argument("--masked-lm", metavar="NAME", help="a masked language model for word replacements")


def add_mind(made: argparse.ArgumentParser) -> None:
    """Who thinks."""
    mind = made.add_argument_group("mind")
    mind.add_argument("--llm", help="auto (the default), built-in, ollama:MODEL, PROVIDER:MODEL or scripted:FILE")
    mind.add_argument(
        "--judge",
        metavar="MODEL",
        help=f"a language model, named as for --llm, that judges the explanation: it is examined first, {EXAMINATION} "
        f"calls once a model, and then asked about {HEARING - EXAMINATION} times an explanation",
    )
    mind.add_argument("--temperature", type=float, help="of the language model")
    mind.add_argument("--ollama-url", metavar="URL", help="where Ollama listens (OLLAMA_HOST)")
    mind.add_argument("--llm-timeout", type=float, metavar="SECONDS", help="for one exchange")
    mind.add_argument("--seed", type=int, help="everything random follows from it")


def add_budget(made: argparse.ArgumentParser) -> None:
    """How much of everything."""
    budget = made.add_argument_group("budget of each target")
    budget.add_argument("--max-iterations", type=int, help="rounds of measured prompts")
    budget.add_argument("--minutes", type=float, help="time for the inquiry after the survey")
    budget.add_argument(
        "--max-llm-calls",
        type=int,
        default=argparse.SUPPRESS,
        help=f"exchanges with language models in all (default: {Means.max_llm_calls}, with a judge {JUDGED_CALLS})",
    )
    budget.add_argument("--max-forward-passes", type=int, help="prompts sent through the model")
    budget.add_argument("--k", dest="keep", type=int, help="how many top and bottom prompts agents see")
    budget.add_argument("--min-improvement", type=float, help="what counts as a better prompt")
    budget.add_argument("--near-mid", type=float, help="cosine to a mediocre prompt that rejects a free proposal")
    budget.add_argument("--near-high", type=float, help="the same for strong prompts; none by default")
    budget.add_argument("--near-low", type=float, help="the same for weak prompts; none by default")
    budget.add_argument("--stagnation", type=int, help="rounds without progress before exploring at random")


def add_output(made: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Where everything is kept; the group, for more of its kind."""
    output = made.add_argument_group("output")
    output.add_argument("--home", help="where records and reports are kept (NEURONAUT_HOME; default: runs)")
    return output
