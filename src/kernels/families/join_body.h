/* The kernels of families/join.h for one dtype and level. */

/* y[o, i, :] = x[o, 0, :] + … + x[o, i, :], added in that order; backwards: from the last i down. Arrays of (outer, n, row).
 * NumPy goes along the axis for one column at a time, which is slow for rows of any length. */
static void DZ_NAME(dz_cumsum)(char *to, const char *from, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t row, int backwards)
{
    T *y = (T *)to;
    const T *x = (const T *)from;
    const ptrdiff_t step = backwards ? -row : row;
    ptrdiff_t o, i, j;
    if (n == 0 || row == 0)
        return;
    for (o = 0; o < outer; o++) {
        const ptrdiff_t first = (o * n + (backwards ? n - 1 : 0)) * row;
        if (row == 1) {
            T sum = x[first];
            y[first] = sum;
            for (i = 1; i < n; i++) {
                sum += x[first + i * step];
                y[first + i * step] = sum;
            }
            continue;
        }
        memcpy(y + first, x + first, (size_t)row * sizeof(T));
        for (i = 1; i < n; i++) {
            const T *last = y + first + (i - 1) * step, *next = x + first + i * step;
            T *sum = y + first + i * step;
            DZ_IVDEP
            for (j = 0; j < row; j++)
                sum[j] = last[j] + next[j];
        }
    }
}

/* gx[o, i, :] = gy[o, i - 1, :] - gy[o, i, :], 0 where there is none: gy is (outer, n, row), n > 0, and gx (outer, n + 1, row). */
static void DZ_NAME(dz_diff_bwd)(char *to, const char *from, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t row)
{
    T *gx = (T *)to;
    const T *gy = (const T *)from;
    const ptrdiff_t size = n * row;
    ptrdiff_t o, i;
    for (o = 0; o < outer; o++, gx += size + row, gy += size) {
        for (i = 0; i < row; i++)
            gx[i] = -gy[i];
        DZ_IVDEP
        for (i = row; i < size; i++)
            gx[i] = gy[i - row] - gy[i];
        memcpy(gx + size, gy + size - row, (size_t)row * sizeof(T));
    }
}

/* s[o, i, :] = b[o, i, :] + a[o, i, :] * s[o, i - 1, :], where a[o, i, :] stands between i - 1 and i; backwards: from the last i
 * down, b[o, i, :] + a[o, i + 1, :] * s[o, i + 1, :]. Arrays of (outer, n, row). */
static void DZ_NAME(dz_scan)(char *to, const char *factors, const char *terms, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t row,
                             int backwards)
{
    T *s = (T *)to;
    const T *a = (const T *)factors, *b = (const T *)terms;
    const ptrdiff_t step = backwards ? -row : row, between = backwards ? row : 0;
    ptrdiff_t o, i, j;
    if (n == 0 || row == 0)
        return;
    for (o = 0; o < outer; o++) {
        const ptrdiff_t first = (o * n + (backwards ? n - 1 : 0)) * row;
        memcpy(s + first, b + first, (size_t)row * sizeof(T));
        for (i = 1; i < n; i++) {
            const ptrdiff_t at = first + i * step;
            const T *last = s + at - step, *factor = a + at + between, *term = b + at;
            T *sum = s + at;
            DZ_IVDEP
            for (j = 0; j < row; j++)
                sum[j] = term[j] + factor[j] * last[j];
        }
    }
}
