"""What `import dezero_c` adds to `import numpy`, in milliseconds: the median of fresh interpreters. Fails above 30."""

import statistics
import subprocess
import sys

CODE = "import time, numpy; t = time.perf_counter(); import dezero_c; print((time.perf_counter() - t) * 1e3)"
LIMIT = 30.0

times = [float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout)
         for _ in range(15)]
median = statistics.median(times)
print(f"import dezero_c adds {median:.1f} ms to import numpy (limit {LIMIT:.0f})")
sys.exit(median > LIMIT)
