/* lDDT (Mariani et al. 2013, Bioinformatics 29, 2722): share of native distances kept within 0.5, 1, 2 and 4 A. One
 * item per lane. */

/* Coordinates of one block and the counts of its residues. */
typedef struct {
    vreal *p, *q;             /* [3 n] */
    vmask *kept, *contacts;   /* [n] */
    vmask lengths;
    vreal broken;             /* 0, or NaN where a coordinate is not finite */
} LddtBlock;

INLINE vreal distance_of(const vreal *a, const vreal *b)
{
    vreal d[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
    return square_root(dot(d, d));
}

/* Counts every contact at both its residues. Comparisons are -1 where true, so sums of them are negative counts. */
INLINE void count_contacts(LddtBlock *block, const ScoreArgs *args, int ragged)
{
    int64_t n = args->n_atoms;
    const real cutoff = (real)args->cutoff;
    for (int64_t i = 0; i < n; ++i)
        block->kept[i] = block->contacts[i] = (vmask){0};
    for (int64_t i = 0; i < n; ++i) {
        vmask kept = {0}, contacts = {0};
        for (int64_t j = i + args->min_separation; j < n; ++j) {
            vreal native = distance_of(block->q + 3 * i, block->q + 3 * j);
            vreal error = absolute(native - distance_of(block->p + 3 * i, block->p + 3 * j));
            vmask counted = native < cutoff;
            if (ragged)
                counted &= block->lengths > (integer)j;
            vmask within = (error < (real)0.5) + (error < (real)1) + (error < (real)2) + (error < (real)4);
            within &= counted;
            kept += within;
            contacts += counted;
            block->kept[j] += within;
            block->contacts[j] += counted;
        }
        block->kept[i] += kept;
        block->contacts[i] += contacts;
    }
}

static void load_lddt_block(LddtBlock *block, const ScoreArgs *args, int64_t first, int64_t end)
{
    int64_t n = args->n_atoms;
    const real *p[LANES], *q[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        int64_t item = lane_item(first, lane, end);
        p[lane] = (const real *)args->p + item * 3 * n;
        q[lane] = (const real *)args->q + item * 3 * n;
        block->lengths[lane] = (integer)(args->lengths ? args->lengths[item] : n);
    }
    load_last_columns(p, 0, (int)(3 * n), block->p);
    load_last_columns(q, 0, (int)(3 * n), block->q);
    block->broken = splat(0);
    for (int64_t k = 0; k < 3 * n; ++k) {
        vreal x = (block->p[k] - block->p[k]) + (block->q[k] - block->q[k]);
        block->broken += (vreal)((block->lengths > (integer)(k / 3)) & (vmask)x);
    }
}

static void write_lddt(const LddtBlock *block, const ScoreArgs *args, int64_t item, int lane)
{
    int64_t n = args->n_atoms;
    double all_kept = 0.0, all_contacts = 0.0, broken = block->broken[lane];
    real *score = args->score;
    for (int64_t i = 0; i < n; ++i) {
        double kept = -(double)block->kept[i][lane], contacts = -(double)block->contacts[i][lane];
        all_kept += kept;
        all_contacts += contacts;
        if (args->per_residue)
            score[item * n + i] = (real)(kept / (4.0 * contacts) + broken);
    }
    if (!args->per_residue)
        score[item] = (real)(all_kept / (4.0 * all_contacts) + broken);
}

static void lddt(const void *opaque, int64_t begin, int64_t end)
{
    const ScoreArgs *args = opaque;
    int64_t n = args->n_atoms;
    LddtBlock block;
    vreal *memory = allocate_vectors(8 * n);
    block.p = memory, block.q = memory + 3 * n;
    block.kept = (vmask *)(memory + 6 * n), block.contacts = (vmask *)(memory + 7 * n);
    for (int64_t first = begin; first < end; first += LANES) {
        load_lddt_block(&block, args, first, end);
        if (args->lengths)
            count_contacts(&block, args, 1);
        else
            count_contacts(&block, args, 0);
        for (int lane = 0; lane < LANES && first + lane < end; ++lane)
            write_lddt(&block, args, first + lane, lane);
    }
    free(memory);
}
