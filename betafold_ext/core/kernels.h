/* Interface between Cython and the kernels.
 *
 * A kernel works on the items [begin, end) of a batch and knows nothing of threads. Arrays are C-contiguous and hold
 * `float` or `double`, as the table they are passed to says; `lengths` may be NULL (every item is full). Coordinates
 * are in Angstrom, angles in radians. */
#ifndef BETAFOLD_KERNELS_H
#define BETAFOLD_KERNELS_H

#include <stdint.h>

/* [B, L, 3] torsions and [B, L, 3, 3] coordinates (N, CA, C). */
typedef struct {
    int64_t n_items;
    int64_t n_residues;
    const int64_t *lengths;
    void *torsions;
    void *coords;
    const void *grad_coords; /* nerf_vjp: in */
    void *grad_torsions;     /* nerf_vjp: out */
} BackboneArgs;

/* Pairs of structures P[B, N, 3] and Q[B, N, 3]. With `one_reference` Q is [N, 3]. */
typedef struct {
    int64_t n_atoms;
    const int64_t *lengths;
    const void *p;
    const void *q;
    int one_reference;
    const void *weights; /* [B, N] or NULL */
    void *rmsd;          /* [B] */
    void *rotation;      /* [B, 3, 3] or NULL */
    void *translation;   /* [B, 3], with `rotation` */
} PairArgs;

/* All pairs of X[n, N, 3] and Y[m, N, 3]; an item is a row of the [n, m] result. */
typedef struct {
    int64_t n_atoms;
    int64_t n_columns;
    const void *x;
    const void *y;
    int symmetric; /* Y is X: each pair is computed once, by the row of the smaller index */
    void *rmsd;
} MatrixArgs;

/* Scores of P[B, N, 3] against the native Q[B, N, 3]. */
typedef struct {
    int64_t n_atoms;
    const int64_t *lengths;
    const void *p;
    const void *q;
    double cutoff;          /* lddt: inclusion radius in the native */
    int64_t min_separation; /* lddt: smallest |i - j| */
    int per_residue;        /* lddt: score is [B, N] instead of [B] */
    void *score;            /* lddt, TM-score, or GDT-TS */
    void *score_ha;         /* GDT-HA */
} ScoreArgs;

/* Distances [B, N, N] of X[B, N, 3]. */
typedef struct {
    int64_t n_atoms;
    const int64_t *lengths;
    const void *x;
    void *distances;
} DistanceArgs;

/* Points [B, N, n_dims] (in and out) for the distances [B, N, N]. */
typedef struct {
    int64_t n_points;
    int64_t n_dims; /* 3 or 6 */
    const void *distances;
    const void *bounds; /* [B, N, 2, 2]: least and largest distance to the next and to the next but one point */
    double weight;      /* of the bounds; 0 leaves them out */
    int64_t iterations;
    double tolerance; /* relative, of the root of the stress, within CHECK_EVERY iterations */
    void *points;
} StressArgs;

typedef void (*Kernel)(const void *args, int64_t begin, int64_t end);

/* The kernels of one instruction set in one precision. */
typedef struct {
    const char *isa;
    int64_t lanes; /* items that the batched kernels compute at once */
    Kernel nerf;
    Kernel nerf_vjp;
    Kernel torsions;
    Kernel superpose;
    Kernel rmsd_matrix;
    Kernel lddt;
    Kernel gdt;
    Kernel tm_score;
    Kernel distances;
    Kernel minimise_stress;
} KernelTable;

/* The table for this processor; `real_bytes` is 4 or 8. BETAFOLD_ISA=baseline|avx2|avx512 overrides the choice
 * (NULL when this processor or build lacks the one asked for). */
const KernelTable *select_kernels(int real_bytes);

/* Runs `kernel` over `n_items` on at most `n_threads` threads, in pieces that are whole multiples of `grain` items.
 * `cost` is a rough number of nanoseconds per item, so that small batches stay on the caller's thread. */
void run_batch(Kernel kernel, const void *args, int64_t n_items, int64_t grain, double cost, int n_threads);

#endif
