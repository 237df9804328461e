import numpy as np
import pytest
import torch

import betafold_ext

ANGLES = np.zeros((4, 5, 3), np.float32)
ATOMS = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
BACKBONE = np.random.default_rng(0).normal(size=(4, 5, 3, 3)).astype(np.float32)

# Function, argument under test, its name, the other positional arguments.
ARGUMENTS = [
    (betafold_ext.nerf_batch, ANGLES, "torsions", ()),
    (betafold_ext.torsions_batch, BACKBONE, "coords", ()),
    (betafold_ext.nerf_batch_vjp, ANGLES, "torsions", (BACKBONE, BACKBONE)),
    (betafold_ext.kabsch_rmsd_batch, ATOMS, "P", (ATOMS,)),
    (betafold_ext.kabsch_superpose_batch, ATOMS, "P", (ATOMS,)),
    (betafold_ext.rmsd_to_reference, ATOMS, "X", (ATOMS[0],)),
    (betafold_ext.rmsd_matrix, ATOMS, "X", ()),
    (betafold_ext.lddt_batch, ATOMS, "predicted", (ATOMS,)),
    (betafold_ext.gdt_batch, ATOMS, "predicted", (ATOMS,)),
    (betafold_ext.tm_score_batch, ATOMS, "predicted", (ATOMS,)),
    (betafold_ext.distance_matrix_batch, ATOMS, "X", ()),
]
IDS = [function.__name__ for function, *_ in ARGUMENTS]


@pytest.mark.parametrize(("function", "good", "name", "others"), ARGUMENTS, ids=IDS)
def test_errors_name_the_argument(function, good, name, others):
    for bad in (
        good[0],
        good[..., :2],
        good[None],
        good[:0],
        good[:, :0],
        good.astype(int),
        good.astype(np.float16),
        good.astype(">f4"),
        good.astype(complex),
        "text",
        None,
        torch.from_numpy(good).requires_grad_(),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            function(bad, *others)
    for n_threads in (0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match="^n_threads: "):
            function(good, *others, n_threads=n_threads)


def lengths_functions():
    return [entry for entry in ARGUMENTS if entry[0].__name__ not in ("rmsd_matrix", "rmsd_to_reference")]


@pytest.mark.parametrize(("function", "good", "name", "others"), lengths_functions())
def test_lengths_are_checked(function, good, name, others):
    for bad in ([5, 5, 5], [[5, 5, 5, 5]], [5, 5, 5, 6], [5, 0, 5, 5], [5, -1, 5, 5], [5.0] * 4, 5):
        with pytest.raises(ValueError, match="^lengths: "):
            function(good, *others, lengths=bad)
    for right in (
        [5, 4, 1, 2],
        np.array([5, 4, 1, 2], np.uint8),
        torch.tensor([5, 4, 1, 2], dtype=torch.int32),
    ):
        function(good, *others, lengths=right)


@pytest.mark.parametrize(("function", "good", "name", "others"), ARGUMENTS, ids=IDS)
def test_kind_precision_and_strides(function, good, name, others):
    plain = function(good, *others)
    tensors = [torch.from_numpy(x) for x in (good, *others)]
    strided = [np.asfortranarray(x) for x in (good, *others)]
    read_only = [x.copy() for x in (good, *others)]
    for x in read_only:
        x.flags.writeable = False
    wide = function(*(x.astype(np.float64) for x in (good, *others)))
    results = [plain, function(*tensors), function(*strided), function(*read_only), wide]
    results = [result if isinstance(result, tuple) else (result,) for result in results]
    for a, b, c, d, e in zip(*results, strict=True):
        assert isinstance(b, torch.Tensor) and b.dtype == torch.float32
        for same in (b.numpy(), c, d):
            np.testing.assert_array_equal(a, same)
        assert a.dtype == np.float32 and e.dtype == np.float64
        np.testing.assert_allclose(a, e, atol=1e-5)


def test_second_arguments_are_checked():
    with pytest.raises(ValueError, match="^Q: "):
        betafold_ext.kabsch_rmsd_batch(ATOMS, ATOMS[:, :4])
    with pytest.raises(ValueError, match="^Q: "):
        betafold_ext.kabsch_rmsd_batch(ATOMS, ATOMS.astype(float))
    with pytest.raises(ValueError, match="^native: "):
        betafold_ext.lddt_batch(ATOMS, ATOMS[:3])
    with pytest.raises(ValueError, match="^ref: "):
        betafold_ext.rmsd_to_reference(ATOMS, ATOMS[0, :3])
    with pytest.raises(ValueError, match="^Y: "):
        betafold_ext.rmsd_matrix(ATOMS, ATOMS[:, :3])
    with pytest.raises(ValueError, match="^coords: "):
        betafold_ext.nerf_batch_vjp(ANGLES, BACKBONE[:3], BACKBONE[:3])
    with pytest.raises(ValueError, match="^grad_coords: "):
        betafold_ext.nerf_batch_vjp(ANGLES, BACKBONE, BACKBONE[:3])
    for weights in (
        np.ones(4, np.float32),
        np.ones((4, 5)),
        -np.ones((4, 5), np.float32),
        np.ones((3, 5), np.float32),
    ):
        with pytest.raises(ValueError, match="^weights: "):
            betafold_ext.kabsch_rmsd_batch(ATOMS, ATOMS, weights=weights)
    for option in ({"cutoff": 0}, {"cutoff": np.nan}, {"min_separation": 0}, {"min_separation": 1.5}):
        with pytest.raises(ValueError, match=f"^{next(iter(option))}: "):
            betafold_ext.lddt_batch(ATOMS, ATOMS, **option)


def test_tensors_are_not_copied(monkeypatch):
    from betafold_ext import arrays

    tensor = torch.zeros(2, 3, 3)
    assert arrays.real_array(tensor, "x", ("L", 3)).__array_interface__["data"][0] == tensor.data_ptr()
