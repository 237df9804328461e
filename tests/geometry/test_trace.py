import numpy as np
import pytest
import torch

import betafold_ext
from betafold.geometry import ideal
from betafold.geometry.peptide_plane import offsets
from betafold.geometry.trace import backbone_from_ca, trace_energy

N, CA, C = range(3)


def cosine_angle(a, b, c):
    u, v = a - b, c - b
    return np.degrees(np.arccos((u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)))


def rms(errors):
    return np.sqrt((errors**2).sum(-1).mean())


@pytest.fixture
def walks():
    """[8, 15, 3] traces of backbones with random torsions: as CA traces of real ones, but of no secondary structure."""
    generator = np.random.default_rng(2)
    torsions = np.radians([-70.0, 120.0, 180.0]) + generator.normal(size=(8, 15, 3)) * [0.4, 0.6, 0.05]
    return betafold_ext.nerf_batch(torsions)[:, :, CA].copy()


def test_real_backbones_are_rebuilt(real_chains):
    for sequence, coords in real_chains:
        for known in (None, [sequence]):
            built = backbone_from_ca(coords[None, :, CA], known)[0]
            np.testing.assert_array_equal(built[:, CA], coords[:, CA])
            assert rms((built - coords)[1:, N]) < 0.35, (sequence, known)
            assert rms((built - coords)[:-1, C]) < 0.35
            assert (
                np.linalg.norm(built - coords, axis=-1)[[0, -1], [N, C]].max() < 2.9
            )  # the circle they may be on


def test_phi_and_psi_are_near_the_real_ones(real_chains):
    for sequence, coords in real_chains:
        built = backbone_from_ca(coords[None, :, CA], [sequence])
        error = betafold_ext.torsions_batch(built)[0] - betafold_ext.torsions_batch(coords[None])[0]
        error = np.degrees(np.abs((error + np.pi) % (2 * np.pi) - np.pi))[2:-2, :2]
        assert np.median(error) < 12


def test_geometry_is_ideal_where_the_trace_allows(real_chains, packed):
    batch, lengths = packed([coords[:, CA] for _, coords in real_chains])
    built = backbone_from_ca(batch, lengths=lengths)
    for x, length in zip(built, lengths, strict=True):
        n, ca, c = x[:length].transpose(1, 0, 2)
        np.testing.assert_allclose(np.linalg.norm(n - ca, axis=-1), ideal.N_CA, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(c - ca, axis=-1), ideal.CA_C, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(n[1:] - c[:-1], axis=-1), ideal.C_N, atol=1e-3)
        angle = cosine_angle(n, ca, c)
        assert np.abs(angle - np.degrees(ideal.N_CA_C)).mean() < 4 and angle.min() > 90 and angle.max() < 130
        omega = betafold_ext.torsions_batch(np.ascontiguousarray(x[None, :length]))[0, :-1, 2]
        np.testing.assert_allclose(np.minimum(np.abs(omega), np.pi - np.abs(omega)), 0, atol=1e-5)
        np.testing.assert_allclose(angle[[0, -1]], np.degrees(ideal.N_CA_C), atol=1e-4)


def test_a_short_bond_is_cis():
    trans, cis = offsets(np.array([3.80, 2.95]))
    assert trans[1] > 0 > trans[3]  # C and N on either side of the axis
    assert cis[1] > 0 and cis[3] > 0
    ca = betafold_ext.nerf_batch(np.radians(np.tile([-75.0, 150.0, 180.0], (1, 8, 1))))[:, :, CA].copy()
    ca[:, 4:] += (2.95 / 3.80 - 1) * (ca[:, 4:5] - ca[:, 3:4])
    omega = np.degrees(betafold_ext.torsions_batch(backbone_from_ca(ca)))[0, :-1, 2]
    assert abs(omega[3]) < 1
    np.testing.assert_allclose(np.abs(np.delete(omega, 3)), 180, atol=1)


@pytest.mark.parametrize("distance", [3.5, 3.65, 3.95, 4.1])
def test_bonds_of_other_lengths_open_or_close_the_peptide(walks, distance):
    built = backbone_from_ca(walks * (distance / 3.8))
    bond = np.linalg.norm(built[:, 1:, N] - built[:, :-1, C], axis=-1)
    np.testing.assert_allclose(bond, ideal.C_N, atol=0.05)
    assert cosine_angle(built[:, :-1, CA], built[:, :-1, C], built[:, 1:, N]).min() > 85


def test_unphysical_traces_do_not_break_anything():
    line = np.arange(10.0)[:, None] * [3.8, 0, 0]
    point = np.zeros((10, 3))
    gap = np.concatenate([line[:5], line[5:] + 30])
    built = backbone_from_ca(np.stack([line, point, gap]))
    assert np.isfinite(built).all()
    np.testing.assert_array_equal(built[:, :, CA], [line, point, gap])


def test_mirror_images_fit_worse(real_chains):
    for _, coords in real_chains:
        ca = coords[None, :, CA]
        assert trace_energy(-ca)[0] > trace_energy(ca)[0] + 5


def test_padding_and_batch_mates_change_nothing(walks):
    lengths = np.array([15, 4, 9, 3, 2, 1, 15, 8])
    padded = np.pad(walks, ((0, 0), (0, 5), (0, 0)), constant_values=np.nan)
    built, energy = backbone_from_ca(padded, lengths=lengths), trace_energy(padded, lengths)
    assert built.shape == (8, 20, 3, 3)
    for row, length in enumerate(lengths):
        alone = backbone_from_ca(walks[row : row + 1, :length])[0]
        assert np.isnan(built[row, length:]).all()
        if length > 2:  # the turn of a lone peptide bond is not in the trace
            np.testing.assert_allclose(built[row, :length], alone, atol=1e-9)
        np.testing.assert_allclose(energy[row], trace_energy(walks[row : row + 1, :length])[0], atol=1e-3)
        assert np.isfinite(built[row, :length]).all()


def test_backbone_turns_with_the_trace(walks):
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    moved = backbone_from_ca(walks @ rotation.T + 40.0)
    np.testing.assert_allclose(moved, backbone_from_ca(walks) @ rotation.T + 40.0, atol=1e-6)


def test_nan_stays_in_its_item(walks):
    walks[2, 7] = np.nan
    built = backbone_from_ca(walks)
    assert np.isnan(built[2]).all() and np.isfinite(np.delete(built, 2, axis=0)).all()
    assert trace_energy(walks).isnan().nonzero().ravel().tolist() == [2]


@pytest.mark.parametrize("length", [1, 2, 3, 512])
def test_lengths_from_one_to_512(length):
    ca = np.cumsum(np.tile([[2.0, 3.0, 1.2], [2.0, -3.0, 1.2]], (length, 1))[:length], axis=0)[None]
    built = backbone_from_ca(ca)
    assert np.isfinite(built).all()
    angle = cosine_angle(built[0, :, N], built[0, :, CA], built[0, :, C])
    assert (angle > 60).all() and (angle < 150).all()


def test_result_is_of_the_kind_of_the_argument(walks):
    narrow = walks.astype(np.float32)
    array, tensor = backbone_from_ca(narrow), backbone_from_ca(torch.from_numpy(narrow).requires_grad_())
    assert array.dtype == np.float32 and tensor.dtype == torch.float32 and not tensor.requires_grad
    np.testing.assert_array_equal(array, tensor.numpy())
    np.testing.assert_array_equal(array[:, :, CA], narrow)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ca": np.zeros((2, 3))}, "ca: expected shape"),
        ({"ca": np.zeros((2, 0, 3))}, "ca: expected shape"),
        ({"ca": np.zeros((2, 5, 3), int)}, "ca: expected floating"),
        ({"ca": np.zeros((2, 5, 3)), "lengths": [5, 6]}, "lengths: expected values from 1 to 5"),
        ({"ca": np.zeros((2, 5, 3)), "sequences": ["AAAAA"]}, "sequences: expected 2"),
        ({"ca": np.zeros((1, 5, 3)), "sequences": ["AAAA"]}, "sequences: number 0 has 4 letters"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        backbone_from_ca(**arguments)
