/* Optimal superposition of pairs (Kabsch 1976; quaternion form of Horn 1987 and Theobald 2005). */
#include "rotation.h"

typedef struct {
    double rmsd, rotation[3][3], translation[3];
} Superposition;

/* Exact superposition of n atoms: the RMSD is the norm of the residual, so that it is accurate near zero too. */
static Superposition superpose_pair(const real *p, const real *q, const real *weights, int64_t n)
{
    double p_mean[3] = {0}, q_mean[3] = {0}, total = 0.0, m[3][3] = {{0}};
    Superposition s;
    for (int64_t i = 0; i < n; ++i) {
        double w = weights ? weights[i] : 1.0;
        total += w;
        for (int k = 0; k < 3; ++k) {
            p_mean[k] += w * ((double)p[3 * i + k] - p[k]);
            q_mean[k] += w * ((double)q[3 * i + k] - q[k]);
        }
    }
    for (int k = 0; k < 3; ++k) {
        p_mean[k] = p_mean[k] / total + p[k];
        q_mean[k] = q_mean[k] / total + q[k];
    }
    for (int64_t i = 0; i < n; ++i) {
        double w = weights ? weights[i] : 1.0;
        for (int a = 0; a < 3; ++a)
            for (int c = 0; c < 3; ++c)
                m[a][c] += w * (p[3 * i + a] - p_mean[a]) * (q[3 * i + c] - q_mean[c]);
    }
    best_rotation(m, s.rotation);
    double residual = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        double w = weights ? weights[i] : 1.0;
        for (int a = 0; a < 3; ++a) {
            double d = q_mean[a] - q[3 * i + a];
            for (int c = 0; c < 3; ++c)
                d += s.rotation[a][c] * (p[3 * i + c] - p_mean[c]);
            residual += w * d * d;
        }
    }
    s.rmsd = sqrt(residual / total);
    for (int a = 0; a < 3; ++a) {
        s.translation[a] = q_mean[a];
        for (int c = 0; c < 3; ++c)
            s.translation[a] -= s.rotation[a][c] * p_mean[c];
    }
    return s;
}

static void superpose(const void *opaque, int64_t begin, int64_t end)
{
    const PairArgs *args = opaque;
    int64_t n = args->n_atoms;
    for (int64_t b = begin; b < end; ++b) {
        const real *p = (const real *)args->p + b * n * 3;
        const real *q = (const real *)args->q + (args->one_reference ? 0 : b * n * 3);
        const real *weights = args->weights ? (const real *)args->weights + b * n : 0;
        Superposition s = superpose_pair(p, q, weights, args->lengths ? args->lengths[b] : n);
        int broken = !isfinite(s.rmsd);
        ((real *)args->rmsd)[b] = (real)(broken ? NAN : s.rmsd);
        if (!args->rotation)
            continue;
        for (int a = 0; a < 3; ++a) {
            ((real *)args->translation)[3 * b + a] = (real)(broken ? NAN : s.translation[a]);
            for (int c = 0; c < 3; ++c)
                ((real *)args->rotation)[9 * b + 3 * a + c] = (real)(broken ? NAN : s.rotation[a][c]);
        }
    }
}
