"""Embeddings on disk: one Zarr v3 group per data shard, float16, ragged.

    x        f2 [R, dim]   residue vectors of all records, one after another; chunks of 4096 rows
    offsets  i8 [n + 1]    record i owns rows offsets[i]:offsets[i + 1]
    ids      str [n]
    attrs    model, layer, dim, weights_sha256, provenance ...; status="complete" is written last

A group is made beside its place and moved there whole, so a reader sees all of it or nothing.
"""

import os
from collections.abc import Sequence

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import GroupNotFoundError

from betafold.errors import BetaFoldError
from betafold.files import write_beside

CHUNK_ROWS = 4096
# All groups that are read together must agree on these.
IDENTITY = ("model", "layer", "dim", "weights_sha256")


def write_embeddings(
    path: str | os.PathLike, ids: Sequence[str], arrays: Sequence[np.ndarray], attrs: dict
) -> None:
    """Write one group.

    Parameters
    ----------
    path
        Folder of the group, replaced if it exists.
    ids
        Unique record ids.
    arrays
        One [L, dim] array per id.
    attrs
        Plain values; must have ``model``, ``layer``, ``dim`` and ``weights_sha256``.

    Raises
    ------
    ValueError
        Ids repeat, numbers or widths disagree, or an attribute of ``IDENTITY`` is absent.
    BetaFoldError
        A value does not fit float16.
    """
    missing = [name for name in IDENTITY if name not in attrs]
    if missing:
        raise ValueError(f"attrs: {missing[0]} is missing")
    if len(ids) != len(arrays) or len(set(ids)) != len(ids):
        raise ValueError(f"ids: {len(set(ids))} different ids of {len(ids)} for {len(arrays)} arrays")
    dim = int(attrs["dim"])
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(array) for array in arrays])
    x = np.concatenate([np.empty((0, dim), np.float32), *arrays])
    if x.size and not np.abs(x).max() <= np.finfo(np.float16).max:
        raise BetaFoldError(f"{path}: embeddings hold values that float16 cannot: check the ESM-2 weights")
    with write_beside(path) as partial:
        # A copy: zarr keeps the dict it is given, and would set the status in the caller's.
        group = zarr.create_group(partial, attributes={**attrs, "status": "writing"}, zarr_format=3)
        _create(group, "x", x.astype(np.float16), chunks=(CHUNK_ROWS, dim))
        _create(group, "offsets", offsets, chunks=(max(len(offsets), 1),))
        names = group.create_array("ids", shape=(len(ids),), dtype=str, chunks=(max(len(ids), 1),))
        if len(ids):
            names[:] = np.asarray(ids, dtype=np.dtypes.StringDType())
        group.attrs["status"] = "complete"


def _create(group: zarr.Group, name: str, data: np.ndarray, chunks: tuple[int, ...]) -> None:
    """Write ``data`` as one array, lz4 with bit shuffling."""
    codec = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
    array = group.create_array(name, shape=data.shape, dtype=data.dtype, chunks=chunks, compressors=codec)
    if data.size:
        array[:] = data


def read_embeddings(paths: Sequence[str | os.PathLike]) -> tuple[dict[str, np.ndarray], dict]:
    """Load whole groups into memory.

    Returns
    -------
    (embeddings, attrs)
        ``embeddings``: id -> float16 [L, dim]; ``attrs``: the attributes all groups agree on (``IDENTITY``).

    Raises
    ------
    BetaFoldError
        No path, a group is absent or incomplete, groups were made with different weights or layers,
        or an id stands in two groups.
    """
    if not paths:
        raise BetaFoldError("no embeddings given: run 'betafold embed' first")
    embeddings: dict[str, np.ndarray] = {}
    common: dict = {}
    for path in paths:
        group = _open_complete(path)
        attrs = {name: group.attrs[name] for name in IDENTITY}
        for name in IDENTITY:
            if common and attrs[name] != common[name]:
                raise BetaFoldError(
                    f"{path}: embeddings have {name} {_short(attrs[name])}, but {paths[0]} has "
                    f"{_short(common[name])}: run 'betafold embed' again for all shards with the same weights"
                )
        common = common or attrs
        x, offsets = group["x"][:], group["offsets"][:]
        for i, name in enumerate(map(str, group["ids"][:])):
            if name in embeddings:
                raise BetaFoldError(f"{path}: record {name} also stands in another shard of embeddings")
            embeddings[name] = x[offsets[i] : offsets[i + 1]]
    return embeddings, common


def _open_complete(path: str | os.PathLike) -> zarr.Group:
    """Open a group that its writer has finished."""
    try:
        group = zarr.open_group(os.fspath(path), mode="r")
    except (FileNotFoundError, GroupNotFoundError) as error:
        raise BetaFoldError(f"{path}: no embeddings there: run 'betafold embed --out {path}'") from error
    if group.attrs.get("status") != "complete":
        raise BetaFoldError(
            f"{path}: incomplete embeddings: remove the folder and run 'betafold embed' again"
        )
    return group


def check_weights(attrs: dict, expected_sha256: str, holder: str = "the checkpoint") -> None:
    """Refuse embeddings (or an encoder's attributes) made with other weights than ``holder`` was.

    Raises
    ------
    BetaFoldError
        ``attrs["weights_sha256"]`` differs from ``expected_sha256``.
    """
    if attrs["weights_sha256"] != expected_sha256:
        raise BetaFoldError(
            f"ESM-2 weights {_short(attrs['weights_sha256'])} do not match {_short(expected_sha256)}, with which "
            f"{holder} was made: use the same weights (--weights), or make {holder} again"
        )


def _short(value) -> str:
    """A digest shortened for a message; anything else as it is."""
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else str(value)
