/* The largest eigenvalue of Horn's quaternion matrix by Newton's method on its characteristic polynomial (Theobald 2005,
 * Acta Cryst. A61, 478), and the rotation that belongs to it in closed form (Markley 1993, J. Astronaut. Sci. 41, 261).
 * One pair per lane, HALVES vectors side by side, which hides the latency of the iteration. */

typedef struct {
    vdouble m[9];   /* in: sum of w p_a q_b of centred structures */
    vdouble energy; /* in: half the sum of w (|p|^2 + |q|^2) */
    vdouble weight; /* in: sum of w */
    vdouble rmsd;   /* out */
    dmask doubtful; /* out: lanes that need the exact method; NaN and infinity are among them */
} Polar;

/* The float64 rounding of the polynomial, about 1e-16 lambda^4, moves the eigenvalue by that over the slope there (the
 * product of the gaps between eigenvalues), and the RMSD by half of that over itself. Results are doubtful where this,
 * relative to the size of the structures, exceeds 1e-8, and where the rotation is less sure than 1e-10. */
#define SMALLEST_SLOPE 1e-5
#define SMALLEST_SLOPE_OF_SMALL_RESIDUAL 1e-15
#define SMALLEST_RESIDUAL 1e-12
#define NEWTON_STEPS 40
#define NEWTON_DONE 1e-10

/* M scaled by the energy and what the polynomial needs of it. */
typedef struct {
    vdouble m[9], gram[6], norm, determinant, c0, lambda, slope;
} Quartic;

INLINE void build_quartic(const Polar *pair, Quartic *q)
{
    vdouble inverse = 1.0 / pair->energy;
    UNROLL for (int k = 0; k < 9; ++k)
        q->m[k] = pair->m[k] * inverse;
    const vdouble *m = q->m;
    vdouble *a = q->gram; /* M^T M: xx yy zz xy xz yz */
    a[0] = m[0] * m[0] + m[3] * m[3] + m[6] * m[6];
    a[1] = m[1] * m[1] + m[4] * m[4] + m[7] * m[7];
    a[2] = m[2] * m[2] + m[5] * m[5] + m[8] * m[8];
    a[3] = m[0] * m[1] + m[3] * m[4] + m[6] * m[7];
    a[4] = m[0] * m[2] + m[3] * m[5] + m[6] * m[8];
    a[5] = m[1] * m[2] + m[4] * m[5] + m[7] * m[8];
    q->norm = a[0] + a[1] + a[2];
    q->determinant = m[0] * (m[4] * m[8] - m[5] * m[7]) + m[1] * (m[5] * m[6] - m[3] * m[8])
        + m[2] * (m[3] * m[7] - m[4] * m[6]);
    vdouble squares = a[0] * a[0] + a[1] * a[1] + a[2] * a[2] + 2.0 * (a[3] * a[3] + a[4] * a[4] + a[5] * a[5]);
    q->c0 = 2.0 * squares - q->norm * q->norm;
    /* Both 1 and sqrt(3) |M| are upper bounds; from above Newton's method converges monotonously. */
    vdouble bound = square_root_double(3.0 * q->norm);
    q->lambda = choose_double(bound < 1.0, bound, splat_double(1.0));
    q->slope = splat_double(0.0);
}

INLINE void solve_polar(Polar pairs[HALVES], Quartic q[HALVES])
{
    dmask active[HALVES];
    UNROLL for (int h = 0; h < HALVES; ++h) {
        build_quartic(&pairs[h], &q[h]);
        active[h] = q[h].lambda == q[h].lambda;
    }
    for (int step = 0; step < NEWTON_STEPS; ++step) {
        dmask left = {0};
        UNROLL for (int h = 0; h < HALVES; ++h) {
            vdouble x = q[h].lambda, squared = x * x;
            vdouble value = squared * (squared - 2.0 * q[h].norm) + (q[h].c0 - 8.0 * q[h].determinant * x);
            vdouble slope = 4.0 * x * (squared - q[h].norm) - 8.0 * q[h].determinant;
            vdouble change = value / slope;
            q[h].slope = choose_double(active[h], slope, q[h].slope);
            /* From above the slope only falls: once it is small the root is multiple and a step could go anywhere. */
            active[h] &= slope > SMALLEST_SLOPE * (squared * x);
            q[h].lambda = choose_double(active[h], x - change, x);
            active[h] &= change > NEWTON_DONE * x;
            left |= active[h];
        }
        if (!any((vmask)left))
            break;
    }
    UNROLL for (int h = 0; h < HALVES; ++h) {
        vdouble lambda = q[h].lambda, slope = q[h].slope, residual = 1.0 - lambda;
        vdouble cube = lambda * lambda * lambda, fourth = cube * lambda;
        dmask good = (lambda > 0.0) & (slope > SMALLEST_SLOPE * cube) & (residual > SMALLEST_RESIDUAL) & ~active[h]
            & (slope * slope * residual > SMALLEST_SLOPE_OF_SMALL_RESIDUAL * fourth * fourth);
        pairs[h].doubtful = ~good;
        pairs[h].rmsd = square_root_double(2.0 * pairs[h].energy * residual / pairs[h].weight);
    }
}

/* R = ((k + |M|^2) B + lambda adj(B)^T - B B^T B) / (k lambda - det B), B = M^T, k = (lambda^2 - |M|^2) / 2. */
INLINE void polar_rotation(const Quartic *q, vdouble rotation[9])
{
    const vdouble *m = q->m, *g = q->gram;
    const vdouble gram[9] = {g[0], g[3], g[4], g[3], g[1], g[5], g[4], g[5], g[2]};
    vdouble k = 0.5 * (q->lambda * q->lambda - q->norm);
    vdouble inverse = 1.0 / (k * q->lambda - q->determinant);
    UNROLL for (int a = 0; a < 3; ++a) {
        UNROLL for (int b = 0; b < 3; ++b) {
            int a1 = (a + 1) % 3, a2 = (a + 2) % 3, b1 = (b + 1) % 3, b2 = (b + 2) % 3;
            vdouble cofactor = m[3 * b1 + a1] * m[3 * b2 + a2] - m[3 * b1 + a2] * m[3 * b2 + a1];
            /* B B^T B = (M^T M) M^T */
            vdouble cubic = gram[3 * a] * m[3 * b] + gram[3 * a + 1] * m[3 * b + 1] + gram[3 * a + 2] * m[3 * b + 2];
            rotation[3 * a + b] = ((k + q->norm) * m[3 * b + a] + q->lambda * cofactor - cubic) * inverse;
        }
    }
}
