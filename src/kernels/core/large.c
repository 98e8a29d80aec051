/* Loops over large arrays, shared out to threads.
 *
 * Threads wait in a pool and take pieces of one loop at a time; results do not depend on how many there are. Only the thread
 * that called may hold the interpreter's lock, so nothing is shared out while one of NumPy's loops is reached through Python.
 */
#include "core/kernels.h"
#include <string.h>

/* WebAssembly has the functions everywhere, and threads only in a build with -pthread, which defines _REENTRANT. */
#if defined(__GNUC__) && !defined(_WIN32) && (!defined(__wasm__) || defined(_REENTRANT))
#include <pthread.h>
#define DZ_THREADS 1
#endif

#define PIECE (1 << 18)       /* bytes of output */
#define EVEN 512              /* elements */

typedef struct {
    dz_kernel k;
    const dz_args *a;
    unsigned used;
    ptrdiff_t each; /* elements of a piece */
    int even;       /* as dz_even */
    int flush;      /* the mode of the thread that calls is everybody's (dz_set_flush) */
} dz_job;

/* Moves the operands by n elements. */
static void step(dz_args *a, unsigned used, ptrdiff_t n)
{
    int j;
    for (j = 0; j < DZ_NIN; j++)
        if (used & (1u << j))
            a->in[j] += n * a->st[j];
    a->out += n * a->os;
}

/* `even`: the kernel finds y's gradient written out in a buffer that stays in the cache, and needs no loop for one value. */
static void run_even(dz_kernel k, const dz_args *args, unsigned used)
{
    dz_args a = *args;
    union {
        float f32[EVEN];
        double f64[EVEN];
    } buffer;
    ptrdiff_t left, i;
    if (a.os == sizeof(float))
        for (i = 0; i < EVEN && i < a.n; i++)
            buffer.f32[i] = *(const float *)args->in[DZ_GY];
    else
        for (i = 0; i < EVEN && i < a.n; i++)
            buffer.f64[i] = *(const double *)args->in[DZ_GY];
    for (left = args->n; left > 0; left -= EVEN) {
        a.n = left < EVEN ? left : EVEN;
        a.in[DZ_GY] = (const char *)&buffer;
        k(&a);
        step(&a, used, a.n);
    }
}

static void run(const dz_job *job, const dz_args *a)
{
    if (job->even)
        run_even(job->k, a, job->used);
    else
        job->k(a);
}

/* ---- the pool --------------------------------------------------------------------------------------------------------- */

#ifdef DZ_THREADS

#define MAX_THREADS 64

static void do_piece(const dz_job *job, ptrdiff_t piece)
{
    dz_args a = *job->a;
    const ptrdiff_t at = piece * job->each;
    step(&a, job->used, at);
    a.n = a.n - at < job->each ? a.n - at : job->each;
    run(job, &a);
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    int wanted, started; /* threads beside the one that calls */
    int inside;          /* threads that may still touch the job */
    int flags;           /* floating-point exceptions that they met */
    unsigned long turn;  /* counts jobs */
    int busy;
    const dz_job *job;
    ptrdiff_t pieces, next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static void take_pieces(const dz_job *job, ptrdiff_t pieces)
{
    ptrdiff_t i;
    while ((i = __atomic_fetch_add(&pool.next, 1, __ATOMIC_RELAXED)) < pieces)
        do_piece(job, i);
}

static void *worker(void *index)
{
    unsigned long seen = 0;
    const int mine = (int)(intptr_t)index;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (pool.turn == seen || !pool.job || mine >= pool.wanted)
            pthread_cond_wait(&pool.work, &pool.lock);
        seen = pool.turn;
        pool.inside++;
        {
            const dz_job *job = pool.job;
            const ptrdiff_t pieces = pool.pieces;
            pthread_mutex_unlock(&pool.lock);
            dz_fpe_clear();
            dz_set_flush(job->flush);
            take_pieces(job, pieces);
            pthread_mutex_lock(&pool.lock);
        }
        pool.flags |= dz_fpe_test();
        if (--pool.inside == 0)
            pthread_cond_signal(&pool.done);
    }
    return NULL;
}

/* A child process has only the thread that forked. */
static void forget_threads(void)
{
    const int wanted = pool.wanted;
    memset(&pool, 0, sizeof(pool));
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.done, NULL);
    pool.wanted = wanted;
}

/* With the lock held. Threads that cannot be had are done without. */
static void start_threads(void)
{
    static int registered;
    pthread_attr_t attr;
    if (!registered)
        registered = pthread_atfork(NULL, NULL, forget_threads) == 0;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    while (registered && pool.started < pool.wanted) {
        pthread_t thread;
        if (pthread_create(&thread, &attr, worker, (void *)(intptr_t)pool.started) != 0)
            break;
        pool.started++;
    }
    pthread_attr_destroy(&attr);
}

/* 0, having done nothing, when there is nobody to share with, or another thread's loop has the pool. */
static int shared_out(const dz_job *job, ptrdiff_t pieces)
{
    if (pool.wanted == 0 || dz_np.python)
        return 0;
    pthread_mutex_lock(&pool.lock);
    if (pool.busy) {
        pthread_mutex_unlock(&pool.lock);
        return 0;
    }
    if (pool.started < pool.wanted)
        start_threads();
    pool.busy = 1;
    pool.job = job;
    pool.pieces = pieces;
    __atomic_store_n(&pool.next, 0, __ATOMIC_RELAXED);
    pool.flags = 0;
    pool.turn++;
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    take_pieces(job, pieces);
    pthread_mutex_lock(&pool.lock);
    pool.job = NULL; /* who wakes up now has come too late */
    while (pool.inside > 0)
        pthread_cond_wait(&pool.done, &pool.lock);
    dz_fpe_raise(pool.flags);
    pool.busy = 0;
    pthread_mutex_unlock(&pool.lock);
    return 1;
}

int dz_set_threads(int n)
{
    n = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
    pthread_mutex_lock(&pool.lock);
    pool.wanted = n - 1;
    pthread_mutex_unlock(&pool.lock);
    return n;
}

int dz_get_threads(void) { return pool.wanted + 1; }

#else

static int shared_out(const dz_job *job, ptrdiff_t pieces)
{
    (void)job, (void)pieces;
    return 0;
}

int dz_set_threads(int n)
{
    (void)n;
    return 1;
}

int dz_get_threads(void) { return 1; }

#endif

static void large(dz_kernel k, dz_args *a, unsigned used, int even)
{
    dz_job job;
    job.k = k;
    job.a = a;
    job.used = used;
    job.even = even;
    job.flush = dz_flushes();
    job.each = PIECE / a->os;
    if (a->n * a->os < DZ_LONG || !shared_out(&job, (a->n + job.each - 1) / job.each))
        run(&job, a);
}

void dz_large(dz_kernel k, dz_args *a, unsigned used) { large(k, a, used, 0); }

void dz_even(dz_kernel k, dz_args *a, unsigned used)
{
    a->st[DZ_GY] = a->os; /* in the buffer */
    large(k, a, used & ~(1u << DZ_GY), 1);
}
