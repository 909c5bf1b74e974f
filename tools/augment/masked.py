"""A masked language model (DistilBERT, BERT, RoBERTa and the like) as a source of words. Safetensors only.

1. The word is replaced by the mask, with up to WIDE characters either side, fewer for a short model.
2. All masked texts of one request go through the model in batches; its likeliest tokens at the mask, in order.
3. Pieces of words ("##ing", or a byte-level token without a space before it) and special tokens ("[UNK]") are dropped.

Optional: everything that uses it works without, by the subject's own expectations (words.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.augment.words import Span

WIDE = 300  # characters
BATCH = 8  # masked texts: their logits over the vocabulary take 20 MB each
SPARE = 32  # tokens offered beyond those wanted: marks may be likelier than words where a word stood
STARTS = ("Ġ", "▁")  # how vocabularies that mark the beginning of a word mark it


class MaskedModelError(ValueError):
    """The masked language model cannot be used. The message is one line for a person."""


class MaskedModel:
    """A masked language model ready to be asked; `name` is what its replacements are said to come from."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        self._longest: int = model.config.max_position_embeddings - 2  # RoBERTa's positions begin at 2
        pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        marked = any(piece.startswith(STARTS) for piece in pieces)
        special = set(tokenizer.all_special_tokens)
        self._whole = [
            i
            for i, piece in enumerate(pieces)
            if piece not in special and not piece.startswith("##") and (piece.startswith(STARTS) or not marked)
        ]

    def words(self, text: str, spans: Sequence[Span], *, count: int) -> list[list[str]]:
        """A `WordSource`: more whole tokens than wanted for each span, since not all of them will fit."""
        masked = [self._masked(text, span) for span in spans]
        batches = [masked[at : at + BATCH] for at in range(0, len(masked), BATCH)]
        return [found for batch in batches for found in self._likeliest(batch, SPARE + 4 * count)]

    def _masked(self, text: str, span: Span) -> str:
        start, end = span
        wide = min(WIDE, self._longest)
        return text[max(0, start - wide) : start] + self._tokenizer.mask_token + text[end : end + wide]

    def _likeliest(self, texts: Sequence[str], count: int) -> list[list[str]]:
        """For each masked text the likeliest whole tokens at its mask; none where the mask was cut off."""
        import torch

        batch = self._tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=self._longest
        )
        at_mask = batch["input_ids"] == self._tokenizer.mask_token_id
        with torch.inference_mode():
            logits = self._model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        found = []
        for row, mask in zip(logits, at_mask, strict=True):
            places = mask.nonzero().flatten().tolist()
            whole = row[places[0], self._whole] if places else row[0, :0]
            best = whole.topk(min(count, len(whole))).indices.tolist()
            found.append([self._tokenizer.decode([self._whole[i]]).strip() for i in best])
        return found


def load_masked(where: str) -> MaskedModel:
    """A fill-mask model of a folder or the hub. Raises MaskedModelError with one line saying what to do."""
    from safetensors import SafetensorError
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    try:
        found: Any = AutoModelForMaskedLM.from_pretrained(where, use_safetensors=True, output_loading_info=True)
        model, loaded = found
        tokenizer: Any = AutoTokenizer.from_pretrained(where)
        if loaded["missing_keys"]:
            raise ValueError(f"the weights lack {len(loaded['missing_keys'])} parameters")
        if tokenizer.mask_token is None:
            raise ValueError("its tokenizer has no mask token")
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise MaskedModelError(_advice(where, error)) from error
    return MaskedModel(model.eval().requires_grad_(False), tokenizer, where)


def _advice(where: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return (
        f"cannot load masked language model '{where}' ({reason}); give a fill-mask folder with *.safetensors, "
        "or leave it out: the subject then proposes words itself"
    )
