# What a plan asks of optimizers.

cdef bint is_rule(object optimizer)
cdef bint step(object optimizer) except -1
