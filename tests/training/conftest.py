"""A small synthetic world: the torsions of a residue follow from its features, so there is something to learn."""

import numpy as np
import pandas as pd
import pytest

import betafold_ext
from betafold.models.torsion import TorsionConfig
from betafold.structures.samples import KINDS, STANDARD, Sample
from betafold.training.spec import Spec
from betafold.training.torsion import TorsionTraining

DIM = 8
HELIX, STRAND = (-1.1, -0.73, np.pi), (-2.1, 2.3, np.pi)


def make_sample(name, rng, kind):
    length = int(rng.integers(10, 16))
    x = rng.normal(size=(length, DIM))
    torsions = np.where(x[:, :1] > 0, HELIX, STRAND) + rng.normal(0, 0.15, (length, 3))
    torsions[0, 0] = torsions[-1, 1] = torsions[-1, 2] = np.nan
    torsions = torsions.astype(np.float32)
    coords = np.asarray(betafold_ext.nerf_batch(torsions[None]))[0]
    sequence = "".join(rng.choice(list(STANDARD), length))
    mask = np.ones(length, bool)
    sample = Sample(name, sequence, coords, torsions, mask, kind, name, "A", 0, sequence)
    return sample, x.astype(np.float16)


@pytest.fixture(scope="session")
def world():
    """Samples, embeddings, their attributes and a split of 60 synthetic peptides."""
    rng = np.random.default_rng(0)
    samples, embeddings = [], {}
    for i in range(60):
        sample, x = make_sample(f"s{i:02d}", rng, KINDS[i % 3])
        samples.append(sample)
        embeddings[sample.id] = x
    parts = ["train"] * 40 + ["validation"] * 12 + ["calibration"] * 4 + ["test"] * 4
    split = pd.DataFrame({"split": parts}, index=pd.Index([s.id for s in samples], name="id"))
    attrs = {"model": "esm2_t6_8M", "layer": 6, "dim": DIM, "weights_sha256": "f" * 64}
    return samples, embeddings, attrs, split


@pytest.fixture(scope="session")
def small_spec():
    """Maker of a spec that trains within a second or two."""

    def make(head="mixture", **training):
        quick = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-2, "ema": 0.9, "confidence_epochs": 2}
        model = TorsionConfig(
            input_dim=DIM, d_model=16, layers=1, heads=2, ffn=32, head=head, components=4, confidence_width=8
        )
        return Spec(model, TorsionTraining(**(quick | training)))

    return make
