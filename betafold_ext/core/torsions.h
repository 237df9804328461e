/* Coordinates to torsions (IUPAC-IUB 1970 sign convention), one item per lane. */

/* The last bond and the normal of the last two bonds. */
typedef struct {
    vreal bond[3], normal[3], at[3];
} Turn;

/* Moves on to the next atom and returns the torsion about the bond before it. */
INLINE vreal next_torsion(Turn *t, const vreal atom[3])
{
    vreal bond[3], normal[3];
    UNROLL for (int k = 0; k < 3; ++k)
        bond[k] = atom[k] - t->at[k];
    UNROLL for (int k = 0; k < 3; ++k) {
        int a = (k + 1) % 3, b = (k + 2) % 3;
        normal[k] = t->bond[a] * bond[b] - t->bond[b] * bond[a];
    }
    vreal x = dot(t->normal, normal), y = square_root(dot(t->bond, t->bond)) * dot(t->normal, bond);
    UNROLL for (int k = 0; k < 3; ++k) {
        t->bond[k] = bond[k];
        t->normal[k] = normal[k];
        t->at[k] = atom[k];
    }
    return arc_tangent(y, x);
}

/* Residues [first, first + CHUNK), of which `count` exist: psi and omega of the residue before and phi of each, which
 * lie side by side in the result. */
static void torsions_group(const real *const coords[LANES], real *const out[LANES], int64_t n, int64_t first, int count,
                           Turn *t)
{
    vreal atoms[9 * CHUNK], angle[3 * CHUNK];
    prefetch_next_block(coords, 9 * n, 9 * first, 9 * count);
    if (count == CHUNK)
        load_columns(coords, 9 * first, 9 * CHUNK, atoms);
    else
        load_last_columns(coords, 9 * first, 9 * count, memset(atoms, 0, sizeof atoms));
    UNROLL for (int k = 0; k < 3 * CHUNK; ++k)
        angle[k] = next_torsion(t, atoms + 3 * k);
    if (first && count == CHUNK)
        store_columns(out, 3 * first - 2, 3 * CHUNK, angle);
    else if (first)
        store_last_columns(out, 3 * first - 2, 3 * count, angle);
    else
        store_last_columns(out, 0, 3 * count - 2, angle + 2);
}

static void torsions(const void *opaque, int64_t begin, int64_t end)
{
    const BackboneArgs *args = opaque;
    int64_t n = args->n_residues;
    for (int64_t block = begin; block < end; block += LANES) {
        const real *coords[LANES];
        real *out[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            int64_t item = lane_item(block, lane, end);
            coords[lane] = (const real *)args->coords + item * n * 9;
            out[lane] = (real *)args->torsions + item * n * 3;
        }
        Turn t = {0};
        for (int64_t i = 0; i < n; i += CHUNK)
            torsions_group(coords, out, n, i, n - i < CHUNK ? (int)(n - i) : CHUNK, &t);
        for (int lane = 0; lane < LANES && block + lane < end; ++lane) {
            int64_t length = args->lengths ? args->lengths[block + lane] : n;
            out[lane][0] = (real)NAN;
            for (int64_t k = 3 * length - 2; k < 3 * n; ++k)
                out[lane][k] = (real)NAN;
        }
    }
}
