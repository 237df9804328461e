/* Threads: the only file that knows of them.
 *
 * The caller and its helpers take pieces of the batch from a shared counter, and the caller waits for pieces that are
 * being worked on, not for helpers: one that the system has not started yet costs nothing. Nothing spins and nothing
 * outlives the call, so a busy machine or a later fork() does no harm. POSIX threads, because OpenMP promises neither. */
#include "kernels.h"

#ifdef BETAFOLD_NO_THREADS

void run_batch(Kernel kernel, const void *args, int64_t n_items, int64_t grain, double cost, int n_threads)
{
    (void)grain, (void)cost, (void)n_threads;
    kernel(args, 0, n_items);
}

#else

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A helper is worth starting for this much work. */
#define NANOSECONDS_PER_THREAD 200e3
/* More pieces than threads even out rows of unequal cost and cores that are busy with something else. */
#define PIECES_PER_THREAD 16

typedef struct {
    Kernel kernel;
    const void *args;
    int64_t n_items, grain, n_pieces;
    _Atomic int64_t next_piece, unfinished;
    _Atomic int holders; /* the caller and the helpers; the last one frees the job */
    pthread_mutex_t lock;
    pthread_cond_t finished;
} Job;

static void work(Job *job)
{
    int64_t n_grains = (job->n_items + job->grain - 1) / job->grain, piece;
    while ((piece = atomic_fetch_add(&job->next_piece, 1)) < job->n_pieces) {
        int64_t begin = n_grains * piece / job->n_pieces * job->grain;
        int64_t end = n_grains * (piece + 1) / job->n_pieces * job->grain;
        job->kernel(job->args, begin, end < job->n_items ? end : job->n_items);
        if (atomic_fetch_sub(&job->unfinished, 1) == 1) {
            pthread_mutex_lock(&job->lock);
            pthread_cond_signal(&job->finished);
            pthread_mutex_unlock(&job->lock);
        }
    }
}

static void let_go(Job *job)
{
    if (atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    pthread_cond_destroy(&job->finished);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

static void *help(void *job)
{
    work(job);
    let_go(job);
    return NULL;
}

static void start_helpers(Job *job, int count)
{
    pthread_attr_t detached;
    if (pthread_attr_init(&detached))
        return;
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < count; ++i) {
        pthread_t helper;
        atomic_fetch_add(&job->holders, 1);
        if (pthread_create(&helper, &detached, help, job)) {
            atomic_fetch_sub(&job->holders, 1); /* the caller does it all */
            break;
        }
    }
    pthread_attr_destroy(&detached);
}

void run_batch(Kernel kernel, const void *args, int64_t n_items, int64_t grain, double cost, int n_threads)
{
    int64_t n_grains = (n_items + grain - 1) / grain;
    int64_t worthwhile = (int64_t)((double)n_items * cost / NANOSECONDS_PER_THREAD);
    if (n_threads > worthwhile)
        n_threads = (int)worthwhile;
    Job *job = n_threads > 1 && n_grains > 1 ? malloc(sizeof *job) : NULL;
    if (!job) {
        kernel(args, 0, n_items);
        return;
    }
    int64_t n_pieces = PIECES_PER_THREAD * n_threads < n_grains ? PIECES_PER_THREAD * n_threads : n_grains;
    *job = (Job){.kernel = kernel, .args = args, .n_items = n_items, .grain = grain, .n_pieces = n_pieces};
    atomic_init(&job->next_piece, 0);
    atomic_init(&job->unfinished, n_pieces);
    atomic_init(&job->holders, 1);
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->finished, NULL);
    start_helpers(job, n_threads - 1);
    work(job);
    pthread_mutex_lock(&job->lock);
    while (atomic_load(&job->unfinished) > 0)
        pthread_cond_wait(&job->finished, &job->lock);
    pthread_mutex_unlock(&job->lock);
    let_go(job);
}

#endif
