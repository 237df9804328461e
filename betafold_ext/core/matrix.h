/* RMSD of all pairs of two sets of structures. */

static void rmsd_matrix(const void *opaque, int64_t begin, int64_t end)
{
    const MatrixArgs *args = opaque;
    int64_t n = args->n_atoms, m = args->n_columns;
    for (int64_t i = begin; i < end; ++i)
        for (int64_t j = args->symmetric ? i : 0; j < m; ++j) {
            Superposition s = superpose_pair((const real *)args->x + i * n * 3, (const real *)args->y + j * n * 3, 0, n);
            real rmsd = (real)(isfinite(s.rmsd) ? s.rmsd : NAN);
            ((real *)args->rmsd)[i * m + j] = rmsd;
            if (args->symmetric)
                ((real *)args->rmsd)[j * m + i] = rmsd;
        }
}
