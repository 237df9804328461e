"""A tiny ESM-2 and a tiny torsion model with random weights: real code paths, no download, milliseconds."""

import esm
import pytest
import torch

from betafold.embeddings.esm2 import load_esm2
from betafold.embeddings.layouts import check_canonical, read_weights, write_canonical
from betafold.models.stored import StoredModel
from betafold.models.torsion import TorsionConfig, TorsionModel
from betafold.prediction.bundle import read_bundle, write_bundle
from betafold.prediction.confidence import Calibration, Isotonic

PEPTIDES = {
    "chignolin": "GYDPETGTWG",
    "trp-cage": "NLYIQWLKDGGPSSGRPPPS",
    "melittin": "GIGAVLKVLTTGLPALISWIKRKRQQ",
    "glucagon": "HSQGTFTSDYSKYLDSRRAQDFVQWLMNT",
    "hairpin": "GEWTYDDATKTFTVTE",
}


def random_esm(path, seed):
    """Canonical weight file of a two-layer ESM-2 of width 40."""
    torch.manual_seed(seed)
    model = esm.model.esm2.ESM2(2, 40, 4, esm.data.Alphabet.from_architecture("ESM-1b"))
    torch.save(model.state_dict(), path.with_suffix(".pt"))
    tensors = read_weights(path.with_suffix(".pt"))
    check_canonical(tensors, path)
    write_canonical(path, tensors, {"origin": "random"})
    return path


def random_model(seed=0, **config):
    """Torsion model whose output depends on its input; fresh heads start at zero and would ignore it."""
    torch.manual_seed(seed)
    config = {
        "input_dim": 40,
        "d_model": 32,
        "layers": 1,
        "heads": 4,
        "ffn": 32,
        "confidence_width": 8,
    } | config
    model = TorsionModel(TorsionConfig(**config))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def make_calibration(**changes):
    values = {
        "plddt": Isotonic((0.0, 50.0, 100.0), (5.0, 40.0, 95.0)),
        "rmsd": Isotonic((0.0, 10.0), (0.5, 8.0)),
        "rmsd_score": "ensemble",
        "levels": (0.5, 0.8, 0.9),
        "factors": (0.8, 1.5, 2.0),
        "conformers": {"ranking": "medoid", "samples": 16, "temperature": 1.0},
    }
    return Calibration(**values | changes)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return random_esm(tmp_path_factory.mktemp("esm") / "esm.safetensors", seed=0)


@pytest.fixture(scope="session")
def encoder(weights):
    return load_esm2(weights)


@pytest.fixture(scope="session")
def meta(encoder):
    return {"weights_sha256": encoder.weights_sha256, "layer": encoder.layer, "git_commit": "c0ffee"}


@pytest.fixture(scope="session")
def bundle_dir(tmp_path_factory, meta):
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    write_bundle(folder, StoredModel.of(random_model(), meta), make_calibration())
    return folder


@pytest.fixture(scope="session")
def bundle(bundle_dir):
    return read_bundle(bundle_dir)


@pytest.fixture()
def fasta(tmp_path):
    path = tmp_path / "peptides.fasta"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in PEPTIDES.items()))
    return path
