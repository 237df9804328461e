/* Scores that are the maximum over superpositions: TM-score (Zhang & Skolnick 2004, Proteins 57, 702) and GDT
 * (Zemla 2003, Nucleic Acids Res. 31, 3370), by the fragment search of Zhang & Skolnick: superpose every fragment of
 * L, L/2, L/4 ... residues, then repeat with the residues that came close, until that set stays the same.
 *
 * One item per lane. Each lane walks through its own list of fragments and starts the next one as soon as a set is
 * stable, so that no lane waits for another. */

#define MOST_STEPS 20
#define SMALLEST_TM_FRAGMENT 4
#define SMALLEST_GDT_FRAGMENT 3
#define CLOSEST 3 /* residues that a set has at least */
#define N_CUTOFFS 5

static const double GDT_CUTOFFS[N_CUTOFFS] = {0.5, 1.0, 2.0, 4.0, 8.0};

/* Where one lane is in its list. */
typedef struct {
    int64_t length, size, start;
    int step, done;
} Walk;

typedef struct {
    int64_t n, smallest_fragment;
    vreal *p, *q;    /* [3 n] relative to the centroids */
    vreal *squared;  /* [n] squared distances under the last superposition; infinite beyond an item's length */
    vmask *chosen;   /* [n] residues of the next superposition */
    vmask lengths;
    vreal broken;    /* 0, or NaN where a coordinate is not finite */
    Walk walks[LANES];
    vreal rotation[9], p_mean[3], q_mean[3];
} Search;

/* Largest TM sum, or largest number of residues within each cutoff. */
typedef struct {
    vreal inverse_d0_squared, tm;
    vmask within[N_CUTOFFS];
} Best;

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

static void rotate(Search *s, const vreal m[9])
{
    Polar pairs[HALVES];
    Quartic quartics[HALVES];
    vdouble rotation[9][HALVES];
    dmask unsure[HALVES];
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble norm = splat_double(0.0);
        UNROLL for (int k = 0; k < 9; ++k) {
            pairs[h].m[k] = widen(&m[k], h);
            norm += pairs[h].m[k] * pairs[h].m[k];
        }
        pairs[h].energy = square_root_double(3.0 * norm); /* any upper bound of the eigenvalue serves as scale */
        pairs[h].weight = splat_double(1.0);
    }
    solve_polar(pairs, quartics);
    dmask any_unsure = {0};
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble one[9], lambda = quartics[h].lambda;
        polar_rotation(&quartics[h], one);
        UNROLL for (int k = 0; k < 9; ++k)
            rotation[k][h] = one[k];
        unsure[h] = ~(quartics[h].slope > SMALLEST_SLOPE * lambda * lambda * lambda);
        any_unsure |= unsure[h];
    }
    UNROLL for (int k = 0; k < 9; ++k)
        s->rotation[k] = narrow(rotation[k]);
    if (any((vmask)any_unsure))
        for (int lane = 0; lane < LANES; ++lane)
            if (unsure[lane / DOUBLE_LANES][lane % DOUBLE_LANES])
                exact_lane_rotation(pairs, lane, s->rotation);
}

/* Superposes the chosen residues. */
static void superpose_chosen(Search *s)
{
    vreal m[9] = {{0}}, p_sum[3] = {{0}}, q_sum[3] = {{0}}, count = splat(0);
    for (int64_t i = 0; i < s->n; ++i) {
        const vreal *q = s->q + 3 * i;
        vmask chosen = s->chosen[i];
        vreal p[3];
        count += (vreal)(chosen & (vmask)splat(1));
        UNROLL for (int k = 0; k < 3; ++k) {
            p[k] = (vreal)(chosen & (vmask)s->p[3 * i + k]);
            p_sum[k] += p[k];
            q_sum[k] += (vreal)(chosen & (vmask)q[k]);
        }
        UNROLL for (int k = 0; k < 9; ++k)
            m[k] += p[k / 3] * q[k % 3];
    }
    vreal inverse = 1 / count;
    UNROLL for (int k = 0; k < 3; ++k)
        s->p_mean[k] = p_sum[k] * inverse, s->q_mean[k] = q_sum[k] * inverse;
    UNROLL for (int k = 0; k < 9; ++k)
        m[k] -= p_sum[k / 3] * s->q_mean[k % 3];
    rotate(s, m);
}

/* Squared distances of all residues, and the third smallest of them. */
static vreal measure(Search *s)
{
    const vreal far = splat((real)INFINITY);
    vreal smallest[CLOSEST] = {far, far, far};
    vreal shift[3];
    const vreal *r = s->rotation;
    UNROLL for (int k = 0; k < 3; ++k)
        shift[k] = s->q_mean[k] - dot(r + 3 * k, s->p_mean);
    for (int64_t i = 0; i < s->n; ++i) {
        vreal d[3];
        UNROLL for (int k = 0; k < 3; ++k)
            d[k] = dot(r + 3 * k, s->p + 3 * i) + (shift[k] - s->q[3 * i + k]);
        vreal x = choose(s->lengths > (integer)i, dot(d, d), far);
        s->squared[i] = x;
        UNROLL for (int k = 0; k < CLOSEST; ++k) {
            vreal smaller = choose(x < smallest[k], x, smallest[k]);
            x = choose(x < smallest[k], smallest[k], x);
            smallest[k] = smaller;
        }
    }
    return smallest[CLOSEST - 1];
}

static void keep_best_tm(const Search *s, Best *best)
{
    vreal sum = splat(0);
    for (int64_t i = 0; i < s->n; ++i)
        sum += 1 / (1 + s->squared[i] * best->inverse_d0_squared);
    best->tm = choose(sum > best->tm, sum, best->tm);
}

static void keep_best_gdt(const Search *s, Best *best)
{
    for (int c = 0; c < N_CUTOFFS; ++c) {
        const real limit = (real)(GDT_CUTOFFS[c] * GDT_CUTOFFS[c]);
        vmask within = {0};
        for (int64_t i = 0; i < s->n; ++i)
            within -= s->squared[i] <= limit;
        vmask more = within > best->within[c];
        best->within[c] = (more & within) | (~more & best->within[c]);
    }
}

/* Chooses the residues within the radius, at least the closest ones; returns the lanes where that is the same set. */
static vmask choose_close(Search *s, vreal squared_radius)
{
    vmask changed = {0};
    for (int64_t i = 0; i < s->n; ++i) {
        vmask now = s->squared[i] <= squared_radius;
        changed |= now ^ s->chosen[i];
        s->chosen[i] = now;
    }
    return changed == 0;
}

static void next_fragment(Walk *walk, int64_t smallest)
{
    if (smallest > walk->length)
        smallest = walk->length;
    walk->step = 0;
    if (++walk->start + walk->size <= walk->length)
        return;
    walk->start = 0;
    if (walk->size == smallest)
        walk->done = 1;
    else
        walk->size = walk->size / 2 > smallest ? walk->size / 2 : smallest;
}

/* Moves the lanes whose set is stable on to their next fragment; returns whether any lane has work left. */
static int walk_on(Search *s, vmask stable)
{
    vmask fresh = {0}, start = {0}, end = {0};
    int working = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        Walk *walk = &s->walks[lane];
        if (!walk->done && (stable[lane] || ++walk->step > MOST_STEPS)) {
            next_fragment(walk, s->smallest_fragment);
            fresh[lane] = -1;
            start[lane] = (integer)walk->start;
            end[lane] = (integer)(walk->start + walk->size);
        }
        working |= !walk->done;
    }
    if (any(fresh))
        for (int64_t i = 0; i < s->n; ++i) {
            vmask index = (vmask){0} + (integer)i, inside = (index >= start) & (index < end);
            s->chosen[i] = (fresh & inside) | (~fresh & s->chosen[i]);
        }
    return working;
}

/* Runs all fragments of all lanes; the radii are those of the first and of every later choice. */
INLINE void search_fragments(Search *s, vreal first_radius, vreal later_radius, Best *best,
                             void (*keep_best)(const Search *, Best *))
{
    vmask all = {0};
    for (int lane = 0; lane < LANES; ++lane) {
        Walk *walk = &s->walks[lane];
        walk->size = walk->length;
        walk->start = -1;
        walk->done = 0;
    }
    for (int working = walk_on(s, all == 0); working;) {
        superpose_chosen(s);
        vreal third = measure(s), radius;
        keep_best(s, best);
        for (int lane = 0; lane < LANES; ++lane)
            radius[lane] = s->walks[lane].step ? later_radius[lane] : first_radius[lane];
        vreal squared = radius * radius;
        working = walk_on(s, choose_close(s, choose(third > squared, third, squared)));
    }
}

static double tm_d0(int64_t n)
{
    double d0 = n > 15 ? 1.24 * cbrt((double)n - 15.0) - 1.8 : 0.5;
    return d0 > 0.5 ? d0 : 0.5;
}

static void search_tm(Search *s, Best *best)
{
    vreal radius;
    s->smallest_fragment = SMALLEST_TM_FRAGMENT;
    for (int lane = 0; lane < LANES; ++lane) {
        double d0 = tm_d0(s->walks[lane].length);
        best->inverse_d0_squared[lane] = (real)(1.0 / (d0 * d0));
        radius[lane] = (real)(d0 < 4.5 ? 4.5 : d0 > 8.0 ? 8.0 : d0);
    }
    search_fragments(s, radius - 1, radius + 1, best, keep_best_tm);
}

static void search_gdt(Search *s, Best *best)
{
    s->smallest_fragment = SMALLEST_GDT_FRAGMENT;
    for (int c = 0; c < N_CUTOFFS; ++c) {
        vreal radius = splat((real)GDT_CUTOFFS[c]);
        search_fragments(s, radius, radius, best, keep_best_gdt);
    }
}

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
    for (int64_t i = 0; i < s->n; ++i)
        s->chosen[i] = (vmask){0};
    for (int lane = 0; lane < LANES; ++lane)
        if (isnan(s->broken[lane]))
            for (int64_t k = 0; k < 3 * s->n; ++k)
                s->p[k][lane] = s->q[k][lane] = 0;
}

static void score_items(const ScoreArgs *args, int64_t begin, int64_t end, int gdt_wanted)
{
    int64_t n = args->n_atoms;
    vreal *memory = allocate_vectors(8 * n);
    Search s = {.n = n, .p = memory, .q = memory + 3 * n, .squared = memory + 6 * n, .chosen = (vmask *)(memory + 7 * n)};
    for (int64_t block = begin; block < end; block += LANES) {
        Best best;
        memset(&best, 0, sizeof best);
        load_search(&s, args, block, end);
        if (gdt_wanted)
            search_gdt(&s, &best);
        else
            search_tm(&s, &best);
        for (int lane = 0; lane < LANES && block + lane < end; ++lane) {
            double length = (double)s.walks[lane].length, broken = s.broken[lane];
            double c[N_CUTOFFS];
            for (int k = 0; k < N_CUTOFFS; ++k)
                c[k] = (double)best.within[k][lane];
            double score = gdt_wanted ? (c[1] + c[2] + c[3] + c[4]) / 4.0 : best.tm[lane];
            ((real *)args->score)[block + lane] = (real)(score / length + broken);
            if (gdt_wanted)
                ((real *)args->score_ha)[block + lane] = (real)((c[0] + c[1] + c[2] + c[3]) / (4.0 * length) + broken);
        }
    }
    free(memory);
}

static void tm_score(const void *args, int64_t begin, int64_t end)
{
    score_items(args, begin, end, 0);
}

static void gdt(const void *args, int64_t begin, int64_t end)
{
    score_items(args, begin, end, 1);
}
