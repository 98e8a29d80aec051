"""What cibuildwheel would build, against tools/wheel_identifiers.txt: python tools/check_identifiers.py [--write]

Fails where they differ, so that a change of cibuildwheel or of its configuration that adds or drops a wheel is seen. Runs
nothing but `cibuildwheel --print-build-identifiers`, which needs no network.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "wheel_identifiers.txt"
PLATFORMS = ("linux", "macos", "windows")


def identifiers(platform):
    # cibuildwheel's own variables would change the answer
    env = {name: value for name, value in os.environ.items() if not name.startswith("CIBW_")}
    done = subprocess.run([sys.executable, "-m", "cibuildwheel", "--print-build-identifiers", "--platform", platform,
                           str(HERE.parent)], capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(f"{done.stderr}check_identifiers: cibuildwheel failed for {platform}")
    return done.stdout.split()


found = "".join(f"{platform} {name}\n" for platform in PLATFORMS for name in sorted(identifiers(platform)))
if sys.argv[1:] == ["--write"]:
    EXPECTED.write_text(found)
expected = EXPECTED.read_text()
missing, new = set(expected.splitlines()) - set(found.splitlines()), set(found.splitlines()) - set(expected.splitlines())
for sign, lines in (("-", missing), ("+", new)):
    for line in sorted(lines):
        print(sign, line)
print(f"{len(found.splitlines())} wheels on {len(PLATFORMS)} platforms")
sys.exit(bool(missing or new))
