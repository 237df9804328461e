"""Losses: masks, which movements they see, and FAPE against a plain double loop."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from betafold.models.mtp.heads import pair_distances
from betafold.models.mtp.losses import coordinate_error, dihedral_error, distance_error, frame_aligned_error

NAN = float("nan")


def helix(length: int) -> torch.Tensor:
    """CA of a right-handed alpha helix: 100 degrees and 1.5 Angstrom per residue, radius 2.3 Angstrom."""
    i = torch.arange(length).double()
    angle = i * math.radians(100)
    return torch.stack([2.3 * angle.cos(), 2.3 * angle.sin(), 1.5 * i], dim=-1)


def moved(ca: torch.Tensor) -> torch.Tensor:
    turn = torch.from_numpy(Rotation.random(random_state=5).as_matrix())
    return ca @ turn.T + torch.tensor([3.0, -20, 8]).double()


MIRROR = torch.tensor([1.0, 1, -1]).double()


def fape_by_hand(predicted: np.ndarray, native: np.ndarray, clamp: float = 10.0) -> float:
    """Algorithm 28 as it is written, one frame and one atom at a time."""

    def frame(ca, i):
        v1, v2 = ca[i + 1] - ca[i], ca[i - 1] - ca[i]
        e1 = v1 / np.linalg.norm(v1)
        u2 = v2 - e1 * (e1 @ v2)
        e2 = u2 / np.linalg.norm(u2)
        return np.stack([e1, e2, np.cross(e1, e2)], axis=1), ca[i]

    total = []
    for i in range(1, len(native) - 1):
        rotation, origin = frame(predicted, i)
        native_rotation, native_origin = frame(native, i)
        for j in range(len(native)):
            seen = rotation.T @ (predicted[j] - origin)
            wanted = native_rotation.T @ (native[j] - native_origin)
            total.append(min(np.sqrt(((seen - wanted) ** 2).sum() + 1e-4), clamp) / 10)
    return float(np.mean(total))


def test_fape_is_algorithm_28():
    native = helix(12)
    predicted = native + torch.randn(12, 3, generator=torch.Generator().manual_seed(0)).double() * 2
    ours = frame_aligned_error(predicted[None], native[None]).item()
    assert ours == pytest.approx(fape_by_hand(predicted.numpy(), native.numpy()), rel=1e-4)


def test_fape_sees_shape_and_hand_but_no_movement():
    native = helix(14)[None]
    floor = 0.01 / 10
    assert frame_aligned_error(moved(native), native).item() == pytest.approx(floor, abs=1e-5)
    assert frame_aligned_error(native, moved(native)).item() == pytest.approx(floor, abs=1e-5)
    assert frame_aligned_error(native * MIRROR, native).item() > 0.1


def test_turning_the_frame_of_the_target_changes_the_coordinate_loss_only():
    """Why absolute coordinates fail: the same structure, deposited in another frame, is another target."""
    native = helix(14)[None]
    predicted = native + 0.5 * torch.randn(1, 14, 3, generator=torch.Generator().manual_seed(1)).double()
    turned = moved(native)
    assert coordinate_error(predicted, native).item() == pytest.approx(0.25, abs=0.1)
    assert coordinate_error(predicted, turned).item() > 20
    distances = pair_distances(predicted)
    for loss, answer in ((distance_error, distances), (frame_aligned_error, predicted)):
        torch.testing.assert_close(loss(answer, native), loss(answer, turned), rtol=1e-6, atol=1e-9)


def test_the_best_constant_frame_answer_is_no_structure():
    """Over random frames the coordinate loss is least at the mean of all frames, a point."""
    native = helix(14)
    native = native - native.mean(0)
    turns = torch.from_numpy(Rotation.random(400, random_state=0).as_matrix())
    targets = native @ turns.transpose(1, 2)

    def mean_loss(answer):
        return coordinate_error(answer.expand(400, -1, -1), targets).mean()

    assert mean_loss(torch.zeros_like(native)) < mean_loss(native)


@pytest.mark.parametrize("missing", [[], [0], [4], [12, 13]])
def test_missing_and_padded_residues_count_nowhere(missing):
    native = helix(14)
    native[missing] = NAN
    predicted = helix(14) + torch.randn(14, 3, generator=torch.Generator().manual_seed(2)).double()
    padded = torch.cat([native, torch.full((3, 3), NAN).double()])
    answer = torch.cat([predicted, torch.full((3, 3), 77.0).double()])
    for loss, of in (
        (coordinate_error, lambda x: x),
        (frame_aligned_error, lambda x: x),
        (distance_error, pair_distances),
    ):
        alone = loss(of(predicted[None]), native[None])
        together = loss(of(torch.stack([answer, answer])), torch.stack([padded, padded]))
        torch.testing.assert_close(together, alone.expand(2))
    kept = [i for i in range(14) if i not in missing]
    expected = (predicted[kept] - helix(14)[kept]).square().mean()
    torch.testing.assert_close(coordinate_error(predicted[None], native[None])[0], expected)


def test_distance_error_is_the_mean_over_pairs():
    native, predicted = helix(6), helix(6) * 1.1
    first, second = torch.triu_indices(6, 6, offset=1)
    expected = (torch.pdist(predicted) - torch.pdist(native)).square().mean()
    assert len(torch.pdist(native)) == len(first) == len(second)
    torch.testing.assert_close(
        distance_error(pair_distances(predicted[None], 0.0), native[None])[0], expected
    )


def test_dihedral_error_is_the_cross_entropy_of_biotite_dihedrals():
    from biotite import structure

    native = helix(9) + torch.randn(9, 3, generator=torch.Generator().manual_seed(2)).double()
    logits = torch.randn(6, 36, generator=torch.Generator().manual_seed(3)).double()
    ca = native.numpy()
    angles = structure.dihedral(ca[:-3], ca[1:-2], ca[2:-1], ca[3:])
    bins = torch.from_numpy(np.floor((np.degrees(angles) + 180) / 10).astype(int))
    expected = torch.nn.functional.cross_entropy(logits, bins, reduction="none")
    found = dihedral_error(logits.log_softmax(-1)[None], native[None])
    torch.testing.assert_close(found[0], expected.mean())
    native[2] = NAN
    found = dihedral_error(logits.log_softmax(-1)[None], native[None])
    torch.testing.assert_close(found[0], expected[3:].mean())


def test_nothing_observed_gives_zero_and_a_finite_gradient():
    ca = helix(5)[None].requires_grad_()
    native = torch.full((1, 5, 3), NAN).double()
    loss = (
        coordinate_error(ca, native)
        + frame_aligned_error(ca, native)
        + distance_error(pair_distances(ca), native)
    )
    loss.sum().backward()
    assert loss.item() == 0 and ca.grad.isfinite().all()


def test_gradients_are_finite_at_the_answer_and_on_a_line():
    line = torch.arange(6).double()[None, :, None] * torch.tensor([3.8, 0, 0]).double()
    for ca in (helix(6)[None], line):
        ca = ca.clone().requires_grad_()
        (
            frame_aligned_error(ca, helix(6)[None]) + distance_error(pair_distances(ca), ca.detach())
        ).sum().backward()
        assert ca.grad.abs().max() < 100


def test_fape_has_no_way_out_through_degenerate_frames():
    """A trace on a line or in a point has no frames to speak of, and must not be the better for it."""
    native = helix(12)[None]
    line = torch.arange(12).double()[None, :, None] * torch.tensor([1.5, 0, 0]).double()
    noisy = native + torch.randn(1, 12, 3, generator=torch.Generator().manual_seed(3)).double()
    for poor in (line, torch.zeros_like(native)):
        assert frame_aligned_error(poor, native) > 1.5 * frame_aligned_error(noisy, native)
