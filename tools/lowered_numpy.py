"""Runs a command with NumPy's own loops as other processors have them: as they are here, without those for AVX-512, and with
no more than NumPy's build assumes (on x86-64: without AVX2). What a processor does not have is not asked for.

    python tools/lowered_numpy.py python -m pytest -q tests/test_ops.py
"""

import os
import subprocess
import sys

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__


def lowerings():
    """What NPY_DISABLE_CPU_FEATURES is to name, each different from the one before."""
    present = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    # NumPy 2.4 names levels (X86_V4 has AVX-512), earlier ones name instructions.
    wide = [name for name in present if "512" in name or name == "X86_V4"]
    found = [[]]
    for names in (wide, present):
        if names not in found:
            found.append(names)
    return [" ".join(names) for names in found]


def main():
    command = sys.argv[1:]
    if not command:
        sys.exit(__doc__)
    failed = 0
    for names in lowerings():
        print(f"NumPy without {names}" if names else "NumPy as it is", flush=True)
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": names} if names else os.environ
        failed |= subprocess.run(command, env=environment, check=False).returncode
    sys.exit(failed)


if __name__ == "__main__":
    main()
