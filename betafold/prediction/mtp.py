"""Candidates of the mtp family: the answer and draws by dropout in the heads, from CA traces to backbones."""

from collections.abc import Iterator

import numpy as np
import torch

import betafold_ext
from betafold.geometry.trace import backbone_from_ca
from betafold.models.heads import expected_lddt
from betafold.models.inputs import Inputs
from betafold.models.mtp.model import MtpModel
from betafold.models.mtp.output import MtpOutput
from betafold.prediction.candidates import Candidates, ConformerSettings, sequence_seed


def mtp_candidates(
    model: MtpModel,
    inputs: Inputs,
    seed: int,
    settings: ConformerSettings,
    n_threads: int,
    num_models: int = 1,
) -> Iterator[Candidates]:
    """Run ``model`` on a padded batch; candidates of each peptide. The backbone runs once."""
    output = model(inputs.sequences, inputs.mask)
    for index, sequence in enumerate(inputs.sequences):
        yield draw(output, index, sequence, seed, settings, n_threads, num_models)


def draw(
    output: MtpOutput,
    index: int,
    sequence: str,
    seed: int,
    settings: ConformerSettings,
    n_threads: int = 1,
    num_models: int = 1,
) -> Candidates:
    """Candidates of peptide ``index`` of a batch, enough for ``num_models`` conformers."""
    length = len(sequence)
    generator = torch.Generator().manual_seed(sequence_seed(sequence, seed))
    samples = settings.draws(length, num_models)
    draws = output.model.sample(output, index, samples, generator, settings.temperature)
    ca = torch.cat([output.ca[index : index + 1, :length], draws.ca]).cpu().float()

    def backbones(chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
        coords = backbone_from_ca(ca[chosen], [sequence] * len(chosen)).float().contiguous()
        return betafold_ext.torsions_batch(coords, n_threads=n_threads).numpy(), coords.numpy()

    plddt = 100 * expected_lddt(output.plddt_logits[index, :length]).cpu()
    diagnostics = output.structure.diagnostics(index, length) if output.coordinates is None else {}
    return Candidates(ca.contiguous().numpy(), plddt.numpy(), backbones, diagnostics)
