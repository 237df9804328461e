/* RMSD of all pairs of two sets of structures: rows one by one against columns, one column per lane. */

/* Rows that share a prepared panel of columns. */
#define ROWS_AT_ONCE 32

/* Centred structures in double precision. */
typedef struct {
    double *rows;             /* [ROWS_AT_ONCE][3 n] */
    double energy[ROWS_AT_ONCE];
    vdouble (*panel)[HALVES]; /* [3 n], one structure per lane */
    vdouble panel_energy[HALVES];
} MatrixTile;

static void centre_row(const real *x, int64_t n, double *out, double *energy)
{
    double sum[3] = {0}, squares = 0.0;
    for (int64_t i = 0; i < 3 * n; ++i)
        sum[i % 3] += (double)x[i] - x[i % 3];
    for (int64_t i = 0; i < 3 * n; ++i) {
        out[i] = ((double)x[i] - x[i % 3]) - sum[i % 3] / (double)n;
        squares += out[i] * out[i];
    }
    *energy = squares;
}

static void centre_panel(Side *side, int64_t n, MatrixTile *tile)
{
    start_side(side);
    for (int64_t first = 0; first < n; first += TILE) {
        int count = n - first < TILE ? (int)(n - first) : TILE;
        load_tile(side, n, first, count);
        memcpy(tile->panel + 3 * first, side->tile, (size_t)(3 * count) * sizeof side->tile[0]);
    }
    for (int h = 0; h < HALVES; ++h) {
        vdouble mean[3], squares = splat_double(0.0);
        for (int k = 0; k < 3; ++k)
            mean[k] = side->sum[k][h] / (double)n;
        for (int64_t i = 0; i < n; ++i)
            UNROLL for (int k = 0; k < 3; ++k) {
                vdouble x = tile->panel[3 * i + k][h] - mean[k];
                tile->panel[3 * i + k][h] = x;
                squares += x * x;
            }
        tile->panel_energy[h] = squares;
    }
}

/* One row against one panel. */
static void solve_row(const MatrixTile *tile, int row, int64_t n, Polar pairs[HALVES])
{
    const double *x = tile->rows + row * 3 * n;
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble m[9] = {{0}};
        for (int64_t i = 0; i < n; ++i)
            UNROLL for (int k = 0; k < 9; ++k)
                m[k] += x[3 * i + k / 3] * tile->panel[3 * i + k % 3][h];
        UNROLL for (int k = 0; k < 9; ++k)
            pairs[h].m[k] = m[k];
        pairs[h].energy = 0.5 * (tile->energy[row] + tile->panel_energy[h]);
        pairs[h].weight = splat_double((double)n);
    }
    Quartic quartics[HALVES];
    solve_polar(pairs, quartics);
}

static void write_row(const MatrixArgs *args, int64_t i, int64_t column, const Polar pairs[HALVES])
{
    int64_t n = args->n_atoms, m = args->n_columns;
    real *rmsd = args->rmsd;
    for (int lane = 0; lane < LANES && column + lane < m; ++lane) {
        int64_t j = column + lane;
        if (args->symmetric && j < i)
            continue;
        double value = pairs[lane / DOUBLE_LANES].rmsd[lane % DOUBLE_LANES];
        if (pairs[lane / DOUBLE_LANES].doubtful[lane % DOUBLE_LANES])
            value = superpose_pair((const real *)args->x + i * 3 * n, (const real *)args->y + j * 3 * n, 0, n).rmsd;
        if (args->symmetric && i == j)
            value *= 0.0;
        rmsd[i * m + j] = (real)value;
        if (args->symmetric)
            rmsd[j * m + i] = (real)value;
    }
}

/* Rows [begin, end) against all columns (from the row's own on when symmetric). */
static void matrix_rows(const MatrixArgs *args, int64_t begin, int64_t end, MatrixTile *tile)
{
    int64_t n = args->n_atoms, m = args->n_columns;
    for (int64_t top = begin; top < end; top += ROWS_AT_ONCE) {
        int count = end - top < ROWS_AT_ONCE ? (int)(end - top) : ROWS_AT_ONCE;
        for (int row = 0; row < count; ++row)
            centre_row((const real *)args->x + (top + row) * 3 * n, n, tile->rows + row * 3 * n, &tile->energy[row]);
        for (int64_t column = args->symmetric ? top / LANES * LANES : 0; column < m; column += LANES) {
            Side side;
            for (int lane = 0; lane < LANES; ++lane)
                side.rows[lane] = (const real *)args->y + lane_item(column, lane, m) * 3 * n;
            centre_panel(&side, n, tile);
            for (int row = 0; row < count; ++row) {
                Polar pairs[HALVES];
                if (args->symmetric && top + row >= column + LANES)
                    break;
                solve_row(tile, row, n, pairs);
                write_row(args, top + row, column, pairs);
            }
        }
    }
}

static void rmsd_matrix(const void *opaque, int64_t begin, int64_t end)
{
    const MatrixArgs *args = opaque;
    size_t size = (size_t)args->n_atoms * 3;
    MatrixTile tile;
    vreal *memory = allocate_vectors((int64_t)(size * HALVES + size * ROWS_AT_ONCE / DOUBLE_LANES + 1));
    tile.panel = (vdouble(*)[HALVES])memory;
    tile.rows = (double *)(tile.panel + size);
    matrix_rows(args, begin, end, &tile);
    free(memory);
}
