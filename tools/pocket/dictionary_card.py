"""The card of pocket's dictionary, written from the figures of the training that made it."""

from typing import Any

CARD = """\
---
license: mit
library_name: sae_lens
---
# pocket's dictionary

A sparse autoencoder over the residual stream of `{model}` after block 6 (`{hook}`): {width:,} features over d_model
{d_in}, {ratio:.0f} times as wide. Trained as a BatchTopK SAE (k = {k}) with SAELens, kept as the JumpReLU SAE with one
common threshold that it becomes, float32. It belongs to the model whose hash is `{model_hash}` and to no other. It is
there so that dictionary features can be studied with no download; it is a small one, trained for minutes.

| | |
|---|---|
| text | pocket's own training files (see the model's card), {samples_m:.2f} million tokens of them, read {passes:.1f} times |
| rows | BOS and up to 255 tokens of one file; BOS itself (position 0) is in no training sample and in no figure |
| comparison split | one training file in 50, left out of this dictionary's training; settings were compared there |
| test split | {test_files} files that neither pocket nor the dictionary was trained on; {tokens:,} tokens of them |
| training | batches of {batch:,}, rate {rate}, seed {seed}; {minutes:.0f} processor minutes on one core |

On the test split:

| | dictionary | {components:.0f} principal components |
|---|---|---|
| mean active features a token (L0) | **{l0:.1f}** | {components:.0f} |
| explained variance (all dimensions, mean-centred) | **{explained_variance:.3f}** | {components_explained_variance:.3f} |
| cross-entropy, nats a token (clean {ce_clean:.3f}, zero-ablated {ce_zero:.3f}) | **{ce_dictionary:.3f}** | {ce_components:.3f} |
| cross-entropy recovered, from zero-ablated (0) to clean (1) | **{ce_recovered:.3f}** | {components_ce_recovered:.3f} |
| features that never fire in those tokens | **{dead_share:.1%}** | |

The principal components are the floor: as many directions as the dictionary uses a token, the same for all tokens,
fitted on the training samples. Zero ablation is a weak floor for cross-entropy, so "recovered" flatters; the plain
difference to the clean model, **{ce_lost:.3f} nats a token**, does not.

## Limits

- {unexplained:.0%} of the variance is in no feature. What the model does with that part, no feature can explain.
- A feature is a direction that is seldom used, found by a fit. Nothing here says that it means one thing to a person, or
  that the model uses it. Another seed, k or width gives other features.
- A feature that never fired on the test split may still fire elsewhere; its figures then rest on very little text.
- The test files come from the same packages as the training files. 60 of them also helped to choose pocket's own
  learning rates.
- Position 0 is far outside what was trained on: reading a feature at BOS means nothing.

Settings compared in short runs (400 thousand samples of training, {comparison_tokens:,} tokens of the comparison split):

{comparison}

Rebuild it with `python -m tools.pocket.dictionary_training` from the repository's root. The text is what the
installation holds, so another set of versions gives a slightly different dictionary.
"""  # noqa: E501

COLUMNS = ("k", "rate", "width", "l0", "explained_variance", "ce_recovered", "dead_share")


def card(figures: dict[str, Any]) -> str:
    """The card's text for the figures that dictionary_training.py writes to figures.json."""
    head = "| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS)
    runs = figures["comparison"]
    rows = ["| " + " | ".join(str(run[column]) for column in COLUMNS) + " |" for run in runs]
    return CARD.format(
        **figures | {"comparison": "\n".join([head, *rows])},
        comparison_tokens=runs[0]["tokens"],
        ratio=figures["width"] / figures["d_in"],
        components=round(figures["l0"]),
        samples_m=figures["samples"] / 1e6,
        passes=figures["samples_read"] / figures["samples"],
        minutes=figures["processor_minutes"],
        ce_lost=figures["ce_dictionary"] - figures["ce_clean"],
        unexplained=1 - figures["explained_variance"],
    )
