/* TM-score (Zhang & Skolnick 2004, Proteins 57, 702): the largest mean of 1 / (1 + (d / d0)^2). */

/* A climb ends where this many gains like the last would not lift the score this far above the best, */
#define TM_GAINS_AHEAD 32
#define TM_MARGIN 1e-5
/* and where the structure lies within this many d0 (root mean square) of where the best pose puts it. */
#define TM_SAME_SUMMIT 0.8

typedef struct {
    vreal sum, length, inverse_d0_squared;
    vreal inertia; /* a third of the sum of squares, which is the same about every axis of a round structure */
    Pose pose;
} BestTm;

static double tm_d0(int64_t n)
{
    double d0 = n > 15 ? 1.24 * cbrt((double)n - 15.0) - 1.8 : 0.5;
    return d0 > 0.5 ? d0 : 0.5;
}

static BestTm start_tm(const Search *s)
{
    BestTm best;
    memset(&best, 0, sizeof best);
    for (int lane = 0; lane < LANES; ++lane) {
        double d0 = tm_d0(s->walks[lane].length);
        best.inverse_d0_squared[lane] = (real)(1.0 / (d0 * d0));
        best.length[lane] = (real)s->walks[lane].length;
    }
    for (int64_t i = 0; i < s->n; ++i)
        best.inertia += dot(s->p + 3 * i, s->p + 3 * i) * (real)(1.0 / 3.0);
    return best;
}

/* Sum of the terms under the current superposition; their squares are the weights of the next. */
static vreal reweight_tm(Search *s, vreal inverse_d0_squared)
{
    vreal sum = splat(0);
    for (int64_t i = 0; i < s->n; ++i) {
        vreal term = 1 / (1 + squared_distance(s, i) * inverse_d0_squared);
        term = (vreal)((s->lengths > (integer)i) & (vmask)term);
        sum += term;
        s->weights[i] = term * term;
    }
    return sum;
}

/* Keeps the current pose where it is the best; returns the lanes where it is not but leads to the same summit. */
static vmask keep_best_tm(const Search *s, vreal sum, BestTm *best)
{
    const vreal *now = s->pose.rotation;
    vreal turn = splat(0), move = splat(0);
    vmask better = sum > best->sum;
    best->sum = choose(better, sum, best->sum);
    UNROLL for (int k = 0; k < 9; ++k) {
        vreal kept = best->pose.rotation[k], change = now[k] - kept;
        turn += change * change;
        best->pose.rotation[k] = choose(better, now[k], kept);
    }
    UNROLL for (int k = 0; k < 3; ++k) {
        vreal kept = best->pose.shift[k], change = s->pose.shift[k] - kept;
        move += change * change;
        best->pose.shift[k] = choose(better, s->pose.shift[k], kept);
    }
    vreal difference = (turn * best->inertia + move * best->length) * best->inverse_d0_squared;
    return ~better & (difference < best->length * (real)(TM_SAME_SUMMIT * TM_SAME_SUMMIT));
}

/* Largest sum of terms that is found for each lane. */
static vreal search_tm(Search *s)
{
    BestTm best = start_tm(s);
    vreal last = splat(0);
    start_walks(s);
    for (int working = 1; working;) {
        superpose_weighted(s);
        vreal sum = reweight_tm(s, best.inverse_d0_squared), hope = sum + TM_GAINS_AHEAD * (sum - last);
        vmask finished = keep_best_tm(s, sum, &best);
        finished |= ~(hope >= best.sum + best.length * (real)TM_MARGIN);
        last = (vreal)(~finished & (vmask)sum);
        working = walk_on(s, finished);
    }
    return best.sum;
}

static void tm_score(const void *opaque, int64_t begin, int64_t end)
{
    const ScoreArgs *args = opaque;
    Search s = allocate_search(args->n_atoms);
    for (int64_t block = begin; block < end; block += LANES) {
        load_search(&s, args, block, end);
        vreal best = search_tm(&s);
        for (int lane = 0; lane < LANES && block + lane < end; ++lane)
            ((real *)args->score)[block + lane] = best[lane] / (real)s.walks[lane].length + s.broken[lane];
    }
    free(s.p);
}
