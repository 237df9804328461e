"""Small random backbones on disk: ESM-2 in canonical layout, and a Qwen3-architecture model in the hub's layout."""

import json
from pathlib import Path

import torch


def save_esm2(folder: Path) -> Path:
    """Canonical weights of an ESM-2 with 2 layers of width 32."""
    from esm.data import Alphabet
    from esm.model.esm2 import ESM2

    from betafold.embeddings.layouts import read_weights, write_canonical

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ESM2(2, 32, 4, Alphabet.from_architecture("ESM-1b"))
    torch.save({"args": {}, "cfg": {}, "model": model.state_dict()}, folder / "raw.pt")
    write_canonical(folder / "esm2.safetensors", read_weights(folder / "raw.pt"), {"origin": "random"})
    return folder / "esm2.safetensors"


def save_qwen3(folder: Path, words: bool = False) -> Path:
    """A random Qwen3 of 2 layers with a byte-pair tokenizer; with ``words``, one that lacks some letters' tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if words:
        alphabet = [letter for letter in alphabet if letter not in "AG"]
    special = ["<|endoftext|>", "<unk>"]
    vocabulary = {token: index for index, token in enumerate([*alphabet, "LL", "KL", *special])}
    merges = [("L", "L"), ("K", "L")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=special[0], pad_token=special[0]
    ).save_pretrained(folder)
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen3ForCausalLM(config).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen3"
    return folder
