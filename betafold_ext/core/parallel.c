/* Threads: the only file that knows of OpenMP. */
#include "kernels.h"

/* A thread is worth waking for this much work. */
#define NANOSECONDS_PER_THREAD 100e3

void run_batch(Kernel kernel, const void *args, int64_t n_items, int64_t grain, double cost, int n_threads)
{
    int64_t n_grains = (n_items + grain - 1) / grain;
    int64_t worthwhile = (int64_t)(n_items * cost / NANOSECONDS_PER_THREAD);
    int64_t n_pieces = n_threads;
    if (n_pieces > worthwhile)
        n_pieces = worthwhile;
    if (n_pieces > n_grains)
        n_pieces = n_grains;
    if (n_pieces <= 1) {
        kernel(args, 0, n_items);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for schedule(static, 1) num_threads((int)n_pieces)
#endif
    for (int64_t piece = 0; piece < n_pieces; ++piece) {
        int64_t begin = n_grains * piece / n_pieces * grain;
        int64_t end = n_grains * (piece + 1) / n_pieces * grain;
        kernel(args, begin, end < n_items ? end : n_items);
    }
}
