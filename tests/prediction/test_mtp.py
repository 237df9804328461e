"""Candidates of the mtp family: backbones on the traces it means, the same whatever stands beside a peptide."""

import numpy as np
import pytest
import torch

import betafold_ext
from betafold.models.inputs import pad_inputs
from betafold.models.mtp.backbone import build_backbone
from betafold.models.mtp.config import MtpConfig
from betafold.models.mtp.model import MtpModel
from betafold.prediction.candidates import ConformerSettings
from betafold.prediction.conformers import build_conformers
from betafold.prediction.mtp import mtp_candidates
from tests.models.mtp.backbones import save_esm2

SEQUENCES = ["GIGKFLHSAKKFGKAFVGEIMNS", "ACDEFGHIKL"]
SETTINGS = ConformerSettings(samples=6)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    return str(save_esm2(tmp_path_factory.mktemp("esm2")))


def build(weights: str, output: str = "distances") -> MtpModel:
    torch.manual_seed(0)
    small = {"width": 16, "heads": 2, "pair_width": 8, "max_length": 64, "dropout": 0.2, "output": output}
    config = MtpConfig.from_dict(small)
    model = MtpModel(config, build_backbone(config.backbone, weights)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("distances.", "coordinates.")):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def candidates(model, sequences, seed=0):
    with torch.inference_mode():
        return list(mtp_candidates(model, pad_inputs(sequences), seed, SETTINGS, 1))


@pytest.mark.parametrize("output", ["coordinates", "distances", "egnn"])
def test_candidates_are_whole_backbones(weights, output):
    model = build(weights, output)
    for sequence, found in zip(SEQUENCES, candidates(model, SEQUENCES), strict=True):
        length = len(sequence)
        assert found.ca.shape == (7, length, 3) and found.ca.dtype == np.float32
        torsions, coords = found.backbones([5, 0])
        assert torsions.shape == (2, length, 3) and torsions.dtype == np.float32
        assert coords.shape == (2, length, 3, 3) and coords.dtype == np.float32
        assert np.isfinite(coords).all() and np.isfinite(torsions[:, 1:-1]).all()
        np.testing.assert_allclose(coords[:, :, 1], found.ca[[5, 0]], atol=1e-4)
        assert found.plddt.shape == (length,) and (found.plddt > 0).all() and (found.plddt < 100).all()
        np.testing.assert_allclose(torsions, betafold_ext.torsions_batch(coords), atol=1e-5, equal_nan=True)


def test_the_first_candidate_is_the_answer(weights):
    model = build(weights)
    inputs = pad_inputs(SEQUENCES)
    with torch.inference_mode():
        answer = model(inputs.sequences, inputs.mask).ca[1, :10].numpy()
    found = candidates(model, SEQUENCES)[1]
    np.testing.assert_allclose(found.ca[0], answer, atol=1e-4)
    assert betafold_ext.rmsd_matrix(found.ca[1:]).max() > 0.05


def test_draws_have_the_hand_of_the_answer(weights):
    for found in candidates(build(weights), SEQUENCES):
        answer = np.repeat(found.ca[:1], len(found.ca), axis=0)
        rmsd, mirrored = (betafold_ext.kabsch_rmsd_batch(sign * found.ca, answer) for sign in (1, -1))
        assert (rmsd <= mirrored).all() and (mirrored[1:] > rmsd[1:]).any()


def test_batch_mates_and_order_change_nothing_and_a_seed_does(weights):
    model = build(weights)
    together, alone = candidates(model, SEQUENCES)[1], candidates(model, SEQUENCES[1:])[0]
    # Rounding of the batch's products moves where the iterative reconstruction stops; an untrained model's impossible
    # matrices have several minima and hardly a hand, so that one draw in many may end elsewhere.
    rmsd = betafold_ext.kabsch_rmsd_batch(together.ca, alone.ca)
    assert rmsd[0] < 0.1 and np.median(rmsd) < 0.05
    np.testing.assert_allclose(together.plddt, alone.plddt, atol=1e-2)
    again, other = candidates(model, SEQUENCES)[1], candidates(model, SEQUENCES, seed=1)[1]
    np.testing.assert_array_equal(together.ca, again.ca)
    assert np.abs(other.ca[1:] - together.ca[1:]).max() > 0.05


def test_conformers_are_ranked_by_the_shared_code(weights):
    conformers = build_conformers(build(weights), pad_inputs(SEQUENCES), 3, settings=SETTINGS)
    assert conformers.coords.shape == (3, 2, 23, 3, 3)
    assert np.isfinite(conformers.coords[:, 1, :10]).all() and np.isnan(conformers.coords[:, 1, 10:]).all()
    assert (conformers.expected_rmsd > 0).all()
    # Of an untrained model: no structure has its distances.
    assert len(conformers.diagnostics) == 2
    assert all(0.1 < row["stress"] < 10 and 0 < row["outside_top3"] < 1 for row in conformers.diagnostics)


def test_fewer_samples_are_drawn_of_long_chains():
    settings = ConformerSettings()
    drawn = [settings.draws(length) for length in (10, 128, 129, 200, 256, 512)]
    assert drawn == [64, 64, 63, 26, 16, 16]
    assert settings.draws(512, num_models=20) == 20  # as many as are wanted
    assert SETTINGS.draws(512) == 6


def test_a_long_chain_has_as_many_conformers_as_are_wanted(weights, monkeypatch):
    monkeypatch.setattr("betafold.prediction.candidates.FULL_LENGTH", 4)
    monkeypatch.setattr("betafold.prediction.candidates.FEWEST_DRAWS", 2)
    model = build(weights)
    assert len(candidates(model, SEQUENCES)[0].ca) == 1 + 2
    assert len(build_conformers(model, pad_inputs(SEQUENCES), 5, 0, SETTINGS).coords) == 5
