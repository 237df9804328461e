import numpy as np
import pytest
import torch

import betafold_ext
from betafold.geometry import priors
from betafold.geometry.chirality import ca_dihedrals
from betafold.geometry.scaling import ca_from_distances, classical_mds


def walk(length, seed=0, dtype=np.float64):
    """Random chain with CA-CA distances of 3.8 A."""
    steps = np.random.default_rng(seed).normal(size=(length, 3))
    return np.cumsum(3.8 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0).astype(dtype)


def helix(length):
    turn = np.radians(100.0) * np.arange(length)
    return np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(length)], axis=1)


def distances_of(chains, padding=np.nan):
    lengths = np.array([len(chain) for chain in chains])
    distances = np.full((len(chains), lengths.max(), lengths.max()), padding)
    for row, chain in zip(distances, chains, strict=True):
        row[: len(chain), : len(chain)] = np.linalg.norm(chain[:, None] - chain[None], axis=-1)
    return distances, lengths


def noisy(distances, size, seed=1):
    noise = np.random.default_rng(seed).normal(size=distances.shape) * size
    changed = np.maximum(distances + (noise + noise.transpose(0, 2, 1)) / np.sqrt(2), 0.1)
    changed[:, np.arange(distances.shape[1]), np.arange(distances.shape[1])] = 0
    return changed


def rmsd_either_hand(found, chain):
    pair = [np.ascontiguousarray(sign * found[None, : len(chain)]) for sign in (1, -1)]
    return min(betafold_ext.kabsch_rmsd_batch(x, np.ascontiguousarray(chain[None]))[0] for x in pair)


@pytest.mark.parametrize("length", [10, 30, 64, 256, 512])
@pytest.mark.parametrize("make", [walk, helix])
def test_exact_distances_give_the_structure_back(make, length):
    chain = make(length)
    found = ca_from_distances(distances_of([chain])[0])
    assert rmsd_either_hand(found.ca[0], chain) < 1e-6
    assert found.stress[0] < 1e-6
    assert found.outside_top3[0] < 1e-9


def test_real_chains_come_back_in_their_hand(real_chains):
    chains = [coords[:, 1] for _, coords in real_chains]
    found = ca_from_distances(*distances_of(chains))
    for ca, chain in zip(found.ca, chains, strict=True):
        ca = np.ascontiguousarray(ca[None, : len(chain)])
        assert betafold_ext.kabsch_rmsd_batch(ca, np.ascontiguousarray(chain[None]))[0] < 1e-6
    assert (found.log_odds > 0).all()


def test_a_trace_of_known_hand_decides_for_either():
    distances, lengths = distances_of([walk(20, 1), walk(14, 2)])
    chosen = ca_from_distances(distances, lengths)
    for sign in (1, -1):
        found = ca_from_distances(distances, lengths, like=sign * chosen.ca)
        np.testing.assert_allclose(found.ca, sign * chosen.ca, atol=1e-9)
        assert np.isnan(found.log_odds).all()
    with pytest.raises(ValueError, match="^like: expected shape"):
        ca_from_distances(distances, lengths, like=chosen.ca[:1])


def test_predicted_dihedrals_decide_against_the_odds():
    chain = torch.from_numpy(helix(14))[None]
    distances = torch.cdist(chain, chain)

    def rmsd(found, chain):
        return betafold_ext.kabsch_rmsd_batch(found[None].contiguous(), chain[None].contiguous())[0]

    assert rmsd(ca_from_distances(distances).ca[0], chain[0]) < 1e-6
    left = torch.full((1, 11, 36), -20.0, dtype=torch.float64)
    left[:, :, priors.bin_of(ca_dihedrals(-helix(14)))[0]] = 0.0
    assert rmsd(ca_from_distances(distances, dihedrals=left).ca[0], -chain[0]) < 1e-6
    both = ca_from_distances(distances.expand(2, -1, -1), dihedrals=torch.cat([left, left.flip(-1)]))
    assert rmsd(both.ca[1], chain[0]) < 1e-6 and both.log_odds[1] > both.log_odds[0] > 0
    with pytest.raises(ValueError, match=r"^dihedrals: expected shape \[1, 11, N\]"):
        ca_from_distances(distances, dihedrals=left[:, :10])


def test_chains_of_the_archive_come_back(shared, packed):
    """Peptides, from which no prior was counted, and a few long proteins."""
    import csv

    from betafold.structures.chains import read_chains
    from betafold.structures.reader import read_structure

    with open(shared / "pdb" / "clean_peptides.tsv") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == "peptide"][::40]
    with open(shared / "pdb" / "index.tsv") as file:
        index = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows += [
            r
            for r in index
            if r["kind"] == "protein" and r["breaks"] == "0" and 400 < int(r["length"]) <= 512
        ][:2]
    chains = []
    for row in rows:
        for chain in read_chains(read_structure(shared / "pdb" / row["file"]))[0]:
            if np.isfinite(chain.coords).all() and 10 <= len(chain) <= 512:
                chains.append(chain.coords[:, 1])
    assert max(map(len, chains)) > 400
    found = ca_from_distances(*distances_of(chains))
    batch, lengths = packed(chains)
    right = betafold_ext.kabsch_rmsd_batch(found.ca, batch, lengths)
    wrong = betafold_ext.kabsch_rmsd_batch(-found.ca, batch, lengths)
    assert np.minimum(right, wrong).max() < 0.01
    assert (right < wrong).mean() >= 0.98


def test_classical_scaling_is_that_of_scikit_learn(real_chains):
    """sklearn has no classical scaling, but kernel PCA of the centred Gram matrix is the same thing."""
    from sklearn.decomposition import KernelPCA

    distances = noisy(distances_of([real_chains[0][1][:, 1]])[0], 0.5)
    ca, outside = classical_mds(distances)
    centring = np.eye(len(ca[0])) - 1 / len(ca[0])
    gram = -0.5 * centring @ distances[0] ** 2 @ centring
    theirs = KernelPCA(3, kernel="precomputed").fit_transform(gram)
    np.testing.assert_allclose(np.abs(ca[0][:, ::-1]), np.abs(theirs), atol=1e-6)
    values = np.linalg.eigvalsh(gram)
    assert outside[0] == pytest.approx(1 - values[-3:].sum() / np.abs(values).sum())


def test_padding_and_batch_mates_change_nothing(real_chains):
    chains = [walk(10, 3), walk(31, 4), real_chains[0][1][:, 1], helix(20)]
    distances, lengths = distances_of(chains)
    distances = noisy(distances, 0.4)
    together = ca_from_distances(distances, lengths)
    wide = np.pad(distances, ((0, 0), (0, 9), (0, 9)), constant_values=-7.0)
    wider = ca_from_distances(wide, lengths)
    for row, length in enumerate(lengths):
        alone = ca_from_distances(distances[row : row + 1, :length, :length])
        for other in (together, wider):
            np.testing.assert_allclose(other.ca[row, :length], alone.ca[0], atol=1e-6)
            np.testing.assert_allclose(other.stress[row], alone.stress[0], atol=1e-8)
            np.testing.assert_allclose(other.log_odds[row], alone.log_odds[0], atol=1e-3)
            assert np.isnan(other.ca[row, length:]).all()


def test_noisy_matrices_give_physical_traces(real_chains):
    chains = [coords[:30, 1] for _, coords in real_chains]
    distances, lengths = distances_of(chains)
    found = ca_from_distances(noisy(distances, 1.0), lengths)
    start, _ = classical_mds(noisy(distances, 1.0), lengths)
    for ca, rough, chain in zip(found.ca, start, chains, strict=True):
        bonds = np.linalg.norm(np.diff(ca[: len(chain)], axis=0), axis=1)
        assert np.abs(bonds - 3.8).max() < 0.4
        angle = np.linalg.norm(ca[2 : len(chain)] - ca[: len(chain) - 2], axis=1)
        assert angle.min() > 4.7 and angle.max() < 7.6
        assert rmsd_either_hand(ca, chain) < rmsd_either_hand(rough, chain)
    assert (found.outside_top3 > 0.05).all()
    np.testing.assert_allclose(found.stress, 1.0, atol=0.35)


def test_a_cis_bond_stays_cis():
    chain = helix(12)
    chain[6:] += (2.95 / 3.8 - 1) * (chain[6] - chain[5])
    found = ca_from_distances(noisy(distances_of([chain])[0], 0.05))
    bonds = np.linalg.norm(np.diff(found.ca[0], axis=0), axis=1)
    assert bonds[5] == pytest.approx(2.95, abs=0.15)
    assert np.delete(bonds, 5) == pytest.approx(3.8, abs=0.1)


def test_impossible_and_flat_matrices():
    all_equal = np.full((1, 12, 12), 5.0)
    found = ca_from_distances(all_equal)
    assert found.outside_top3[0] > 0.5 and found.stress[0] > 1.0
    assert np.isfinite(found.ca).all()
    flat = walk(12, 7) * [1, 1, 0]
    in_plane = ca_from_distances(noisy(distances_of([flat])[0], 0.2))
    assert np.isfinite(in_plane.ca).all()


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_shortest_chains(length):
    found = ca_from_distances(distances_of([walk(length)])[0])
    assert found.ca.shape == (1, length, 3)
    assert rmsd_either_hand(found.ca[0], walk(length)) < 1e-6
    if length < 4:
        assert found.log_odds[0] == 0 and not found.mirrored[0]


def test_nan_stays_in_its_item():
    distances, lengths = distances_of([walk(10), walk(12), walk(12, 1)])
    distances[1, 3, 4] = np.nan
    found = ca_from_distances(distances, lengths)
    assert np.isnan(found.ca[1]).all() and np.isnan(found.stress[1]) and not found.mirrored[1]
    assert np.isnan(found.log_odds[1]) and np.isnan(found.outside_top3[1])
    assert np.isfinite(found.ca[0, :10]).all() and np.isfinite(found.ca[2]).all()
    assert np.isfinite(found.stress[[0, 2]]).all()


def test_result_is_of_the_kind_of_the_argument():
    distances = distances_of([walk(10)])[0].astype(np.float32)
    for given in (distances, torch.from_numpy(distances), torch.from_numpy(distances).requires_grad_()):
        found = ca_from_distances(given)
        assert type(found.ca) is (np.ndarray if given is distances else torch.Tensor)
        for name in ("ca", "stress", "outside_top3", "log_odds"):
            assert getattr(found, name).dtype == given.dtype, name
        assert found.mirrored.dtype in (np.dtype(bool), torch.bool)


def changed(matrix, value, *where):
    matrix = matrix.copy()
    matrix[where] = value
    return matrix


D = distances_of([walk(6)])[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distances": D[0]}, "distances: expected shape"),
        ({"distances": D[:, :, :5]}, "distances: expected shape"),
        ({"distances": D[:0]}, "distances: expected shape"),
        ({"distances": D.astype(int)}, "distances: expected floating"),
        ({"distances": changed(D, -1.0, 0, 1, 2)}, "distances: expected none below 0"),
        ({"distances": changed(D, 9.0, 0, 1, 2)}, "distances: expected symmetric"),
        ({"distances": D, "lengths": [7]}, "lengths: expected values from 1 to 6"),
        ({"distances": D, "lengths": [0]}, "lengths: expected values from 1 to 6"),
        ({"distances": D, "lengths": [2.0]}, "lengths: expected 1 whole"),
        ({"distances": D, "lengths": [2, 2]}, "lengths: expected 1 whole"),
        ({"distances": D, "bond_weight": -1.0}, "bond_weight: "),
        ({"distances": D, "bond_weight": float("nan")}, "bond_weight: "),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ca_from_distances(**arguments)
