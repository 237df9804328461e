/* Scores that are the maximum over superpositions: TM-score (Zhang & Skolnick 2004, Proteins 57, 702) and GDT
 * (Zemla 2003, Nucleic Acids Res. 31, 3370), by the fragment search of Zhang & Skolnick: superpose every fragment of
 * L, L/2, L/4 ... 4 residues, then repeat with the atoms that came close, until the set stays the same. */

#define MAX_ITERATIONS 20
#define SMALLEST_FRAGMENT 4
#define N_CUTOFFS 5

static const double GDT_CUTOFFS[N_CUTOFFS] = {0.5, 1.0, 2.0, 4.0, 8.0};

typedef struct {
    int64_t n;
    const real *p, *q;
    double d0;            /* TM-score scale */
    double *squared;      /* [n] squared distances under the last superposition */
    unsigned char *chosen; /* [n] atoms that the next superposition uses */
    double best_tm;
    int64_t best_count[N_CUTOFFS];
} Search;

/* Superposes the chosen atoms, measures all atoms and keeps the best scores. */
static void try_superposition(Search *s)
{
    double p_mean[3] = {0}, q_mean[3] = {0}, m[3][3] = {{0}}, rotation[3][3], count = 0.0, tm = 0.0;
    for (int64_t i = 0; i < s->n; ++i)
        if (s->chosen[i]) {
            count += 1.0;
            for (int k = 0; k < 3; ++k) {
                p_mean[k] += (double)s->p[3 * i + k] - s->p[k];
                q_mean[k] += (double)s->q[3 * i + k] - s->q[k];
            }
        }
    for (int k = 0; k < 3; ++k) {
        p_mean[k] = p_mean[k] / count + s->p[k];
        q_mean[k] = q_mean[k] / count + s->q[k];
    }
    for (int64_t i = 0; i < s->n; ++i)
        if (s->chosen[i])
            for (int a = 0; a < 3; ++a)
                for (int c = 0; c < 3; ++c)
                    m[a][c] += (s->p[3 * i + a] - p_mean[a]) * (s->q[3 * i + c] - q_mean[c]);
    best_rotation(m, rotation);
    int64_t within[N_CUTOFFS] = {0};
    for (int64_t i = 0; i < s->n; ++i) {
        double squared = 0.0;
        for (int a = 0; a < 3; ++a) {
            double d = q_mean[a] - s->q[3 * i + a];
            for (int c = 0; c < 3; ++c)
                d += rotation[a][c] * (s->p[3 * i + c] - p_mean[c]);
            squared += d * d;
        }
        s->squared[i] = squared;
        tm += 1.0 / (1.0 + squared / (s->d0 * s->d0));
        for (int k = 0; k < N_CUTOFFS; ++k)
            within[k] += squared <= GDT_CUTOFFS[k] * GDT_CUTOFFS[k];
    }
    if (!(tm <= s->best_tm))
        s->best_tm = tm;
    for (int k = 0; k < N_CUTOFFS; ++k)
        if (within[k] > s->best_count[k])
            s->best_count[k] = within[k];
}

/* Chooses the atoms within `radius`, widened until there are three (all of fewer). Returns whether the set changed. */
static int choose_close(Search *s, double radius)
{
    int64_t wanted = s->n < 3 ? s->n : 3, count;
    int changed = 0;
    for (;; radius += 0.5) {
        count = 0;
        for (int64_t i = 0; i < s->n; ++i)
            count += s->squared[i] < radius * radius;
        if (count >= wanted || radius > 1e4)
            break;
    }
    for (int64_t i = 0; i < s->n; ++i) {
        unsigned char now = s->squared[i] < radius * radius;
        changed |= now != s->chosen[i];
        s->chosen[i] = now;
    }
    return changed && count >= wanted;
}

/* Runs all fragments; the radii are those of the first and of every later choice. */
static void search_fragments(Search *s, double first_radius, double radius)
{
    int64_t smallest = s->n < SMALLEST_FRAGMENT ? s->n : SMALLEST_FRAGMENT;
    for (int64_t size = s->n;; size = size / 2 > smallest ? size / 2 : smallest) {
        for (int64_t start = 0; start + size <= s->n; ++start) {
            for (int64_t i = 0; i < s->n; ++i)
                s->chosen[i] = i >= start && i < start + size;
            try_superposition(s);
            for (int step = 0; step < MAX_ITERATIONS && choose_close(s, step ? radius : first_radius); ++step)
                try_superposition(s);
        }
        if (size == smallest)
            return;
    }
}

static double tm_d0(int64_t n)
{
    double d0 = n > 15 ? 1.24 * cbrt((double)n - 15.0) - 1.8 : 0.5;
    return d0 > 0.5 ? d0 : 0.5;
}

static int all_finite(const real *x, int64_t n)
{
    for (int64_t k = 0; k < n; ++k)
        if (!isfinite(x[k]))
            return 0;
    return 1;
}

typedef void (*Scorer)(Search *, const ScoreArgs *, int64_t);

static void score_items(const ScoreArgs *args, int64_t begin, int64_t end, Scorer scorer)
{
    int64_t n = args->n_atoms;
    double *squared = malloc((size_t)n * sizeof(double));
    unsigned char *chosen = malloc((size_t)n);
    for (int64_t b = begin; b < end; ++b) {
        Search s = {.n = args->lengths ? args->lengths[b] : n, .squared = squared, .chosen = chosen};
        s.p = (const real *)args->p + b * n * 3;
        s.q = (const real *)args->q + b * n * 3;
        s.d0 = tm_d0(s.n);
        if (squared && chosen && all_finite(s.p, 3 * s.n) && all_finite(s.q, 3 * s.n)) {
            scorer(&s, args, b);
            continue;
        }
        ((real *)args->score)[b] = (real)NAN;
        if (args->score_ha)
            ((real *)args->score_ha)[b] = (real)NAN;
    }
    free(squared);
    free(chosen);
}

static void score_tm(Search *s, const ScoreArgs *args, int64_t b)
{
    double radius = s->d0 < 4.5 ? 4.5 : s->d0 > 8.0 ? 8.0 : s->d0;
    search_fragments(s, radius - 1.0, radius + 1.0);
    ((real *)args->score)[b] = (real)(s->best_tm / s->n);
}

static void score_gdt(Search *s, const ScoreArgs *args, int64_t b)
{
    for (int k = 0; k < N_CUTOFFS; ++k)
        search_fragments(s, GDT_CUTOFFS[k], GDT_CUTOFFS[k]);
    const int64_t *c = s->best_count;
    ((real *)args->score)[b] = (real)((c[1] + c[2] + c[3] + c[4]) / (4.0 * s->n));
    ((real *)args->score_ha)[b] = (real)((c[0] + c[1] + c[2] + c[3]) / (4.0 * s->n));
}

static void tm_score(const void *args, int64_t begin, int64_t end)
{
    score_items(args, begin, end, score_tm);
}

static void gdt(const void *args, int64_t begin, int64_t end)
{
    score_items(args, begin, end, score_gdt);
}
