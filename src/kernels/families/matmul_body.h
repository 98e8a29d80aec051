/* out[j] += term[0] * row[j] + term[ts] * row[rs + j] + ... of n terms, in order; eight at a time are added while out[j] is in a
 * register. */
static void DZ_NAME(dz_mm_terms)(const T *term, ptrdiff_t ts, const T *row, ptrdiff_t rs, ptrdiff_t n, T *out, ptrdiff_t width)
{
    ptrdiff_t i = 0, j;
    for (; i + 8 <= n; i += 8, term += 8 * ts, row += 8 * rs) {
        const T s0 = term[0], s1 = term[ts], s2 = term[2 * ts], s3 = term[3 * ts];
        const T s4 = term[4 * ts], s5 = term[5 * ts], s6 = term[6 * ts], s7 = term[7 * ts];
        const T *const r1 = row + rs, *const r2 = r1 + rs, *const r3 = r2 + rs, *const r4 = r3 + rs, *const r5 = r4 + rs;
        const T *const r6 = r5 + rs, *const r7 = r6 + rs;
        DZ_IVDEP
        for (j = 0; j < width; j++) {
            const T a = ((out[j] + s0 * row[j]) + s1 * r1[j]) + s2 * r2[j];
            out[j] = ((((a + s3 * r3[j]) + s4 * r4[j]) + s5 * r5[j]) + s6 * r6[j]) + s7 * r7[j];
        }
    }
    for (; i < n; i++, term += ts, row += rs) {
        const T s = term[0];
        DZ_IVDEP
        for (j = 0; j < width; j++)
            out[j] += s * row[j];
    }
}

static void DZ_NAME(dz_mm_gx)(const char *gy_, const char *w_, char *gx_, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const T *gy = (const T *)gy_, *w = (const T *)w_;
    T *gx = (T *)gx_, wt[DZ_MM_SMALL];
    ptrdiff_t i, j, l;
    if (!acc)
        memset(gx, 0, sizeof(T) * (size_t)(m * k));
    if (m < DZ_MM_FEW) {
        for (i = 0; i < m; i++, gx += k, gy += n)
            for (j = 0; j < n; j++) {
                const T g = gy[j], *const column = w + j;
                for (l = 0; l < k; l++)
                    gx[l] += g * column[l * n];
            }
        return;
    }
    for (l = 0; l < k; l++)
        for (j = 0; j < n; j++)
            wt[j * k + l] = w[l * n + j];
    for (i = 0; i < m; i++)
        DZ_NAME(dz_mm_terms)(gy + i * n, 1, wt, k, n, gx + i * k, k);
}

static void DZ_NAME(dz_mm_gw)(const char *x_, const char *gy_, char *gw_, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const T *x = (const T *)x_, *gy = (const T *)gy_;
    T *gw = (T *)gw_, column[DZ_MM_SMALL];
    ptrdiff_t j, l;
    if (!acc)
        memset(gw, 0, sizeof(T) * (size_t)(k * n));
    if (n == 1) {
        DZ_NAME(dz_mm_terms)(gy, 1, x, k, m, gw, k);
    } else if (m < DZ_MM_FEW && n < 8) {
        for (; m > 0; m--, x += k, gy += n)
            for (j = 0; j < n; j++) {
                const T g = gy[j];
                for (l = 0; l < k; l++)
                    gw[l * n + j] += x[l] * g;
            }
    } else if (n >= 8 || n >= k) {
        for (l = 0; l < k; l++)
            DZ_NAME(dz_mm_terms)(x + l, k, gy, n, m, gw + l * n, n);
    } else { /* x's rows are longer than gw's */
        for (j = 0; j < n; j++) {
            for (l = 0; l < k; l++)
                column[l] = gw[l * n + j];
            DZ_NAME(dz_mm_terms)(gy + j, n, x, k, m, column, k);
            for (l = 0; l < k; l++)
                gw[l * n + j] = column[l];
        }
    }
}

static void DZ_NAME(dz_mm_bias)(char *y_, const char *b_, ptrdiff_t m, ptrdiff_t n)
{
    const T *b = (const T *)b_;
    T *y = (T *)y_;
    ptrdiff_t i, j;
    for (i = 0; i < m; i++, y += n) {
        DZ_IVDEP
        for (j = 0; j < n; j++)
            y[j] += b[j];
    }
}

static void DZ_NAME(dz_mm_outer)(const char *a, ptrdiff_t a0, const char *b_, char *c_, ptrdiff_t m, ptrdiff_t n)
{
    const T *b = (const T *)b_;
    T *c = (T *)c_;
    ptrdiff_t i, j;
    for (i = 0; i < m; i++, c += n) {
        const T s = *(const T *)(a + i * a0);
        DZ_IVDEP
        for (j = 0; j < n; j++)
            c[j] = s * b[j];
    }
}
