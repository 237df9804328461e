"""Distributions over backbone torsions: a von Mises mixture per residue.

Sources: Mardia & Jupp, *Directional Statistics* (2000), for the von Mises density and the mean resultant
length; Best & Fisher, *Applied Statistics* 28:152 (1979), for the sampler; Banerjee et al., *JMLR* 6:1345
(2005), for the concentration that belongs to a resultant length.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

LOG_TWO_PI = math.log(2 * math.pi)
MODE_STEPS = 5


def von_mises_log_prob(angle: Tensor, mean: Tensor, concentration: Tensor) -> Tensor:
    """Log density of the von Mises distribution on the circle; the arguments (radians) broadcast.

    The Bessel function is used in its exponentially scaled form, so large concentrations do not overflow.
    """
    scaled_bessel = torch.special.i0e(concentration)
    return concentration * (torch.cos(angle - mean) - 1) - LOG_TWO_PI - scaled_bessel.log()


def resultant_length(concentration: Tensor) -> Tensor:
    """Mean resultant length E[cos(x - mean)] of a von Mises distribution, in [0, 1)."""
    return torch.special.i1e(concentration) / torch.special.i0e(concentration)


def concentration_of(resultant: Tensor, maximum: float) -> Tensor:
    """Concentration whose mean resultant length is ``resultant``, at most ``maximum`` (Banerjee 2005)."""
    square = resultant.square().clamp(max=1 - 1e-6)
    return (resultant * (2 - square) / (1 - square)).clamp(max=maximum)


def sample_von_mises(mean: Tensor, concentration: Tensor, generator: torch.Generator) -> Tensor:
    """One draw per element of two float64 CPU tensors of one shape (rejection after Best & Fisher 1979)."""
    flat = concentration.flatten().clamp(min=1e-4)
    tau = 1 + torch.sqrt(1 + 4 * flat.square())
    rho = (tau - torch.sqrt(2 * tau)) / (2 * flat)
    proposal = (1 + rho.square()) / (2 * rho)
    deviation = torch.empty_like(flat)
    pending = torch.arange(flat.numel())
    while pending.numel():
        u = torch.rand(3, pending.numel(), generator=generator, dtype=torch.float64)
        r, kappa = proposal[pending], flat[pending]
        z = torch.cos(math.pi * u[0])
        f = (1 + r * z) / (r + z)
        c = kappa * (r - f)
        accepted = (c * (2 - c) > u[1]) | ((c / u[1]).log() + 1 - c >= 0)
        angle = torch.acos(f.clamp(-1, 1)) * torch.where(u[2] < 0.5, -1.0, 1.0)
        deviation[pending[accepted]] = angle[accepted]
        pending = pending[~accepted]
    return wrap(mean + deviation.view_as(mean))


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


@dataclass(frozen=True)
class TorsionDistribution:
    """Per residue: a K-component mixture over (phi, psi) and, independent of it, one over omega.

    A component is the product of two von Mises densities, so that a missing phi or psi is marginalised by
    leaving its factor out. Angles are radians. B peptides, L residues, K and J components; the mixture
    model has J = 2 (trans, cis), the sine/cosine baseline K = J = 1.
    """

    log_weights: Tensor  # [B, L, K], normalised
    mean: Tensor  # [B, L, K, 2]
    concentration: Tensor  # [B, L, K, 2]
    omega_log_weights: Tensor  # [B, L, J], normalised
    omega_mean: Tensor  # [B, L, J]
    omega_concentration: Tensor  # [B, L, J]

    FEATURES = 6  # not annotated: a constant of the class, not a field

    def to(self, *args, **kwargs) -> "TorsionDistribution":
        """The same distribution on another device or in another dtype (arguments of ``Tensor.to``)."""
        moved = {field.name: getattr(self, field.name).to(*args, **kwargs) for field in fields(self)}
        return TorsionDistribution(**moved)

    def phi_psi_log_prob(self, phi_psi: Tensor) -> Tensor:
        """Log density [B, L] of ``phi_psi`` [B, L, 2]; a NaN angle is marginalised, two of them give 0."""
        present = phi_psi.isfinite()
        # The NaN is replaced before it is used: a NaN multiplied by zero would still poison the gradient.
        angle = torch.where(present, phi_psi, 0.0).unsqueeze(-2)
        terms = von_mises_log_prob(angle, self.mean, self.concentration)
        terms = torch.where(present.unsqueeze(-2), terms, 0.0).sum(-1)
        log_prob = torch.logsumexp(self.log_weights + terms, dim=-1)
        return torch.where(present.any(-1), log_prob, 0.0)

    def omega_log_prob(self, omega: Tensor) -> Tensor:
        """Log density [B, L] of ``omega`` [B, L]; 0 where it is NaN."""
        present = omega.isfinite()
        angle = torch.where(present, omega, 0.0).unsqueeze(-1)
        terms = von_mises_log_prob(angle, self.omega_mean, self.omega_concentration)
        log_prob = torch.logsumexp(self.omega_log_weights + terms, dim=-1)
        return torch.where(present, log_prob, 0.0)

    def log_prob(self, torsions: Tensor) -> Tensor:
        """Log density [B, L] of ``torsions`` [B, L, 3] (phi, psi, omega), NaN entries marginalised."""
        return self.phi_psi_log_prob(torsions[..., :2]) + self.omega_log_prob(torsions[..., 2])

    @torch.no_grad()
    def mode(self) -> Tensor:
        """Most probable torsions [B, L, 3].

        The density is evaluated at every component's mean; from the best of them a few mean-shift steps
        climb to the local maximum, which overlapping components put between their means.
        """
        candidates = self.mean.unsqueeze(-3)  # [B, L, 1, K, 2] as components
        points = self.mean.unsqueeze(-2)  # [B, L, K, 1, 2] as places
        terms = von_mises_log_prob(points, candidates, self.concentration.unsqueeze(-3)).sum(-1)
        density = torch.logsumexp(self.log_weights.unsqueeze(-2) + terms, dim=-1)
        phi_psi = _pick(self.mean, density.argmax(-1))
        for _ in range(MODE_STEPS):
            phi_psi = self._mean_shift(phi_psi)
        peaks = self.omega_log_weights + von_mises_log_prob(
            self.omega_mean, self.omega_mean, self.omega_concentration
        )
        omega = self.omega_mean.gather(-1, peaks.argmax(-1, keepdim=True))
        return wrap(torch.cat([phi_psi, omega], dim=-1))

    def _mean_shift(self, phi_psi: Tensor) -> Tensor:
        """One ascent step of the (phi, psi) density from ``phi_psi`` [B, L, 2]."""
        terms = von_mises_log_prob(phi_psi.unsqueeze(-2), self.mean, self.concentration).sum(-1)
        pull = torch.softmax(self.log_weights + terms, dim=-1).unsqueeze(-1) * self.concentration
        return torch.atan2((pull * self.mean.sin()).sum(-2), (pull * self.mean.cos()).sum(-2))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """``n`` independent draws [n, B, L, 3].

        ``temperature`` divides the concentrations and the log weights: below 1 sharpens, above 1 flattens.
        Draws are made in float64 on the CPU (``generator`` is a CPU generator), so that one seed gives the
        same draws whatever device the distribution is on.
        """
        cpu = self.to("cpu", torch.float64)
        weights = torch.softmax(cpu.log_weights / temperature, dim=-1)
        component = _draw(weights, n, generator)  # [n, B, L]
        mean = _pick(cpu.mean.expand(n, *cpu.mean.shape), component)
        kappa = _pick(cpu.concentration.expand(n, *cpu.concentration.shape), component) / temperature
        phi_psi = sample_von_mises(mean, kappa, generator)
        isomer = _draw(torch.softmax(cpu.omega_log_weights / temperature, dim=-1), n, generator)
        mean = cpu.omega_mean.expand(n, *cpu.omega_mean.shape).gather(-1, isomer.unsqueeze(-1))
        kappa = cpu.omega_concentration.expand(n, *cpu.omega_mean.shape).gather(-1, isomer.unsqueeze(-1))
        omega = sample_von_mises(mean, kappa / temperature, generator)
        return torch.cat([phi_psi, omega], dim=-1).to(self.mean.device, self.mean.dtype)

    def expected_cosine(self, torsions: Tensor) -> Tensor:
        """E[cos(x - torsions)] per angle [B, L, 3] for x drawn from this distribution (closed form).

        1 at certainty, 0 for a uniform angle: what the distribution itself thinks of the answer ``torsions``.
        """
        cosine = resultant_length(self.concentration) * torch.cos(self.mean - torsions[..., :2].unsqueeze(-2))
        phi_psi = (self.log_weights.exp().unsqueeze(-1) * cosine).sum(-2)
        cosine = resultant_length(self.omega_concentration) * torch.cos(self.omega_mean - torsions[..., 2:])
        omega = (self.omega_log_weights.exp() * cosine).sum(-1, keepdim=True)
        return torch.cat([phi_psi, omega], dim=-1)

    def mean_direction(self) -> Tensor:
        """Mean direction [B, L, 3] of each torsion, the angle of E[exp(i x)] (Mardia & Jupp 2000), differentiable.

        Unlike the mode it moves smoothly with weights and means; concentrations are constants of its gradient, so
        that how sure the distribution is stays the likelihood's business. Between two basins of equal weight it
        lies where neither is, and where E[exp(i x)] vanishes its gradient is large.
        """
        with torch.no_grad():
            length, omega_length = map(resultant_length, (self.concentration, self.omega_concentration))
        weight = self.log_weights.exp().unsqueeze(-1) * length
        omega_weight = self.omega_log_weights.exp() * omega_length
        sine, cosine = (
            torch.cat(
                [(weight * part(self.mean)).sum(-2), (omega_weight * part(self.omega_mean)).sum(-1, True)], -1
            )
            for part in (torch.sin, torch.cos)
        )
        return torch.atan2(sine, cosine + 1e-8)

    @torch.no_grad()
    def features(self) -> Tensor:
        """What a confidence head can know [B, L, FEATURES] about how sharp the distribution is.

        Entropy of the weights, largest weight, E[cos] of phi, psi and omega about the mode, log density of
        (phi, psi) at the mode.
        """
        mode = self.mode()
        weights = self.log_weights.exp()
        entropy = -(weights * self.log_weights).sum(-1, keepdim=True)
        peak = self.phi_psi_log_prob(mode[..., :2]).unsqueeze(-1)
        largest = weights.amax(-1, keepdim=True)
        return torch.cat([entropy, largest, self.expected_cosine(mode), peak], dim=-1)


def _pick(components: Tensor, index: Tensor) -> Tensor:
    """Component ``index`` [...] out of ``components`` [..., K, 2] -> [..., 2]."""
    index = index[..., None, None].expand(*index.shape, 1, components.shape[-1])
    return components.gather(-2, index).squeeze(-2)


def _draw(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` component indices [n, B, L] drawn from ``weights`` [B, L, K]."""
    flat = weights.flatten(0, -2)
    drawn = torch.multinomial(flat, n, replacement=True, generator=generator)
    return drawn.T.reshape(n, *weights.shape[:-1])
