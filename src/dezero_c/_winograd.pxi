# The room of _conv.pyx for 3 x 3 windows of stride 1 over many channels, in float32: Winograd's F(2x4, 3x3).
#
# A tile of 2 x 4 outputs is made of 4 x 6 products in place of 72, so that a convolution is 24 products of matrices (filters,
# channels) and (channels, tiles), a third of the work of the GEMM way. The gradient of the images is the same with the weights
# turned; that of the weights has products over the tiles. What Winograd's sums would spoil goes the GEMM way (`within`).

cdef extern from "families/winograd.h":
    ctypedef struct dz_tiles:
        ptrdiff_t channels, h, w, ph, pw, tw, i0, i1, ld, step

    double dz_wino_largest(const char *, ptrdiff_t) noexcept
    void dz_wino_weights(const char *, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept
    void dz_wino_in(const char *, char *, char *, const dz_tiles *) noexcept
    void dz_wino_out(const char *, const char *, char *, char *, const dz_tiles *) noexcept
    void dz_wino_grad(const char *, char *, char *, const dz_tiles *) noexcept
    void dz_wino_gw(const char *, char *, ptrdiff_t, ptrdiff_t) noexcept

cdef extern from "families/matmul.h" nogil:
    int dz_mm_add(int, const char *, ptrdiff_t, ptrdiff_t, const char *, ptrdiff_t, ptrdiff_t, char *, ptrdiff_t, ptrdiff_t,
                  ptrdiff_t) noexcept

cdef enum:
    WINO = 24               # matrices
    WINO_CHANNELS = 32      # with fewer on either side the transforms cost more than the products save,
    WINO_LEAST = 96         # and so do weights that few tiles share
    WINO_TILES = 196        # columns of a matrix: with more, a block's 24 leave the cache
    WINO_WIDEST = 4096      # columns of an image, whose tile rows are not cut
    # What one product sums over, in y, in gx and in gW. A sum in float32 loses with its length, and the transforms multiply the
    # loss; the GEMM way's sums are shortest in gx, whose windows are added after the products.
    DEEP_Y = 128
    DEEP_X = 24
    DEEP_W = 64
    HELD = 8                # products that are summed by themselves in gW before they join the others, for the same reason

cdef bint winograd_on = os.environ.get("DEZERO_C_WINOGRAD") != "0"


cdef ptrdiff_t apart(ptrdiff_t elements) noexcept:
    """Elements from one of the 24 matrices to the next: an odd number of cache lines, since the kernels write to all 24 at once
    and powers of two would share one set of the cache."""
    return ((elements + 15) // 16 | 1) * 16


cdef object stacked(object a, ptrdiff_t rows, ptrdiff_t cols):
    """The 24 matrices in a's memory."""
    cdef cnp.npy_intp dims[3]
    cdef cnp.npy_intp strides[3]
    dims[0], dims[1], dims[2] = WINO, rows, cols
    strides[0], strides[1], strides[2] = apart(rows * cols) * sizeof(float), cols * sizeof(float), sizeof(float)
    return cnp.PyArray_New(cnp.ndarray, 3, dims, cnp.NPY_FLOAT, strides, cnp.PyArray_BYTES(a), 0, cnp.NPY_ARRAY_BEHAVED, None)


cdef bint winograd_takes(const dz_window *w, int dt, ptrdiff_t groups, ptrdiff_t oc) noexcept:
    return winograd_on and dt == DZ_F32 and groups == 1 and w.kh == w.kw == 3 and w.sh == w.sw == w.dh == w.dw == 1 \
        and w.ph <= 2 and w.pw <= 2 and w.c >= WINO_CHANNELS and oc >= WINO_CHANNELS


cdef bint winograd_pays(ptrdiff_t n, ptrdiff_t h, ptrdiff_t w) noexcept:
    """Whether n outputs of h x w are enough tiles, a tenth of which at most lies beyond the border."""
    cdef ptrdiff_t tiles = n * ((h + 1) // 2) * ((w + 3) // 4)
    return tiles >= WINO_LEAST and w <= WINO_WIDEST and 10 * n * h * w >= 9 * 8 * tiles


cdef bint within(object a) noexcept:
    """Whether the values lie where no sum or product of the transforms overflows or loses bits to underflow, whichever other
    array that is `within` they meet. In particular: none is nan or infinite."""
    cdef double m
    if a is None:
        return False
    m = dz_wino_largest(cnp.PyArray_BYTES(a), cnp.PyArray_SIZE(a))
    return 2.0 ** -60 <= m <= 2.0 ** 40


cdef int add_products(object a, object b, object out, bint first) except -1:
    """out = a @ b, or where it is not the first, out += a @ b, for the 24 matrices of each. BLAS adds by itself where NumPy's
    can be reached (dz_mm_add): the same bits as a sum of arrays, without going through memory once more."""
    cdef ptrdiff_t k = 0, m = a.shape[1], n = b.shape[2], deep = a.shape[2]
    cdef cnp.npy_intp *s = cnp.PyArray_STRIDES(a)
    cdef cnp.npy_intp *t = cnp.PyArray_STRIDES(b)
    cdef cnp.npy_intp *u = cnp.PyArray_STRIDES(out)
    cdef char *ap = cnp.PyArray_BYTES(a)
    cdef char *bp = cnp.PyArray_BYTES(b)
    cdef char *cp = cnp.PyArray_BYTES(out)
    if first:
        quietly(a, b, out)
        return 0
    with nogil:
        while k < WINO and dz_mm_add(DZ_F32, ap + k * s[0], s[1], s[2], bp + k * t[0], t[1], t[2], cp + k * u[0], m, deep, n):
            k += 1
    if k == 0:
        np.add(out, quietly(a, b), out=out)
    return 0


cdef class Blocks:
    """The tiles of all images in blocks of up to WINO_TILES columns: whole images together, or tile rows of one."""

    cdef ptrdiff_t th, tw, together, deep, tiles
    cdef object room

    def __cinit__(self, ptrdiff_t n, ptrdiff_t oh, ptrdiff_t ow):
        self.th, self.tw = (oh + 1) // 2, (ow + 3) // 4
        self.together = min(n, max(1, WINO_TILES // (self.th * self.tw)))
        self.deep = min(self.th, max(1, WINO_TILES // self.tw))
        self.tiles = self.together * self.deep * self.tw
        self.room = new_array((12 * (self.deep + 1) * self.tw + 4 * self.tw + 4 + WINO * self.deep * self.tw,), DZ_F32)

    cdef object stack(self, ptrdiff_t channels):
        return new_array((WINO * apart(channels * self.tiles),), DZ_F32)

    cdef void each(self, int what, const char *image, char *stack, const char *b, ptrdiff_t n, ptrdiff_t m, dz_tiles *t) noexcept:
        """One kernel for the m images from n on; the columns of one follow those of the one before."""
        cdef ptrdiff_t k, here = (t.i1 - t.i0) * t.tw
        cdef char *room = cnp.PyArray_BYTES(self.room)
        cdef char *image_k
        t.ld = m * here
        t.step = apart(t.channels * t.ld)
        for k in range(m):
            image_k = <char *> image + (n + k) * t.channels * t.h * t.w * sizeof(float)
            if what == 0:
                dz_wino_in(image_k, stack + k * here * sizeof(float), room, t)
            elif what == 1:
                dz_wino_out(stack + k * here * sizeof(float), b, image_k, room, t)
            else:
                dz_wino_grad(image_k, stack + k * here * sizeof(float), room, t)


cdef dz_tiles tiles_of(ptrdiff_t channels, ptrdiff_t h, ptrdiff_t w, ptrdiff_t ph, ptrdiff_t pw, ptrdiff_t tw) noexcept:
    cdef dz_tiles t
    t.channels, t.h, t.w, t.ph, t.pw, t.tw = channels, h, w, ph, pw, tw
    t.i0 = t.i1 = t.ld = t.step = 0
    return t


cdef object winograd(ptrdiff_t n, object x, object W, object b, ptrdiff_t oh, ptrdiff_t ow, ptrdiff_t ph, ptrdiff_t pw,
                     bint turned):
    """x (n, c, h, w) convolved with W to (n, o, oh, ow); turned: with W (c, o, 3, 3) turned by 180 degrees."""
    cdef ptrdiff_t c = x.shape[1], o = W.shape[1 if turned else 0], i, m, r, cols, k, k0, k1
    cdef ptrdiff_t deep = DEEP_X if turned else DEEP_Y, pieces = (c + deep - 1) // deep
    cdef Blocks blocks = Blocks(n, oh, ow)
    cdef object U = new_array((WINO * apart(o * c),), DZ_F32), Us = stacked(U, o, c), y = new_array((n, o, oh, ow), DZ_F32)
    cdef object V = blocks.stack(c), M = blocks.stack(o), Vs, Ms
    cdef dz_tiles tin = tiles_of(c, x.shape[2], x.shape[3], ph, pw, blocks.tw), tout = tiles_of(o, oh, ow, 0, 0, blocks.tw)
    dz_wino_weights(cnp.PyArray_BYTES(W), cnp.PyArray_BYTES(U), W.shape[0], W.shape[1], apart(o * c), turned)
    i = 0
    while i < n:
        m = min(blocks.together, n - i)
        r = 0
        while r < blocks.th:
            tin.i0 = tout.i0 = r
            tin.i1 = tout.i1 = min(r + blocks.deep, blocks.th)
            cols = m * (tin.i1 - r) * blocks.tw
            blocks.each(0, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(V), NULL, i, m, &tin)
            Vs = stacked(V, c, cols)
            Ms = stacked(M, o, cols)
            for k in range(pieces):
                k0, k1 = c * k // pieces, c * (k + 1) // pieces
                add_products(Us[:, :, k0:k1], Vs[:, k0:k1], Ms, k == 0)
            blocks.each(1, cnp.PyArray_BYTES(y), cnp.PyArray_BYTES(M), NULL if b is None else cnp.PyArray_BYTES(b), i, m, &tout)
            r = tin.i1
        i += m
    return y


cdef object winograd_gW(const dz_window *w, object x, object gy):
    """The gradient of the weights: products over the tiles of each block, added in two steps."""
    cdef ptrdiff_t o = gy.shape[1], c = w.c, i, m, r, cols, k, k0, k1, pieces, held = 0
    cdef Blocks blocks = Blocks(w.n, w.oh, w.ow)
    cdef object S = new_array((WINO * apart(o * c),), DZ_F32), Ss = stacked(S, o, c), gW = new_array((o, c, 3, 3), DZ_F32)
    cdef object V = blocks.stack(c), M = blocks.stack(o), Vs, Ms, P, Ps = None
    cdef dz_tiles tin = tiles_of(c, w.h, w.w, w.ph, w.pw, blocks.tw), tout = tiles_of(o, w.oh, w.ow, 0, 0, blocks.tw)
    i = 0
    while i < w.n:
        m = min(blocks.together, w.n - i)
        r = 0
        while r < blocks.th:
            tin.i0 = tout.i0 = r
            tin.i1 = tout.i1 = min(r + blocks.deep, blocks.th)
            cols = m * (tin.i1 - r) * blocks.tw
            blocks.each(0, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(V), NULL, i, m, &tin)
            blocks.each(2, cnp.PyArray_BYTES(gy), cnp.PyArray_BYTES(M), NULL, i, m, &tout)
            Vs = stacked(V, c, cols)
            Ms = stacked(M, o, cols)
            pieces = (cols + DEEP_W - 1) // DEEP_W
            for k in range(pieces):
                k0, k1 = cols * k // pieces, cols * (k + 1) // pieces
                add_products(Ms[:, :, k0:k1], Vs[:, :, k0:k1].transpose(0, 2, 1), Ss if Ps is None else Ps, held == 0)
                held += 1
            if held >= HELD or i + m == w.n and tin.i1 == blocks.th:
                if Ps is None:
                    P = new_array((WINO * apart(o * c),), DZ_F32)
                    Ps = stacked(P, o, c)
                else:
                    np.add(Ss, Ps, out=Ss)
                held = 0
            r = tin.i1
        i += m
    dz_wino_gw(cnp.PyArray_BYTES(S), cnp.PyArray_BYTES(gW), o * c, apart(o * c))
    return gW
