# What a captured function asks: whether it is called within a transform, and is to be part of the graph then.

cdef int transforms() noexcept
