"""Candidates of the torsion family: the distribution's mode and draws from it, built by NeRF."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch

import betafold_ext
from betafold.models.distributions import TorsionDistribution
from betafold.models.heads import expected_lddt
from betafold.models.inputs import Inputs
from betafold.models.torsion import TorsionModel
from betafold.prediction.candidates import Candidates, ConformerSettings, sequence_seed
from betafold.training.targets import CA


def torsion_candidates(
    model: TorsionModel,
    inputs: Inputs,
    seed: int,
    settings: ConformerSettings,
    n_threads: int,
    num_models: int = 1,
) -> Iterator[Candidates]:
    """Run ``model`` on a padded batch; candidates of each peptide, always ``settings.samples`` draws."""
    output = model(inputs.x, inputs.mask)
    distribution = output.distribution.to("cpu")
    plddt = 100 * expected_lddt(output.plddt_logits).cpu().numpy()
    for index, sequence in enumerate(inputs.sequences):
        length = len(sequence)
        item = _item(distribution, index, length)
        yield draw(item, plddt[index, :length], sequence, seed, settings, n_threads)


def draw(
    distribution: TorsionDistribution,
    plddt: np.ndarray,
    sequence: str,
    seed: int,
    settings: ConformerSettings,
    n_threads: int = 1,
) -> Candidates:
    """Candidates of one peptide from its distribution (B = 1, L) and raw pLDDT [L]."""
    generator = torch.Generator().manual_seed(sequence_seed(sequence, seed))
    samples = distribution.sample(settings.samples, generator, settings.temperature)[:, 0]
    torsions = torch.cat([distribution.mode(), samples]).float().numpy()
    coords = betafold_ext.nerf_batch(np.ascontiguousarray(torsions), n_threads=n_threads)
    ca = np.ascontiguousarray(coords[:, :, CA])
    return Candidates(ca, plddt, lambda chosen: (torsions[chosen], coords[chosen]))


def _item(distribution: TorsionDistribution, index: int, length: int) -> TorsionDistribution:
    """The distribution of one peptide of a batch, without its padding, as a batch of one."""
    tensors = (getattr(distribution, field.name) for field in dataclasses.fields(distribution))
    return TorsionDistribution(*(tensor[index : index + 1, :length] for tensor in tensors))
