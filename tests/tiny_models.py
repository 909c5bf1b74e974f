"""Folders with tiny models, made in a second: a GPT-2 with planted neurons, and a random Llama with a gated MLP.

Any test loads them as the product loads a person's folder. Same call, same weights.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SENTENCE = "the cat dog sat on mat under red river apple stone to day today over and ran far near blue sky old man saw"
WORDS = SENTENCE.split()
LINES = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))] + ["day-to-day. to-day! man? apple, river\n"] * 9
END = "<|endoftext|>"
FIRST, SECOND = " apple", " river"
# Neurons of layer 0: FIRST before SECOND; nothing at all; " to" before "day"; the same, or " today"
PAIR, DEAD, SPLIT, MERGED = 5, 6, 7, 8
PLANTED = (  # neuron, bias, weights on the axes of the five words
    (PAIR, -6.0, (1.0, 1.0, 0.0, 0.0, 0.0)),
    (DEAD, -1.0, (0.0, 0.0, 0.0, 0.0, 0.0)),
    (SPLIT, -6.0, (0.0, 0.0, 1.0, 1.0, 0.0)),
    (MERGED, -6.0, (0.0, 0.0, 1.0, 1.0, 1.5)),
)


def write_gpt2(folder: Path, activation: str = "gelu_new") -> Path:
    """Two random layers; in layer 0 uniform attention copies the past, so that a neuron can want two tokens."""
    tokenizer = _write_tokenizer(folder)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_inner=64,
        activation_function=activation,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        table = model.transformer.wte.weight.normal_()
        model.transformer.wpe.weight.zero_()
        table[:, :5] = 0.0
        for axis, word in enumerate((FIRST, SECOND, " to", "day", " today")):
            [token] = tokenizer.encode(word)
            table[token] = 0.0
            table[token, axis] = 5.6
        weights = dict(model.transformer.h[0].named_parameters())
        weights["attn.c_attn.weight"].zero_()
        weights["attn.c_attn.weight"][:, 64:] = torch.diag(torch.tensor([1.0] * 4 + [0.1] * 28))
        weights["attn.c_proj.weight"].copy_(6 * torch.eye(32))
        for neuron, bias, axes in PLANTED:
            weights["mlp.c_fc.weight"][:, neuron] = 0.0
            weights["mlp.c_fc.weight"][:5, neuron] = torch.tensor(axes)
            weights["mlp.c_fc.bias"][neuron] = bias
    model.save_pretrained(folder)
    return folder


def write_llama(folder: Path) -> Path:
    """A random Llama of two layers with a gated MLP."""
    tokenizer = _write_tokenizer(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_pieces(folder: Path) -> Path:
    """The same Llama with SentencePiece's way of writing spaces, as Llama 2 and Mistral have it."""
    write_llama(folder)
    tokenizer = Tokenizer(models.BPE(unk_token=END))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[END], show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    named = {"bos_token": END, "eos_token": END, "unk_token": END}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, unk_token=END)
    fast.save_pretrained(folder)
    return fast
