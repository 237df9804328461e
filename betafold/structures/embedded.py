"""The embedded data: wwPDB files inside an archive of the Python package index.

``drpclusters`` 1.1.1 (D. Barkan; GPL) carries original wwPDB entries of disulfide-rich and other peptides,
and some longer chains, as the data of an example. The coordinates are wwPDB data (CC0 1.0). Only the data
members are read; the package is neither installed nor run.
"""

import os
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.structures.archives import PinnedArchive, download_pinned
from betafold.structures.naming import entry_name, is_structure_file

ARCHIVE = PinnedArchive(
    project="drpclusters",
    version="1.1.1",
    filename="drpclusters-1.1.1.tar.gz",
    sha256="4dfdb69e7dd6d00bd2b4ade272f3e21a6674be9422643085f68d871b0ef9eb15",
    size_mb=10,
)
NESTED = "drpclusters-1.1.1/drpclusters/exampleData/dividedPdb.tar.gz"
LICENCE = "CC0 1.0 (wwPDB coordinates), inside drpclusters 1.1.1 (GPL)"
MAX_FILES = 1000
MAX_FILE_BYTES = 50 * 2**20


def fetch_embedded(folder: str | os.PathLike) -> list[Path]:
    """Download the archive, unpack its structure files into ``folder`` (replaced whole), return their paths."""
    with TemporaryDirectory(prefix="betafold-embedded-") as scratch:
        return unpack(download_pinned(ARCHIVE, scratch), folder)


def unpack(archive: Path, folder: str | os.PathLike) -> list[Path]:
    """Write the structure files of the archive's nested archive to ``folder`` in divided layout.

    A member's path is never used: its bare name decides where it goes, and links, devices and other
    files are passed over, so that nothing can land outside ``folder``.

    Raises
    ------
    BetaFoldError
        The archive is damaged, lacks the nested archive, holds no structure file or more than the limits.
    """
    folder = Path(folder)
    try:
        with tarfile.open(archive) as outer, write_beside(folder) as partial:
            nested = outer.extractfile(NESTED)
            names = _write_members(nested, partial)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise BetaFoldError(f"{archive.name}: cannot unpack {Path(NESTED).name} ({error})") from error
    return [folder / name for name in names]


def _write_members(nested: BinaryIO, folder: Path) -> list[str]:
    """Write each structure file under ``folder``; return the relative paths."""
    names = []
    # mode "r|": read once, front to back, so that a huge archive cannot be indexed into memory first.
    with tarfile.open(fileobj=nested, mode="r|gz") as inner:
        for member in inner:
            if not member.isfile() or not is_structure_file(member.name):
                continue
            if member.size > MAX_FILE_BYTES or len(names) == MAX_FILES:
                raise BetaFoldError(
                    f"{Path(NESTED).name}: more than {MAX_FILES} files or {MAX_FILE_BYTES} bytes in one"
                )
            name = Path(member.name).name
            target = folder / entry_name(name)[1:3] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(inner.extractfile(member).read())
            names.append(str(target.relative_to(folder)))
    if not names:
        raise BetaFoldError(f"{Path(NESTED).name}: holds no structure file")
    return sorted(names)
