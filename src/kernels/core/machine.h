/* The machine: a program of float64 numbers and arrays that are not large, made operation by operation, optimised once, run any
 * number of times.
 *
 * A tape is made: numbers and inputs, and operations of the table on what is on it, each by its formula forward or backward, so
 * that results have the kernels' bits. What is there already is not made again; what depends on numbers alone is computed at
 * once, unless that raises a flag; x * 1, x / 1, x - 0 and -(-x) are x, which they are to the bit. `finish` leaves out what none
 * of the wanted results needs, pairs the sines and cosines of one number, adds products in one instruction (two roundings), and
 * lays the values out.
 *
 * A place has a width, the number of its elements, C order of whatever shape; one number stands beside any width. Instructions on
 * numbers (dz_instr) are laid out in the order in which they are computed: one says what it reads, and writes behind the one
 * before it. Those on arrays (dz_wide) say where they write; between them runs of instructions on numbers are one of their own.
 *
 * What is no instruction is work (dz_work): a family's kernel, called on places as it is in an eager call. To the tape such places
 * are so many slots of eight bytes; whoever made them knows that they hold float32, or whole numbers.
 */
#ifndef DZ_MACHINE_H
#define DZ_MACHINE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t op, a, b, c; /* an instruction and the slots of its operands */
} dz_instr;

typedef struct {
    uint16_t op, spread;    /* spread, a bit for each operand: it is one number for all elements */
    uint32_t n;             /* elements of the result, of a sum those of its operand */
    uint32_t d, a, b, c;    /* slots */
    int32_t offset, step;   /* which elements are taken from a, or b is added to, */
    uint32_t m;             /* m of them; of a run of instructions on numbers, where it begins */
} dz_wide;

enum { DZ_WIDEST = 4096 }; /* slots: a kernel takes much longer than what is around it */

enum { DZ_WORK_MOST = 5 };
typedef struct dz_work dz_work;
/* 0; 1 where the call has to run as it is, since its data are not those that the kernel takes. */
typedef int (*dz_worker)(const dz_work *);
struct dz_work {
    dz_worker f;
    const char *name;
    int dt, nin;
    int moves;                       /* the result goes on with from[0]: it has these values when f is called */
    uint32_t in[DZ_WORK_MOST];       /* places, */
    const char *from[DZ_WORK_MOST];  /* and where they are */
    char *to;
    ptrdiff_t n[5];                  /* lengths, and what else there is to be told, as f has them */
    double p[2];
};

/* Runs instructions up to one that is a leaf; the first result goes to d. */
typedef void (*dz_machine)(const dz_instr *at, const double *s, double *d);
/* Those on arrays; `code` has the runs of others. Gives 1 where work says so, which ends it. */
typedef int (*dz_wide_machine)(const dz_wide *at, const dz_instr *code, const dz_work *works, double *s);

/* core/works.c, for values of w->dt:
 * MAP: an operation of the table, n[0] elements, by the kernel number n[1]'s forward (n[2] 0) or backward of input n[2] - 1; bit k
 * of n[3]: operand k is one number for all; n[4]: the places of the operands in dz_args.in, 4 bits each
 * FILL: n[0] times one number; SUM: of n[0] elements, as dz_sum_cols adds, times p[0]
 * PART: n[0] elements, from number n[1] on in steps of n[2]; PUT: the same ones of from[0] get from[1] in place, or where n[3] is 1,
 * added */
enum { DZ_WORK_MAP, DZ_WORK_FILL, DZ_WORK_SUM, DZ_WORK_PART, DZ_WORK_PUT };

/* Where something is on a tape. DZ_NO_MEMORY: the tape can only be freed; DZ_NO_INSTRUCTION: there is none for what was asked. What is
 * asked with such an operand is answered by it. */
typedef int32_t dz_place;
enum { DZ_NO_MEMORY = -1, DZ_NO_INSTRUCTION = -2 };

typedef struct dz_tape dz_tape;

/* The functions, for the engine's families (core/kernels.h, dz_api). */
typedef struct {
    dz_tape *(*make)(void);                   /* NULL where there is no memory */
    void (*free)(dz_tape *);
    dz_place (*number)(dz_tape *, double);
    dz_place (*input)(dz_tape *, uint32_t width);
    dz_place (*add)(dz_tape *, dz_place, dz_place);
    dz_place (*compare)(dz_tape *, int, dz_place, dz_place); /* < <= > >= == !=, from 0, as 1 and 0 */
    /* an operation's value (which 0), or what its input number which - 1 gets as gradient, from its inputs, its value, the
     * gradient of that, and parameters; what a formula does not name is not looked at */
    dz_place (*operation)(dz_tape *, int op, int which, const dz_place in[5], const double *params);
    int (*has)(int op, int which);            /* whether there is such a formula */
    dz_place (*fill)(dz_tape *, dz_place, uint32_t n);        /* n times a number */
    dz_place (*sum)(dz_tape *, dz_place);                     /* of all elements, in NumPy's order */
    dz_place (*part)(dz_tape *, dz_place, int offset, int step, uint32_t n);
    /* the first with the second added to, or `set`: in place of, as many of its elements */
    dz_place (*put)(dz_tape *, dz_place, dz_place, int offset, int step, int set);
    /* what `work` gives of the places, in `width` slots */
    dz_place (*work)(dz_tape *, const dz_work *, const dz_place *, uint32_t width);
    uint32_t (*width)(const dz_tape *, dz_place);
    int (*is_number)(const dz_tape *, dz_place, double *);
    /* the last step of making: 0, or -1 for want of memory; slots: those of what is wanted. Inputs are there, wanted or not. */
    int (*finish)(dz_tape *, const dz_place *wanted, uint32_t *slots, ptrdiff_t n);
    double *(*slots)(dz_tape *);
    int (*run)(dz_tape *);                    /* 1: the call has to run as it is */
    /* A tape of numbers for several programs side by side, `lanes` of them: slot k becomes slots k * lanes and following. NULL: no
     * memory, or there are arrays. */
    dz_tape *(*side_by_side)(const dz_tape *, uint32_t lanes);
    ptrdiff_t (*length)(const dz_tape *);     /* instructions */
    ptrdiff_t (*bytes)(const dz_tape *);
    const char *(*listing)(dz_tape *, ptrdiff_t, uint32_t told[6]); /* name; slots of operands and
                                                 result; the result's length in slots; whether it is that operation's gradient */
    uint32_t (*mark)(dz_tape *, uint32_t);    /* what follows on the tape comes from this line; the one before */
    uint32_t (*line)(const dz_tape *, ptrdiff_t);             /* of an instruction */
    const dz_worker *workers;                 /* those of core/works.c, by number */
} dz_tapes;

#endif
