"""A peptide is bound if another molecule, and not a copy of itself, touches it."""

import numpy as np
import pytest

from betafold.structures.chains import Chain, Polymer, is_bound

PEPTIDE = "ACDEFGHIKLMN"


def polymer(sequence, x):
    """Atoms 3 A apart along y, at the given x."""
    atoms = np.zeros((len(PEPTIDE), 3))
    atoms[:, 0], atoms[:, 1] = x, 3.0 * np.arange(len(PEPTIDE))
    return Polymer(sequence, atoms)


def peptide():
    nothing = np.full((len(PEPTIDE), 3), np.nan)
    return Chain(
        id="A",
        sequence=PEPTIDE,
        names=(),
        numbers=(),
        models=np.full((1, len(PEPTIDE), 3, 3), np.nan),
        model_numbers=(1,),
        left_out={},
        cb=nothing,
        sg=nothing,
        polymer=polymer(PEPTIDE, 0.0),
        full_length=0,
    )


@pytest.mark.parametrize(
    "sequence, distance, bound",
    [
        ("MKVLAAGIVGLCA", 4.9, True),
        ("MKVLAAGIVGLCA", 5.1, False),
        ("DG DC DA DT DG", 4.0, True),
        (PEPTIDE, 4.0, False),
        (PEPTIDE[1:-2], 4.0, False),
        ("GG" + PEPTIDE, 4.0, False),
        ("GGGGGG" + PEPTIDE, 4.0, True),
    ],
    ids=["protein", "too far", "dna", "copy", "copy with ragged ends", "longer copy", "another molecule"],
)
def test_bound(sequence, distance, bound):
    chain = peptide()
    assert is_bound(chain, [chain.polymer, polymer(sequence, distance)]) is bool(bound)
    assert not is_bound(chain, [chain.polymer])
