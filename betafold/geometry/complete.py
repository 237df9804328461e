"""Completes a backbone of N, CA and C with ideal O and CB positions."""

import math

import numpy as np

from betafold.geometry import ideal

# The terminal carboxylate is free to turn: psi of a strand, which keeps O clear of the residue's own N.
TERMINAL_PSI = math.radians(135.0)


def place_o_cb(coords, terminal_psi=TERMINAL_PSI):
    """Adds ideal O and CB atoms to a backbone.

    Args:
        coords: numpy array or torch CPU tensor [..., L, 3, 3], atoms N, CA, C in Angstrom.
        terminal_psi: psi of the last residue in radians, which has no next N to orient its O.

    Returns:
        Array of the same kind and dtype [..., L, 5, 3], atoms N, CA, C, O, CB. CB has L chirality and is placed for
        every residue, glycine included (the writer leaves it out). NaN coordinates give NaN atoms beside them.
    """
    if not isinstance(coords, np.ndarray) and hasattr(coords, "detach"):
        import torch

        return torch.from_numpy(place_o_cb(coords.detach().numpy(), terminal_psi))
    coords = np.asarray(coords)
    if coords.ndim < 3 or coords.shape[-2:] != (3, 3) or coords.shape[-3] == 0:
        raise ValueError(f"coords: expected shape [..., L, 3, 3] with L >= 1, got {list(coords.shape)}")
    n, ca, c = (coords[..., atom, :].astype(np.float64) for atom in range(3))
    complete = np.stack([n, ca, c, _oxygen(n, ca, c, terminal_psi), _beta_carbon(n, ca, c)], axis=-2)
    return complete.astype(coords.dtype)


def _unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def _oxygen(n, ca, c, terminal_psi):
    """O lies in the plane of CA, C and the next N, on the far side of that N."""
    axis = _unit(ca - c)
    # Towards the next N, perpendicular to the CA-C bond; at the end of the chain as if it stood at terminal_psi.
    towards_next = np.empty_like(c)
    towards_next[..., :-1, :] = n[..., 1:, :] - c[..., :-1, :]
    own_n = _perpendicular(n[..., -1, :] - ca[..., -1, :], axis[..., -1, :])
    sideways = np.cross(own_n, axis[..., -1, :])
    towards_next[..., -1, :] = math.cos(terminal_psi) * own_n + math.sin(terminal_psi) * sideways
    away = -_perpendicular(towards_next, axis)
    return c + ideal.C_O * (math.cos(ideal.CA_C_O) * axis + math.sin(ideal.CA_C_O) * away)


def _perpendicular(vector, axis):
    """Unit vector along the component of `vector` perpendicular to the unit vector `axis`."""
    return _unit(vector - (vector * axis).sum(-1, keepdims=True) * axis)


def _beta_carbon(n, ca, c):
    """CB from its length and both its angles to the backbone; the third component gives L chirality."""
    to_n, to_c = _unit(n - ca), _unit(c - ca)
    cos_angle = (to_n * to_c).sum(-1, keepdims=True)
    cos_n, cos_c = math.cos(ideal.N_CA_CB), math.cos(ideal.C_CA_CB)
    determinant = 1.0 - cos_angle**2
    along_n = (cos_n - cos_angle * cos_c) / determinant
    along_c = (cos_c - cos_angle * cos_n) / determinant
    in_plane = along_n * to_n + along_c * to_c
    # Where N-CA-C is wider than 139 degrees there is no place with both angles; CB then lies in the plane.
    in_plane /= np.maximum(1.0, np.linalg.norm(in_plane, axis=-1, keepdims=True))
    height = np.sqrt(np.maximum(0.0, 1.0 - (in_plane**2).sum(-1, keepdims=True)))
    return ca + ideal.CA_CB * (in_plane + height * _unit(np.cross(to_n, to_c)))
