/* Tapes of the scalar machine: see core/machine.h. */

#include "core/machine.h"
#include "core/kernels.h"
#include "core/portable.h"
#include "generated/machine.h"
#include <stdlib.h>

static const char *const names[] = DZ_M_NAMES;
static const unsigned char operands[] = DZ_M_OPERANDS;
static const int16_t words[] = DZ_M_WORDS;
static const int16_t programs[][4] = DZ_M_PROGRAMS;
static const double numbers[] = DZ_M_NUMBERS;

/* While a tape is made, a node is an instruction whose operands are places; a leaf is a number, whose bits are in a and b, or an
 * input, c of which counts from 1. Afterwards `code` is what runs. */
struct dz_tape {
    dz_instr *nodes;
    uint32_t *lines;
    uint32_t n, room;
    uint32_t *table, mask; /* places by hash, 0 for none: place + 1 */
    uint32_t inputs, line;
    dz_instr *code;
    double *slots;
    ptrdiff_t ncode, nslots;
    uint32_t first; /* the slot of the first result */
    ptrdiff_t listed; /* the instruction that was listed last, and the slot of its result */
    uint32_t listed_slot;
};

enum { MAX_PLACES = 1 << 30, DEPTH = 64 }; /* DEPTH: operands that a formula has waiting at most */

static uint64_t bits(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof(b));
    return b;
}

static double number_at(const dz_instr *at)
{
    const uint64_t b = (uint64_t)at->a << 32 | at->b;
    double x;
    memcpy(&x, &b, sizeof(x));
    return x;
}

static int is_number(const dz_tape *t, dz_place p, double *x)
{
    const dz_instr *at = t->nodes + p;
    if (at->op != DZ_M_LEAF || at->c != 0)
        return 0;
    *x = number_at(at);
    return 1;
}

static void free_tape(dz_tape *t)
{
    if (!t)
        return;
    free(t->nodes), free(t->lines), free(t->table), free(t->code), free(t->slots), free(t);
}

static dz_tape *make_tape(void)
{
    dz_tape *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->room = 64;
    t->mask = 127;
    t->nodes = malloc(t->room * sizeof(*t->nodes));
    t->lines = malloc(t->room * sizeof(*t->lines));
    t->table = calloc(t->mask + 1, sizeof(*t->table));
    if (!t->nodes || !t->lines || !t->table) {
        free_tape(t);
        return NULL;
    }
    return t;
}

static uint32_t hash(const dz_instr *x)
{
    uint64_t h = ((uint64_t)x->op << 32 | x->a) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29 ^ ((uint64_t)x->b << 32 | x->c)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(h >> 32);
}

static int grow(dz_tape *t)
{
    const uint32_t room = t->room * 2, mask = t->mask * 2 + 1;
    dz_instr *nodes;
    uint32_t *lines, *table, i, k;
    if (room > MAX_PLACES)
        return -1;
    if (!(nodes = realloc(t->nodes, room * sizeof(*nodes))))
        return -1;
    t->nodes = nodes;
    if (!(lines = realloc(t->lines, room * sizeof(*lines))))
        return -1;
    t->lines = lines;
    if (!(table = calloc((size_t)mask + 1, sizeof(*table))))
        return -1;
    for (i = 0; i < t->n; i++) {
        for (k = hash(nodes + i) & mask; table[k]; k = (k + 1) & mask)
            ;
        table[k] = i + 1;
    }
    free(t->table);
    t->table = table;
    t->mask = mask;
    t->room = room;
    return 0;
}

/* The place of a node: of one that is there already, where there is an equal one. */
static dz_place put(dz_tape *t, uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
    const dz_instr x = {op, a, b, c};
    uint32_t k;
    if (t->n == t->room && grow(t))
        return -1;
    for (k = hash(&x) & t->mask; t->table[k]; k = (k + 1) & t->mask)
        if (!memcmp(t->nodes + t->table[k] - 1, &x, sizeof(x)))
            return (dz_place)(t->table[k] - 1);
    t->nodes[t->n] = x;
    t->lines[t->n] = t->line;
    t->table[k] = ++t->n;
    return (dz_place)(t->n - 1);
}

/* The place of an equal node, or -1. */
static dz_place find(const dz_tape *t, uint32_t op, uint32_t a)
{
    const dz_instr x = {op, a, 0, 0};
    uint32_t k;
    for (k = hash(&x) & t->mask; t->table[k]; k = (k + 1) & t->mask)
        if (!memcmp(t->nodes + t->table[k] - 1, &x, sizeof(x)))
            return (dz_place)(t->table[k] - 1);
    return -1;
}

static dz_place number(dz_tape *t, double x) { return put(t, DZ_M_LEAF, (uint32_t)(bits(x) >> 32), (uint32_t)bits(x), 0); }
static dz_place input(dz_tape *t) { return put(t, DZ_M_LEAF, 0, 0, ++t->inputs); }

/* Not a denormal number, which a thread may take as 0 (set_flush_denormal). */
static int settled(double x) { return x == 0 || !(fabs(x) < DBL_MIN); }

/* An instruction on numbers alone, computed now; 0 where it has to wait for the run. */
static int folded(dz_tape *t, uint32_t op, const dz_place *in, double *value)
{
    double s[4] = {0, 0, 0, 0};
    const dz_instr code[2] = {{op, 0, 1, 2}, {DZ_M_LEAF, 0, 0, 0}};
    int i, raised, before;
    for (i = 0; i < operands[op]; i++)
        if (!is_number(t, in[i], s + i) || !settled(s[i]))
            return 0;
    before = dz_fpe_test();
    dz_fpe_clear();
    dz_table.passes->machine(code, s, s + 3);
    raised = dz_fpe_test();
    dz_fpe_clear();
    dz_fpe_raise(before);
    *value = s[3];
    return !raised && settled(*value);
}

static int is(const dz_tape *t, dz_place p, double x)
{
    double found;
    return is_number(t, p, &found) && bits(found) == bits(x);
}

static dz_place emit(dz_tape *t, uint32_t op, const dz_place *in)
{
    double x;
    if (folded(t, op, in, &x))
        return number(t, x);
    switch (op) {
    case DZ_M_MUL:
        if (is(t, in[0], 1.0))
            return in[1];
        if (is(t, in[1], 1.0))
            return in[0];
        break;
    case DZ_M_DIV:
        if (is(t, in[1], 1.0))
            return in[0];
        break;
    case DZ_M_SUB:
        if (is(t, in[1], 0.0))
            return in[0];
        break;
    case DZ_M_NEG:
        if (t->nodes[in[0]].op == DZ_M_NEG)
            return (dz_place)t->nodes[in[0]].a;
        break;
    case DZ_M_POWM1: /* as math/passes.h takes it */
        if (is_number(t, in[1], &x)) {
            dz_place by[2] = {in[0], -1};
            if (x == 0)
                return number(t, 0.0);
            return (by[1] = number(t, x - 1)) < 0 ? -1 : emit(t, DZ_M_POWER_BY, by);
        }
        break;
    case DZ_M_POWER_BY: /* likewise */
        if (is_number(t, in[1], &x)) {
            dz_place by[2] = {in[0], in[0]};
            if (x == 2)
                return emit(t, DZ_M_MUL, by);
            if (x == 1)
                return in[0];
            if (x == 0.5)
                return emit(t, DZ_M_SQRT, by);
            if (x == -1)
                return (by[0] = number(t, 1.0)) < 0 ? -1 : emit(t, DZ_M_DIV, by);
            if (x == 0)
                return number(t, 1.0);
        }
        break;
    default:
        break;
    }
    return put(t, op, (uint32_t)in[0], operands[op] > 1 ? (uint32_t)in[1] : 0, operands[op] > 2 ? (uint32_t)in[2] : 0);
}

static dz_place add(dz_tape *t, dz_place a, dz_place b)
{
    const dz_place in[2] = {a, b};
    return emit(t, DZ_M_ADD, in);
}

static dz_place compare(dz_tape *t, int sign, dz_place a, dz_place b)
{
    const dz_place in[2] = {a, b};
    return emit(t, (uint32_t)(DZ_M_LT + sign), in);
}

static int has(int op, int which) { return programs[op][which] >= 0; }

static dz_place operation(dz_tape *t, int op, int which, const dz_place in[5], const double *params)
{
    const int16_t *word = words + programs[op][which];
    dz_place stack[DEPTH];
    int n = 0;
    for (; *word != DZ_M_END; word++) {
        dz_place p;
        if (*word >= DZ_M_NUMBER) {
            p = number(t, numbers[*word - DZ_M_NUMBER]);
        } else if (*word >= DZ_M_PARAM) {
            p = number(t, params[*word - DZ_M_PARAM]);
        } else if (*word >= DZ_M_PLACE) {
            p = in[*word - DZ_M_PLACE];
        } else {
            n -= operands[*word];
            p = emit(t, (uint32_t)*word, stack + n);
        }
        if (p < 0 || n == DEPTH)
            return -1;
        stack[n++] = p;
    }
    return stack[0];
}

/* ---- the last step */

enum { NEEDED = 1, WANTED = 2, WITHIN = 4 }; /* WITHIN: a product that the sum which reads it computes itself */

static dz_place partner(const dz_tape *t, uint32_t i)
{
    const uint32_t op = t->nodes[i].op;
    return op == DZ_M_SIN ? find(t, DZ_M_COS, t->nodes[i].a) : op == DZ_M_COS ? find(t, DZ_M_SIN, t->nodes[i].a) : -1;
}

static int finish(dz_tape *t, const dz_place *wanted, uint32_t *slots, ptrdiff_t nwanted)
{
    unsigned char *state = calloc(t->n + 1, 1);
    uint32_t *uses = calloc(t->n + 1, sizeof(*uses));
    uint32_t *where = malloc((t->n + 1) * sizeof(*where)), *lines = NULL;
    dz_instr *code = NULL;
    uint32_t i, leaves = 0, slot;
    ptrdiff_t k, ncode = 0, nslots = 0;
    int j;
    if (!state || !uses || !where)
        goto failed;
    for (k = 0; k < nwanted; k++)
        state[wanted[k]] |= NEEDED | WANTED;
    for (i = t->n; i-- > 0;) {
        const dz_instr *at = t->nodes + i;
        const uint32_t in[3] = {at->a, at->b, at->c};
        if (at->op == DZ_M_LEAF) {
            leaves += (state[i] & NEEDED) || at->c != 0;
            continue;
        }
        for (j = 0; (state[i] & NEEDED) && j < operands[at->op]; j++) {
            state[in[j]] |= NEEDED;
            uses[in[j]]++;
        }
    }
    for (i = 0; i < t->n; i++) {
        const dz_instr *at = t->nodes + i;
        if (at->op != DZ_M_ADD || !(state[i] & NEEDED))
            continue;
        for (j = 1; j >= 0; j--) {
            const uint32_t p = j ? at->b : at->a;
            if (t->nodes[p].op == DZ_M_MUL && uses[p] == 1 && !(state[p] & (WANTED | WITHIN))) {
                state[p] |= WITHIN;
                break;
            }
        }
    }
    for (i = 0; i < t->n; i++)
        ncode += (state[i] & NEEDED) && !(state[i] & WITHIN) && t->nodes[i].op != DZ_M_LEAF;
    code = malloc(((size_t)ncode + 1) * sizeof(*code));
    lines = malloc(((size_t)ncode + 1) * sizeof(*lines));
    t->slots = malloc((leaves + 2 * (size_t)ncode + 1) * sizeof(double)); /* a sine and a cosine take two */
    if (!code || !lines || !t->slots)
        goto failed;
    for (i = 0; i < t->n; i++) { /* leaves first */
        const dz_instr *at = t->nodes + i;
        if (at->op != DZ_M_LEAF || !((state[i] & NEEDED) || at->c != 0))
            continue;
        t->slots[nslots] = at->c ? 0 : number_at(at);
        where[i] = (uint32_t)nslots++;
    }
    slot = t->first = (uint32_t)nslots;
    ncode = 0;
    for (i = 0; i < t->n; i++) {
        const dz_instr *at = t->nodes + i;
        dz_instr *to = code + ncode;
        dz_place other;
        if (at->op == DZ_M_LEAF || !(state[i] & NEEDED) || (state[i] & WITHIN))
            continue;
        other = partner(t, i);
        if (other >= 0 && (state[other] & NEEDED)) {
            if ((uint32_t)other < i) /* done with it */
                continue;
            *to = (dz_instr){DZ_M_SINCOS, where[at->a], 0, 0};
            where[i] = slot + (at->op == DZ_M_COS);
            where[other] = slot + (at->op == DZ_M_SIN);
            slot += 2;
        } else {
            if (at->op == DZ_M_ADD && ((state[at->a] | state[at->b]) & WITHIN)) {
                const int right = (state[at->b] & WITHIN) != 0;
                const dz_instr *product = t->nodes + (right ? at->b : at->a);
                *to = (dz_instr){DZ_M_MULADD, where[product->a], where[product->b], where[right ? at->a : at->b]};
            } else {
                *to = (dz_instr){at->op, where[at->a], operands[at->op] > 1 ? where[at->b] : 0,
                                 operands[at->op] > 2 ? where[at->c] : 0};
            }
            where[i] = slot++;
        }
        lines[ncode++] = t->lines[i];
    }
    code[ncode] = (dz_instr){DZ_M_LEAF, 0, 0, 0};
    for (k = 0; k < nwanted; k++)
        slots[k] = where[wanted[k]];
    free(state), free(uses), free(where), free(t->nodes), free(t->lines), free(t->table);
    t->nodes = NULL, t->table = NULL;
    t->lines = lines;
    t->code = code;
    t->ncode = ncode;
    t->nslots = slot;
    return 0;
failed:
    free(state), free(uses), free(where), free(code), free(lines);
    return -1;
}

static double *slots_of(dz_tape *t) { return t->slots; }
static void run(dz_tape *t) { dz_table.passes->machine(t->code, t->slots, t->slots + t->first); }
static ptrdiff_t length(const dz_tape *t) { return t->ncode; }

static ptrdiff_t size_in_bytes(const dz_tape *t)
{
    return (ptrdiff_t)sizeof(*t) + t->ncode * (ptrdiff_t)(sizeof(dz_instr) + sizeof(uint32_t)) +
           t->nslots * (ptrdiff_t)sizeof(double);
}

static const char *listing(dz_tape *t, ptrdiff_t i, uint32_t told[4])
{
    const dz_instr *at = t->code + i;
    if (t->listed == 0 || i < t->listed) /* instructions are mostly asked for in turn: slots are counted on */
        t->listed = 0, t->listed_slot = t->first;
    for (; t->listed < i; t->listed++)
        t->listed_slot += 1 + (t->code[t->listed].op == DZ_M_SINCOS);
    told[0] = at->a;
    told[1] = operands[at->op] > 1 ? at->b : UINT32_MAX;
    told[2] = operands[at->op] > 2 ? at->c : UINT32_MAX;
    told[3] = t->listed_slot;
    return names[at->op];
}

static uint32_t mark(dz_tape *t, uint32_t line)
{
    const uint32_t before = t->line;
    t->line = line;
    return before;
}

static uint32_t line_of(const dz_tape *t, ptrdiff_t i) { return t->lines[i]; }

const dz_tapes dz_tape_functions = {make_tape, free_tape, number,   input, add,    compare,       operation, has,    is_number,
                                    finish,    slots_of,  run,      length, size_in_bytes, listing, mark,      line_of};
