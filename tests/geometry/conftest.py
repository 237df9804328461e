"""Real chains for the tests of distances and traces."""

import numpy as np
import pytest

from betafold.structures.chains import bonded, read_chains
from betafold.structures.reader import read_structure

FILES = ("pdb5awl.ent.gz", "pdb1a0m.ent.gz", "pdb1cbn.ent.gz", "pdb1ppe.ent.gz", "pdb1k33.ent.gz")


@pytest.fixture(scope="session")
def real_chains(data_dir):
    """(sequence, coords [L, 3, 3]) of unbroken chains of 10 to 223 residues."""
    found = []
    for name in FILES:
        for chain in read_chains(read_structure(data_dir / name))[0]:
            whole = np.isfinite(chain.coords).all()
            if whole and len(chain) >= 10 and bonded(chain.coords).all():
                found.append((chain.sequence, chain.coords))
    assert len(found) >= 5
    return found


@pytest.fixture(scope="session")
def packed():
    """Function: list of [L, ...] arrays to a NaN-padded batch and its lengths."""

    def pack(chains):
        lengths = np.array([len(chain) for chain in chains])
        batch = np.full((len(chains), lengths.max(), *chains[0].shape[1:]), np.nan)
        for row, chain in zip(batch, chains, strict=True):
            row[: len(chain)] = chain
        return batch, lengths

    return pack
