"""Counts what betafold/geometry/priors.py holds: `python benchmarks/geometry_priors.py MIRROR`.

MIRROR is a folder with wwPDB entries and an index.tsv (pdb_id, chain, length, sequence, resolution, class, file, kind).
Counted: protein chains of more than 30 residues of entries solved at 2.5 Angstrom or better, each sequence once, but
for every fifth entry, which is held out for measuring. Writes the two .tsv files beside the module.
"""

import argparse
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

import betafold_ext
from betafold.geometry import priors
from betafold.geometry.chirality import ca_dihedrals
from betafold.structures.chains import bonded, read_chains
from betafold.structures.reader import read_structure

MAX_RESOLUTION = 2.5
MIN_LENGTH = 31
HELD_OUT = 5  # every fifth entry


def is_held_out(file):
    return zlib.crc32(Path(file).name.encode()) % HELD_OUT == 0


def protein_chains(mirror):
    """Table of the chains to count or hold out: file, chain."""
    index = pd.read_csv(mirror / "index.tsv", sep="\t", quoting=3, keep_default_na=False, dtype=str)
    resolution = pd.to_numeric(index["resolution"], errors="coerce")
    chosen = (index["kind"] == "protein") & (index["class"] == "A") & (resolution <= MAX_RESOLUTION)
    return index[chosen & (index["length"].astype(int) >= MIN_LENGTH)].drop_duplicates("sequence")


def segments(mirror, table):
    """(file, sequence, coords [L, 3, 3]) of the unbroken stretches of the table's chains."""
    for file, chains in table.groupby("file")["chain"]:
        for chain in read_chains(read_structure(mirror / file))[0]:
            if chain.id not in set(chains):
                continue
            whole = np.isfinite(chain.coords).all((1, 2))
            link = bonded(chain.coords) & whole[1:] & whole[:-1]
            for part in np.split(np.arange(len(chain)), np.flatnonzero(~link) + 1):
                if len(part) >= 4 and whole[part].all():
                    yield file, chain.sequence[part[0] : part[-1] + 1], chain.coords[part]


def count(mirror):
    """Counts (dihedral pairs [36, 36], Ramachandran [4, 36, 36]), chains and residues."""
    table = protein_chains(mirror)
    table = table[~table["file"].map(is_held_out)]
    pairs = np.zeros((priors.BINS,) * 2, int)
    angles = np.zeros((len(priors.CLASSES), *pairs.shape), int)
    residues = 0
    for _, sequence, coords in segments(mirror, table):
        bins = priors.bin_of(ca_dihedrals(coords[:, 1]))
        np.add.at(pairs, (bins[:-1], bins[1:]), 1)
        phi, psi = priors.bin_of(betafold_ext.torsions_batch(coords[None])[0, 1:-1, :2]).T
        np.add.at(angles, (priors.residue_class(sequence)[1:-1], phi, psi), 1)
        residues += len(sequence)
    return pairs, angles, len(table), residues


def head(what, chains, residues):
    return (
        f"# {what}, bins of 10 degrees from -180.\n"
        f"# {chains} protein chains, {residues} residues, of wwPDB entries at {MAX_RESOLUTION} A or better.\n"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mirror", type=Path)
    pairs, angles, *size = count(parser.parse_args().mirror)
    folder = Path(priors.__file__).parent
    rows = ["\t".join(map(str, row)) for row in pairs]
    text = head("Pairs of consecutive CA pseudo-dihedrals: rows the first, columns the second", *size)
    (folder / "ca_dihedrals.tsv").write_text(text + "\n".join(rows) + "\n")
    rows = [
        "\t".join([name, *map(str, row)])
        for name, table in zip(priors.CLASSES, angles, strict=True)
        for row in table
    ]
    text = head("Kind of residue; rows phi, columns psi", *size)
    (folder / "ramachandran.tsv").write_text(text + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
