/* Coordinates to torsions. */

static double dihedral(const real *a, const real *b, const real *c, const real *d)
{
    double u[3], v[3], w[3];
    for (int k = 0; k < 3; ++k) {
        u[k] = (double)b[k] - a[k];
        v[k] = (double)c[k] - b[k];
        w[k] = (double)d[k] - c[k];
    }
    double n1[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
    double n2[3] = {v[1] * w[2] - v[2] * w[1], v[2] * w[0] - v[0] * w[2], v[0] * w[1] - v[1] * w[0]};
    double length = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    double y = length * (u[0] * n2[0] + u[1] * n2[1] + u[2] * n2[2]);
    double x = n1[0] * n2[0] + n1[1] * n2[1] + n1[2] * n2[2];
    return atan2(y, x);
}

static void torsions(const void *opaque, int64_t begin, int64_t end)
{
    const BackboneArgs *args = opaque;
    int64_t n = args->n_residues;
    for (int64_t b = begin; b < end; ++b) {
        const real *x = (const real *)args->coords + b * n * 9;
        real *out = (real *)args->torsions + b * n * 3;
        int64_t length = args->lengths ? args->lengths[b] : n;
        for (int64_t i = 0; i < n; ++i) {
            const real *residue = x + 9 * i;
            int inside = i < length, next = i + 1 < length;
            out[3 * i] = (real)(inside && i ? dihedral(residue - 3, residue, residue + 3, residue + 6) : NAN);
            out[3 * i + 1] = (real)(next ? dihedral(residue, residue + 3, residue + 6, residue + 9) : NAN);
            out[3 * i + 2] = (real)(next ? dihedral(residue + 3, residue + 6, residue + 9, residue + 12) : NAN);
        }
    }
}
