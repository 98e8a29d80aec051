/* The kernels of dz_join.h for one dtype and level. */

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
