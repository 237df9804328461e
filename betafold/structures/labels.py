"""Labelled samples on disk: one Zarr v3 group per shard, ragged arrays with offsets.

A group has exactly one writer and appears under its name only when it is finished; its attribute
``status`` is set to ``complete`` last.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import GroupNotFoundError

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.structures.samples import Sample

CHUNK_ROWS = 4096
TEXT_FIELDS = ("id", "kind", "entry", "chain", "parent", "method")
# What a model learns from; a checkpoint carries the digest of exactly these arrays.
DIGESTED = ("ids", "sequence", "coords", "torsions", "offsets")


def _offsets(lengths: Iterable[int]) -> np.ndarray:
    """Row offsets i8 [n + 1] of n ragged items."""
    return np.concatenate([[0], np.cumsum(list(lengths))]).astype(np.int64)


def _stack(arrays: list[np.ndarray], shape: tuple[int, ...], dtype) -> np.ndarray:
    """Concatenate along rows; no arrays give zero rows of ``shape``."""
    return np.concatenate([np.empty((0, *shape), dtype), *arrays], dtype=dtype, casting="unsafe")


def _columns(samples: list[Sample]) -> dict[str, np.ndarray]:
    """Every array of a group; R rows in all, n samples, E rows of models after the first, D bridges."""
    extra = [sample.models[1:].reshape(-1, 3, 3) for sample in samples]
    bridges = [np.reshape(sample.disulfides, (-1, 2)) for sample in samples]
    letters = "".join(sample.sequence for sample in samples)
    columns = {
        "sequence": np.frombuffer(letters.encode("ascii"), np.uint8),  # [R] ASCII codes
        "coords": _stack([sample.coords for sample in samples], (3, 3), np.float32),  # [R, 3, 3]
        "torsions": _stack([sample.torsions for sample in samples], (3,), np.float32),  # [R, 3]
        "mask": _stack([sample.mask for sample in samples], (), bool),  # [R]
        "offsets": _offsets(sample.length for sample in samples),  # [n + 1] into the four above
        "model_coords": _stack(extra, (3, 3), np.float32),  # [E, 3, 3], models 2..M one after another
        "model_offsets": _offsets(map(len, extra)),  # [n + 1] into model_coords
        "disulfides": _stack(bridges, (2,), np.int32),  # [D, 2]
        "disulfide_offsets": _offsets(map(len, bridges)),  # [n + 1] into disulfides
        "start": np.array([sample.start for sample in samples], np.int32),
        "cyclic": np.array([sample.cyclic for sample in samples], bool),
        "resolution": np.array([sample.resolution for sample in samples], np.float32),
    }
    for name in TEXT_FIELDS:
        texts = [getattr(sample, name) for sample in samples]
        columns["ids" if name == "id" else name] = np.array(texts, dtype=np.dtypes.StringDType())
    return columns


def _digest(columns: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in DIGESTED:
        values = columns[name]
        digest.update("\n".join(values).encode() if name == "ids" else values.tobytes())
    return digest.hexdigest()


def write_labels(path: str | os.PathLike, samples: list[Sample], attrs: dict) -> None:
    """Write one shard's samples as the Zarr group ``path``; an existing group is replaced.

    ``attrs`` (plain JSON values, at least the provenance) become the group's attributes, beside
    ``n_samples``, ``data_sha256`` (over ids, sequences, coordinates, torsions) and ``status``.
    """
    columns = _columns(samples)
    codec = BloscCodec(cname="lz4", shuffle="bitshuffle")
    with write_beside(path) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=3)
        for name, values in columns.items():
            array = group.create_array(
                name,
                shape=values.shape,
                dtype=str if values.dtype.kind == "T" else values.dtype,
                chunks=(CHUNK_ROWS, *values.shape[1:]),
                compressors=codec,
            )
            if len(values):
                array[:] = values
        group.update_attributes({**attrs, "n_samples": len(samples), "data_sha256": _digest(columns)})
        group.update_attributes({"status": "complete"})


def _open(path: str | os.PathLike) -> zarr.Group:
    try:
        group = zarr.open_group(Path(path), mode="r", zarr_format=3)
    except (FileNotFoundError, GroupNotFoundError) as error:
        raise BetaFoldError(f"{path}: no label group here; make it with `betafold label`") from error
    if group.attrs.get("status") != "complete" or "torsions" not in group:
        raise BetaFoldError(f"{path}: not a finished label group; remove it and run `betafold label` again")
    return group


def labels_attrs(path: str | os.PathLike) -> dict:
    """Attributes of a finished label group: provenance, ``n_samples``, ``data_sha256``."""
    return dict(_open(path).attrs)


class SampleText(NamedTuple):
    """What the steps read that need no coordinates."""

    id: str
    sequence: str
    kind: str
    parent: str


def read_texts(path: str | os.PathLike) -> list[SampleText]:
    """Id, sequence, kind and parent of a group's samples, without loading its coordinates."""
    group = _open(path)
    letters = group["sequence"][:].tobytes().decode("ascii")
    offsets = group["offsets"][:]
    columns = [map(str, group[name][:]) for name in ("ids", "kind", "parent")]
    return [
        SampleText(name, letters[start:end], kind, parent)
        for name, kind, parent, start, end in zip(*columns, offsets[:-1], offsets[1:], strict=True)
    ]


def _read_group(path: str | os.PathLike) -> list[Sample]:
    group = _open(path)
    # By name, not by listing the folder: Snakemake leaves a file of its own in it, which zarr warns about.
    columns = {name: group[name][:] for name in _columns([])}
    letters = columns["sequence"].tobytes().decode("ascii")
    rows, model_rows, bridge_rows = (
        columns[name] for name in ("offsets", "model_offsets", "disulfide_offsets")
    )
    samples = []
    for i, name in enumerate(columns["ids"]):
        span = slice(rows[i], rows[i + 1])
        coords = columns["coords"][span]
        extra = columns["model_coords"][model_rows[i] : model_rows[i + 1]]
        bridges = columns["disulfides"][bridge_rows[i] : bridge_rows[i + 1]]
        samples.append(
            Sample(
                id=str(name),
                sequence=letters[span],
                coords=coords,
                torsions=columns["torsions"][span],
                mask=columns["mask"][span],
                start=int(columns["start"][i]),
                cyclic=bool(columns["cyclic"][i]),
                disulfides=tuple((int(a), int(b)) for a, b in bridges),
                models=np.concatenate([coords[None], extra.reshape(-1, *coords.shape)]),
                resolution=float(columns["resolution"][i]),
                **{field: str(columns[field][i]) for field in TEXT_FIELDS if field != "id"},
            )
        )
    return samples


def read_labels(paths: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Sample]:
    """Samples of one or several label groups, in the order given.

    Raises BetaFoldError for a missing or unfinished group and for an id that occurs twice.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    samples, seen = [], {}
    for path in paths:
        for sample in _read_group(path):
            if sample.id in seen:
                raise BetaFoldError(
                    f"{path}: sample {sample.id} is also in {seen[sample.id]}; name each group once"
                )
            seen[sample.id] = path
            samples.append(sample)
    return samples
