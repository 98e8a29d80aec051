/* The scalar machine: a program of float64 numbers, made operation by operation, optimised once, run any number of times.
 *
 * A tape is made: numbers and inputs, and operations of the table on what is on it, each by its formula forward or backward, so
 * that results have the kernels' bits. What is there already is not made again; what depends on numbers alone is computed at
 * once, unless that raises a flag; x * 1, x / 1, x - 0 and -(-x) are x, which they are to the bit. `dz_tape_finish` leaves out
 * what none of the wanted results needs, pairs the sines and cosines of one number, adds products in one instruction (two
 * roundings), and lays the values out in the order in which they are computed: an instruction says what it reads, and writes
 * behind the one before it.
 */
#ifndef DZ_MACHINE_H
#define DZ_MACHINE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t op, a, b, c; /* an instruction and the slots of its operands */
} dz_instr;

/* Runs instructions up to one that is a leaf; the first result goes to d. */
typedef void (*dz_machine)(const dz_instr *at, const double *s, double *d);

/* Where something is on a tape; negative: there was no memory, and the tape can only be freed. */
typedef int32_t dz_place;

typedef struct dz_tape dz_tape;

/* The functions, for the engine's families (core/kernels.h, dz_api). */
typedef struct {
    dz_tape *(*make)(void);                   /* NULL where there is no memory */
    void (*free)(dz_tape *);
    dz_place (*number)(dz_tape *, double);
    dz_place (*input)(dz_tape *);
    dz_place (*add)(dz_tape *, dz_place, dz_place);
    dz_place (*compare)(dz_tape *, int, dz_place, dz_place); /* < <= > >= == !=, from 0, as 1 and 0 */
    /* an operation's value (which 0), or what its input number which - 1 gets as gradient, from its inputs, its value, the
     * gradient of that, and parameters; what a formula does not name is not looked at */
    dz_place (*operation)(dz_tape *, int op, int which, const dz_place in[5], const double *params);
    int (*has)(int op, int which);            /* whether there is such a formula */
    int (*is_number)(const dz_tape *, dz_place, double *);
    /* the last step of making: 0, or -1 for want of memory; slots: those of what is wanted. Inputs are there, wanted or not. */
    int (*finish)(dz_tape *, const dz_place *wanted, uint32_t *slots, ptrdiff_t n);
    double *(*slots)(dz_tape *);
    void (*run)(dz_tape *);
    ptrdiff_t (*length)(const dz_tape *);     /* instructions */
    ptrdiff_t (*bytes)(const dz_tape *);
    const char *(*listing)(dz_tape *, ptrdiff_t, uint32_t operands[4]); /* name; slots of the operands, and of the result */
    uint32_t (*mark)(dz_tape *, uint32_t);    /* what follows on the tape comes from this line; the one before */
    uint32_t (*line)(const dz_tape *, ptrdiff_t);             /* of an instruction */
} dz_tapes;

#endif
