"""Says which engine is under test, and what every test may use."""

import gc

import pytest

import dezero_c


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
