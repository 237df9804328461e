/* Optimal superposition of pairs, one per lane (Kabsch 1976, Acta Cryst. A32, 922). */
#include "polar.h"
#include "rotation.h"

typedef struct {
    double rmsd, rotation[3][3], translation[3];
} Superposition;

/* Exact superposition of one pair of n atoms, whatever their arrangement: the RMSD is the norm of the residual, so that
 * it is accurate near zero too. */
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
    if (!isfinite(s.rmsd)) {
        s.rmsd = NAN;
        for (int a = 0; a < 3; ++a)
            s.translation[a] = s.rotation[a][0] = s.rotation[a][1] = s.rotation[a][2] = NAN;
    }
    return s;
}

/* Atoms that are widened to double precision before they are summed; 3 columns each, whole chunks together. */
#define TILE 16

/* One side of a block of pairs: its rows, the first atoms, and a tile of atoms relative to them, so that an offset of
 * the coordinates costs no accuracy. */
typedef struct {
    const real *rows[LANES];
    vdouble origin[3][HALVES];
    vdouble tile[3 * TILE][HALVES];
    vdouble sum[3][HALVES], squares[3][HALVES]; /* of the (weighted) positions in all tiles so far */
} Side;

/* Sums over the atoms of a block of pairs. */
typedef struct {
    vdouble m[9][HALVES], weight[HALVES];
} Sums;

static void start_side(Side *side)
{
    vreal first[3];
    load_last_columns(side->rows, 0, 3, first);
    for (int h = 0; h < HALVES; ++h) {
        for (int k = 0; k < 3; ++k) {
            side->origin[k][h] = widen(&first[k], h);
            side->sum[k][h] = side->squares[k][h] = splat_double(0.0);
        }
    }
}

/* Loads `count` atoms, TILE or what is left of the rows of n atoms, and adds up their moments. */
static void load_tile(Side *side, int64_t n, int64_t first, int count)
{
    vreal columns[3 * TILE];
    if (side->rows[0] != side->rows[LANES - 1]) /* one reference stays in the cache */
        prefetch_next_block(side->rows, 3 * n, 3 * first, 3 * count);
    if (count == TILE)
        load_columns(side->rows, 3 * first, 3 * TILE, columns);
    else
        load_last_columns(side->rows, 3 * first, 3 * count, columns);
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble origin[3], sum[3], squares[3];
        UNROLL for (int k = 0; k < 3; ++k)
            origin[k] = side->origin[k][h], sum[k] = side->sum[k][h], squares[k] = side->squares[k][h];
        for (int atom = 0; atom < count; ++atom)
            UNROLL for (int k = 0; k < 3; ++k) {
                vdouble x = widen(&columns[3 * atom + k], h) - origin[k];
                side->tile[3 * atom + k][h] = x;
                sum[k] += x;
                squares[k] += x * x;
            }
        UNROLL for (int k = 0; k < 3; ++k)
            side->sum[k][h] = sum[k], side->squares[k][h] = squares[k];
    }
}

/* Square roots of the weights of a tile; zero beyond the length of an item. */
static void root_weights(const PairArgs *args, const int64_t items[LANES], int64_t first, int count,
                         vdouble root[TILE][HALVES], vdouble total[HALVES])
{
    for (int atom = 0; atom < count; ++atom)
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = items[lane];
            int inside = !args->lengths || first + atom < args->lengths[item];
            double weight = args->weights ? ((const real *)args->weights)[item * args->n_atoms + first + atom] : 1.0;
            root[atom][lane / DOUBLE_LANES][lane % DOUBLE_LANES] = inside ? sqrt(weight) : 0.0;
            total[lane / DOUBLE_LANES][lane % DOUBLE_LANES] += inside ? weight : 0.0;
        }
}

/* Loads a tile scaled by the roots of the weights; padding, which may be NaN, becomes zero. */
static void load_weighted_tile(Side *side, int64_t n, int64_t first, int count, vdouble root[TILE][HALVES])
{
    Side plain = *side;
    load_tile(&plain, n, first, count);
    for (int h = 0; h < HALVES; ++h)
        for (int atom = 0; atom < count; ++atom)
            for (int k = 0; k < 3; ++k) {
                vdouble x = plain.tile[3 * atom + k][h] * root[atom][h];
                x = (vdouble)((root[atom][h] != 0.0) & (dmask)x);
                side->tile[3 * atom + k][h] = x;
                side->sum[k][h] += root[atom][h] * x;
                side->squares[k][h] += x * x;
            }
}

static void add_products(const Side *p, const Side *q, int count, Sums *sums)
{
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble m[9];
        UNROLL for (int k = 0; k < 9; ++k)
            m[k] = sums->m[k][h];
        for (int atom = 0; atom < count; ++atom)
            UNROLL for (int k = 0; k < 9; ++k)
                m[k] += p->tile[3 * atom + k / 3][h] * q->tile[3 * atom + k % 3][h];
        UNROLL for (int k = 0; k < 9; ++k)
            sums->m[k][h] = m[k];
    }
}

/* Turns sums about the first atoms into sums about the centroids. */
INLINE void centre(const Side *p, const Side *q, const Sums *sums, Polar pairs[HALVES])
{
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble inverse = 1.0 / sums->weight[h], squares = splat_double(0.0);
        UNROLL for (int k = 0; k < 9; ++k)
            pairs[h].m[k] = sums->m[k][h] - p->sum[k / 3][h] * q->sum[k % 3][h] * inverse;
        UNROLL for (int k = 0; k < 3; ++k)
            squares += p->squares[k][h] + q->squares[k][h]
                - (p->sum[k][h] * p->sum[k][h] + q->sum[k][h] * q->sum[k][h]) * inverse;
        pairs[h].energy = 0.5 * squares;
        pairs[h].weight = sums->weight[h];
    }
}

static void sum_block(const PairArgs *args, const int64_t items[LANES], Side *p, Side *q, Sums *sums)
{
    int64_t n = args->n_atoms;
    int weighted = args->lengths || args->weights;
    start_side(p);
    start_side(q);
    memset(sums, 0, sizeof *sums);
    for (int64_t first = 0; first < n; first += TILE) {
        int count = n - first < TILE ? (int)(n - first) : TILE;
        if (weighted) {
            vdouble root[TILE][HALVES];
            root_weights(args, items, first, count, root, sums->weight);
            load_weighted_tile(p, n, first, count, root);
            load_weighted_tile(q, n, first, count, root);
        } else {
            load_tile(p, n, first, count);
            load_tile(q, n, first, count);
        }
        add_products(p, q, count, sums);
    }
    if (!weighted)
        for (int h = 0; h < HALVES; ++h)
            sums->weight[h] = splat_double((double)n);
}

static void write_pose(const PairArgs *args, int64_t item, const Superposition *s)
{
    for (int a = 0; a < 3; ++a) {
        ((real *)args->translation)[3 * item + a] = (real)s->translation[a];
        for (int c = 0; c < 3; ++c)
            ((real *)args->rotation)[9 * item + 3 * a + c] = (real)s->rotation[a][c];
    }
}

/* The rotation that belongs to each eigenvalue, and the translation after it. */
static void write_poses(const PairArgs *args, const int64_t items[LANES], const Side *p, const Side *q, const Sums *sums,
                        const Quartic quartics[HALVES])
{
    for (int h = 0; h < HALVES; ++h) {
        vdouble rotation[9], inverse = 1.0 / sums->weight[h];
        polar_rotation(&quartics[h], rotation);
        vdouble translation[3];
        for (int a = 0; a < 3; ++a) {
            translation[a] = q->sum[a][h] * inverse + q->origin[a][h];
            for (int c = 0; c < 3; ++c)
                translation[a] -= rotation[3 * a + c] * (p->sum[c][h] * inverse + p->origin[c][h]);
        }
        for (int lane = 0; lane < DOUBLE_LANES; ++lane) {
            int64_t item = items[h * DOUBLE_LANES + lane];
            for (int k = 0; k < 9; ++k)
                ((real *)args->rotation)[9 * item + k] = (real)rotation[k][lane];
            for (int k = 0; k < 3; ++k)
                ((real *)args->translation)[3 * item + k] = (real)translation[k][lane];
        }
    }
}

static void superpose(const void *opaque, int64_t begin, int64_t end)
{
    const PairArgs *args = opaque;
    int64_t n = args->n_atoms;
    for (int64_t block = begin; block < end; block += LANES) {
        int64_t items[LANES];
        Side p, q;
        Sums sums;
        Polar pairs[HALVES];
        Quartic quartics[HALVES];
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = items[lane] = lane_item(block, lane, end);
            p.rows[lane] = (const real *)args->p + item * n * 3;
            q.rows[lane] = (const real *)args->q + (args->one_reference ? 0 : item * n * 3);
        }
        sum_block(args, items, &p, &q, &sums);
        centre(&p, &q, &sums, pairs);
        solve_polar(pairs, quartics);
        if (args->rotation)
            write_poses(args, items, &p, &q, &sums, quartics);
        for (int lane = 0; lane < LANES && block + lane < end; ++lane) {
            const Polar *pair = &pairs[lane / DOUBLE_LANES];
            int64_t item = items[lane];
            double rmsd = pair->rmsd[lane % DOUBLE_LANES];
            if (pair->doubtful[lane % DOUBLE_LANES]) {
                const real *weights = args->weights ? (const real *)args->weights + item * n : 0;
                Superposition s = superpose_pair(p.rows[lane], q.rows[lane], weights, args->lengths ? args->lengths[item] : n);
                rmsd = s.rmsd;
                if (args->rotation)
                    write_pose(args, item, &s);
            }
            ((real *)args->rmsd)[item] = (real)rmsd;
        }
    }
}
