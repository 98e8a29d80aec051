# What a captured call asks before it is replayed.

cpdef bint holds(list guards) except -1
