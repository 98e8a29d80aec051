"""Says which engine is under test, and what every test may use."""

import dezero_c


def pytest_report_header(config):
    """A checkout's own folder can hide an installed package: show what was imported."""
    info = dezero_c._core.build_info()
    return f"dezero_c {dezero_c.__version__}: {dezero_c._core.__file__} ({info['simd']}, {info['compiler']})"
