"""What is written is what is read; half-written or foreign groups are refused."""

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from betafold.embeddings.store import check_weights, read_embeddings, write_embeddings
from betafold.errors import BetaFoldError

DIM = 8
ATTRS = {"model": "esm2_tiny", "layer": 2, "dim": DIM, "weights_sha256": "a" * 64}


def arrays(lengths, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, DIM)).astype(np.float32) for length in lengths]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 40), max_size=6))
def test_round_trip(tmp_path, lengths):
    written = arrays(lengths)
    ids = [f"1abc_Ä_{i}" for i in range(len(lengths))]
    write_embeddings(tmp_path / "00", ids, written, ATTRS)
    embeddings, attrs = read_embeddings([tmp_path / "00"])
    assert list(embeddings) == ids
    assert attrs == ATTRS
    for name, expected in zip(ids, written, strict=True):
        assert embeddings[name].dtype == np.float16
        np.testing.assert_array_equal(embeddings[name], expected.astype(np.float16))


def test_layout_on_disk(tmp_path):
    write_embeddings(tmp_path / "00", ["a", "b"], arrays([5000, 30]), ATTRS | {"git_commit": "abc"})
    group = zarr.open_group(tmp_path / "00", mode="r")
    assert group.metadata.zarr_format == 3
    assert group["x"].chunks == (4096, DIM)
    assert group["x"].dtype == np.float16
    assert group["offsets"].dtype == np.int64
    codec = group["x"].compressors[0]
    assert (codec.cname.value, codec.shuffle.value) == ("lz4", "bitshuffle")
    assert (group.attrs["status"], group.attrs["git_commit"]) == ("complete", "abc")
    assert [path.name for path in tmp_path.iterdir()] == ["00"]


def test_groups_are_joined_and_identical_ids_refused(tmp_path):
    write_embeddings(tmp_path / "00", ["a"], arrays([10]), ATTRS)
    write_embeddings(tmp_path / "01", ["b"], arrays([11]), ATTRS)
    write_embeddings(tmp_path / "02", ["a"], arrays([12]), ATTRS)
    assert list(read_embeddings([tmp_path / "00", tmp_path / "01"])[0]) == ["a", "b"]
    with pytest.raises(BetaFoldError, match="record a also"):
        read_embeddings([tmp_path / "00", tmp_path / "02"])


@pytest.mark.parametrize("change", [{"weights_sha256": "b" * 64}, {"layer": 1}, {"model": "esm2_other"}])
def test_mixed_weights_or_layers_are_refused(tmp_path, change):
    write_embeddings(tmp_path / "00", ["a"], arrays([10]), ATTRS)
    write_embeddings(tmp_path / "01", ["b"], arrays([10]), ATTRS | change)
    with pytest.raises(BetaFoldError, match="run 'betafold embed' again") as refused:
        read_embeddings([tmp_path / "00", tmp_path / "01"])
    assert "\n" not in str(refused.value)


def test_incomplete_absent_and_no_groups_are_refused(tmp_path):
    write_embeddings(tmp_path / "00", ["a"], arrays([10]), ATTRS)
    zarr.open_group(tmp_path / "00", mode="r+").attrs["status"] = "writing"
    with pytest.raises(BetaFoldError, match="incomplete"):
        read_embeddings([tmp_path / "00"])
    (tmp_path / "folder").mkdir()
    for paths in ([tmp_path / "absent"], [tmp_path / "folder"], []):
        with pytest.raises(BetaFoldError, match="run 'betafold embed"):
            read_embeddings(paths)


def test_failed_write_leaves_the_old_group(tmp_path):
    write_embeddings(tmp_path / "00", ["a"], arrays([10]), ATTRS)
    too_large = [np.full((3, DIM), 1e6, dtype=np.float32)]
    for values in (too_large, [np.full((3, DIM), np.nan, dtype=np.float32)]):
        with pytest.raises(BetaFoldError, match="float16"):
            write_embeddings(tmp_path / "00", ["b"], values, ATTRS)
    assert list(read_embeddings([tmp_path / "00"])[0]) == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["00"]


def test_programming_errors_are_value_errors(tmp_path):
    for ids, attrs in ((["a", "a"], ATTRS), (["a"], ATTRS), (["a", "b"], {"dim": DIM})):
        with pytest.raises(ValueError):
            write_embeddings(tmp_path / "00", ids, arrays([3, 4]), attrs)


def test_check_weights():
    check_weights(ATTRS, "a" * 64)
    with pytest.raises(BetaFoldError, match="the bundle was made"):
        check_weights(ATTRS, "b" * 64, "the bundle")
