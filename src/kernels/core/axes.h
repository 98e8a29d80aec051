/* The order in which a loop takes the axes of its operands. */
#ifndef DZ_AXES_H
#define DZ_AXES_H

#include <stddef.h>

/* Axes from the innermost, `axis[0]`, outwards, as NumPy's iterator sorts them: by the size of strides, where operands disagree in
 * C order. So operands that lie in memory alike, transposed or not, merge into one flat loop. st: byte strides of each operand;
 * 0 is an axis along which one is stretched, and has no say. */
static inline void dz_axes(int nop, const ptrdiff_t *const *st, int nd, int *axis)
{
    int i, k, j, at;
    for (i = 0; i < nd; i++) {
        const int each = nd - 1 - i;
        at = i;
        for (k = i - 1; k >= 0; k--) {
            int known = 0, inside = 0; /* whether an operand has a say, and wants `each` further in than axis[k] */
            for (j = 0; j < nop; j++) {
                const ptrdiff_t a = st[j][each] < 0 ? -st[j][each] : st[j][each];
                const ptrdiff_t b = st[j][axis[k]] < 0 ? -st[j][axis[k]] : st[j][axis[k]];
                if (a == 0 || b == 0)
                    continue;
                inside = b <= a ? 0 : known ? inside : 1;
                known = 1;
            }
            if (known && !inside)
                break;
            if (known)
                at = k;
        }
        for (k = i; k > at; k--)
            axis[k] = axis[k - 1];
        axis[at] = each;
    }
}

#endif
