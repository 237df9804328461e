/* Torsions to coordinates (Parsons et al. 2005, J. Comput. Chem. 26, 1063) by carried orthonormal frames, and the
 * gradient of that map. */
#include <math.h>

#include "ideal_geometry.h"

/* Bond direction, in-plane normal, plane normal of the last three atoms, and the last atom. */
typedef struct {
    double e1[3], e2[3], e3[3], at[3];
} Frame;

static void place_atom(Frame *f, double torsion, double bond, double angle)
{
    double c = cos(torsion), s = sin(torsion), ca = -cos(angle), sa = sin(angle);
    for (int k = 0; k < 3; ++k) {
        double u = c * f->e2[k] + s * f->e3[k];
        double e3 = c * f->e3[k] - s * f->e2[k];
        double e1 = ca * f->e1[k] + sa * u;
        f->e2[k] = ca * u - sa * f->e1[k];
        f->e1[k] = e1;
        f->e3[k] = e3;
        f->at[k] += bond * e1;
    }
}

static void nerf(const void *opaque, int64_t begin, int64_t end)
{
    const BackboneArgs *args = opaque;
    int64_t n = args->n_residues;
    for (int64_t b = begin; b < end; ++b) {
        const real *torsions = (const real *)args->torsions + b * n * 3;
        real *coords = (real *)args->coords + b * n * 9;
        int64_t length = args->lengths ? args->lengths[b] : n;
        double ca = -cos(IDEAL_N_CA_C), sa = sin(IDEAL_N_CA_C);
        Frame f = {.e1 = {ca, sa, 0.0}, .e2 = {-sa, ca, 0.0}, .e3 = {0.0, 0.0, 1.0}};
        f.at[0] = IDEAL_N_CA + IDEAL_CA_C * ca;
        f.at[1] = IDEAL_CA_C * sa;
        f.at[2] = 0.0;
        const double first[9] = {0.0, 0.0, 0.0, IDEAL_N_CA, 0.0, 0.0, f.at[0], f.at[1], f.at[2]};
        for (int k = 0; k < 9; ++k)
            coords[k] = (real)first[k];
        for (int64_t i = 1; i < length; ++i) {
            double psi = torsions[3 * i - 2], omega = torsions[3 * i - 1], phi = torsions[3 * i];
            place_atom(&f, psi, IDEAL_C_N, IDEAL_CA_C_N);
            for (int k = 0; k < 3; ++k)
                coords[9 * i + k] = (real)f.at[k];
            place_atom(&f, omega, IDEAL_N_CA, IDEAL_C_N_CA);
            for (int k = 0; k < 3; ++k)
                coords[9 * i + 3 + k] = (real)f.at[k];
            place_atom(&f, phi, IDEAL_CA_C, IDEAL_N_CA_C);
            for (int k = 0; k < 3; ++k)
                coords[9 * i + 6 + k] = (real)f.at[k];
        }
        int64_t valid = isnan(f.at[0] + f.at[1] + f.at[2]) ? 0 : length;
        for (int64_t k = 9 * valid; k < 9 * n; ++k)
            coords[k] = (real)NAN;
    }
}

/* Turning the chain beyond a bond moves every later atom by axis x (atom - origin), so one backward sweep that sums
 * forces and torques gives all torsion gradients without any trigonometry. */
static void nerf_vjp(const void *opaque, int64_t begin, int64_t end)
{
    const BackboneArgs *args = opaque;
    int64_t n = args->n_residues;
    for (int64_t b = begin; b < end; ++b) {
        const real *coords = (const real *)args->coords + b * n * 9;
        const real *grad = (const real *)args->grad_coords + b * n * 9;
        real *out = (real *)args->grad_torsions + b * n * 3;
        int64_t n_atoms = 3 * (args->lengths ? args->lengths[b] : n);
        double force[3] = {0}, torque[3] = {0};
        for (int64_t k = 0; k < 3 * n; ++k)
            out[k] = 0;
        for (int64_t atom = n_atoms - 1; atom >= 3; --atom) {
            const real *x = coords + 3 * atom, *g = grad + 3 * atom, *from = x - 6, *to = x - 3;
            double r[3], axis[3];
            for (int k = 0; k < 3; ++k) {
                r[k] = (double)x[k] - coords[k];
                axis[k] = (double)to[k] - from[k];
                force[k] += g[k];
            }
            torque[0] += r[1] * g[2] - r[2] * g[1];
            torque[1] += r[2] * g[0] - r[0] * g[2];
            torque[2] += r[0] * g[1] - r[1] * g[0];
            double o[3] = {(double)to[0] - coords[0], (double)to[1] - coords[1], (double)to[2] - coords[2]};
            double about[3] = {torque[0] - (o[1] * force[2] - o[2] * force[1]),
                               torque[1] - (o[2] * force[0] - o[0] * force[2]),
                               torque[2] - (o[0] * force[1] - o[1] * force[0])};
            double length = sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]);
            double dot = axis[0] * about[0] + axis[1] * about[1] + axis[2] * about[2];
            /* Atom 3i is placed by psi(i-1), 3i+1 by omega(i-1), 3i+2 by phi(i). */
            out[atom - 2] = (real)(dot / length);
        }
    }
}
