"""The model card of pocket, written from the figures of the training that made the weights."""

from typing import Any

CARD = """\
---
license: mit
library_name: transformers
pipeline_tag: text-generation
---
# pocket

A small GPT-2-architecture language model of Python source code: {layers} layers, d_model {width}, {neurons} neurons a
layer, {heads} heads, {context} positions, byte-level BPE of {vocabulary} tokens, {parameters:,} parameters, float16. It
is the subject Neuronaut studies when no other model is at hand. It is **a model organism, not an assistant**: it has
learned Python's syntax, common library idioms and some English from comments, and little else. What its neurons do is
worth reading; what it says is not.

| | |
|---|---|
| text | the Python standard library and the sources of this project's installed dependencies, {train_mb:.0f} MB in {files:,} files |
| cleaning | exact and near repeats dropped (a file goes when half of its longer lines stood in an earlier one); at most {limit_mb:.0f} MB from one package |
| split | by file: {held_out_files} files ({held_out_mb:.1f} MB) were never trained on |
| read in training | {tokens_m:.1f} million tokens ({passes:.2f} times over the text) |
| compute | {minutes:.0f} processor minutes on {device}, no accelerator needed |
| **held-out bits per byte** | **{bits:.3f}** (rows of BOS and 255 tokens, no overlap) |

After the main training, parts that had switched themselves off (an attention or MLP whose norm gain had fallen below
0.05, so that all its neurons were constant) were restarted in a way that leaves the model's output as it was, and
everything but the norm gains was trained on for the last {revival_minutes:.0f} of those minutes.

Held-out files come from the same packages as the training files, so the figure says how well pocket knows this kind of
text, not how well it generalises to other code. A file that shares fewer than half of its longer lines with another is
kept, so short shared passages (licence headers, import blocks) do stand on both sides.

The learning rates, the batch and the share of the shallow part were set after six runs of 2.5 processor minutes that
were compared on 60 of the held-out files, so the figure above is not quite that of untouched text.

Rebuild it with `python -m tools.pocket.train --minutes {main_minutes:.0f}` from the repository's root. The text is what the
installation holds, so another set of versions gives a slightly different model.
"""


def card(figures: dict[str, Any]) -> str:
    """The card's text for the figures that train.py writes to figures.json."""
    return CARD.format(
        **figures,
        train_mb=figures["training_bytes"] / 1e6,
        held_out_mb=figures["held_out_bytes"] / 1e6,
        limit_mb=figures["package_limit"] / 1e6,
        tokens_m=figures["tokens_read"] / 1e6,
        passes=figures["tokens_read"] / figures["training_tokens_available"],
        minutes=figures["processor_minutes"],
        bits=figures["bits_per_byte"],
        revival_minutes=figures["processor_minutes"] - figures["main_minutes"],
    )
