"""Losses of predicted CA traces and distance matrices; one number per peptide [B], 0 where nothing is observed.

A native CA that is NaN is missing or padded and counts nowhere. All lengths are in Angstrom.
"""

import torch
from torch import Tensor

from betafold.geometry.chirality import ca_dihedrals
from betafold.geometry.priors import bin_of
from betafold.models.mtp.heads import pair_distances, pair_mask

FAPE_CLAMP = 10.0  # Angstrom, d_clamp of algorithm 28
FAPE_SCALE = 10.0  # Angstrom, Z of algorithm 28


def observed_ca(ca: Tensor) -> tuple[Tensor, Tensor]:
    """CA [B, L, 3] with 0 in the place of NaN, and where there is one [B, L]."""
    observed = ca.isfinite().all(-1)
    return torch.where(observed[..., None], ca, 0.0), observed


def coordinate_error(ca: Tensor, native: Tensor) -> Tensor:
    """Mean squared deviation of CA [B, L, 3] from native ones as they stand, without superposition."""
    native, observed = observed_ca(native)
    squared = (ca - native).square().mean(-1)
    return _mean(squared, observed, dims=1)


def distance_error(distances: Tensor, native: Tensor) -> Tensor:
    """Mean squared error of distances [B, L, L] against those of native CA [B, L, 3], over pairs i != j."""
    native, observed = observed_ca(native)
    squared = (distances - pair_distances(native, eps=0.0)).square()
    return _mean(squared, pair_mask(observed), dims=(1, 2))


def dihedral_error(log_probabilities: Tensor, native: Tensor) -> Tensor:
    """Mean -log probability of the CA pseudo-dihedrals of native CA [B, L, 3], given [B, L - 3, bins] of them."""
    native, observed = observed_ca(native)
    angles = ca_dihedrals(native.detach().cpu().numpy())
    bins = torch.from_numpy(bin_of(angles, log_probabilities.shape[-1])).to(native.device)
    chosen = log_probabilities.gather(-1, bins[..., None]).squeeze(-1)
    return _mean(-chosen, whole_fours(observed), dims=1)


def ca_frames(ca: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of residues from CA(i-1), CA(i), CA(i+1), for ca [B, L, 3] and mask [B, L].

    Gram-Schmidt as in algorithm 21 of the supplement of Jumper et al., Nature 596:583 (2021), with the CA of the next
    residue in the place of C and of the one before in that of N.

    Returns:
        rotations [B, L, 3, 3] with the axes as columns, and where there is a frame [B, L]: inside a chain. Where the
        three CA are on a line, or in one place, axes are shorter than 1 and have a bounded gradient.
    """
    middle = ca[:, 1:-1]
    ahead, behind = ca[:, 2:] - middle, ca[:, :-2] - middle
    first = ahead / _norm(ahead)
    rest = behind - (first * behind).sum(-1, keepdim=True) * first
    second = rest / _norm(rest)
    third = torch.linalg.cross(first, second)
    rotations = torch.stack([first, second, third], dim=-1)
    exists = mask[:, 2:] & mask[:, 1:-1] & mask[:, :-2]
    pad = torch.nn.functional.pad
    return pad(rotations, (0, 0, 0, 0, 1, 1)), pad(exists, (1, 1))


def frame_aligned_error(ca: Tensor, native: Tensor, clamp: float = FAPE_CLAMP) -> Tensor:
    """FAPE [B] of CA traces [B, L, 3] (Jumper et al. 2021, supplement, algorithm 28), in units of 10 Angstrom.

    Every CA is seen from the frame of every residue that has one, in both structures; their distance is clamped. The
    same for all rotations and translations of either structure, but not for its mirror image.
    """
    native, observed = observed_ca(native)
    rotations, exists = ca_frames(ca, observed)
    native_rotations, _ = ca_frames(native, observed)
    seen, wanted = _local(rotations, ca), _local(native_rotations, native)
    distance = torch.sqrt((seen - wanted).square().sum(-1) + 1e-4)  # eps of algorithm 28
    pairs = exists[:, :, None] & observed[:, None, :]
    return _mean(distance.clamp(max=clamp) / FAPE_SCALE, pairs, dims=(1, 2))


def _local(rotations: Tensor, ca: Tensor) -> Tensor:
    """CA [B, L, 3] seen from the frames of all residues -> [B, frames, L, 3]."""
    return torch.einsum("bfxk,bflx->bflk", rotations, ca[:, None] - ca[:, :, None])


def whole_fours(mask: Tensor) -> Tensor:
    """Where four consecutive residues of mask [B, L] are there, [B, L - 3]."""
    return mask[:, 3:] & mask[:, 2:-1] & mask[:, 1:-2] & mask[:, :-3]


def _norm(vector: Tensor) -> Tensor:
    return torch.sqrt(vector.square().sum(-1, keepdim=True) + 1e-4)


def _mean(values: Tensor, mask: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    return (values * mask).sum(dims) / mask.sum(dims).clamp(min=1)
