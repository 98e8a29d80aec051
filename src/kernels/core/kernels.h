/* What the kernels show to the engine: the call convention, the table of elementwise operations, the loops over
 * several axes, reductions, and the choice of SIMD level.
 *
 * Nothing below this header knows Python. A kernel works on raw buffers that the engine keeps alive, never allocates,
 * never fails, and may run without the interpreter's lock.
 */
#ifndef DZ_KERNELS_H
#define DZ_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include "core/machine.h"
#include "generated/numpy_loops.h"
#include "generated/simd.h"

#define DZ_MAXDIM 64 /* NumPy's own limit */
#define DZ_F32 0
#define DZ_F64 1
#define DZ_MAXTEN 22 /* powers of ten up to this one are exact in float64; the kernel of `round` goes no further */

/* The places of dz_args.in: the arguments of the operation, the value that it gave, the gradient of that value. */
enum { DZ_X0, DZ_X1, DZ_X2, DZ_Y, DZ_GY, DZ_NIN, DZ_GX1 = DZ_X2 /* a `both` kernel writes x1's gradient there */ };

typedef struct {
    ptrdiff_t n;              /* elements */
    const char *in[DZ_NIN];   /* only the places that the kernel's `uses` mask names are read */
    ptrdiff_t st[DZ_NIN];     /* their strides in bytes; 0 repeats one value */
    char *out;
    ptrdiff_t os;
    int acc;                  /* 0: out = e; 1: out = out + e (backward kernels only) */
    const double *p;          /* the scalar parameters of the operation, in its class's order */
} dz_args;

typedef void (*dz_kernel)(const dz_args *);

typedef struct {
    const char *name;
    int nin;
    int nparam;
    dz_kernel fwd[2];                 /* by dtype: DZ_F32, DZ_F64 */
    dz_kernel bwd[3][2];              /* by argument and dtype; NULL: that argument has no gradient */
    unsigned char uses[3];            /* places that bwd[k] reads, a bit each */
    unsigned char passes_gy[3];       /* bwd[k] is the identity: gx may be gy itself */
    unsigned char checks[3];          /* floating-point flags after bwd[k] mean what NumPy would warn of */
    dz_kernel both[2];                /* bwd[0] and bwd[1] in one loop, all contiguous, acc 0; NULL where there is none */
    unsigned char uses_both;
} dz_op;

/* Elementary functions over n values, which the families call: by dtype, at one SIMD level, in the bits of the operations. y may be
 * x. */
typedef struct {
    void (*exp[2])(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy); /* with strides in bytes */
    void (*log[2])(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy);
    void (*tanh[2])(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy);
    void (*sigmoid[2])(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy);
    void (*exp_chunk[2])(ptrdiff_t n, const char *x, char *y); /* side by side, n <= DZ_CHUNK, none beyond dz_exp_beyond */
    dz_machine machine;
    dz_wide_machine wide;
} dz_passes;

/* Which axes dz_map_sum sums. */
enum { DZ_SUM_OVER_ROWS, DZ_SUM_OVER_COLS };

#ifndef DZ_CLIENT

/* Runs a kernel over an array of nd axes; st[j] are the byte strides of in[j], os those of out. Axes that lie
 * contiguously in every operand are merged first. `a` holds the pointers, acc and p; its n and strides are scratch. */
void dz_map(dz_kernel k, dz_args *a, unsigned used, int nd, const ptrdiff_t *shape,
            const ptrdiff_t *const st[DZ_NIN], const ptrdiff_t *os);

/* Runs a kernel over one axis by as many threads as are set (core/large.c); `used` as in dz_map. */
void dz_large(dz_kernel k, dz_args *a, unsigned used);
/* The same for a backward kernel where all else is contiguous and y's gradient is one value for all elements, as under a sum. */
void dz_even(dz_kernel k, dz_args *a, unsigned used);
/* Threads that a long loop is shared out to, the calling one included; what is possible is returned. */
int dz_set_threads(int n);
int dz_get_threads(void);

/* Sums what a kernel gives over the first `lead` axes (out has the others), or over the others (out has the first), in
 * the order of dz_sum_rows and dz_sum_cols, without a whole array in between. Returns 0, having done nothing, where an
 * operand's axes on one side cannot be walked with one stride, or there is nothing to sum. */
int dz_map_sum(dz_kernel k, const dz_args *a, unsigned used, int dtype, int nd, const ptrdiff_t *shape,
               const ptrdiff_t *const st[DZ_NIN], int lead, int how, char *out, int acc);

#endif /* DZ_CLIENT */

/* NumPy's inner loops, set once when the engine is imported. fn is one of the DZ_FN_ codes; a loop has NumPy's
 * signature. Every entry is set: where NumPy's own loop cannot be taken the engine gives one that calls the ufunc. */
typedef void (*dz_np_loop)(char **args, const ptrdiff_t *n, const ptrdiff_t *strides, void *data);

typedef struct {
    dz_np_loop loop[DZ_NFN][2];
    void *data[DZ_NFN][2];
    int python; /* some of them call Python, and need the interpreter's lock */
    void (*gemm[2])(void); /* cblas_sgemm and cblas_dgemm with 64-bit integers, where NumPy brings such; else NULL, both */
#ifdef __wasm__
    int raised; /* in place of the flags that WebAssembly does not have */
#endif
} dz_np_table;

#ifndef DZ_CLIENT

extern dz_np_table dz_np;
extern const dz_tapes dz_tape_functions;
extern const dz_worker dz_workers[]; /* core/works.c */

/* Sum of n values with stride st, in NumPy's pairwise order. */
double dz_sum_f64(const char *x, ptrdiff_t n, ptrdiff_t st);
float dz_sum_f32(const char *x, ptrdiff_t n, ptrdiff_t st);
/* out[j] (+)= sum over i of x[i, j], x C-contiguous (rows, cols): row after row, as NumPy adds along a leading axis. */
void dz_sum_rows(int dtype, const char *x, ptrdiff_t rows, ptrdiff_t cols, char *out, int acc);
/* out[i] (+)= sum over j of x[i, j], each row pairwise. */
void dz_sum_cols(int dtype, const char *x, ptrdiff_t rows, ptrdiff_t cols, char *out, int acc);

/* SIMD levels: the table's ops are those of the chosen one. dz_select returns 0, or -1 for a level that this build
 * or this processor does not have; dz_level_name(i) is NULL past the last that can be chosen. */
int dz_select(const char *name);
const char *dz_level(void);
const char *dz_level_name(int i);
const char *dz_level_best(void); /* the one to begin with */

#endif /* DZ_CLIENT */

/* The kernels are linked into the engine's module alone. The other modules, compiled with DZ_CLIENT, reach them through
 * this table, which they get from the engine when they are imported (dz_bind). */
typedef struct {
    const dz_op *ops;
    const dz_passes *passes;
    void (*large)(dz_kernel, dz_args *, unsigned);
    void (*even)(dz_kernel, dz_args *, unsigned);
    void (*map)(dz_kernel, dz_args *, unsigned, int, const ptrdiff_t *, const ptrdiff_t *const *, const ptrdiff_t *);
    int (*map_sum)(dz_kernel, const dz_args *, unsigned, int, int, const ptrdiff_t *, const ptrdiff_t *const *, int, int,
                   char *, int);
    void (*sum_rows)(int, const char *, ptrdiff_t, ptrdiff_t, char *, int);
    void (*sum_cols)(int, const char *, ptrdiff_t, ptrdiff_t, char *, int);
    dz_np_table *np;
    const dz_tapes *tapes;
    int level; /* the number of the SIMD level in use: 0 for base, above it those of src/simd.toml in their order */
} dz_api;

#ifdef DZ_CLIENT
#ifdef __GNUC__
__attribute__((unused))
#endif
static const dz_api *dz_client;
#define dz_bind(api) (dz_client = (const dz_api *)(api))
#define dz_ops (dz_client->ops)
#define dz_large (dz_client->large)
#define dz_even (dz_client->even)
#define dz_map (dz_client->map)
#define dz_map_sum (dz_client->map_sum)
#define dz_sum_rows (dz_client->sum_rows)
#define dz_sum_cols (dz_client->sum_cols)
#define dz_np (*dz_client->np)
#define dz_tape_functions (*dz_client->tapes)
#else
extern dz_api dz_table; /* its ops and passes are those of the level in use */
#endif

#define DZ_LONG 2097152 /* bytes of output; below, waking a thread costs more than it does */

/* dz_large, but for outputs that are not worth it. */
static inline void dz_flat(dz_kernel k, dz_args *a, unsigned used)
{
    if (a->n * a->os < DZ_LONG)
        k(a);
    else
        dz_large(k, a, used);
}

/* Floating-point exceptions raised since the last clear: 1 invalid, 4 divide by zero, 8 overflow. */
#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
/* Loops on x86-64 use SSE and AVX alone, so this control word tells all; fetestexcept would read the x87 unit too. */
static inline int dz_fpe_test(void) { return (int)(_mm_getcsr() & 0x0du); }
static inline void dz_fpe_clear(void) { _mm_setcsr(_mm_getcsr() & ~0x0du); }
static inline void dz_fpe_raise(int flags) { _mm_setcsr(_mm_getcsr() | (unsigned)flags); }
/* Underflow apart: of Variables nobody is told of it; NumPy looks at it where np.errstate says so. */
static inline int dz_under_test(void) { return (int)(_mm_getcsr() & 0x10u); }
static inline void dz_under_clear(void)
{
    if (_mm_getcsr() & 0x10u)
        _mm_setcsr(_mm_getcsr() & ~0x10u);
}
#elif defined(__wasm__)
/* WebAssembly's arithmetic raises none, as of NumPy's loops there; what is left is what a loop through Python says of itself. */
static inline int dz_fpe_test(void) { return dz_np.raised; }
static inline void dz_fpe_clear(void) { dz_np.raised = 0; }
static inline int dz_under_test(void) { return 0; }
static inline void dz_under_clear(void) {}
static inline void dz_fpe_raise(int flags) { dz_np.raised |= flags; }
#else
#include <fenv.h>
static inline int dz_fpe_test(void)
{
    const int f = fetestexcept(FE_DIVBYZERO | FE_OVERFLOW | FE_INVALID);
    return (f & FE_INVALID ? 1 : 0) | (f & FE_DIVBYZERO ? 4 : 0) | (f & FE_OVERFLOW ? 8 : 0);
}
static inline void dz_fpe_clear(void) { feclearexcept(FE_DIVBYZERO | FE_OVERFLOW | FE_INVALID); }
static inline int dz_under_test(void) { return fetestexcept(FE_UNDERFLOW); }
static inline void dz_under_clear(void) { feclearexcept(FE_UNDERFLOW); }
static inline void dz_fpe_raise(int flags)
{
    feraiseexcept((flags & 1 ? FE_INVALID : 0) | (flags & 4 ? FE_DIVBYZERO : 0) | (flags & 8 ? FE_OVERFLOW : 0));
}
#endif

/* Whether this thread's arithmetic takes numbers below the smallest normal one, and gives results there, as 0. Setting it
 * returns 0 where the processor has no such mode that is known here. */
#if defined(__x86_64__) || defined(_M_X64)
#define DZ_FLUSH 0x8040u /* denormals are zero, flush to zero */
static inline int dz_flushes(void) { return (_mm_getcsr() & DZ_FLUSH) == DZ_FLUSH; }
static inline int dz_set_flush(int on)
{
    const unsigned csr = _mm_getcsr();
    _mm_setcsr(on ? csr | DZ_FLUSH : csr & ~DZ_FLUSH);
    return 1;
}
#elif defined(__aarch64__) && defined(__GNUC__)
#define DZ_FLUSH (UINT64_C(1) << 24)
static inline int dz_flushes(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (fpcr & DZ_FLUSH) != 0;
}
static inline int dz_set_flush(int on)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = on ? fpcr | DZ_FLUSH : fpcr & ~DZ_FLUSH;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
    return 1;
}
#else
static inline int dz_flushes(void) { return 0; }
static inline int dz_set_flush(int on) { return !on; }
#endif

/* Clears what arithmetic before has left, for a look at the flags after what follows; 0 where the thread flushes. In one look
 * where the control word has both; and writing it takes longer than looking. */
#if defined(__x86_64__) || defined(_M_X64)
static inline int dz_fpe_begin(void)
{
    const unsigned csr = _mm_getcsr();
    if (csr & 0x0du)
        _mm_setcsr(csr & ~0x0du);
    return (csr & DZ_FLUSH) != DZ_FLUSH;
}
#else
static inline int dz_fpe_begin(void)
{
    if (dz_fpe_test())
        dz_fpe_clear();
    return !dz_flushes();
}
#endif

#endif
