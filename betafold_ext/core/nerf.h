/* Torsions to coordinates (Parsons et al. 2005, J. Comput. Chem. 26, 1063) and the gradient of that map, one item per
 * lane. Both walk along the chain in groups of CHUNK residues, whose columns are whole chunks. */

/* Direction of the last bond, normal of it in the plane of the last three atoms, and normal of that plane; the last
 * residue's C, and the last atom relative to it. Small steps from a rounded base, whose rounding is carried along, keep
 * float32 chains as accurate as their frames. */
typedef struct {
    vreal along[3], inward[3], normal[3], base[3], beyond[3];
} Frame;

/* A local rotation of the frame keeps it orthonormal up to rounding, so nothing is normalised here. */
INLINE void place_atom(Frame *f, vreal sine, vreal cosine, double bond, double angle, vreal atom[3])
{
    const real cos_bend = (real)-cos(angle), sin_bend = (real)sin(angle), length = (real)bond;
    UNROLL for (int k = 0; k < 3; ++k) {
        vreal turned = cosine * f->inward[k] + sine * f->normal[k];
        vreal along = cos_bend * f->along[k] + sin_bend * turned;
        f->normal[k] = cosine * f->normal[k] - sine * f->inward[k];
        f->inward[k] = cos_bend * turned - sin_bend * f->along[k];
        f->along[k] = along;
        f->beyond[k] += length * along;
        atom[k] = f->base[k] + f->beyond[k];
    }
}

/* Moves the base to the residue's last atom; what its rounding lost stays in `beyond`. */
INLINE void rebase(Frame *f, const vreal last_atom[3])
{
    UNROLL for (int k = 0; k < 3; ++k) {
        f->beyond[k] -= last_atom[k] - f->base[k];
        f->base[k] = last_atom[k];
    }
}

/* Takes out the rounding that has added up, to first order. Once a group is enough. */
INLINE void orthonormalise(Frame *f)
{
    vreal scale = (real)1.5 - (real)0.5 * dot(f->along, f->along);
    UNROLL for (int k = 0; k < 3; ++k)
        f->along[k] *= scale;
    vreal slant = dot(f->along, f->inward);
    UNROLL for (int k = 0; k < 3; ++k)
        f->inward[k] -= slant * f->along[k];
    scale = (real)1.5 - (real)0.5 * dot(f->inward, f->inward);
    UNROLL for (int k = 0; k < 3; ++k)
        f->inward[k] *= scale;
    UNROLL for (int k = 0; k < 3; ++k) {
        int a = (k + 1) % 3, b = (k + 2) % 3;
        f->normal[k] = f->along[a] * f->inward[b] - f->along[b] * f->inward[a];
    }
}

/* N at the origin, CA on +x, C in the xy plane with y > 0. */
INLINE void place_first_residue(Frame *f, vreal atoms[9])
{
    const double cos_bend = -cos(IDEAL_N_CA_C), sin_bend = sin(IDEAL_N_CA_C);
    const double frame[9] = {cos_bend, sin_bend, 0, -sin_bend, cos_bend, 0, 0, 0, 1};
    const double ca_c[3] = {IDEAL_N_CA + IDEAL_CA_C * cos_bend, IDEAL_CA_C * sin_bend, 0};
    UNROLL for (int k = 0; k < 3; ++k) {
        f->along[k] = splat((real)frame[k]);
        f->inward[k] = splat((real)frame[3 + k]);
        f->normal[k] = splat((real)frame[6 + k]);
        f->base[k] = splat((real)ca_c[k]);
        f->beyond[k] = splat((real)(ca_c[k] - (real)ca_c[k]));
        atoms[k] = splat(0);
        atoms[3 + k] = splat(k ? 0 : (real)IDEAL_N_CA);
        atoms[6 + k] = f->base[k];
    }
}

/* Residues [first, first + CHUNK) of one block, of which `count` exist. `turn` carries sine and cosine of psi and omega
 * of the residue before. Angles, atoms and stores of a residue stand together so that they overlap. */
static void nerf_group(const real *const angles[LANES], real *const coords[LANES], int64_t n, int64_t first, int count,
                       int staged, Frame *frame, vreal turn[4])
{
    vreal angle[3 * CHUNK], atoms[9 * CHUNK], psi[2] = {turn[0], turn[1]}, omega[2] = {turn[2], turn[3]};
    Frame f = *frame;
    int whole = count == CHUNK;
    prefetch_next_block(angles, 3 * n, 3 * first, 3 * count);
    if (!staged)
        prefetch_next_block_to_write(coords, 9 * n, 9 * first, 9 * count);
    if (whole)
        load_columns(angles, 3 * first, 3 * CHUNK, angle);
    else
        load_last_columns(angles, 3 * first, 3 * count, memset(angle, 0, sizeof angle));
    if (__builtin_expect(any_large_angle(angle, 3 * CHUNK), 0))
        wrap_large_angles(angle, 3 * CHUNK);
    UNROLL for (int r = 0; r < CHUNK; ++r) {
        vreal phi[2], *residue = atoms + 9 * r;
        if (r >= count)
            break;
        sine_cosine(angle[3 * r], &phi[0], &phi[1]);
        if (first + r == 0) {
            place_first_residue(&f, residue);
        } else {
            place_atom(&f, psi[0], psi[1], IDEAL_C_N, IDEAL_CA_C_N, residue);
            place_atom(&f, omega[0], omega[1], IDEAL_N_CA, IDEAL_C_N_CA, residue + 3);
            place_atom(&f, phi[0], phi[1], IDEAL_CA_C, IDEAL_N_CA_C, residue + 6);
            rebase(&f, residue + 6);
        }
        sine_cosine(angle[3 * r + 1], &psi[0], &psi[1]);
        sine_cosine(angle[3 * r + 2], &omega[0], &omega[1]);
        if (whole)
            UNROLL for (int c = 9 * r / CHUNK; CHUNK * (c + 1) <= 9 * (r + 1); ++c)
                store_chunk(coords, 9 * first + CHUNK * c, atoms + CHUNK * c);
    }
    if (!whole)
        store_last_columns(coords, 9 * first, 9 * count, atoms);
    orthonormalise(&f);
    *frame = f;
    turn[0] = psi[0], turn[1] = psi[1], turn[2] = omega[0], turn[3] = omega[1];
}

/* A result beyond this size has left the cache before it is read again, so it is written around it: block by block into
 * a stage, which the cache nearest to the core holds, and from there in whole lines. */
#define STREAMED_BYTES (4 << 20)
#define STAGE_BYTES (24 << 10)

static void nerf(const void *opaque, int64_t begin, int64_t end)
{
    const BackboneArgs *args = opaque;
    int64_t n = args->n_residues, item_bytes = 9 * n * (int64_t)sizeof(real);
    int staged = CAN_STREAM && args->n_items * item_bytes > STREAMED_BYTES && LANES * item_bytes <= STAGE_BYTES;
    _Alignas(LINE) char stage[STAGE_BYTES + LINE];
    for (int64_t block = begin; block < end; block += LANES) {
        const real *angles[LANES];
        real *coords[LANES], *out = (real *)args->coords + 9 * n * block;
        real *into = staged ? (real *)(stage + (uintptr_t)out % LINE) : out;
        int64_t n_lanes = end - block < LANES ? end - block : LANES;
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = lane_item(block, lane, end);
            angles[lane] = (const real *)args->torsions + item * n * 3;
            coords[lane] = into + 9 * n * (item - block);
        }
        Frame f = {0};
        vreal turn[4] = {0};
        for (int64_t i = 0; i < n; i += CHUNK)
            nerf_group(angles, coords, n, i, n - i < CHUNK ? (int)(n - i) : CHUNK, staged, &f, turn);
        /* A NaN spreads to the end of the chain; from there it takes the whole item. */
        for (int lane = 0; lane < n_lanes; ++lane) {
            int64_t length = args->lengths ? args->lengths[block + lane] : n;
            int64_t valid = isnan(coords[lane][9 * length - 1]) ? 0 : length;
            for (int64_t k = 9 * valid; k < 9 * n; ++k)
                coords[lane][k] = (real)NAN;
        }
        if (staged)
            stream_out(out, into, (size_t)(n_lanes * item_bytes));
    }
    if (staged)
        finish_streaming();
}

/* State of the backward sweep: force on all atoms beyond the current one, their torque about it, and where it is. */
typedef struct {
    vreal force[3], torque[3], at[3];
} Sweep;

/* Steps to the atom before, over a bond of the given length; returns the gradient of that bond's torsion, which is the
 * component of the torque along the bond. No trigonometry is needed. */
INLINE vreal step_back(Sweep *s, const vreal atom[3], const vreal grad[3], double bond)
{
    vreal axis[3];
    UNROLL for (int k = 0; k < 3; ++k)
        axis[k] = s->at[k] - atom[k];
    vreal along = dot(axis, s->torque);
    UNROLL for (int k = 0; k < 3; ++k) {
        int a = (k + 1) % 3, b = (k + 2) % 3;
        s->torque[k] += axis[a] * s->force[b] - axis[b] * s->force[a];
        s->at[k] = atom[k];
    }
    UNROLL for (int k = 0; k < 3; ++k)
        s->force[k] += grad[k];
    return along * (real)(1.0 / bond);
}

/* Residues [first, first + CHUNK), of which `count` exist, last one first. In ragged batches (`lengths` given) what
 * lies beyond an item's length is zeroed. */
static void sweep_group(const real *const coords[LANES], const real *const grads[LANES], real *const out[LANES],
                        int64_t n, int64_t first, int count, const vmask *lengths, Sweep *s)
{
    vreal atoms[9 * CHUNK], grad[9 * CHUNK], angle[3 * CHUNK];
    /* Forwards though the sweep runs backwards: memory is quicker that way. */
    prefetch_next_block(coords, 9 * n, 9 * (n - first - count), 9 * count);
    prefetch_next_block(grads, 9 * n, 9 * (n - first - count), 9 * count);
    if (count == CHUNK) {
        load_columns(coords, 9 * first, 9 * CHUNK, atoms);
        load_columns(grads, 9 * first, 9 * CHUNK, grad);
    } else {
        memset(atoms, 0, sizeof atoms);
        memset(grad, 0, sizeof grad);
        load_last_columns(coords, 9 * first, 9 * count, atoms);
        load_last_columns(grads, 9 * first, 9 * count, grad);
    }
    UNROLL for (int r = CHUNK - 1; r >= 0; --r) {
        vreal *x = atoms + 9 * r, *g = grad + 9 * r;
        if (lengths) {
            vmask inside = *lengths > (int)(first + r);
            for (int k = 0; k < 9; ++k) {
                x[k] = (vreal)(inside & (vmask)x[k]);
                g[k] = (vreal)(inside & (vmask)g[k]);
            }
        }
        angle[3 * r + 2] = step_back(s, x + 6, g + 6, IDEAL_C_N);
        angle[3 * r + 1] = step_back(s, x + 3, g + 3, IDEAL_CA_C);
        angle[3 * r] = step_back(s, x, g, IDEAL_N_CA);
    }
    if (first == 0)
        angle[0] = splat(0);
    if (count == CHUNK)
        store_columns(out, 3 * first, 3 * CHUNK, angle);
    else
        store_last_columns(out, 3 * first, 3 * count, angle);
}

static void nerf_vjp(const void *opaque, int64_t begin, int64_t end)
{
    const BackboneArgs *args = opaque;
    int64_t n = args->n_residues;
    for (int64_t block = begin; block < end; block += LANES) {
        const real *coords[LANES], *grads[LANES];
        real *out[LANES];
        vmask lengths, *ragged = args->lengths ? &lengths : 0;
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = lane_item(block, lane, end);
            coords[lane] = (const real *)args->coords + item * n * 9;
            grads[lane] = (const real *)args->grad_coords + item * n * 9;
            out[lane] = (real *)args->grad_torsions + item * n * 3;
            if (ragged)
                lengths[lane] = args->lengths[item];
        }
        Sweep s = {0};
        for (int64_t i = (n - 1) / CHUNK * CHUNK; i >= 0; i -= CHUNK)
            sweep_group(coords, grads, out, n, i, n - i < CHUNK ? (int)(n - i) : CHUNK, ragged, &s);
    }
}
