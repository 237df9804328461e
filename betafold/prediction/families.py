"""How each family turns a batch into candidate structures, and what it reads; see ``betafold.models.families``."""

from collections.abc import Callable, Iterator

from torch import nn

from betafold.models.families import family_of
from betafold.models.inputs import Inputs
from betafold.prediction.candidates import Candidates, ConformerSettings

# (model in evaluation mode, inputs on its device, seed, settings, threads, conformers wanted)
#  -> candidates of each peptide in turn
MakeCandidates = Callable[[nn.Module, Inputs, int, ConformerSettings, int, int], Iterator[Candidates]]


def candidates_of(model: nn.Module) -> MakeCandidates:
    """The function that makes candidates with ``model``."""
    family = family_of(model).name
    if family == "torsion":
        from betafold.prediction.torsion import torsion_candidates

        return torsion_candidates
    if family == "mtp":
        from betafold.prediction.mtp import mtp_candidates

        return mtp_candidates
    raise LookupError(f"no conformers are known for models of family {family}")
