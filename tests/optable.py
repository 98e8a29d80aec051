"""The table of elementwise operations as the tests read it: src/ops.toml of this checkout, read by the generator. The package
itself has no use for domains and tolerances; that it was made of this table is tested (test_codegen.py)."""

import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"

sys.path.insert(0, str(SOURCE))
try:
    from codegen import load, records
finally:
    sys.path.remove(str(SOURCE))

TABLE = records(load())
