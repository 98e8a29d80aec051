# The engine's types as the op families see them. Who may touch what: `data` and `grad` of a Variable only through the
# functions below (Variable's fields have invariants, written at its definition); a Function's fields are its family's.

from cpython.object cimport PyObject, PyTypeObject
from libc.stddef cimport ptrdiff_t
cimport numpy as cnp

cdef extern from "core/kernels.h":
    enum:
        DZ_F32
        DZ_F64
        DZ_MAXDIM
        DZ_X0
        DZ_Y
        DZ_GY
        DZ_NIN
        DZ_GX1
        DZ_NFN
        DZ_SUM_OVER_ROWS
        DZ_SUM_OVER_COLS

    ctypedef struct dz_args:
        ptrdiff_t n
        const char *in_ "in"[5]
        ptrdiff_t st[5]
        char *out
        ptrdiff_t os
        int acc
        const double *p

    ctypedef void (*dz_kernel)(const dz_args *) noexcept nogil

    ctypedef struct dz_op:
        const char *name
        int nin
        int nparam
        dz_kernel fwd[2]
        dz_kernel bwd[3][2]
        unsigned char uses[3]
        unsigned char passes_gy[3]
        unsigned char checks[3]
        dz_kernel both[2]
        unsigned char uses_both

    ctypedef struct dz_work:        # core/machine.h
        int (*f)(const dz_work *) noexcept nogil
        const char *name
        int dt, nin, moves
        ptrdiff_t n[5]
        double p[2]

    ctypedef int (*dz_worker)(const dz_work *) noexcept nogil

    ctypedef struct dz_np_table:
        int python

    dz_np_table dz_np
    # In the engine these are functions; elsewhere they go through the table that dz_bind was given.
    const dz_op *dz_ops
    void dz_map(dz_kernel, dz_args *, unsigned, int, const ptrdiff_t *, const ptrdiff_t *const *,
                const ptrdiff_t *) noexcept nogil
    void dz_flat(dz_kernel, dz_args *, unsigned) noexcept nogil
    void dz_even(dz_kernel, dz_args *, unsigned) noexcept nogil
    int dz_map_sum(dz_kernel, const dz_args *, unsigned, int, int, const ptrdiff_t *, const ptrdiff_t *const *, int, int,
                   char *, int) noexcept nogil
    void dz_sum_rows(int, const char *, ptrdiff_t, ptrdiff_t, char *, int) noexcept nogil
    void dz_sum_cols(int, const char *, ptrdiff_t, ptrdiff_t, char *, int) noexcept nogil
    void dz_bind(const void *) noexcept
    void *dz_table_address "(&dz_table)"
    int dz_select(const char *) noexcept
    int dz_set_threads(int) noexcept nogil
    int dz_get_threads() noexcept
    const char *dz_level() noexcept
    const char *dz_level_name(int) noexcept
    const char *dz_level_best() noexcept
    int dz_fpe_test() noexcept nogil
    void dz_fpe_clear() noexcept nogil
    int dz_flushes() noexcept nogil
    int dz_fpe_begin() noexcept nogil
    int dz_set_flush(int) noexcept nogil

cdef extern from "core/axes.h":
    void dz_axes(int, const ptrdiff_t *const *, int, int *) noexcept nogil

cdef extern from "_raw.h":
    enum:
        DZ_RAWDIM

    ctypedef struct dz_raw:
        char *p
        double one
        Py_ssize_t size
        signed char dt
        signed char nd

    ctypedef struct dz_view:
        const char *p
        const cnp.npy_intp *shape
        const cnp.npy_intp *strides
        Py_ssize_t size
        int dt
        int nd

    ctypedef struct dz_pool:
        pass

    Py_ssize_t dz_itemsize(int) noexcept nogil
    int dz_typenum(int) noexcept nogil
    cnp.npy_intp *dz_raw_shape(const dz_raw *) noexcept nogil
    void dz_view_raw(const dz_raw *, dz_view *) noexcept nogil
    int dz_view_object(PyObject *, dz_view *) noexcept
    int dz_same_shape(const dz_view *, const dz_view *) noexcept nogil
    int dz_same_layout(const dz_view *, const dz_view *) noexcept nogil
    int dz_dense(const dz_view *) noexcept nogil
    int dz_is_even(const dz_view *) noexcept nogil
    int dz_stretch(const dz_view *, int, const cnp.npy_intp *, cnp.npy_intp *) noexcept nogil
    int dz_broadcast(int, const cnp.npy_intp *, int, const cnp.npy_intp *, cnp.npy_intp *) noexcept nogil
    int dz_raw_new(dz_pool *, dz_raw *, int, int, const cnp.npy_intp *, Py_ssize_t) noexcept
    void dz_raw_free(dz_pool *, dz_raw *) noexcept
    void dz_raw_move(dz_raw *, dz_raw *) noexcept nogil
    int dz_raw_fits(int, int, Py_ssize_t) noexcept nogil
    const char *dz_scalar(const dz_raw *, PyObject *, int *) noexcept
    const char *dz_beside(const dz_raw *, PyObject *, const dz_raw *, ptrdiff_t *) noexcept
    char *dz_raw_scalar(dz_raw *, int) noexcept nogil
    int dz_odd(const char *, int) noexcept nogil
    void dz_fill(char *, int, Py_ssize_t, double) noexcept nogil

# How a Variable's gradient is held (Variable.gstate).
cdef enum:
    G_NONE      # there is none
    G_RAW       # in g; nobody else has seen it
    G_ARRAY     # an ndarray of ours in _grad, unseen; other Variables' _grad may be it, or a view of it (share_grad)
    G_EVEN      # an ndarray in _grad that is one number, by strides of 0: unseen, but perhaps not x's alone, so never changed
    G_SHOWN     # what the user gave, or was given: _grad is it, and is never changed in place

# The eras of the book (Variable.era, Function.era).
cdef enum:
    ERA_CORE        # steps 33 on: gradients are Variables
    ERA_SIMPLE      # steps 11-32: gradients are ndarrays
    ERA_CHAPTER1    # steps 1-10: ndarrays, overwritten by each walk, kept; strong outputs

# What a Variable stands for in an operation: the bits of Variable.kind. Both are set only by `wrap`.
cdef enum:
    K_CONST = 1     # an operand that was no Variable: gets no gradient, until somebody asks for f.inputs
    K_WEAK = 2      # a Python number: its dtype gives way

# What `modes` says besides: what a thread does is part of a trace or of a transform.
cdef enum:
    WITHIN = 8

cdef class Function
cdef class Variable

# Kinds of events (Event.kind), as Trace (_log.pxi) tells of them.
cdef enum:
    E_OP            # o: the Function; v, or several: what it gave; flag: as below
    E_ALIVE         # o: the Function; several
    E_EFFECT        # o: the Function
    E_CONST         # v; o: the value
    E_NEW
    E_DATA          # v has w's; flag: made
    E_SET           # v; o: the value
    E_SEED          # v is where a walk starts; flag: as below
    E_STEP          # o: the Function; flag: keep; w: the event that called it, or -1, and then its inputs are operands
    E_SHOW          # v's gradient is w
    E_GRAD
    E_GRAD_READ     # w, or o
    E_CALL          # o: the function
    E_PINNED        # v
    E_BRANCH        # whether v is true (flag) was asked

# What a seed's flag says.
cdef enum:
    SEEDED = 1              # v had no gradient, and got ones
    SEED_KEPT = 2           # gradients are kept,
    SEED_GRAPH = 4          # or have a graph, so that one of another dtype stays as it is

# What an operation's flag says.
cdef enum:
    WITH_GRAPH = 1
    IN_TRAINING = 2
    INSIDE = 4              # a rule of the library's did it

ctypedef struct Event:
    unsigned char kind, flag
    int line                # the user's, by number
    int v, w                # nodes by number; -1: none
    int nin, nout           # operands: inputs, and after them several outputs
    Py_ssize_t first        # of the operands
    PyObject *o             # owned
    PyObject *several       # owned: several outputs, as references that do not keep them; else (v, w), if one is such an output

ctypedef struct Numbered:
    size_t key
    Py_ssize_t number

ctypedef struct Place:      # in code
    void *code
    int lasti, line         # line: -1 for one of the library's

cdef enum:
    NEAR = 128              # places that are at hand

cdef class Numbers:
    cdef Numbered *table
    cdef Py_ssize_t mask, n

    cdef Py_ssize_t find(self, const void *o) noexcept
    cdef int put(self, const void *o, Py_ssize_t number) except -1
    cdef Numbered *at(self, size_t key) noexcept

cdef class Trace:
    cdef Event *log
    cdef int *operands
    cdef PyObject **nodes           # owned: Variables, and references to those of several outputs
    cdef unsigned char *born_at     # whether they were made while tracing
    cdef int nnodes
    cdef Py_ssize_t n, room, noperands, operands_room, nodes_room
    cdef Numbers numbers            # of Variables from outside
    cdef Numbers functions          # the event that called a Function first, of those that another trace has called since
    cdef list lines                 # the user's, by number
    cdef dict places                # code, and places in code
    cdef Place near[NEAR]
    cdef readonly dict before_set
    cdef dict versions      # of Variables: how often they were given other data, by id
    cdef dict attributes    # of Functions of the user's, by id, before their forward ran,
    cdef dict shapes        # and of what that gave
    cdef public object on_read
    cdef public str refused
    cdef readonly str failed        # where an operation has raised
    cdef public object error        # the first one for which there can be no plan
    cdef object watch
    cdef int inside
    cdef signed char before
    cdef bint active

    cdef int forget(self) except -1
    cdef int node(self, PyObject *v, bint born) except -1
    cdef int find(self, Variable v) noexcept
    cdef Py_ssize_t first_call(self, Function f) noexcept
    cdef int find_output(self, Variable v, Py_ssize_t k) noexcept
    cdef int number(self, Variable v) except -1
    cdef bint is_born(self, Variable v) noexcept
    cdef Variable variable(self, int k)
    cdef Event *add(self, int kind, int flag, object o) except NULL
    cdef int add_operand(self, int k) except -1
    cdef int operation(self, int kind, int flag, Function f, Variable y, tuple several) except -1
    cdef int step(self, Function f, bint keep) except -1
    cdef int several_output(self, object o) except -1
    cdef list inputs_of(self, const Event *e)
    cdef tuple outputs_of(self, const Event *e)
    cdef str line_of(self, const Event *e)
    cdef tuple event(self, Py_ssize_t k)
    cdef int line(self) except -1
    cdef int look(self, Place *at, object frame, object code, int lasti) except -1
    cdef int line_by(self, str told) except -1

cdef class Variable:
    cdef object __weakref__
    cdef PyObject *attrs        # instance dictionary, made on first use (tp_dictoffset points here)
    cdef object _data           # the value, unless it is raw: an ndarray, what the user set, or None
    cdef object _grad           # see gstate
    cdef object _name
    cdef Function _creator
    cdef dz_raw v               # the value while it is raw (v.p is set)
    cdef dz_raw g
    cdef PyObject *next         # in the list of nodes to be released
    cdef Py_ssize_t gen
    cdef unsigned char gstate, era, kind
    cdef unsigned char hooked   # there are hooks, see _hooks.pxi
    cdef bint seen              # the garbage collector tracks this node
    cdef int number             # in the log of the traced call that made it, where that has it there

cdef class Function:
    cdef object __weakref__
    cdef PyObject *attrs
    cdef Variable in0, in1, in2     # up to three inputs
    cdef tuple rest                 # all inputs, where there are more
    cdef object outs                # list of outputs' references: several outputs, or somebody asked
    cdef object given               # what it was made with, where its class has no field for that: parameters, an index
    cdef PyObject *out0             # the single output, not owned; NULL once it is gone
    cdef Py_ssize_t gen
    cdef unsigned long long mark    # number of the walk that has seen this node
    cdef double param[2]
    cdef int nin                    # -1: nothing recorded
    cdef short op
    cdef unsigned char era
    cdef bint native                # an exact built-in class: its C methods may run
    cdef bint seen                  # the garbage collector tracks this node
    cdef bint general_params        # a parameter that kernels cannot take: the general path, always
    cdef int number                 # of the event of a traced call that called it first, where that is there

    cdef Variable arg(self, Py_ssize_t k)
    cdef int compute(self, Variable y) except -1
    cdef int vjp_raw(self, Variable y, bint keep) except -1
    cdef object vjp_graph(self, list gys)

cdef const void *kernels() noexcept
cdef bint recording() noexcept
cdef bint traced() noexcept
cdef int modes() noexcept
cdef int transforms(int more) noexcept
cdef Variable variable_of_array(object o)
cdef int derived(Variable v, object function, tuple xs) except -1
cdef int failed() except -1
cdef int refuse(object error) except -1
cdef object read(Variable v, str what)
cdef int backward_step(Function f, bint keep, bint create_graph) except -1
cdef int seed(Variable root, bint keep, bint create_graph) except -1
cdef int set_inputs(Function f, tuple xs) except -1
cdef int show_into(Variable v, Variable g) except -1
cdef signed char swap_mode(signed char to) noexcept
cdef object output_reference(Variable y)
cdef object clone_function(PyObject *prototype)
cdef int open_function_class(type cls) except -1
cdef int open_variable_class(type cls) except -1
cdef int track(Variable v) except -1
cdef int show(object node) except -1
cdef Variable new_variable(int era)
cdef int check_plain(object o) except -1
cdef Variable wrap(object o, int dt, int era)
cdef bint is_column(object o)
cdef Variable as_operand(object o, object other)
cdef object empty_array(int nd, const cnp.npy_intp *shape, int dt)
cdef object empty_in_order(int nd, const cnp.npy_intp *shape, int dt, const int *axis)
cdef object data_of(Variable v)
cdef object double_array(object a)
cdef int set_data_array(Variable v, object a) except -1
cdef char *new_value(Variable y, int dt, int nd, const cnp.npy_intp *shape, Py_ssize_t size) except NULL
cdef int record(Function f, Variable y) except -1
cdef int grad_view(Variable y, dz_view *w) except -1
cdef int grad_view_even(Variable y, dz_view *w) except -1
cdef object grad_array(Variable y)
cdef char *grad_target(Variable x, const dz_view *xv, bint *acc) except NULL
cdef char *grad_target_alike(Variable x, const dz_view *xv, bint *acc) except NULL
cdef bint grad_alike(const dz_view *xv) noexcept
cdef bint steal_grad(Variable x, Variable y)
cdef bint share_grad(Variable x, Variable y, const dz_view *xv) except -1
cdef char *new_grad(Variable x, const dz_view *xv, bint alike=*) except NULL
cdef int drop_grad(Variable x) except -1
cdef object grad_variable(Variable v)
cdef int add_grad(Variable x, object gx) except -1
cdef object hooked_gradient(Variable v, object g)
cdef object function_call(Function f, tuple inputs)
cdef object call_native(Function f, tuple xs, object value)
cdef int set_private_grad(Variable x, object a) except -1
cdef int set_shown_grad(Variable x, object a) except -1
cdef int set_even_grad(Variable x, object a) except -1

cdef inline bint view(Variable v, dz_view *w):
    """Whether kernels can read v's value; w then shows it for as long as v is not written to."""
    if v.v.p != NULL:
        dz_view_raw(&v.v, w)
        return True
    return dz_view_object(<PyObject *> v._data, w) != 0

cdef inline bint wants_grad(Variable x) noexcept:
    """Whether a gradient of x is for anybody: not of an operand that was no Variable."""
    return not x.kind & K_CONST


cdef inline bint has_grad(Variable x) noexcept:
    """Whether x has a gradient already, which a new one is added to."""
    return x.gstate != G_NONE


# What Variable's methods reach in higher modules, filled by them at import: op numbers and C entry points for the
# elementwise operators, Python callables for the rest.
cdef struct Hooks:
    object (*apply1)(int, object)
    object (*apply2)(int, object, object)
    object (*power)(object, object)

cdef Hooks hooks
cdef dict methods


cdef inline int record_of(Function f, int n, Variable x0, Variable x1, Variable x2, Variable y) except -1:
    """Records that f, of an exact built-in class, gave y of its n inputs (up to three; set_inputs has the others)."""
    f.in0 = x0
    if n > 1:
        f.in1 = x1
    if n > 2:
        f.in2 = x2
    f.nin = n
    f.native = True
    return record(f, y)
