/* GDT-TS and GDT-HA (Zemla 2003, Nucleic Acids Res. 31, 3370): the largest share of residues within each cutoff. */

#define GDT_STEPS 3 /* from each fragment towards each cutoff */
#define GDT_REACH 2 /* cutoffs beyond which a residue no longer pulls */
#define GDT_CENTRE 0.1 /* pull of a residue that fits exactly, relative to one at the cutoff */
#define GDT_FAR 1e-4 /* of a residue out of reach, so that a superposition is always defined */
#define N_CUTOFFS 5

static const double GDT_CUTOFFS[N_CUTOFFS] = {0.5, 1.0, 2.0, 4.0, 8.0};

/* Counts the residues within each cutoff under the current superposition. In the next one residues out of reach no
 * longer pull (Tukey's biweight; Beaton & Tukey 1974, Technometrics 16, 147), and of the others those near the cutoff
 * pull most, because the count asks for a small largest distance (Lawson's weights; Rice & Usow 1968, Math. Comp. 22,
 * 118). */
static void reweight_gdt(Search *s, real cutoff, vmask best[N_CUTOFFS])
{
    const real inverse = 1 / (cutoff * cutoff);
    vmask within[N_CUTOFFS] = {{0}};
    for (int64_t i = 0; i < s->n; ++i) {
        vmask inside = s->lengths > (integer)i;
        vreal squared = squared_distance(s, i), ratio = squared * inverse;
        vreal reach = 1 - ratio * (real)(1.0 / (GDT_REACH * GDT_REACH));
        vreal weight = reach * reach * (ratio + (real)GDT_CENTRE);
        UNROLL for (int c = 0; c < N_CUTOFFS; ++c)
            within[c] -= inside & (squared <= (real)(GDT_CUTOFFS[c] * GDT_CUTOFFS[c]));
        weight = choose(reach > (real)0, weight, splat(0)) + (real)GDT_FAR;
        s->weights[i] = (vreal)(inside & (vmask)weight);
    }
    UNROLL for (int c = 0; c < N_CUTOFFS; ++c) {
        vmask more = within[c] > best[c];
        best[c] = (more & within[c]) | (~more & best[c]);
    }
}

static void search_gdt(Search *s, vmask best[N_CUTOFFS])
{
    for (int c = 0; c < N_CUTOFFS; ++c) {
        start_walks(s);
        for (int working = 1; working;) {
            vmask finished = {0};
            superpose_weighted(s);
            reweight_gdt(s, (real)GDT_CUTOFFS[c], best);
            for (int lane = 0; lane < LANES; ++lane)
                finished[lane] = -(s->walks[lane].step >= GDT_STEPS);
            working = walk_on(s, finished);
        }
    }
}

static void gdt(const void *opaque, int64_t begin, int64_t end)
{
    const ScoreArgs *args = opaque;
    Search s = allocate_search(args->n_atoms);
    for (int64_t block = begin; block < end; block += LANES) {
        vmask best[N_CUTOFFS] = {{0}};
        load_search(&s, args, block, end);
        search_gdt(&s, best);
        for (int lane = 0; lane < LANES && block + lane < end; ++lane) {
            double count[N_CUTOFFS], length = (double)s.walks[lane].length, broken = s.broken[lane];
            for (int c = 0; c < N_CUTOFFS; ++c)
                count[c] = (double)best[c][lane];
            double middle = count[1] + count[2] + count[3];
            ((real *)args->score)[block + lane] = (real)((middle + count[4]) / (4.0 * length) + broken);
            ((real *)args->score_ha)[block + lane] = (real)((count[0] + middle) / (4.0 * length) + broken);
        }
    }
    free(s.p);
}
