/* Threads: the only file that knows of OpenMP. */
#include "kernels.h"

/* A thread is worth waking for this much work. */
#define NANOSECONDS_PER_THREAD 100e3
/* More pieces than threads even out rows of unequal cost and cores that are busy with something else. */
#define PIECES_PER_THREAD 4

void run_batch(Kernel kernel, const void *args, int64_t n_items, int64_t grain, double cost, int n_threads)
{
    int64_t n_grains = (n_items + grain - 1) / grain;
    int64_t worthwhile = (int64_t)((double)n_items * cost / NANOSECONDS_PER_THREAD);
    if (n_threads > worthwhile)
        n_threads = (int)worthwhile;
    if (n_threads <= 1) {
        kernel(args, 0, n_items);
        return;
    }
    int64_t n_pieces = PIECES_PER_THREAD * n_threads < n_grains ? PIECES_PER_THREAD * n_threads : n_grains;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
#endif
    for (int64_t piece = 0; piece < n_pieces; ++piece) {
        int64_t begin = n_grains * piece / n_pieces * grain;
        int64_t end = n_grains * (piece + 1) / n_pieces * grain;
        kernel(args, begin, end < n_items ? end : n_items);
    }
}
