"""Microbenchmarks of dezero_c, side by side with its peers: run `python -m bench` from a checkout.

`workloads/` says what is measured, `peers.py` who takes part, `timing.py` and `memory.py` how it is measured,
`report.py` and `plot.py` how it is shown. A new workload is one record in `workloads/`; a new peer is one adapter in
`peers.py`. What the numbers must be is said beside each workload as its goals; correctness beyond the check of every
timed gradient is for `tests/`.
"""
