/* Search for the superposition that maximises a score, as TM-score and GDT need it.
 *
 * It starts from every fragment of L, L/2, L/4 ... residues, as Zhang & Skolnick (2004, Proteins 57, 702) do, and climbs
 * from there by superposing again with weights that fall with the distance. With the derivative of the score as weights
 * each step maximises a lower bound that touches the score, so that no step can lower it (minorisation; Hunter & Lange
 * 2004, Am. Stat. 58, 30).
 *
 * One item per lane. Each lane walks through its own list of fragments and starts the next one as soon as it is done
 * with the last, so that no lane waits for another. */

#define SMALLEST_FRAGMENT 3
/* What rounding may take from the sum of squares, which bounds an eigenvalue. */
#define BOUND_SLACK 1e-5

/* Where one lane is in its list. */
typedef struct {
    int64_t length, size, start;
    int step, done;
} Walk;

/* q ~ rotation p + shift */
typedef struct {
    vreal rotation[9], shift[3];
} Pose;

typedef struct {
    int64_t n;
    vreal *p, *q;    /* [3 n] relative to the centroids */
    vreal *squares;  /* [n] |p|^2 + |q|^2 */
    vreal *weights;  /* [n] of the next superposition; zero beyond an item's length */
    vmask lengths;
    vreal broken;    /* 0, or NaN where a coordinate is not finite */
    Walk walks[LANES];
    Pose pose;
} Search;

/* Loads one side relative to its centroid; zero beyond the length. */
static void load_centred(const Search *s, const real *const rows[LANES], vreal *x, vreal *broken)
{
    vreal first[3], mean[3], count = splat(0);
    load_last_columns(rows, 0, (int)(3 * s->n), x);
    for (int k = 0; k < 3; ++k)
        first[k] = x[k], mean[k] = splat(0);
    for (int64_t i = 0; i < s->n; ++i) {
        vmask inside = s->lengths > (integer)i;
        count += (vreal)(inside & (vmask)splat(1));
        for (int k = 0; k < 3; ++k) {
            x[3 * i + k] = (vreal)(inside & (vmask)(x[3 * i + k] - first[k]));
            mean[k] += x[3 * i + k];
        }
    }
    for (int k = 0; k < 3; ++k)
        mean[k] /= count;
    for (int64_t i = 0; i < s->n; ++i)
        for (int k = 0; k < 3; ++k)
            x[3 * i + k] -= mean[k];
    for (int k = 0; k < 3; ++k)
        *broken += mean[k] - mean[k];
}

/* Loads a block of pairs and puts every lane before its first fragment. */
static void load_search(Search *s, const ScoreArgs *args, int64_t block, int64_t end)
{
    const real *p[LANES], *q[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        int64_t item = lane_item(block, lane, end);
        p[lane] = (const real *)args->p + item * 3 * s->n;
        q[lane] = (const real *)args->q + item * 3 * s->n;
        s->walks[lane].length = args->lengths ? args->lengths[item] : s->n;
        s->lengths[lane] = (integer)s->walks[lane].length;
    }
    s->broken = splat(0);
    load_centred(s, p, s->p, &s->broken);
    load_centred(s, q, s->q, &s->broken);
    for (int lane = 0; lane < LANES; ++lane)
        if (isnan(s->broken[lane]))
            for (int64_t k = 0; k < 3 * s->n; ++k)
                s->p[k][lane] = s->q[k][lane] = 0;
    for (int64_t i = 0; i < s->n; ++i)
        s->squares[i] = dot(s->p + 3 * i, s->p + 3 * i) + dot(s->q + 3 * i, s->q + 3 * i);
}

/* Scratch for items of n residues; its first part is what free() takes. */
static Search allocate_search(int64_t n)
{
    vreal *memory = allocate_vectors(8 * n);
    return (Search){.n = n, .p = memory, .q = memory + 3 * n, .squares = memory + 6 * n, .weights = memory + 7 * n};
}

/* Rotation for the correlation of one lane, where the closed form is unsure. */
static __attribute__((noinline, cold)) void exact_lane_rotation(Polar pairs[HALVES], int lane, vreal rotation[9])
{
    double m[3][3], r[3][3];
    for (int k = 0; k < 9; ++k)
        m[k / 3][k % 3] = pairs[lane / DOUBLE_LANES].m[k][lane % DOUBLE_LANES];
    best_rotation((const double(*)[3])m, r);
    for (int k = 0; k < 9; ++k)
        rotation[k][lane] = (real)r[k / 3][k % 3];
}

/* Rotation for a correlation matrix. The energy may be any bound of its largest eigenvalue, the closer the quicker. */
static void rotate(const vreal m[9], vreal energy, vreal rotation[9])
{
    Polar pairs[HALVES];
    Quartic quartics[HALVES];
    dmask unsure[HALVES], any_unsure = {0};
    UNROLL for (int h = 0; h < HALVES; ++h) {
        UNROLL for (int k = 0; k < 9; ++k)
            pairs[h].m[k] = widen(&m[k], h);
        pairs[h].energy = widen(&energy, h);
        pairs[h].weight = splat_double(1.0);
    }
    solve_polar(pairs, quartics);
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble wide[9], lambda = quartics[h].lambda;
        polar_rotation(&quartics[h], wide);
        UNROLL for (int k = 0; k < 9; ++k) {
            vreal_half half = __builtin_convertvector(wide[k], vreal_half);
            memcpy((real *)&rotation[k] + h * DOUBLE_LANES, &half, sizeof half);
        }
        unsure[h] = ~(quartics[h].slope > SMALLEST_SLOPE * lambda * lambda * lambda);
        any_unsure |= unsure[h];
    }
    if (any((vmask)any_unsure))
        for (int lane = 0; lane < LANES; ++lane)
            if (unsure[lane / DOUBLE_LANES][lane % DOUBLE_LANES])
                exact_lane_rotation(pairs, lane, rotation);
}

/* Superposes with the current weights. */
static void superpose_weighted(Search *s)
{
    vreal m[9] = {{0}}, p_sum[3] = {{0}}, q_sum[3] = {{0}}, total = splat(0), squares = splat(0);
    /* Two loops, because registers do not suffice for all the sums. */
    for (int64_t i = 0; i < s->n; ++i) {
        vreal weight = s->weights[i];
        total += weight;
        squares += weight * s->squares[i];
        UNROLL for (int k = 0; k < 3; ++k) {
            p_sum[k] += weight * s->p[3 * i + k];
            q_sum[k] += weight * s->q[3 * i + k];
        }
    }
    for (int64_t i = 0; i < s->n; ++i) {
        vreal p[3];
        UNROLL for (int k = 0; k < 3; ++k)
            p[k] = s->weights[i] * s->p[3 * i + k];
        UNROLL for (int k = 0; k < 9; ++k)
            m[k] += p[k / 3] * s->q[3 * i + k % 3];
    }
    vreal inverse = 1 / total, energy = squares * (real)(1 + BOUND_SLACK);
    energy -= (dot(p_sum, p_sum) + dot(q_sum, q_sum)) * inverse;
    UNROLL for (int k = 0; k < 3; ++k)
        q_sum[k] *= inverse;
    UNROLL for (int k = 0; k < 9; ++k)
        m[k] -= p_sum[k / 3] * q_sum[k % 3];
    rotate(m, energy * (real)0.5, s->pose.rotation);
    UNROLL for (int k = 0; k < 3; ++k)
        s->pose.shift[k] = q_sum[k] - dot(s->pose.rotation + 3 * k, p_sum) * inverse;
}

INLINE vreal squared_distance(const Search *s, int64_t i)
{
    vreal d[3];
    UNROLL for (int k = 0; k < 3; ++k)
        d[k] = dot(s->pose.rotation + 3 * k, s->p + 3 * i) + (s->pose.shift[k] - s->q[3 * i + k]);
    return dot(d, d);
}

static void next_fragment(Walk *walk)
{
    int64_t smallest = walk->length < SMALLEST_FRAGMENT ? walk->length : SMALLEST_FRAGMENT;
    walk->step = 0;
    if (++walk->start + walk->size <= walk->length)
        return;
    walk->start = 0;
    if (walk->size == smallest)
        walk->done = 1;
    else
        walk->size = walk->size / 2 > smallest ? walk->size / 2 : smallest;
}

/* Moves the lanes that are done with their fragment on to the next; returns whether any lane has work left. A lane
 * without work superposes the fragment that it has gone back to until the others are done, which changes nothing. */
static int walk_on(Search *s, vmask finished)
{
    vmask fresh = {0}, start = {0}, end = {0};
    int working = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        Walk *walk = &s->walks[lane];
        ++walk->step;
        if (finished[lane] || walk->done) {
            if (!walk->done)
                next_fragment(walk);
            fresh[lane] = -1;
            start[lane] = (integer)walk->start;
            end[lane] = (integer)(walk->start + walk->size);
        }
        working |= !walk->done;
    }
    if (any(fresh))
        for (int64_t i = 0; i < s->n; ++i) {
            vmask index = (vmask){0} + (integer)i, inside = (index >= start) & (index < end);
            s->weights[i] = choose(fresh, (vreal)(inside & (vmask)splat(1)), s->weights[i]);
        }
    return working;
}

/* Puts every lane on its first fragment, which is the whole. */
static void start_walks(Search *s)
{
    for (int lane = 0; lane < LANES; ++lane) {
        Walk *walk = &s->walks[lane];
        walk->size = walk->length;
        walk->start = -1;
        walk->done = 0;
    }
    walk_on(s, (vmask){0} == 0);
}
