/* Euclidean distance matrices. */

static void distances(const void *opaque, int64_t begin, int64_t end)
{
    const DistanceArgs *args = opaque;
    int64_t n = args->n_atoms;
    for (int64_t b = begin; b < end; ++b) {
        const real *x = (const real *)args->x + b * n * 3;
        real *out = (real *)args->distances + b * n * n;
        int64_t length = args->lengths ? args->lengths[b] : n;
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
                out[i * n + j] = (real)(i < length && j < length ? distance(x + 3 * i, x + 3 * j) : NAN);
    }
}
