# What other families take from the index family.

cdef object scatter(object index, object shape, object gy)
