"""A tiny random ESM-2 in every file layout users have, and the hub it could come from."""

import argparse

import pytest
import torch
from esm.data import Alphabet
from esm.model.esm2 import ESM2
from safetensors.torch import save_file

torch.set_num_threads(1)

LAYERS, DIM, HEADS = 2, 24, 4

HUGGING_FACE = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.rot_emb": "attention.self.rotary_embeddings",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "LayerNorm",
}


def hugging_face_state(state):
    """The state dict of transformers' EsmForSequenceClassification for fair-esm's ``state``."""
    renamed = {
        "classifier.dense.weight": torch.zeros(2, DIM),
        "esm.embeddings.position_ids": torch.arange(9)[None],
    }
    for name, tensor in state.items():
        if name.startswith("layers."):
            _, layer, rest = name.split(".", 2)
            module, kind = rest.rsplit(".", 1)
            renamed[f"esm.encoder.layer.{layer}.{HUGGING_FACE[module]}.{kind}"] = tensor
        elif name.startswith("emb_layer_norm_after"):
            renamed[f"esm.encoder.{name}"] = tensor
    renamed["esm.embeddings.word_embeddings.weight"] = state["embed_tokens.weight"]
    return renamed


@pytest.fixture(scope="session")
def model():
    """fair-esm's own module with random weights, large enough that layers differ visibly."""
    torch.manual_seed(1)
    model = ESM2(LAYERS, DIM, HEADS, Alphabet.from_architecture("ESM-1b"))
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model.eval()


@pytest.fixture(scope="session")
def fair_esm_checkpoint(model):
    """Content of a released file: prefixed tensors, and the training options as a Namespace."""
    options = argparse.Namespace(encoder_layers=LAYERS, encoder_embed_dim=DIM, encoder_attention_heads=HEADS)
    options.token_dropout = True
    state = {}
    for name, tensor in model.state_dict().items():
        prefix = "encoder." if name.startswith("lm_head") else "encoder.sentence_encoder."
        if not name.startswith("contact_head"):
            state[prefix + name] = tensor
    return {"cfg": {"model": options}, "model": state}


@pytest.fixture(scope="session")
def weight_files(tmp_path_factory, model, fair_esm_checkpoint):
    """The same weights as files, by layout."""
    root = tmp_path_factory.mktemp("weights")
    state = hugging_face_state(model.state_dict())
    (root / "folder").mkdir()
    torch.save(fair_esm_checkpoint, root / "tiny.pt")
    torch.save(state, root / "pytorch_model.bin")
    torch.save(model.state_dict(), root / "module.pt")
    save_file(state, root / "folder" / "model.safetensors")
    return {
        "fair-esm": root / "tiny.pt",
        "module": root / "module.pt",
        "hugging-face": root / "pytorch_model.bin",
        "folder": root / "folder",
    }


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty user cache, and an empty torch hub folder."""
    monkeypatch.setenv("BETAFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache"
