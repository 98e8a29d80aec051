/* The kernels of families/index.h for one dtype and level. */

/* out[o, index[i], :] += gy[o, i, :], i in its order, so that sums over a repeated index are those of np.add.at.
 * out is (outer, len, row), gy (outer, n, row). */
static void DZ_NAME(dz_add_rows)(char *to_rows, const char *from_gy, const ptrdiff_t *index, ptrdiff_t n, ptrdiff_t outer,
                                 ptrdiff_t len, ptrdiff_t row)
{
    T *out = (T *)to_rows;
    const T *gy = (const T *)from_gy;
    ptrdiff_t o, i, j;
    for (o = 0; o < outer; o++, out += len * row, gy += n * row) {
        if (row == 1) {
            for (i = 0; i < n; i++)
                out[index[i] < 0 ? index[i] + len : index[i]] += gy[i];
            continue;
        }
        for (i = 0; i < n; i++) {
            T *to = out + (index[i] < 0 ? index[i] + len : index[i]) * row;
            const T *from = gy + i * row;
            DZ_IVDEP
            for (j = 0; j < row; j++)
                to[j] += from[j];
        }
    }
}

/* The rows of out (n, row) where the mask is set, `count` of them, grow by the rows of gy in turn. */
static void DZ_NAME(dz_add_masked)(char *to_rows, const char *from_gy, const unsigned char *mask, ptrdiff_t count, ptrdiff_t n,
                                   ptrdiff_t row)
{
    T *out = (T *)to_rows;
    const T *gy = (const T *)from_gy, *end = gy + count * row;
    ptrdiff_t i, j;
    if (row == 1) { /* without a branch: what a mask says is hard to predict */
        for (i = 0; i < n && gy < end; i++) {
            const ptrdiff_t set = mask[i] != 0;
            out[i] += set ? *gy : (T)0;
            gy += set;
        }
        return;
    }
    for (i = 0; i < n && gy < end; i++, out += row) {
        if (!mask[i])
            continue;
        DZ_IVDEP
        for (j = 0; j < row; j++)
            out[j] += gy[j];
        gy += row;
    }
}

/* y (count) = the elements of x (n) where the mask is set. */
static void DZ_NAME(dz_take_masked)(char *to, const char *from, const unsigned char *mask, ptrdiff_t count, ptrdiff_t n)
{
    T *y = (T *)to, *end = y + count;
    const T *x = (const T *)from;
    ptrdiff_t i;
    for (i = 0; i < n && y < end; i++) {
        *y = x[i];
        y += mask[i] != 0;
    }
}
