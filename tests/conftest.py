"""Says which engine is under test, and what every test may use."""

import gc
import os
import site
from pathlib import Path

import pytest

import dezero_c

# Programs that tests start are to find the engine that is under test, also one that was built in place.
HOME = Path(dezero_c._core.__file__).parents[1]
if str(HOME) not in site.getsitepackages():
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HOME), os.environ.get("PYTHONPATH"))))


def pytest_report_header(config):
    """A checkout's own folder can hide an installed package: show what was imported."""
    info = dezero_c._core.build_info()
    return f"dezero_c {dezero_c.__version__}: {dezero_c._core.__file__} ({info['simd']}, {info['compiler']})"


@pytest.fixture(autouse=True, scope="module")
def quick_collections():
    """What earlier modules imported and made is left out of the many collections that tests ask for: with ten thousand
    tests and a large package or two a single one takes 0.1 s."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
