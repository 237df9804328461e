/* Exact superposition of one pair in float64, for what the fast path cannot do well. */
#ifndef BETAFOLD_ROTATION_H
#define BETAFOLD_ROTATION_H

/* Proper rotation R (row-major) that maximises trace(R M), where M[a][b] = sum of p_a q_b of centred structures;
 * R p superposes onto q. Returns the largest eigenvalue of Horn's quaternion matrix. Any multiplicity of
 * eigenvalues is fine; a NaN or infinity in M gives NaN everywhere. */
double best_rotation(const double correlation[3][3], double rotation[3][3]);

#endif
