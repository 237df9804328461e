/* Points whose distances are as near as possible to given ones, one item per lane: SMACOF (de Leeuw 1977) with restraints
 * on the distances to the next and the next but one point.
 *
 * The stress is  sum_{i<j} (d_ij - delta_ij)^2 + b sum_{j-i = 1, 2} v_ij^2  with v_ij the distance of d_ij from its
 * interval. The Guttman transform minimises a quadratic function that lies above it and touches it at X:
 * (N + b L) X' = B(X) X + b R, with L the Laplacian of the neighbours and R the neighbours moved into their intervals. On
 * centred points that is a system of five diagonals, the same for all items. */

/* N + b L = C D C^T with C unit lower triangular of two subdiagonals. */
typedef struct {
    double *inverse, *first, *second; /* 1 / D, and the subdiagonals of C: [i] stands in row i */
} Factors;

static void factorise(const Factors *f, int64_t n, double weight)
{
    double before = 0.0, first_before = 0.0, before_that = 0.0; /* D of the last two rows, subdiagonal of the last */
    for (int64_t i = 0; i < n; ++i) {
        int neighbours = (i > 0) + (i > 1) + (i + 1 < n) + (i + 2 < n);
        double second = i > 1 ? -weight / before_that : 0.0;
        double above = i > 0 ? -weight - second * before_that * first_before : 0.0;
        double first = i > 0 ? above / before : 0.0;
        double diagonal = (double)n + weight * neighbours - first * above - second * second * before_that;
        f->inverse[i] = 1.0 / diagonal;
        f->first[i] = first;
        f->second[i] = second;
        before_that = before;
        before = diagonal;
        first_before = first;
    }
}

/* Solves for one coordinate of all points in place. */
INLINE void solve(const Factors *f, int64_t n, vreal *x)
{
    for (int64_t i = 1; i < n; ++i) {
        x[i] -= (real)f->first[i] * x[i - 1];
        if (i > 1)
            x[i] -= (real)f->second[i] * x[i - 2];
    }
    for (int64_t i = n - 1; i >= 0; --i) {
        x[i] *= (real)f->inverse[i];
        if (i + 1 < n)
            x[i] -= (real)f->first[i + 1] * x[i + 1];
        if (i + 2 < n)
            x[i] -= (real)f->second[i + 2] * x[i + 2];
    }
}

/* Vectors of one block: distances of the pairs i < j, row after row; intervals [n][2][2]; points, their transform, and
 * where the last step that lowered the stress led, one coordinate after another. */
typedef struct {
    int64_t n;
    vreal *wanted, *bounds, *x, *moved, *reached;
} Chain;

#define TINY (IS_FLOAT ? 1e-12 : 1e-18)

/* B(X) X into `moved`; returns the stress of the pairs. */
INLINE vreal pull_pairs(const Chain *c, const int dims)
{
    int64_t n = c->n;
    vreal stress = splat(0);
    const vreal *wanted = c->wanted;
    for (int64_t i = 0; i < n; ++i) {
        vreal at[6], force[6];
        UNROLL for (int k = 0; k < dims; ++k) {
            at[k] = c->x[k * n + i];
            force[k] = c->moved[k * n + i];
        }
        for (int64_t j = i + 1; j < n; ++j, ++wanted) {
            vreal step[6], square = splat((real)TINY);
            UNROLL for (int k = 0; k < dims; ++k) {
                step[k] = at[k] - c->x[k * n + j];
                square += step[k] * step[k];
            }
            vreal length = square_root(square), error = *wanted - length, ratio = *wanted / length;
            stress += error * error;
            UNROLL for (int k = 0; k < dims; ++k) {
                vreal part = ratio * step[k];
                force[k] += part;
                c->moved[k * n + j] -= part;
            }
        }
        UNROLL for (int k = 0; k < dims; ++k)
            c->moved[k * n + i] = force[k];
    }
    return stress;
}

/* b R added to `moved`; returns the restraints' part of the stress. */
INLINE vreal pull_neighbours(const Chain *c, const int dims, real weight)
{
    int64_t n = c->n;
    vreal excess = splat(0);
    for (int offset = 1; offset <= 2; ++offset)
        for (int64_t i = 0; i + offset < n; ++i) {
            const vreal *bounds = c->bounds + 4 * i + 2 * (offset - 1);
            vreal step[6], square = splat((real)TINY);
            UNROLL for (int k = 0; k < dims; ++k) {
                step[k] = c->x[k * n + i] - c->x[k * n + i + offset];
                square += step[k] * step[k];
            }
            vreal length = square_root(square);
            vreal target = choose(length < bounds[0], bounds[0], choose(length > bounds[1], bounds[1], length));
            vreal ratio = weight * target / length;
            excess += (length - target) * (length - target);
            UNROLL for (int k = 0; k < dims; ++k) {
                c->moved[k * n + i] += ratio * step[k];
                c->moved[k * n + i + offset] -= ratio * step[k];
            }
        }
    return weight * excess;
}

/* Reflecting X in its transform keeps the function that lies above the stress where it was, so a step of nearly twice the
 * transform's lowers the stress too (de Leeuw & Heiser 1980). Steps after the first go less far, and then on in the
 * direction of the last two (Nesterov 1983); where that raises the stress, the points return to where the last good step
 * led and start anew (O'Donoghue & Candes 2015). */
#define STEP_FROM_REST 1.9
#define STEP 1.3
#define CHECK_EVERY 10

/* Moves the points of one block until every lane is at rest: an item's path does not depend on the others. */
INLINE void settle(const Chain *c, const Factors *f, const StressArgs *args, const int dims)
{
    int64_t n = c->n;
    vreal lowest = splat((real)HUGE_VAL), before = lowest, steps = splat(0);
    vmask active = ~(vmask){0};
    memcpy(c->reached, c->x, (size_t)(dims * n) * sizeof(vreal));
    for (int64_t iteration = 0; any(active); ++iteration) {
        memset(c->moved, 0, (size_t)(dims * n) * sizeof(vreal));
        vreal stress = pull_pairs(c, dims);
        if (args->weight > 0)
            stress += pull_neighbours(c, dims, (real)args->weight);
        vmask lower = ~(stress > lowest), running = active; /* NaN goes on to the points */
        lowest = choose(lower & active, stress, lowest);
        steps = choose(lower, steps + 1, splat(0));
        if (iteration % CHECK_EVERY == 0) {
            if (iteration)
                active &= before - lowest > (real)(2 * args->tolerance) * before;
            before = lowest;
        }
        if (iteration == args->iterations)
            active ^= active;
        vreal reach = choose(steps > 1, splat((real)STEP), splat((real)STEP_FROM_REST));
        vreal momentum = choose(steps > 1, (steps - 1) / (steps + 2), splat(0));
        vmask back = running & ~lower, on = active & lower;
        for (int k = 0; k < dims; ++k) {
            vreal *x = c->x + k * n, *moved = c->moved + k * n, *reached = c->reached + k * n;
            solve(f, n, moved);
            for (int64_t i = 0; i < n; ++i) {
                vreal next = x[i] + reach * (moved[i] - x[i]);
                vreal further = next + momentum * (next - reached[i]);
                x[i] = choose(on, further, choose(back, reached[i], x[i]));
                reached[i] = choose(on, next, reached[i]);
            }
        }
    }
}

static void minimise_stress(const void *opaque, int64_t begin, int64_t end)
{
    const StressArgs *args = opaque;
    int64_t n = args->n_points, n_dims = args->n_dims, n_pairs = n * (n - 1) / 2;
    vreal *scratch = allocate_vectors(n_pairs + 1 + n * (4 + 4 * n_dims));
    Chain c = {.n = n, .wanted = scratch};
    c.bounds = c.wanted + n_pairs + 1;
    c.x = c.bounds + 4 * n;
    c.moved = c.x + n_dims * n;
    c.reached = c.moved + n_dims * n;
    vreal *points = c.reached + n_dims * n;
    double *factors = (double *)allocate_vectors((3 * n * (int64_t)sizeof(double) + VECTOR_BYTES - 1) / VECTOR_BYTES);
    Factors f = {factors, factors + n, factors + 2 * n};
    factorise(&f, n, args->weight);
    for (int64_t block = begin; block < end; block += LANES) {
        const real *distances[LANES], *bounds[LANES];
        real *out[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = lane_item(block, lane, end);
            distances[lane] = (const real *)args->distances + item * n * n;
            bounds[lane] = (const real *)args->bounds + item * n * 4;
            out[lane] = (real *)args->points + item * n * n_dims;
        }
        vreal *row = c.wanted;
        for (int64_t i = 0; i < n; row += n - 1 - i, ++i)
            load_last_columns(distances, i * n + i + 1, (int)(n - 1 - i), row);
        load_last_columns(bounds, 0, (int)(4 * n), c.bounds);
        load_last_columns((const real *const *)out, 0, (int)(n * n_dims), points);
        for (int64_t i = 0; i < n; ++i)
            for (int64_t k = 0; k < n_dims; ++k)
                c.x[k * n + i] = points[i * n_dims + k];
        if (n_dims == 3)
            settle(&c, &f, args, 3);
        else
            settle(&c, &f, args, 6);
        for (int64_t i = 0; i < n; ++i)
            for (int64_t k = 0; k < n_dims; ++k)
                points[i * n_dims + k] = c.x[k * n + i];
        store_last_columns(out, 0, (int)(n * n_dims), points);
    }
    free(factors);
    free(scratch);
}
