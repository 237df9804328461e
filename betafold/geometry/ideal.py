"""Ideal backbone geometry: the single source of bond lengths and angles.

Values: Engh & Huber (2001), International Tables for Crystallography F, table 18.3.2.3, the refinement of
Engh & Huber (1991), Acta Cryst. A47, 392-400. `setup.py` turns `BACKBONE` into the header that the C kernels of
`betafold_ext` are compiled with, so this module imports nothing but `math`.
"""

import math

# Bond lengths, Angstrom.
N_CA = 1.459
CA_C = 1.525
C_N = 1.336
C_O = 1.229
CA_CB = 1.535

# Bond angles, radians.
N_CA_C = math.radians(111.0)
CA_C_N = math.radians(117.2)
C_N_CA = math.radians(121.7)
CA_C_O = math.radians(120.1)
N_CA_CB = math.radians(110.6)
C_CA_CB = math.radians(110.4)

# What the NeRF kernels need, under the names that the generated C header uses.
BACKBONE = {
    "N_CA": N_CA,
    "CA_C": CA_C,
    "C_N": C_N,
    "N_CA_C": N_CA_C,
    "CA_C_N": CA_C_N,
    "C_N_CA": C_N_CA,
}
