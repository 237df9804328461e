"""The forward pass of ESM-2 written for placeholders is that of fair-esm."""

import pytest
import torch

from betafold.embeddings.esm2 import load_esm2
from betafold.embeddings.layouts import read_weights, write_canonical
from betafold.models.mtp.backbone import build_backbone
from betafold.models.mtp.config import BackboneConfig, LoraSettings

SEQUENCES = ["ACDEFGHIKLMNPQRSTVWY" * 3, "GYDPETGTWG"]


@pytest.fixture
def rounded(esm2_weights, tmp_path):
    """Weights whose rotary frequencies are not the ideal ones, as in files that were once in half precision."""
    weights = read_weights(esm2_weights)
    names = [name for name in weights if name.endswith("rot_emb.inv_freq")]
    assert names
    for name in names:
        weights[name] = weights[name].half().float() * 0.98
    write_canonical(tmp_path / "rounded.safetensors", weights, {"origin": "random"})
    return tmp_path / "rounded.safetensors"


@torch.no_grad()
@pytest.mark.parametrize("rank", [0, 4])
def test_rotary_frequencies_are_those_of_the_file(rounded, esm2_weights, rank):
    config = BackboneConfig("esm2", str(rounded), lora=LoraSettings(rank=rank))
    states = build_backbone(config)(SEQUENCES, None)
    ideal = load_esm2(esm2_weights).embed(SEQUENCES)
    for row, wanted, other in zip(states.residues, load_esm2(rounded).embed(SEQUENCES), ideal, strict=True):
        found = row[: len(wanted)]
        torch.testing.assert_close(found, torch.from_numpy(wanted), rtol=1e-5, atol=1e-5)
        assert (found - torch.from_numpy(other)).abs().max() > 1e-4
