"""Samples of which only CA is known: left out by the torsion family, with a word about it."""

from dataclasses import replace

import numpy as np
import pytest

from betafold.errors import BetaFoldError
from betafold.training.checkpoint import load_checkpoint
from betafold.training.train import train


def ca_only(sample):
    coords = sample.coords.copy()
    coords[:, (0, 2)] = np.nan
    nothing = np.zeros(sample.length, bool)
    return replace(
        sample, coords=coords, torsions=np.full_like(sample.torsions, np.nan), mask=nothing, models=None
    )


def test_they_are_left_out_and_counted(world, small_spec, tmp_path, capsys):
    samples, embeddings, attrs, split = world
    mixed = [ca_only(sample) if i in (0, 1, 45) else sample for i, sample in enumerate(samples)]
    best = train(small_spec(epochs=1), mixed, embeddings, attrs, split, tmp_path, device="cpu")
    meta = load_checkpoint(best)[1]
    assert (meta["n_training"], meta["n_validation"]) == (38, 11)
    assert "only CA atoms are known of 3 samples" in capsys.readouterr().err


def test_nothing_else_is_one_line(world, small_spec, tmp_path):
    samples, embeddings, attrs, split = world
    with pytest.raises(BetaFoldError, match="train a model of the mtp family") as refused:
        train(small_spec(), [ca_only(sample) for sample in samples], embeddings, attrs, split, tmp_path)
    assert "\n" not in str(refused.value)
