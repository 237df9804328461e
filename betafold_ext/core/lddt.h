/* lDDT (Mariani et al. 2013, Bioinformatics 29, 2722): share of native contacts kept within 0.5, 1, 2 and 4 A. */

static double distance(const real *a, const real *b)
{
    double x = (double)a[0] - b[0], y = (double)a[1] - b[1], z = (double)a[2] - b[2];
    return sqrt(x * x + y * y + z * z);
}

static void lddt(const void *opaque, int64_t begin, int64_t end)
{
    const ScoreArgs *args = opaque;
    int64_t n = args->n_atoms;
    for (int64_t b = begin; b < end; ++b) {
        const real *p = (const real *)args->p + b * n * 3, *q = (const real *)args->q + b * n * 3;
        int64_t length = args->lengths ? args->lengths[b] : n;
        double all_kept = 0.0, all_contacts = 0.0, check = 0.0;
        for (int64_t k = 0; k < 3 * length; ++k)
            check += 0.0 * p[k] + 0.0 * q[k];
        for (int64_t i = 0; i < n; ++i) {
            double kept = 0.0, contacts = 0.0;
            for (int64_t j = 0; i < length && j < length; ++j) {
                int64_t separation = i > j ? i - j : j - i;
                double native = distance(q + 3 * i, q + 3 * j);
                if (separation < args->min_separation || separation == 0 || !(native < args->cutoff))
                    continue;
                double error = fabs(native - distance(p + 3 * i, p + 3 * j));
                contacts += 4.0;
                kept += (error < 0.5) + (error < 1.0) + (error < 2.0) + (error < 4.0);
            }
            all_kept += kept;
            all_contacts += contacts;
            if (args->per_residue)
                ((real *)args->score)[b * n + i] = (real)(contacts > 0.0 ? kept / contacts + check : NAN);
        }
        if (!args->per_residue)
            ((real *)args->score)[b] = (real)(all_contacts > 0.0 ? all_kept / all_contacts + check : NAN);
    }
}
