"""PDB and mmCIF files in, atoms out: ProDy parses, this module keeps its traps closed.

ProDy is only ever given an open stream (a path that does not exist would be fetched over the network, and a
suffix it does not know would be read as mmCIF), one model at a time (it pairs the atoms of several models by
position), and asked for all alternate locations (by default residues without a conformer "A" are lost).
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import prody

from betafold.errors import BetaFoldError
from betafold.structures.header import Header, mmcif_header, pdb_header
from betafold.structures.records import MmcifAtoms, is_mmcif, pdb_backbone, pdb_models
from betafold.structures.textfile import read_text


@dataclass(frozen=True, eq=False)
class Atoms:
    """One model: A atoms in the order of the file, as parallel arrays of length A."""

    chain: np.ndarray  # ids as the authors gave them (mmCIF: auth_asym_id)
    molecule: np.ndarray  # int, grows after every TER (mmCIF: at every change of label_asym_id)
    number: np.ndarray  # residue number with insertion code: "52", "52A"
    residue: np.ndarray  # chemical component code: "ALA", "MSE"
    name: np.ndarray
    altloc: np.ndarray  # "" where there is only one location
    occupancy: np.ndarray  # f8
    hetero: np.ndarray  # bool, HETATM record
    coords: np.ndarray  # f8 [A, 3], Angstrom


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure file: the first model in full, and of the other models the backbone atoms."""

    models: list[Atoms]
    header: Header


@contextmanager
def _quiet_prody() -> Iterator[None]:
    """Silence ProDy's log for a while; ``confProDy`` would write to the user's ~/.prodyrc."""
    level = prody.LOGGER.verbosity
    prody.LOGGER.verbosity = "none"
    try:
        yield
    finally:
        prody.LOGGER.verbosity = level


def _parse(parser: Callable, text: str, chain_ids: str) -> Atoms:
    """Atoms of the one model in ``text``. Raises BetaFoldError for whatever ProDy cannot read."""
    try:
        with _quiet_prody():
            group = parser(io.StringIO(text), altloc="all", secondary=False)
    except Exception as error:  # ProDy lets ValueError, KeyError, IndexError and its own errors through
        raise BetaFoldError(f"unreadable atom records: {' '.join(str(error).split())}") from error
    if group is None:
        raise BetaFoldError("no atoms")
    coords = group.getCoords()
    if not np.isfinite(coords).all():
        raise BetaFoldError("unreadable atom records: coordinates that are not finite")
    numbers = np.char.add(group.getResnums().astype(str), np.char.strip(group.getIcodes()))
    return Atoms(
        chain=np.char.strip(getattr(group, chain_ids)()),
        molecule=np.concatenate([[0], np.cumsum(group.getFlags("pdbter"))[:-1]]),
        number=numbers,
        residue=group.getResnames(),
        name=group.getNames(),
        altloc=np.char.strip(group.getAltlocs()),
        occupancy=group.getOccupancies(),
        hetero=group.getFlags("hetatm"),
        coords=coords,
    )


def _read_pdb(lines: list[str]) -> Structure:
    models = pdb_models(lines)
    if not models:
        raise BetaFoldError("no atoms")
    selected = [models[0], *map(pdb_backbone, models[1:])]
    parsed = [_parse(prody.parsePDBStream, "\n".join(model) + "\n", "getChids") for model in selected]
    return Structure(parsed, pdb_header(lines))


def _read_mmcif(lines: list[str]) -> Structure:
    table = MmcifAtoms(lines)
    models = table.models()
    if not models:
        raise BetaFoldError("no atoms")
    selected = [models[0], *map(table.backbone, models[1:])]
    # ProDy calls label_asym_id the chain and auth_asym_id, the id that papers use, the segment.
    parsed = [_parse(prody.parseMMCIFStream, table.text(model), "getSegnames") for model in selected]
    return Structure(parsed, mmcif_header(table.others))


def read_structure(path: str | os.PathLike) -> Structure:
    """Parse a PDB or mmCIF file, gzipped or not, by its content and not by its suffix.

    Raises BetaFoldError, one line without the path, for a file that is missing, empty, truncated, not a
    structure, without atoms, or with unreadable coordinates.
    """
    lines = read_text(path).splitlines()
    return _read_mmcif(lines) if is_mmcif(lines) else _read_pdb(lines)
