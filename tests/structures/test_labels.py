"""The Zarr store of samples gives back what was written, and refuses what is not finished."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from betafold.errors import BetaFoldError
from betafold.structures.labels import labels_attrs, read_labels, write_labels
from betafold.structures.samples import KINDS, STANDARD, Sample


def make_sample(index: int, length: int, models: int, bridges: int) -> Sample:
    rng = np.random.default_rng([index, length])
    coords = rng.normal(size=(models, length, 3, 3)).astype(np.float32)
    torsions = rng.normal(size=(length, 3)).astype(np.float32)
    torsions[0, 0] = torsions[-1, 1] = torsions[-1, 2] = np.nan
    return Sample(
        id=f"e{index}_A_1-{length}",
        sequence="".join(rng.choice(list(STANDARD), length)),
        coords=coords[0],
        torsions=torsions,
        mask=rng.random(length) < 0.9,
        kind=KINDS[index % 3],
        entry=f"e{index}",
        chain="A",
        start=index,
        parent="X" * (length + index),
        cyclic=bool(index % 2),
        disulfides=tuple((i, i + 4) for i in range(bridges)),
        models=coords,
        method="SOLUTION NMR" if models > 1 else "",
        resolution=np.nan if models > 1 else 1.5,
    )


def assert_same(a: Sample, b: Sample):
    for name in (
        "id",
        "sequence",
        "kind",
        "entry",
        "chain",
        "start",
        "parent",
        "cyclic",
        "disulfides",
        "method",
    ):
        assert getattr(a, name) == getattr(b, name), name
    for name in ("coords", "torsions", "mask", "models", "resolution"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.models.dtype == np.float32 and a.mask.dtype == bool


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(10, 30), st.integers(1, 4), st.integers(0, 3)), max_size=6))
def test_round_trip(tmp_path_factory, shapes):
    path = tmp_path_factory.mktemp("labels") / "0"
    samples = [make_sample(i, *shape) for i, shape in enumerate(shapes)]
    write_labels(path, samples, {"origin": "test"})
    read = read_labels(path)
    assert len(read) == len(samples)
    for a, b in zip(read, samples, strict=True):
        assert_same(a, b)
    attrs = labels_attrs(path)
    assert attrs["origin"] == "test" and attrs["n_samples"] == len(samples)
    assert attrs["status"] == "complete"


def test_layout_is_the_one_on_the_design_page(tmp_path):
    samples = [make_sample(i, 10 + i, 2, 1) for i in range(3)]
    write_labels(tmp_path / "0", samples, {})
    group = zarr.open_group(tmp_path / "0", mode="r")
    assert group.metadata.zarr_format == 3
    assert group["sequence"].dtype == np.uint8 and group["sequence"].shape == (33,)
    assert group["coords"].dtype == np.float32 and group["coords"].shape == (33, 3, 3)
    assert group["torsions"].shape == (33, 3) and group["coords"].chunks == (4096, 3, 3)
    assert group["offsets"][:].tolist() == [0, 10, 21, 33]
    assert group["model_offsets"][:].tolist() == [0, 10, 21, 33]  # the first model is in coords
    assert list(group["ids"][:]) == [sample.id for sample in samples]


def test_several_groups_in_order_and_an_empty_one(tmp_path):
    write_labels(tmp_path / "0", [make_sample(0, 10, 1, 0)], {})
    write_labels(tmp_path / "1", [], {})
    write_labels(tmp_path / "2", [make_sample(1, 12, 1, 0)], {})
    assert [sample.start for sample in read_labels(tmp_path / name for name in "210")] == [1, 0]


def test_data_digest_depends_on_what_is_learned_from_only(tmp_path):
    def digest(index, **attrs):
        write_labels(tmp_path / "0", [make_sample(index, 10, 1, 0)], attrs)
        return labels_attrs(tmp_path / "0")["data_sha256"]

    assert digest(0) == digest(0, note="another run") != digest(1)


def test_missing_unfinished_foreign_and_repeated_groups_are_refused(tmp_path):
    with pytest.raises(BetaFoldError, match="betafold label"):
        read_labels(tmp_path / "none")
    write_labels(tmp_path / "0", [make_sample(0, 10, 1, 0)], {})
    with pytest.raises(BetaFoldError, match="e0_A_1-10 is also in"):
        read_labels([tmp_path / "0", tmp_path / "0"])
    zarr.open_group(tmp_path / "0").update_attributes({"status": "writing"})
    with pytest.raises(BetaFoldError, match="not a finished label group"):
        read_labels(tmp_path / "0")
    zarr.open_group(tmp_path / "x", mode="w").update_attributes({"status": "complete"})
    with pytest.raises(BetaFoldError, match="not a finished label group"):
        labels_attrs(tmp_path / "x")


def test_a_failed_write_leaves_the_old_group(tmp_path):
    write_labels(tmp_path / "0", [make_sample(0, 10, 1, 0)], {})
    with pytest.raises(TypeError):
        write_labels(tmp_path / "0", [make_sample(1, 10, 1, 0)], {"bad": object()})
    assert read_labels(tmp_path / "0")[0].entry == "e0"
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
