"""The whole torsion model, its heads and losses."""

import math

import pytest
import torch

from betafold.models.heads import BASINS, MixtureHead, SinCosHead, expected_lddt
from betafold.models.losses import confidence_error, sincos_error, torsion_terms, weighted_mean
from betafold.models.torsion import TorsionConfig, TorsionModel

SMALL = {"input_dim": 16, "d_model": 16, "layers": 1, "heads": 2, "ffn": 32, "dropout": 0.0}


@pytest.fixture(params=["mixture", "sincos"])
def model(request):
    torch.manual_seed(0)
    return TorsionModel(TorsionConfig(head=request.param, **SMALL))


@pytest.fixture
def batch():
    torch.manual_seed(1)
    mask = torch.arange(12) < torch.tensor([12, 10, 7])[:, None]
    return torch.randn(3, 12, 16), mask


def test_shapes(model, batch):
    output = model(*batch)
    assert output.distribution.mode().shape == (3, 12, 3)
    assert output.distribution.log_prob(torch.zeros(3, 12, 3)).shape == (3, 12)
    assert output.distribution.features().shape == (3, 12, output.distribution.FEATURES)
    assert output.plddt_logits.shape == (3, 12, 50)
    assert output.attention.shape == (1, 3, 2, 12, 12)
    assert model(*batch, confidence=False).plddt_logits is None


def test_padding_does_not_change_the_answer(model, batch):
    x, mask = batch
    model.eval()
    output = model(x, mask)
    alone = model(x[2:, :7], mask[2:, :7])
    torch.testing.assert_close(alone.distribution.mean[0], output.distribution.mean[2, :7], atol=1e-5, rtol=0)
    torch.testing.assert_close(alone.plddt_logits[0], output.plddt_logits[2, :7], atol=1e-5, rtol=0)


def test_the_confidence_loss_does_not_reach_the_torsions(model, batch):
    logits = model(*batch).plddt_logits
    (confidence_error(logits, torch.rand(3, 12)).mean() + logits.square().mean()).backward()
    touched = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert touched == {"confidence"}


def test_a_batch_can_be_overfitted(model, batch):
    """Two basins, told apart by the features: the model must reach both, not their average."""
    x, mask = batch
    helix = (x[..., :1] > 0).float()
    torsions = helix * torch.tensor([-1.1, -0.73, math.pi]) + (1 - helix) * torch.tensor([-2.1, 2.3, math.pi])
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        terms = torsion_terms(model(x, mask, confidence=False), torsions)
        loss = sum(weighted_mean(term, mask.float()) for term in terms.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    error = model(x, mask).distribution.mode() - torsions
    assert torch.atan2(error.sin(), error.cos()).abs()[mask].max() < 0.35


def test_mixture_starts_at_the_basins_and_trans():
    head = MixtureHead(16, 10)
    distribution, sincos = head(torch.randn(1, 2, 16))
    assert sincos is None
    torch.testing.assert_close(
        distribution.mean[0, 0].rad2deg(), torch.tensor(BASINS).float(), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(distribution.log_weights.exp().sum(-1), torch.ones(1, 2))
    assert distribution.omega_log_weights.exp()[0, 0].tolist() == pytest.approx([0.99, 0.01], abs=1e-5)
    assert distribution.omega_mean[0, 0].abs().tolist() == pytest.approx([math.pi, 0], abs=1e-5)
    assert distribution.concentration.min().item() == pytest.approx(8.0, abs=1e-3)


def test_concentrations_stay_bounded_for_wild_features():
    head = MixtureHead(16, 4)
    torch.nn.init.normal_(head.phi_psi.weight, std=50)
    torch.nn.init.normal_(head.omega.weight, std=50)
    distribution, _ = head(torch.randn(4, 30, 16) * 10)
    assert distribution.concentration.min() >= 0.099 and distribution.concentration.max() <= 100.01
    assert distribution.omega_concentration.max() <= 400.1
    assert distribution.log_prob(torch.zeros(4, 30, 3)).isfinite().all()


def test_the_length_of_a_sine_cosine_vector_is_its_certainty():
    head = SinCosHead(1)
    torch.nn.init.zeros_(head.out.weight)
    head.out.bias.data = torch.tensor([0.0, 0.5, 0.98, 0.0, 0.0, -1.2])
    distribution, _ = head(torch.zeros(1, 1, 1))
    mode = distribution.mode()[0, 0]
    assert mode[:2].tolist() == pytest.approx([0, math.pi / 2], abs=1e-5)
    assert mode[2].abs().item() == pytest.approx(math.pi, abs=1e-5)
    cosine = distribution.expected_cosine(distribution.mode())[0, 0]
    assert cosine[:2].tolist() == pytest.approx([0.5, 0.98], abs=0.02)


def test_sincos_error_is_squared_distance_on_the_circle():
    torsions = torch.tensor([[[0.3, -2.0, float("nan")]]])
    exact = torch.stack([torsions.sin(), torsions.cos()], -1).nan_to_num()
    assert sincos_error(exact, torsions).abs().max() < 1e-6
    opposite = sincos_error(-exact, torsions)[0, 0]
    assert opposite.tolist() == pytest.approx([4, 4, 0], abs=1e-5)


def test_confidence_targets_and_expectation():
    logits = torch.full((1, 3, 4), -50.0)
    logits[0, 0, 0] = logits[0, 1, 3] = 50.0
    logits[0, 2] = 0.0
    assert expected_lddt(logits)[0].tolist() == pytest.approx([0.125, 0.875, 0.5], abs=1e-5)
    lddt = torch.tensor([[0.1, 1.0, float("nan")]])
    assert confidence_error(logits, lddt)[0].tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert float(confidence_error(logits, torch.tensor([[0.3, 0.2, 0.9]]))[0, 2]) == pytest.approx(
        math.log(4)
    )


def test_weighted_mean_of_nothing_is_zero():
    assert weighted_mean(torch.ones(2), torch.zeros(2)) == 0
    assert weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([3.0, 1.0])) == pytest.approx(1.5)
