"""The models that ship inside the package, one of each family."""

import numpy as np
import pytest

import betafold_ext
from betafold.embeddings.weights import WHEEL, cache_folder
from betafold.prediction.bundle import SHIPPED, load_model, shipped_bundles
from betafold.prediction.predict import Predictor

HELICES = {
    "KR-12": "KRIVQRIKDFLR",
    "aurein-1.2": "GLFDIIKKIAESF",
}
NOT_HELICES = {"indolicidin": "ILPWKWPWWPWRR", "conotoxin-GI": "ECCNPACGRHYSC"}


MODELS = ("mtp-esm2", "torsion")


@pytest.fixture(scope="module")
def weights() -> str:
    """ESM-2 as the workflow keeps it."""
    path = cache_folder() / f"{WHEEL.project}-{WHEEL.version}.safetensors"
    if not path.is_file():
        pytest.skip("the ESM-2 weights of the wheel are not in the cache; `make` puts them there")
    return str(path)


@pytest.fixture(scope="module", params=MODELS)
def shipped(request):
    return load_model(request.param)


def test_there_is_one_of_each_family():
    assert tuple(shipped_bundles()) == MODELS
    assert all(sum(f.stat().st_size for f in (SHIPPED / name).iterdir()) < 2e6 for name in MODELS)


def test_it_is_calibrated_and_says_where_it_comes_from(shipped):
    assert shipped.calibration is not None
    assert shipped.calibration.provenance["weights_sha256"] == shipped.weights_sha256
    assert shipped.meta["finished"]
    assert shipped.meta["n_training"] > 1000
    assert len(shipped.meta["git_commit"]) >= 40


def test_its_bounds_widen_with_the_level(shipped):
    bounds = list(shipped.calibration.upper_bounds(np.array([3.0])).values())
    assert len(bounds) >= 3
    assert np.all(np.diff(np.ravel(bounds)) >= 0)


def test_known_helices_are_predicted_as_helices(shipped, weights):
    predictor = Predictor(shipped, weights)
    sequences = HELICES | NOT_HELICES
    conformers = predictor.conformers(list(sequences.values()), 1)
    confidence = dict(zip(sequences, conformers.mean_plddt[0], strict=True))
    for index, (name, sequence) in enumerate(HELICES.items()):
        ca = np.ascontiguousarray(conformers.coords[:, index, : len(sequence), 1])
        assert betafold_ext.rmsd_to_reference(ca, ideal_helix(len(sequence)))[0] < 1.5, name
        phi_psi = np.degrees(conformers.torsions[0, index, 1 : len(sequence) - 1, :2])
        in_alpha = (np.abs(phi_psi - (-63, -42)) < 30).all(axis=-1)
        assert in_alpha.mean() > 0.8, name
    # The short amphipathic helices are what the model is surest of.
    assert min(confidence["KR-12"], confidence["aurein-1.2"]) > max(confidence[name] for name in NOT_HELICES)


def test_the_second_family_takes_long_chains(weights):
    """Not what its adapter was trained on: it must come out whole, and unsure."""
    predictor = Predictor(load_model("mtp-esm2"), weights)
    long = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKR"
    conformers = predictor.conformers([long, HELICES["KR-12"]], 1)
    steps = np.linalg.norm(np.diff(conformers.coords[0, 0, :, 1], axis=0), axis=-1)
    assert np.abs(steps - 3.8).max() < 0.3
    assert conformers.mean_plddt[0, 0] < conformers.mean_plddt[0, 1]


def ideal_helix(length):
    torsions = np.radians(np.tile([-63.0, -42.0, 180.0], (1, length, 1))).astype(np.float32)
    return np.ascontiguousarray(betafold_ext.nerf_batch(torsions)[0, :, 1])


def test_ideal_helix_is_what_the_helix_test_means():
    ca = ideal_helix(12)
    # 1.5 A a residue along the axis (Pauling, Corey & Branson 1951).
    assert np.linalg.norm(ca[-1] - ca[0]) / 11 == pytest.approx(1.5, abs=0.1)
