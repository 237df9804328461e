"""NeRF as one would write it with torch alone, with the constants and the frame of betafold_ext."""

import math

import torch

LENGTHS = (1.336, 1.459, 1.525)  # C-N, N-CA, CA-C
ANGLES = tuple(math.radians(x) for x in (117.2, 121.7, 111.0))
COS_BEND = [-math.cos(a) for a in ANGLES]
SIN_BEND = [math.sin(a) for a in ANGLES]
FIRST_C = (LENGTHS[1] + LENGTHS[2] * COS_BEND[2], LENGTHS[2] * SIN_BEND[2], 0.0)


def torch_loop(torsions):
    """The usual loop over atoms with cross products and normalisation (Parsons 2005), vectorised over the batch."""
    batch, residues, _ = torsions.shape
    atoms = [torsions.new_tensor(x).expand(batch, 3) for x in ((0.0, 0, 0), (LENGTHS[1], 0, 0), FIRST_C)]
    for i in range(1, residues):
        for k in range(3):
            angle = torsions[:, i, 0] if k == 2 else torsions[:, i - 1, k + 1]
            a, b, c = atoms[-3:]
            bc = torch.nn.functional.normalize(c - b, dim=-1)
            normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, bc), dim=-1)
            inward = torch.linalg.cross(normal, bc)
            step = (
                COS_BEND[k] * bc
                + SIN_BEND[k] * angle.cos()[:, None] * inward
                + SIN_BEND[k] * angle.sin()[:, None] * normal
            )
            atoms.append(c + LENGTHS[k] * step)
    return torch.stack(atoms, 1).reshape(batch, residues, 3, 3)
