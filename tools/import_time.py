"""What `import dezero_c` adds to `import numpy`, in milliseconds: the least of fresh interpreters (a busy machine only adds).
Fails above 30.
"""

import subprocess
import sys

CODE = "import time, numpy; t = time.perf_counter(); import dezero_c; print((time.perf_counter() - t) * 1e3)"
LIMIT = 30.0

times = [float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout)
         for _ in range(15)]
least = min(times)
print(f"import dezero_c adds {least:.1f} ms to import numpy (limit {LIMIT:.0f})")
sys.exit(least > LIMIT)
