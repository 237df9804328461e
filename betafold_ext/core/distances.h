/* Euclidean distance matrices, one item per lane. */

static void distances(const void *opaque, int64_t begin, int64_t end)
{
    const DistanceArgs *args = opaque;
    int64_t n = args->n_atoms;
    vreal *x = allocate_vectors(4 * n), *line = x + 3 * n;
    for (int64_t block = begin; block < end; block += LANES) {
        const real *rows[LANES];
        real *out[LANES];
        vmask lengths;
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = lane_item(block, lane, end);
            rows[lane] = (const real *)args->x + item * 3 * n;
            out[lane] = (real *)args->distances + item * n * n;
            lengths[lane] = (integer)(args->lengths ? args->lengths[item] : n);
        }
        load_last_columns(rows, 0, (int)(3 * n), x);
        for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j < n; ++j) {
                vmask inside = (lengths > (integer)i) & (lengths > (integer)j);
                line[j] = choose(inside, distance_of(x + 3 * i, x + 3 * j), splat((real)NAN));
            }
            store_last_columns(out, i * n, (int)n, line);
        }
    }
    free(x);
}
