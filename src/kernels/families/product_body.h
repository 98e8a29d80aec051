/* Included by core/levels.h for families/matmul.h. T, DZ_NAME: see there. Small products by loops of our own.
 *
 * A tile of the result stays in registers, so many rows by so many vectors, while the terms are added in the order of k. Each
 * element is one chain, whatever tile it is in: its bits do not depend on m, n, the layout of a, or the width of a vector.
 * Multiplications are fused with additions at every level but x86-64's base.
 */
#if defined(__GNUC__) && !(defined(__x86_64__) && DZ_VECTOR == 16) /* there BLAS has wider vectors */

#ifndef DZ_TILES
#define DZ_TILES
#define DZ_ROWS_AT_ONCE 64
#if defined(__clang__)
#define DZ_CONTRACTS _Pragma("clang fp contract(fast)")
#define DZ_UNROLLED _Pragma("clang loop unroll(full)")
#else
#define DZ_CONTRACTS
#define DZ_UNROLLED _Pragma("GCC unroll 8") /* or the tile would not stay in registers */
#endif

/* A function for tiles of R rows by NV vectors; strides in elements. */
#define DZ_TILE(V, R, NV)                                                                                            \
    DZ_INLINE void DZ_NAME(dz_tile_##V##_##R##_##NV)(const T *a, ptrdiff_t a0, ptrdiff_t a1, const T *b, ptrdiff_t b0, \
                                                     T *c, ptrdiff_t ldc, ptrdiff_t k, int acc)                      \
    {                                                                                                                \
        DZ_CONTRACTS                                                                                                 \
        enum { LANES = sizeof(DZ_NAME(V)) / sizeof(T) };                                                             \
        DZ_NAME(V) t[R][NV];                                                                                         \
        ptrdiff_t l;                                                                                                 \
        int r, v;                                                                                                    \
        DZ_UNROLLED                                                                                                  \
        for (r = 0; r < R; r++) {                                                                                    \
            DZ_UNROLLED                                                                                              \
            for (v = 0; v < NV; v++)                                                                                 \
                if (acc)                                                                                             \
                    t[r][v] = *(const DZ_NAME(V##_at) *)(c + r * ldc + v * LANES);                                   \
                else                                                                                                 \
                    t[r][v] = (DZ_NAME(V)){0};                                                                       \
        }                                                                                                            \
        for (l = 0; l < k; l++, a += a1, b += b0) {                                                                  \
            DZ_UNROLLED                                                                                              \
            for (r = 0; r < R; r++) {                                                                                \
                DZ_UNROLLED                                                                                          \
                for (v = 0; v < NV; v++)                                                                             \
                    t[r][v] = a[r * a0] * *(const DZ_NAME(V##_at) *)(b + v * LANES) + t[r][v];                       \
            }                                                                                                        \
        }                                                                                                            \
        DZ_UNROLLED                                                                                                  \
        for (r = 0; r < R; r++) {                                                                                    \
            DZ_UNROLLED                                                                                              \
            for (v = 0; v < NV; v++)                                                                                 \
                *(DZ_NAME(V##_at) *)(c + r * ldc + v * LANES) = t[r][v];                                             \
        }                                                                                                            \
    }

#define DZ_ROWS(V, R, NV)                                                                                            \
    for (; i + R <= m; i += R)                                                                                       \
        DZ_NAME(dz_tile_##V##_##R##_##NV)(a + i * a0, a0, a1, b, b0, c + i * ldc, ldc, k, acc);

/* NV vectors of columns, all rows, as many at once as there are registers for. */
#define DZ_PANEL(V, NV, MORE)                                                                                        \
    DZ_CALLED void DZ_NAME(dz_panel_##V##_##NV)(const T *a, ptrdiff_t a0, ptrdiff_t a1, const T *b, ptrdiff_t b0, T *c, \
                                                ptrdiff_t ldc, ptrdiff_t m, ptrdiff_t k, int acc)                    \
    {                                                                                                                \
        ptrdiff_t i = 0;                                                                                             \
        MORE                                                                                                         \
        DZ_ROWS(V, 2, NV)                                                                                            \
        DZ_ROWS(V, 1, NV)                                                                                            \
    }
#endif

#undef DZ_TALL
#undef DZ_MOST_ROWS
#if DZ_VECTOR == 64 || defined(__aarch64__) /* 32 registers */
#define DZ_TALL 1
#define DZ_MOST_ROWS(V, NV) DZ_ROWS(V, 8, NV) DZ_ROWS(V, 4, NV)
#else
#define DZ_TALL 0
#define DZ_MOST_ROWS(V, NV) DZ_ROWS(V, 6, NV) DZ_ROWS(V, 4, NV)
#endif

#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

typedef T DZ_NAME(dz_row) __attribute__((vector_size(DZ_VECTOR)));
typedef T DZ_NAME(dz_row_at) __attribute__((vector_size(DZ_VECTOR), aligned(sizeof(T)), may_alias));
typedef T DZ_NAME(dz_few) __attribute__((vector_size(16)));
typedef T DZ_NAME(dz_few_at) __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));

#if DZ_TALL
DZ_TILE(dz_row, 8, 2)
DZ_TILE(dz_row, 8, 1)
DZ_TILE(dz_few, 8, 1)
#else
DZ_TILE(dz_row, 6, 2)
DZ_TILE(dz_row, 6, 1)
DZ_TILE(dz_few, 6, 1)
#endif
DZ_TILE(dz_row, 4, 2)
DZ_TILE(dz_row, 4, 1)
DZ_TILE(dz_few, 4, 1)
DZ_TILE(dz_row, 2, 4)
DZ_TILE(dz_row, 2, 2)
DZ_TILE(dz_row, 2, 1)
DZ_TILE(dz_few, 2, 1)
DZ_TILE(dz_row, 1, 4)
DZ_TILE(dz_row, 1, 2)
DZ_TILE(dz_row, 1, 1)
DZ_TILE(dz_few, 1, 1)

DZ_PANEL(dz_row, 4, )
DZ_PANEL(dz_row, 2, DZ_MOST_ROWS(dz_row, 2))
DZ_PANEL(dz_row, 1, DZ_MOST_ROWS(dz_row, 1))
DZ_PANEL(dz_few, 1, DZ_MOST_ROWS(dz_few, 1))

#if !defined(__clang__)
#pragma GCC pop_options
#endif

/* c (+)= a b for a block of rows, b's rows side by side, n at least a `few`. */
DZ_INLINE void DZ_NAME(dz_mm_block)(const T *a, ptrdiff_t a0, ptrdiff_t a1, const T *b, ptrdiff_t b0, T *c, ptrdiff_t m, ptrdiff_t k,
                                    ptrdiff_t n, int acc)
{
    enum { WIDE = sizeof(DZ_NAME(dz_row)) / sizeof(T), FEW = sizeof(DZ_NAME(dz_few)) / sizeof(T) };
    const ptrdiff_t lanes = n >= WIDE ? WIDE : FEW, rest = n % lanes;
    T last[DZ_ROWS_AT_ONCE * WIDE];
    ptrdiff_t i, j = 0;
    /* The columns that are left over are the end of a whole vector, which begins among those before it. */
    if (rest && acc) {
        for (i = 0; i < m; i++)
            memcpy(last + i * lanes, c + i * n + n - lanes, (size_t)lanes * sizeof(T));
        if (lanes == WIDE)
            DZ_NAME(dz_panel_dz_row_1)(a, a0, a1, b + n - lanes, b0, last, lanes, m, k, 1);
        else
            DZ_NAME(dz_panel_dz_few_1)(a, a0, a1, b + n - lanes, b0, last, lanes, m, k, 1);
    }
    if (lanes == FEW && FEW != WIDE) {
        for (; j + FEW <= n; j += FEW)
            DZ_NAME(dz_panel_dz_few_1)(a, a0, a1, b + j, b0, c + j, n, m, k, acc);
    } else {
        for (; m <= 3 && j + 4 * WIDE <= n; j += 4 * WIDE)
            DZ_NAME(dz_panel_dz_row_4)(a, a0, a1, b + j, b0, c + j, n, m, k, acc);
        for (; j + 2 * WIDE <= n; j += 2 * WIDE)
            DZ_NAME(dz_panel_dz_row_2)(a, a0, a1, b + j, b0, c + j, n, m, k, acc);
        for (; j + WIDE <= n; j += WIDE)
            DZ_NAME(dz_panel_dz_row_1)(a, a0, a1, b + j, b0, c + j, n, m, k, acc);
    }
    if (rest && acc)
        for (i = 0; i < m; i++)
            memcpy(c + (i + 1) * n - rest, last + (i + 1) * lanes - rest, (size_t)rest * sizeof(T));
    else if (rest && lanes == WIDE)
        DZ_NAME(dz_panel_dz_row_1)(a, a0, a1, b + n - lanes, b0, c + n - lanes, n, m, k, 0);
    else if (rest)
        DZ_NAME(dz_panel_dz_few_1)(a, a0, a1, b + n - lanes, b0, c + n - lanes, n, m, k, 0);
}

/* c (+)= a b; strides in bytes, n at least a `few`; of a b whose columns lie side by side a copy is made, of DZ_MM_SMALL elements at
 * most. */
static void DZ_NAME(dz_mm_own)(const char *a_, ptrdiff_t a0, ptrdiff_t a1, const char *b_, ptrdiff_t b0, ptrdiff_t b1, char *c_,
                               ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const T *a = (const T *)a_, *b = (const T *)b_;
    T *c = (T *)c_, turned[DZ_MM_SMALL];
    const ptrdiff_t item = sizeof(T);
    ptrdiff_t i, j, l;
    a0 /= item, a1 /= item, b0 /= item, b1 /= item;
    if (b1 != 1) {
        for (j = 0; j + 4 <= n; j += 4) {
            const T *const p = b + j * b1, *const q = p + b1, *const r = q + b1, *const s = r + b1;
            for (l = 0; l < k; l++) {
                T *const to = turned + l * n + j;
                to[0] = p[l], to[1] = q[l], to[2] = r[l], to[3] = s[l];
            }
        }
        for (; j < n; j++)
            for (l = 0; l < k; l++)
                turned[l * n + j] = b[j * b1 + l];
        b = turned;
        b0 = n;
    }
    for (i = 0; i < m; i += DZ_ROWS_AT_ONCE)
        DZ_NAME(dz_mm_block)(a + i * a0, a0, a1, b, b0, c + i * n, m - i < DZ_ROWS_AT_ONCE ? m - i : DZ_ROWS_AT_ONCE, k, n, acc);
}

#else

static void DZ_NAME(dz_mm_own)(const char *a, ptrdiff_t a0, ptrdiff_t a1, const char *b, ptrdiff_t b0, ptrdiff_t b1, char *c,
                               ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    (void)a, (void)a0, (void)a1, (void)b, (void)b0, (void)b1, (void)c, (void)m, (void)k, (void)n, (void)acc;
}

#endif
