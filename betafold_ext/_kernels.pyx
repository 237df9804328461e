"""Hands contiguous buffers to the C kernels. Arguments are validated by the calling modules."""

from libc.stdint cimport int64_t

cdef extern from "kernels.h" nogil:
    ctypedef struct BackboneArgs:
        int64_t n_items
        int64_t n_residues
        const int64_t *lengths
        void *torsions
        void *coords
        const void *grad_coords
        void *grad_torsions

    ctypedef struct PairArgs:
        int64_t n_atoms
        const int64_t *lengths
        const void *p
        const void *q
        int one_reference
        const void *weights
        void *rmsd
        void *rotation
        void *translation

    ctypedef struct MatrixArgs:
        int64_t n_atoms
        int64_t n_columns
        const void *x
        const void *y
        int symmetric
        void *rmsd

    ctypedef struct ScoreArgs:
        int64_t n_atoms
        const int64_t *lengths
        const void *p
        const void *q
        double cutoff
        int64_t min_separation
        int per_residue
        void *score
        void *score_ha

    ctypedef struct DistanceArgs:
        int64_t n_atoms
        const int64_t *lengths
        const void *x
        void *distances

    ctypedef struct StressArgs:
        int64_t n_points
        int64_t n_dims
        const void *distances
        const void *bounds
        double weight
        int64_t iterations
        double tolerance
        void *points

    ctypedef void (*Kernel)(const void *args, int64_t begin, int64_t end)

    ctypedef struct KernelTable:
        const char *isa
        int64_t lanes
        Kernel nerf
        Kernel nerf_vjp
        Kernel torsions
        Kernel superpose
        Kernel rmsd_matrix
        Kernel lddt
        Kernel gdt
        Kernel tm_score
        Kernel distances
        Kernel minimise_stress

    const KernelTable *select_kernels(int real_bytes)
    void run_batch(Kernel kernel, const void *args, int64_t n_items, int64_t grain, double cost, int n_threads)

cdef extern from "ideal_geometry.h":
    const double IDEAL_N_CA
    const double IDEAL_CA_C
    const double IDEAL_C_N
    const double IDEAL_N_CA_C
    const double IDEAL_CA_C_N
    const double IDEAL_C_N_CA

ctypedef fused real:
    float
    double

# The constants that the kernels were compiled with, to be compared with betafold.geometry.ideal.
IDEAL_GEOMETRY = {
    "N_CA": IDEAL_N_CA,
    "CA_C": IDEAL_CA_C,
    "C_N": IDEAL_C_N,
    "N_CA_C": IDEAL_N_CA_C,
    "CA_C_N": IDEAL_CA_C_N,
    "C_N_CA": IDEAL_C_N_CA,
}


cdef const KernelTable *table_for(int real_bytes) except NULL:
    cdef const KernelTable *table = select_kernels(real_bytes)
    if table == NULL:
        raise RuntimeError("BETAFOLD_ISA asks for an instruction set that this processor or build does not have")
    return table


def isa():
    """Name of the instruction set in use: "avx512", "avx2" or "baseline"."""
    return table_for(4).isa.decode()


cdef const int64_t *lengths_pointer(const int64_t[::1] lengths) noexcept:
    if lengths is None:
        return NULL
    return &lengths[0]


def nerf(const real[:, :, ::1] torsions, const int64_t[::1] lengths, real[:, :, :, ::1] coords, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef BackboneArgs args = BackboneArgs(torsions.shape[0], torsions.shape[1], lengths_pointer(lengths),
                                          <void *>&torsions[0, 0, 0], &coords[0, 0, 0, 0], NULL, NULL)
    with nogil:
        run_batch(table.nerf, &args, torsions.shape[0], table.lanes, 5.0 * args.n_residues, n_threads)


def nerf_vjp(const real[:, :, :, ::1] coords, const real[:, :, :, ::1] grad_coords, const int64_t[::1] lengths,
             real[:, :, ::1] grad_torsions, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef BackboneArgs args = BackboneArgs(coords.shape[0], coords.shape[1], lengths_pointer(lengths), NULL,
                                          <void *>&coords[0, 0, 0, 0], &grad_coords[0, 0, 0, 0],
                                          &grad_torsions[0, 0, 0])
    with nogil:
        run_batch(table.nerf_vjp, &args, coords.shape[0], table.lanes, 7.0 * args.n_residues, n_threads)


def torsions(const real[:, :, :, ::1] coords, const int64_t[::1] lengths, real[:, :, ::1] torsions, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef BackboneArgs args = BackboneArgs(coords.shape[0], coords.shape[1], lengths_pointer(lengths), &torsions[0, 0, 0],
                                          <void *>&coords[0, 0, 0, 0], NULL, NULL)
    with nogil:
        run_batch(table.torsions, &args, coords.shape[0], table.lanes, 8.0 * args.n_residues, n_threads)


def superpose(const real[:, :, ::1] p, const real[:, :, ::1] q, const int64_t[::1] lengths,
              const real[:, ::1] weights, real[::1] rmsd, real[:, :, ::1] rotation, real[:, ::1] translation,
              int n_threads):
    """q with a single item against several of p is one reference for all of them."""
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef PairArgs args = PairArgs(p.shape[1], lengths_pointer(lengths), &p[0, 0, 0], &q[0, 0, 0],
                                  q.shape[0] == 1 and p.shape[0] > 1, NULL, &rmsd[0], NULL, NULL)
    if weights is not None:
        args.weights = &weights[0, 0]
    if rotation is not None:
        args.rotation, args.translation = &rotation[0, 0, 0], &translation[0, 0]
    with nogil:
        run_batch(table.superpose, &args, p.shape[0], table.lanes, 60.0 + 4.0 * args.n_atoms, n_threads)


def rmsd_matrix(const real[:, :, ::1] x, const real[:, :, ::1] y, bint symmetric, real[:, ::1] rmsd, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef MatrixArgs args = MatrixArgs(x.shape[1], y.shape[0], &x[0, 0, 0], &y[0, 0, 0], symmetric, &rmsd[0, 0])
    with nogil:
        run_batch(table.rmsd_matrix, &args, x.shape[0], table.lanes, args.n_columns * (20.0 + args.n_atoms),
                  n_threads)


cdef ScoreArgs score_args(const real[:, :, ::1] p, const real[:, :, ::1] q, const int64_t[::1] lengths) noexcept:
    return ScoreArgs(p.shape[1], lengths_pointer(lengths), &p[0, 0, 0], &q[0, 0, 0], 0.0, 0, 0, NULL, NULL)


def lddt(const real[:, :, ::1] p, const real[:, :, ::1] q, const int64_t[::1] lengths, double cutoff,
         int64_t min_separation, bint per_residue, real[::1] score, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef ScoreArgs args = score_args[real](p, q, lengths)
    args.cutoff, args.min_separation, args.per_residue, args.score = cutoff, min_separation, per_residue, &score[0]
    with nogil:
        run_batch(table.lddt, &args, p.shape[0], table.lanes, 1.0 * args.n_atoms * args.n_atoms, n_threads)


def gdt(const real[:, :, ::1] p, const real[:, :, ::1] q, const int64_t[::1] lengths, real[::1] gdt_ts,
        real[::1] gdt_ha, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef ScoreArgs args = score_args[real](p, q, lengths)
    args.score, args.score_ha = &gdt_ts[0], &gdt_ha[0]
    with nogil:
        run_batch(table.gdt, &args, p.shape[0], table.lanes, 500.0 * args.n_atoms * args.n_atoms, n_threads)


def tm_score(const real[:, :, ::1] p, const real[:, :, ::1] q, const int64_t[::1] lengths, real[::1] score,
             int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef ScoreArgs args = score_args[real](p, q, lengths)
    args.score = &score[0]
    with nogil:
        run_batch(table.tm_score, &args, p.shape[0], table.lanes, 100.0 * args.n_atoms * args.n_atoms, n_threads)


def distances(const real[:, :, ::1] x, const int64_t[::1] lengths, real[:, :, ::1] out, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef DistanceArgs args = DistanceArgs(x.shape[1], lengths_pointer(lengths), &x[0, 0, 0], &out[0, 0, 0])
    with nogil:
        run_batch(table.distances, &args, x.shape[0], table.lanes, 1.0 * args.n_atoms * args.n_atoms, n_threads)


def minimise_stress(const real[:, :, ::1] distances, const real[:, :, :, ::1] bounds, double weight,
                    int64_t iterations, double tolerance, real[:, :, ::1] points, int n_threads):
    cdef const KernelTable *table = table_for(sizeof(real))
    cdef StressArgs args = StressArgs(points.shape[1], points.shape[2], &distances[0, 0, 0], &bounds[0, 0, 0, 0],
                                      weight, iterations, tolerance, &points[0, 0, 0])
    with nogil:
        run_batch(table.minimise_stress, &args, points.shape[0], table.lanes,
                  50.0 * args.n_points * args.n_points, n_threads)
