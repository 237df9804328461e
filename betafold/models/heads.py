"""Heads on residue vectors: torsions as sin/cos or as a mixture, and, for every family, confidence."""

import math

import torch
from torch import Tensor, nn

from betafold.models.distributions import TorsionDistribution, concentration_of
from betafold.models.transformer import TransformerBlock

# Where the components start: (phi, psi) in degrees of the populated Ramachandran basins, commonest first
# (names after Hollingsworth & Karplus, Biomol. Concepts 1:271, 2010).
BASINS = (
    (-63, -42),  # alpha helix
    (-120, 130),  # beta strand
    (-65, 145),  # polyproline II
    (57, 40),  # left-handed alpha
    (-90, 0),  # bridge, second corner of type I turns
    (-150, 155),  # extended strand
    (85, 5),  # left-handed bridge, second corner of type II turns, mostly glycine
    (-80, 75),  # inverse gamma turn
    (60, -130),  # first corner of type II' turns
    (85, -170),  # epsilon, glycine
)
MIN_CONCENTRATION = 0.1
MAX_CONCENTRATION = 100.0  # a standard deviation of 5.7 degrees
START_CONCENTRATION = 8.0  # 20 degrees
OMEGA_START = ((math.pi, 100.0), (0.0, 30.0))  # trans, cis
OMEGA_MAX_CONCENTRATION = 400.0  # 2.9 degrees
CIS_PRIOR = 0.01


class MixtureHead(nn.Module):
    """K von Mises components over (phi, psi) and a trans/cis pair over omega.

    A component's mean is the direction of a trained anchor vector (started at a Ramachandran basin) plus a
    residue's own offset; the last layer starts at zero, so that training starts from a sequence-blind prior.
    """

    def __init__(self, d_model: int, components: int):
        super().__init__()
        if not 1 <= components <= len(BASINS):
            raise ValueError(f"components is {components}; it is 1 to {len(BASINS)}")
        self.components = components
        # Per component: a logit, sin/cos offsets of phi and psi, two concentrations; the same for omega.
        self.phi_psi = nn.Linear(d_model, components * 7)
        self.omega = nn.Linear(d_model, 2 * 4)
        for layer in (self.phi_psi, self.omega):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        basins = torch.tensor(BASINS[:components]).deg2rad()
        self.anchors = nn.Parameter(torch.stack([basins.sin(), basins.cos()], dim=-1))  # [K, 2, 2]
        isomers, kappa = torch.tensor(OMEGA_START).unbind(-1)
        self.omega_anchors = nn.Parameter(torch.stack([isomers.sin(), isomers.cos()], dim=-1))  # [2, 2]
        constants = {
            "start": _inverse_bound(torch.tensor(START_CONCENTRATION), MAX_CONCENTRATION),
            "omega_start": _inverse_bound(kappa, OMEGA_MAX_CONCENTRATION),
            "omega_prior": torch.tensor([1 - CIS_PRIOR, CIS_PRIOR]).log(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, h: Tensor) -> tuple[TorsionDistribution, None]:
        """Features [B, L, d] -> distribution, and None in the place of raw sines and cosines."""
        raw = self.phi_psi(h).unflatten(-1, (self.components, 7))
        offset = raw[..., 1:5].unflatten(-1, (2, 2))
        omega = self.omega(h).unflatten(-1, (2, 4))
        distribution = TorsionDistribution(
            log_weights=torch.log_softmax(raw[..., 0], dim=-1),
            mean=_direction(self.anchors + offset),
            concentration=_bound(raw[..., 5:7] + self.start, MAX_CONCENTRATION),
            omega_log_weights=torch.log_softmax(omega[..., 0] + self.omega_prior, dim=-1),
            omega_mean=_direction(self.omega_anchors + omega[..., 1:3]),
            omega_concentration=_bound(omega[..., 3] + self.omega_start, OMEGA_MAX_CONCENTRATION),
        )
        return distribution, None


class SinCosHead(nn.Module):
    """The baseline: sine and cosine of phi, psi and omega, regressed.

    Trained by mean squared error, the vector tends to the conditional mean of (sin, cos), whose length is
    the mean resultant length; so direction and length together give one von Mises density per angle.
    """

    def __init__(self, d_model: int):
        super().__init__()
        self.out = nn.Linear(d_model, 6)

    def forward(self, h: Tensor) -> tuple[TorsionDistribution, Tensor]:
        """Features [B, L, d] -> distribution with one component, raw (sin, cos) [B, L, 3, 2]."""
        sincos = self.out(h).unflatten(-1, (3, 2))
        mean = _direction(sincos)
        # The density is read off the regression, it is not what trains it.
        resultant = sincos.detach().norm(dim=-1)
        one = torch.zeros_like(mean[..., :1])
        distribution = TorsionDistribution(
            log_weights=one,
            mean=mean[..., None, :2],
            concentration=concentration_of(resultant[..., None, :2], MAX_CONCENTRATION),
            omega_log_weights=one,
            omega_mean=mean[..., 2:],
            omega_concentration=concentration_of(resultant[..., 2:], OMEGA_MAX_CONCENTRATION),
        )
        return distribution, sincos


class ConfidenceHead(nn.Module):
    """Per-residue lDDT-CA of the model's single answer, as binned logits.

    It reads a model's residue vectors, and a few ``features`` that say how sure the model is of its answer,
    without passing gradients back, so that training it leaves the structures as they are. One attention block
    lets a residue see how sure its neighbours are: a residue's lDDT depends on everything between it and the
    atoms around it.
    """

    def __init__(self, d_model: int, features: int, width: int, bins: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.trunk = nn.Linear(d_model, width)
        self.sharpness = nn.Linear(features, width)
        self.block = TransformerBlock(width, 2, 2 * width, dropout)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, bins))
        nn.init.zeros_(self.out[1].weight)
        nn.init.zeros_(self.out[1].bias)

    def forward(self, h: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        """Residue vectors [B, L, d], features [B, L, F] and mask [B, L] -> logits [B, L, bins]."""
        x = self.trunk(self.norm(h.detach())) + self.sharpness(features.detach())
        return self.out(self.block(x, mask)[0])


def expected_lddt(logits: Tensor) -> Tensor:
    """Predicted lDDT [...] in 0-1: the mean of equal bins over [0, 1] under ``logits`` [..., bins]."""
    bins = logits.shape[-1]
    centres = (torch.arange(bins, device=logits.device) + 0.5) / bins
    return (torch.softmax(logits, dim=-1) * centres).sum(-1)


def _direction(vector: Tensor) -> Tensor:
    """Angle of (sin, cos) vectors [..., 2] -> [...]; the tiny shift keeps the gradient finite at zero."""
    return torch.atan2(vector[..., 0], vector[..., 1] + 1e-8)


def _bound(raw: Tensor, maximum: float) -> Tensor:
    """A concentration between the bounds, its logarithm a sigmoid of ``raw``: smooth and never stuck."""
    low, high = math.log(MIN_CONCENTRATION), math.log(maximum)
    return torch.exp(low + (high - low) * torch.sigmoid(raw))


def _inverse_bound(concentration: Tensor, maximum: float) -> Tensor:
    low, high = math.log(MIN_CONCENTRATION), math.log(maximum)
    return torch.logit((concentration.log() - low) / (high - low))
