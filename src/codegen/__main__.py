"""python src/codegen [--check]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codegen import generate

changed = generate(check="--check" in sys.argv)
print("\n".join(changed) or "nothing to do")
sys.exit(bool("--check" in sys.argv and changed))
