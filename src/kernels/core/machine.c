/* Tapes of the machine: see core/machine.h. */

#include "core/machine.h"
#include "core/kernels.h"
#include "core/portable.h"
#include "generated/machine.h"
#include <stdlib.h>

static const char *const names[] = DZ_M_NAMES;
static const unsigned char operands[] = DZ_M_OPERANDS;
static const unsigned char apart[] = DZ_M_APART;
static const int16_t words[] = DZ_M_WORDS;
static const int16_t programs[][4] = DZ_M_PROGRAMS;
static const double numbers[] = DZ_M_NUMBERS;

typedef struct {
    dz_instr at;
    uint32_t d, n;
    const dz_work *work;
} dz_told; /* what an instruction of a tape with arrays is, for its listing */

/* While a tape is made, a node is an instruction whose operands are places; a leaf is a number, whose bits are in a and b, or an
 * input, c of which counts from 1. Of nodes on arrays some operands are no places: see `packed`; a of work is its number. Afterwards
 * `code` is what runs, and where there are arrays, `wide`, which has runs of it. */
struct dz_tape {
    dz_instr *nodes;
    uint16_t *widths;
    uint32_t *lines;
    uint32_t n, room;
    uint32_t *table, mask; /* places by hash, 0 for none: place + 1 */
    uint32_t inputs, line;
    int arrays; /* some width is more than 1 */
    dz_instr *code;
    dz_wide *wide; /* NULL where there are no arrays */
    dz_told *told;
    dz_work *works;
    uint32_t nworks;
    double *slots;
    ptrdiff_t ncode, nslots; /* ncode: instructions, without ends of runs */
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
    free(t->nodes), free(t->widths), free(t->lines), free(t->table), free(t->code), free(t->wide), free(t->told);
    free(t->works), free(t->slots), free(t);
}

static dz_tape *make_tape(void)
{
    dz_tape *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->room = 64;
    t->mask = 127;
    t->nodes = malloc(t->room * sizeof(*t->nodes));
    t->widths = malloc(t->room * sizeof(*t->widths));
    t->lines = malloc(t->room * sizeof(*t->lines));
    t->table = calloc(t->mask + 1, sizeof(*t->table));
    if (!t->nodes || !t->widths || !t->lines || !t->table) {
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
    uint16_t *widths;
    uint32_t *lines, *table, i, k;
    if (room > MAX_PLACES)
        return -1;
    if (!(nodes = realloc(t->nodes, room * sizeof(*nodes))))
        return -1;
    t->nodes = nodes;
    if (!(widths = realloc(t->widths, room * sizeof(*widths))))
        return -1;
    t->widths = widths;
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
static dz_place node(dz_tape *t, uint32_t width, uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
    const dz_instr x = {op, a, b, c};
    uint32_t k;
    if (t->n == t->room && grow(t))
        return DZ_NO_MEMORY;
    for (k = hash(&x) & t->mask; t->table[k]; k = (k + 1) & t->mask)
        if (!memcmp(t->nodes + t->table[k] - 1, &x, sizeof(x)))
            return (dz_place)(t->table[k] - 1);
    t->nodes[t->n] = x;
    t->widths[t->n] = (uint16_t)width;
    t->arrays |= width > 1;
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

static dz_place number(dz_tape *t, double x)
{
    return node(t, 1, DZ_M_LEAF, (uint32_t)(bits(x) >> 32), (uint32_t)bits(x), 0);
}

static dz_place input(dz_tape *t, uint32_t width) { return node(t, width, DZ_M_LEAF, 0, 0, ++t->inputs); }
static uint32_t width_of(const dz_tape *t, dz_place p) { return t->widths[p]; }

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
    uint32_t width = 1;
    double x;
    int i, spread = 0;
    for (i = 0; i < operands[op]; i++)
        if (in[i] < 0)
            return in[i];
    for (i = 0; i < operands[op]; i++)
        width = t->widths[in[i]] > width ? t->widths[in[i]] : width;
    for (i = 0; i < operands[op]; i++)
        spread |= t->widths[in[i]] < width;
    if (folded(t, op, in, &x))
        return number(t, x);
    if (spread && apart[op]) /* a loop that knows one number for all, with other bits than for an array of it, or may */
        return DZ_NO_INSTRUCTION;
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
    if (width > 1 && (op == DZ_M_POWM1 || (op == DZ_M_POWER_BY && t->widths[in[1]] > 1)))
        return DZ_NO_INSTRUCTION;
    return node(t, width, op, (uint32_t)in[0], operands[op] > 1 ? (uint32_t)in[1] : 0, operands[op] > 2 ? (uint32_t)in[2] : 0);
}

/* ---- nodes on arrays: of `part` and `put` the operand b or c packs offset and step */

static uint32_t packed(int offset, int step) { return (uint32_t)offset << 16 | (uint16_t)step; }
static int offset_of(uint32_t b) { return (int)(b >> 16); }
static int step_of(uint32_t b) { return (int16_t)(uint16_t)b; }

static dz_place fill(dz_tape *t, dz_place a, uint32_t n)
{
    return a < 0 || n == t->widths[a] ? a : node(t, n, DZ_M_FILL, (uint32_t)a, n, 0);
}

static dz_place sum(dz_tape *t, dz_place a) { return a < 0 ? a : node(t, 1, DZ_M_SUM, (uint32_t)a, 0, 0); }

static dz_place part(dz_tape *t, dz_place a, int offset, int step, uint32_t n)
{
    if (a < 0 || (n == t->widths[a] && step == 1))
        return a;
    return node(t, n, DZ_M_PART, (uint32_t)a, packed(offset, n > 1 ? step : 1), n);
}

static dz_place put(dz_tape *t, dz_place a, dz_place b, int offset, int step, int set)
{
    const dz_place in[2] = {a, b};
    if (a < 0 || b < 0)
        return a < 0 ? a : b;
    if (t->widths[a] == t->widths[b] && step == 1)
        return set ? b : emit(t, DZ_M_ADD, in);
    return node(t, t->widths[a], set ? DZ_M_SET : DZ_M_PUT, (uint32_t)a, (uint32_t)b, packed(offset, t->widths[b] > 1 ? step : 1));
}

static dz_place work(dz_tape *t, const dz_work *w, const dz_place *in, uint32_t width)
{
    dz_work *more;
    int i;
    for (i = 0; i < w->nin; i++)
        if (in[i] < 0)
            return in[i];
    if (!(t->nworks & (t->nworks + 1))) { /* full */
        more = realloc(t->works, (2 * (size_t)t->nworks + 2) * sizeof(*more));
        if (!more)
            return DZ_NO_MEMORY;
        t->works = more;
    }
    t->works[t->nworks] = *w;
    for (i = 0; i < w->nin; i++)
        t->works[t->nworks].in[i] = (uint32_t)in[i];
    t->arrays = 1;
    return node(t, width, DZ_M_WORK, t->nworks++, 0, 0);
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
            return p < 0 ? p : DZ_NO_MEMORY;
        stack[n++] = p;
    }
    return stack[0];
}

/* ---- the last step */

/* WITHIN: a product that the sum which reads it computes itself; MOVED: an array that a `put` goes on with */
enum { NEEDED = 1, WANTED = 2, WITHIN = 4, MOVED = 8 };

static const uint32_t NEVER = UINT32_MAX;

typedef struct {
    unsigned char *state;
    uint32_t *uses;
    uint32_t *where;    /* slots */
    uint32_t *last;     /* the node that reads an array last */
    uint32_t *next;     /* arrays of one width that nobody reads any more, as lists; 0: the end, else node + 1 */
    uint32_t *unused;   /* their beginnings, by width */
    uint32_t *lines;
    uint32_t slot, top; /* the next number's, the next array's */
    ptrdiff_t ncode, nwide, ntold;
    int open;           /* the last of `wide` is a run that goes on */
} dz_layout;

static dz_place partner(const dz_tape *t, uint32_t i)
{
    const uint32_t op = t->nodes[i].op;
    return op == DZ_M_SIN ? find(t, DZ_M_COS, t->nodes[i].a) : op == DZ_M_COS ? find(t, DZ_M_SIN, t->nodes[i].a) : -1;
}

/* The operands of a node. */
static int operands_of(const dz_tape *t, uint32_t i, uint32_t in[DZ_WORK_MOST])
{
    const dz_instr *at = t->nodes + i;
    if (at->op == DZ_M_WORK) {
        memcpy(in, t->works[at->a].in, sizeof(t->works->in));
        return t->works[at->a].nin;
    }
    in[0] = at->a, in[1] = at->b, in[2] = at->c;
    return operands[at->op];
}

/* Whether a node goes on with its first operand, if nobody else needs that. */
static int moves(const dz_tape *t, const dz_instr *at)
{
    return at->op == DZ_M_PUT || at->op == DZ_M_SET || (at->op == DZ_M_WORK && t->works[at->a].moves);
}

/* Whether a node is nothing but a look at elements that lie side by side. */
static int is_look(const dz_instr *at) { return at->op == DZ_M_PART && step_of(at->b) == 1; }

/* The array that a place lies in. */
static uint32_t root(const dz_tape *t, uint32_t i)
{
    while (is_look(t->nodes + i))
        i = t->nodes[i].a;
    return i;
}

/* What is needed of the tape, how often, and which products are computed by the sums that read them. */
static void find_needed(const dz_tape *t, dz_layout *l, const dz_place *wanted, ptrdiff_t nwanted)
{
    uint32_t i, in[DZ_WORK_MOST];
    ptrdiff_t k;
    int j;
    for (k = 0; k < nwanted; k++)
        l->state[wanted[k]] |= NEEDED | WANTED;
    for (i = t->n; i-- > 0;) {
        const int n = operands_of(t, i, in);
        for (j = 0; (l->state[i] & NEEDED) && j < n; j++) {
            l->state[in[j]] |= NEEDED;
            l->uses[in[j]]++;
        }
    }
    for (i = 0; i < t->n; i++) {
        const dz_instr *at = t->nodes + i;
        if (at->op != DZ_M_ADD || !(l->state[i] & NEEDED))
            continue;
        for (j = 1; j >= 0; j--) {
            const uint32_t p = j ? at->b : at->a;
            if (t->nodes[p].op == DZ_M_MUL && l->uses[p] == 1 && !(l->state[p] & (WANTED | WITHIN)) &&
                t->widths[p] == t->widths[i]) {
                l->state[p] |= WITHIN;
                break;
            }
        }
    }
}

/* Which node reads each array last. */
static void find_last(const dz_tape *t, dz_layout *l)
{
    uint32_t i, in[DZ_WORK_MOST];
    int j;
    for (i = t->n; i-- > 0;) {
        const int n = operands_of(t, i, in);
        const uint32_t reader = l->state[i] & WITHIN ? l->last[i] : i;
        if (!(l->state[i] & NEEDED))
            continue;
        if (l->state[i] & WANTED)
            l->last[root(t, i)] = NEVER;
        for (j = 0; j < n; j++) {
            const uint32_t r = root(t, in[j]);
            if (l->last[r] < reader)
                l->last[r] = reader;
        }
    }
}

/* Room for an array. */
static uint32_t array_slot(dz_layout *l, uint32_t width)
{
    const uint32_t known = l->unused[width];
    if (known) {
        l->unused[width] = l->next[known - 1];
        return l->where[known - 1];
    }
    l->top += width;
    return l->top - width;
}

/* Node i has been computed: arrays that it was the last to read are free. */
static void let_go(const dz_tape *t, dz_layout *l, uint32_t i)
{
    uint32_t in[DZ_WORK_MOST];
    const int n = operands_of(t, i, in);
    int j;
    for (j = 0; j < n; j++) {
        const uint32_t r = root(t, in[j]), width = t->widths[r];
        if (l->state[in[j]] & WITHIN) {
            let_go(t, l, in[j]);
            continue;
        }
        if (width == 1 || l->last[r] != (l->state[i] & WITHIN ? l->last[i] : i) || t->nodes[r].op == DZ_M_LEAF ||
            (l->state[r] & MOVED))
            continue;
        l->last[r] = NEVER;
        l->next[r] = l->unused[width];
        l->unused[width] = r + 1;
    }
}

static void tell(const dz_tape *t, dz_layout *l, dz_instr at, uint32_t i, uint32_t slot)
{
    if (t->told)
        t->told[l->ntold] = (dz_told){at, slot, t->widths[i], at.op == DZ_M_WORK ? t->works + t->nodes[i].a : NULL};
    l->lines[l->ntold++] = t->lines[i];
}

/* The sum that node i is of a product within it and another place, or the operation that it is, on slots. */
static dz_instr on_slots(const dz_tape *t, const dz_layout *l, uint32_t i, uint32_t in[3])
{
    const dz_instr *at = t->nodes + i;
    uint32_t op = at->op;
    in[0] = at->a, in[1] = at->b, in[2] = at->c;
    if (op == DZ_M_ADD && ((l->state[at->a] | l->state[at->b]) & WITHIN)) {
        const int right = (l->state[at->b] & WITHIN) != 0;
        const dz_instr *product = t->nodes + (right ? at->b : at->a);
        op = DZ_M_MULADD;
        in[0] = product->a, in[1] = product->b, in[2] = right ? at->a : at->b;
    }
    return (dz_instr){op, l->where[in[0]], operands[op] > 1 ? l->where[in[1]] : 0, operands[op] > 2 ? l->where[in[2]] : 0};
}

/* An instruction on numbers. */
static void lay_number(dz_tape *t, dz_layout *l, uint32_t i)
{
    const dz_instr *at = t->nodes + i;
    const dz_place other = partner(t, i);
    uint32_t in[3];
    dz_instr to;
    if (other >= 0 && (l->state[other] & NEEDED) && (uint32_t)other < i) /* done with it */
        return;
    if (t->wide && !l->open) {
        t->wide[l->nwide++] = (dz_wide){.op = DZ_M_RUN, .m = (uint32_t)l->ncode, .d = l->slot};
        l->open = 1;
    }
    if (other >= 0 && (l->state[other] & NEEDED)) {
        to = (dz_instr){DZ_M_SINCOS, l->where[at->a], 0, 0};
        l->where[i] = l->slot + (at->op == DZ_M_COS);
        l->where[other] = l->slot + (at->op == DZ_M_SIN);
        tell(t, l, to, i, l->slot);
        l->slot += 2;
    } else {
        to = on_slots(t, l, i, in);
        l->where[i] = l->slot;
        tell(t, l, to, i, l->slot++);
    }
    t->code[l->ncode++] = to;
}

/* One on arrays. */
static void lay_array(dz_tape *t, dz_layout *l, uint32_t i)
{
    const dz_instr *at = t->nodes + i;
    dz_wide *to;
    dz_instr told;
    uint32_t in[DZ_WORK_MOST] = {0};
    int j;
    if (is_look(at)) {
        l->where[i] = l->where[at->a] + (uint32_t)offset_of(at->b);
        return;
    }
    if (l->open)
        t->code[l->ncode++] = (dz_instr){DZ_M_LEAF, 0, 0, 0}, l->open = 0;
    told = at->op == DZ_M_WORK ? (dz_instr){DZ_M_WORK, at->a, 0, 0} : on_slots(t, l, i, in);
    to = t->wide + l->nwide++;
    *to = (dz_wide){.op = (uint16_t)told.op, .n = t->widths[i], .a = told.a, .b = told.b, .c = told.c};
    if (at->op == DZ_M_WORK) {
        const int n = operands_of(t, i, in);
        told = (dz_instr){DZ_M_WORK, l->where[in[0]], n > 1 ? l->where[in[1]] : 0, n > 2 ? l->where[in[2]] : 0};
        to->a = 0, to->m = at->a;
    }
    if (at->op == DZ_M_SUM)
        to->n = t->widths[at->a];
    if (at->op == DZ_M_PART)
        to->offset = offset_of(at->b), to->step = step_of(at->b);
    if (at->op == DZ_M_PUT || at->op == DZ_M_SET)
        to->offset = offset_of(at->c), to->step = step_of(at->c), to->m = t->widths[at->b];
    else if (at->op != DZ_M_SUM && at->op != DZ_M_WORK)
        for (j = 0; j < operands[told.op]; j++)
            to->spread |= (uint16_t)((t->widths[in[j]] == 1) << j);
    if (t->widths[i] == 1) {
        to->d = l->slot++;
    } else if (moves(t, at) && l->uses[in[0]] == 1 && !(l->state[in[0]] & WANTED) && t->nodes[in[0]].op != DZ_M_LEAF &&
               t->nodes[in[0]].op != DZ_M_PART) {
        to->d = l->where[in[0]]; /* in place */
        l->state[in[0]] |= MOVED;
    } else {
        to->d = array_slot(l, t->widths[i]);
    }
    l->where[i] = to->d;
    tell(t, l, told, i, to->d);
    let_go(t, l, i);
}

static void free_layout(dz_layout *l)
{
    free(l->state), free(l->uses), free(l->where), free(l->last), free(l->next), free(l->unused), free(l->lines);
}

static int finish(dz_tape *t, const dz_place *wanted, uint32_t *slots, ptrdiff_t nwanted)
{
    const size_t n = (size_t)t->n + 1;
    dz_layout l = {0};
    uint32_t i;
    size_t numbers_wanted = 0, arrays = 0, leaves = 0, room = 0;
    ptrdiff_t k, nslots = 0;
    l.state = calloc(n, 1);
    l.uses = calloc(n, sizeof(*l.uses));
    l.where = malloc(n * sizeof(*l.where));
    if (t->arrays) {
        l.last = calloc(n, sizeof(*l.last));
        l.next = calloc(n, sizeof(*l.next));
        l.unused = calloc((size_t)1 << 16, sizeof(*l.unused)); /* by width, which work may have more of */
    }
    if (!l.state || !l.uses || !l.where || (t->arrays && (!l.last || !l.next || !l.unused)))
        goto failed;
    find_needed(t, &l, wanted, nwanted);
    if (t->arrays)
        find_last(t, &l);
    for (i = 0; i < t->n; i++) {
        const dz_instr *at = t->nodes + i;
        const int needed = (l.state[i] & NEEDED) != 0;
        if (at->op == DZ_M_LEAF)
            leaves += needed || at->c ? t->widths[i] : 0;
        else if (needed && !(l.state[i] & WITHIN) && t->widths[i] == 1)
            numbers_wanted++;
        else if (needed && !(l.state[i] & WITHIN))
            arrays++, room += t->widths[i];
    }
    t->code = malloc((2 * numbers_wanted + 1) * sizeof(*t->code)); /* with the ends of runs */
    l.lines = malloc((numbers_wanted + arrays + 1) * sizeof(*l.lines));
    t->slots = calloc(leaves + numbers_wanted + room + 1, sizeof(double));
    if (t->arrays) {
        t->wide = malloc((2 * numbers_wanted + arrays + 2) * sizeof(*t->wide));
        t->told = malloc((numbers_wanted + arrays + 1) * sizeof(*t->told));
    }
    if (!t->code || !l.lines || !t->slots || (t->arrays && (!t->wide || !t->told)))
        goto failed;
    for (i = 0; i < t->n; i++) { /* leaves first */
        const dz_instr *at = t->nodes + i;
        if (at->op != DZ_M_LEAF || !((l.state[i] & NEEDED) || at->c != 0))
            continue;
        if (!at->c)
            t->slots[nslots] = number_at(at);
        l.where[i] = (uint32_t)nslots;
        nslots += t->widths[i];
    }
    l.slot = t->first = (uint32_t)nslots;
    l.top = (uint32_t)(leaves + numbers_wanted);
    for (i = 0; i < t->n; i++) {
        const dz_instr *at = t->nodes + i;
        if (at->op == DZ_M_LEAF || !(l.state[i] & NEEDED) || (l.state[i] & WITHIN))
            continue;
        if (t->widths[i] > 1 || at->op == DZ_M_PART || at->op == DZ_M_SUM || at->op == DZ_M_WORK)
            lay_array(t, &l, i);
        else
            lay_number(t, &l, i);
    }
    t->code[l.ncode] = (dz_instr){DZ_M_LEAF, 0, 0, 0};
    if (t->wide)
        t->wide[l.nwide] = (dz_wide){.op = DZ_M_END_OF_ALL};
    for (k = 0; k < l.nwide; k++)
        if (t->wide[k].op == DZ_M_WORK) {
            dz_work *w = t->works + t->wide[k].m;
            int j;
            w->to = (char *)(t->slots + t->wide[k].d);
            for (j = 0; j < w->nin; j++)
                w->from[j] = (const char *)(t->slots + l.where[w->in[j]]);
        }
    for (k = 0; k < nwanted; k++)
        slots[k] = l.where[wanted[k]];
    free(t->nodes), free(t->widths), free(t->lines), free(t->table);
    t->nodes = NULL, t->widths = NULL, t->table = NULL;
    t->lines = l.lines, l.lines = NULL;
    t->ncode = l.ntold;
    t->nslots = t->arrays ? l.top : l.slot;
    free_layout(&l);
    return 0;
failed:
    free_layout(&l);
    return -1;
}

static double *slots_of(dz_tape *t) { return t->slots; }

static int run(dz_tape *t)
{
    if (t->wide)
        return dz_table.passes->wide(t->wide, t->code, t->works, t->slots);
    dz_table.passes->machine(t->code, t->slots, t->slots + t->first);
    return 0;
}

static dz_tape *side_by_side(const dz_tape *t, uint32_t lanes)
{
    dz_tape *s = t->wide ? NULL : calloc(1, sizeof(*s));
    dz_wide *to;
    uint32_t slot = t->first;
    ptrdiff_t i, k;
    if (!s)
        return NULL;
    s->nslots = t->nslots * lanes;
    s->slots = calloc((size_t)s->nslots + 1, sizeof(double));
    s->wide = to = malloc((2 * (size_t)t->ncode + 1) * sizeof(*to)); /* a sine and a cosine are two */
    if (!s->slots || !s->wide) {
        free_tape(s);
        return NULL;
    }
    for (i = 0; i < (ptrdiff_t)t->first; i++)
        for (k = 0; k < (ptrdiff_t)lanes; k++)
            s->slots[i * lanes + k] = t->slots[i];
    for (i = 0; i < t->ncode; i++) {
        const dz_instr *at = t->code + i;
        const int both = at->op == DZ_M_SINCOS;
        *to++ = (dz_wide){.op = (uint16_t)(both ? DZ_M_SIN : at->op), .n = lanes, .d = slot++ * lanes, .a = at->a * lanes,
                          .b = at->b * lanes, .c = at->c * lanes};
        if (both)
            *to++ = (dz_wide){.op = DZ_M_COS, .n = lanes, .d = slot++ * lanes, .a = at->a * lanes};
    }
    *to = (dz_wide){.op = DZ_M_END_OF_ALL};
    s->ncode = to - s->wide;
    return s;
}

static ptrdiff_t length(const dz_tape *t) { return t->ncode; }

static ptrdiff_t size_in_bytes(const dz_tape *t)
{
    return (ptrdiff_t)sizeof(*t) + t->ncode * (ptrdiff_t)(sizeof(dz_instr) + sizeof(uint32_t)) +
           (t->wide ? t->ncode * (ptrdiff_t)(sizeof(dz_wide) + sizeof(dz_told)) : 0) +
           t->nworks * (ptrdiff_t)sizeof(dz_work) + t->nslots * (ptrdiff_t)sizeof(double);
}

static const char *listing(dz_tape *t, ptrdiff_t i, uint32_t told[6])
{
    const dz_instr *at = t->told ? &t->told[i].at : t->code + i;
    if (t->listed == 0 || i < t->listed) /* instructions are mostly asked for in turn: slots are counted on */
        t->listed = 0, t->listed_slot = t->first;
    for (; !t->told && t->listed < i; t->listed++)
        t->listed_slot += 1 + (t->code[t->listed].op == DZ_M_SINCOS);
    told[0] = at->a;
    const dz_work *w = t->told ? t->told[i].work : NULL;
    const int count = w ? w->nin : operands[at->op];
    told[1] = count > 1 ? at->b : UINT32_MAX;
    told[2] = count > 2 ? at->c : UINT32_MAX;
    told[3] = t->told ? t->told[i].d : t->listed_slot;
    told[4] = t->told ? t->told[i].n : 1;
    told[5] = w && w->f == dz_workers[DZ_WORK_MAP] && w->n[2];
    return w ? w->name : names[at->op];
}

static uint32_t mark(dz_tape *t, uint32_t line)
{
    const uint32_t before = t->line;
    t->line = line;
    return before;
}

static uint32_t line_of(const dz_tape *t, ptrdiff_t i) { return t->lines[i]; }

const dz_tapes dz_tape_functions = {make_tape, free_tape, number,   input,  add,    compare,       operation, has,  fill,
                                    sum,       part,      put,      work,   width_of, is_number, finish, slots_of, run, side_by_side, length,
                                    size_in_bytes, listing, mark, line_of, dz_workers};
