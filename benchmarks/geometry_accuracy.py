"""Measures hands and backbones on chains that no prior was counted from: `python benchmarks/geometry_accuracy.py MIRROR`.

MIRROR as in geometry_priors.py, with the peptides of its clean_peptides.tsv. Prints a table, one row per group of chains:
share of distance matrices, exact and with 0.5 A of noise, whose trace has the right hand, and the error of N and C rebuilt
from the real CA.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from geometry_priors import is_held_out, protein_chains, segments

import betafold_ext
from betafold.geometry.chirality import ca_dihedrals
from betafold.geometry.scaling import ca_from_distances
from betafold.geometry.trace import backbone_from_ca

NOISE = 0.5  # Angstrom
FRAGMENTS = (10, 15, 20, 30, 60, 120)
AT_MOST = 400  # fragments of one length


def peptides(mirror):
    """Unbroken peptides, by kind and length; each sequence once."""
    table = pd.read_csv(mirror / "clean_peptides.tsv", sep="\t", keep_default_na=False)
    for kind, name in (("peptide", "peptides"), ("pMHC_or_TCR", "peptides in MHC grooves")):
        rows = table[table["kind"] == kind].drop_duplicates("sequence")
        chains = [(s, x) for _, s, x in segments(mirror, rows) if len(s) >= 10]
        for low, high in ((10, 14), (15, 19), (20, 30)):
            yield f"{name}, {low}-{high}", [chain for chain in chains if low <= len(chain[0]) <= high]


def fragments(mirror):
    """Pieces of the held-out proteins, at most `AT_MOST` of each length."""
    table = protein_chains(mirror)
    chains = [(s, x) for _, s, x in segments(mirror, table[table["file"].map(is_held_out)])]
    generator = np.random.default_rng(0)
    for length in FRAGMENTS:
        cut = [
            (s[a : a + length], x[a : a + length])
            for s, x in chains
            for a in range(0, len(s) - length + 1, length)
        ]
        yield f"fragments, {length}", [cut[i] for i in generator.permutation(len(cut))[:AT_MOST]]


def is_helical(coords):
    """Whether most CA pseudo-dihedrals are those of a right-handed helix."""
    return np.mean(np.abs(np.degrees(ca_dihedrals(coords[:, 1])) - 50) < 25) > 0.5


def row(chains):
    lengths = np.array([len(s) for s, _ in chains])
    native = np.full((len(chains), lengths.max(), 3, 3), np.nan)
    for item, (_, coords) in zip(native, chains, strict=True):
        item[: len(coords)] = coords
    ca = native[:, :, 1].copy()
    distances = betafold_ext.distance_matrix_batch(ca, lengths)
    noise = NOISE / 2**0.5 * np.random.default_rng(1).normal(size=distances.shape)
    noisy = np.maximum(distances + noise + noise.transpose(0, 2, 1), 0.1)
    cells = [len(chains)]
    for matrix in (distances, noisy):
        found = ca_from_distances(matrix, lengths).ca
        right, wrong = (betafold_ext.kabsch_rmsd_batch(sign * found, ca, lengths) for sign in (1, -1))
        cells += [f"{(right < wrong).mean():.1%}", f"{np.minimum(right, wrong).max():.2g}"]
    for sequences in (None, [s for s, _ in chains]):
        errors = np.linalg.norm(backbone_from_ca(ca, sequences, lengths) - native, axis=-1) ** 2
        inner = np.arange(lengths.max()) < lengths[:, None] - 1
        n, c = errors[:, 1:, 0][inner[:, :-1]], errors[:, :, 2][inner]
        cells.append(f"{np.concatenate([n, c]).mean() ** 0.5:.2f}")
    cells += [f"{errors[:, 0, 0].mean() ** 0.5:.1f}"]
    cells += [f"{errors[np.arange(len(chains)), lengths - 1, 2].mean() ** 0.5:.1f}"]
    return cells


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mirror", type=Path)
    mirror = parser.parse_args().mirror
    torch.set_num_threads(1)
    print(
        "| chains | number | right hand, exact | worst RMSD | right hand, noisy | worst RMSD | N and C | with sequence",
        end="",
    )
    print(" | first N | last C |\n|---|---|---|---|---|---|---|---|---|---|")
    for source in (peptides, fragments):
        for name, chains in source(mirror):
            for kind, wanted in (("helical", True), ("other", False)):
                chosen = [chain for chain in chains if is_helical(chain[1]) == wanted]
                if chosen:
                    print(f"| {name}, {kind} | {' | '.join(map(str, row(chosen)))} |", flush=True)


if __name__ == "__main__":
    main()
