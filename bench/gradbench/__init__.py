"""A tool for GradBench (https://github.com/gradbench/gradbench): `python -m bench.gradbench` answers its messages.

A module for each evaluation says where its formulas are from, reads an input (`read`), and has its functions by name
(`functions`), written once over a small array namespace (`spaces.py`), so that dezero_c and its peers run the same lines.
`protocol.py` is the talk with GradBench, `fields.py` what an input may hold, `compare.py` times all of them beside the peers.

An evaluation module has:

`read(data)`             the `input` of a message, checked, as arrays; BadInput where it is not what the evaluation defines.
`functions(xp, problem)` name -> callable without arguments that does the timed work once.
`write(name, result)`    where the answer has a form of its own; otherwise arrays become lists.
`example(size)`          an input of either `small` or `large`, for the comparison and the tests.
`COMPARED`               which function is timed there as the objective, and which as the derivative.
`parts(xp, problem)`     where the functions take too long for the comparison: what is timed in their place.
"""

EVALUATIONS = ("ba", "det", "gmm", "hello", "ht", "kmeans", "llsq", "lse", "lstm", "ode", "particle", "saddle")
