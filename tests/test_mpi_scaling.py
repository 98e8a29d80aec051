"""The model of bench/scaling.py: what it must give in simple cases, and how near it comes to published curves."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("bench_scaling", ROOT / "bench" / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_predictions_come_within_seven_hundredths_of_published_efficiencies(scaling):
    """One figure gives the spread; the others, of other networks, numbers of processors and another system, are predicted."""
    spread, rows = scaling.check_published()
    assert 0 < spread < 0.05
    predicted = [(what, known, got) for what, known, got, used in rows if not used]
    assert len(predicted) == 6
    for what, known, got in predicted:
        assert got == pytest.approx(known, abs=0.07), what


def test_sums_take_latency_and_bandwidth(scaling):
    assert scaling.sum_time(1e6, 1e-5, 1e9, 1) == 0
    assert scaling.sum_time(1e6, 1e-5, 1e9, 2) == pytest.approx(2e-5 + 1e-3)
    assert scaling.sum_time(0, 1e-5, 1e9, 5, ring=True) == pytest.approx(8e-5)
    rows = [(n, 0.0, 2 * 30e-6 + n / 2e9) for n in (1 << k for k in range(10, 25, 2))]
    assert scaling.fit_line(rows) == pytest.approx((30e-6, 2e9))


def test_efficiency_falls_with_ranks_bytes_and_spread(scaling):
    about = {"forward": 0.01, "backward": 0.02, "size": 1e7, "bucket": 1e6, "latency": 1e-5, "bandwidth": 1e9, "spread": 0.01}
    values = [scaling.efficiency(p, **about) for p in (1, 2, 8, 64, 1024)]
    assert values[0] == 1
    assert values == sorted(values, reverse=True)
    assert scaling.efficiency(8, **about | {"size": 1e8}) < values[2]
    assert scaling.efficiency(8, **about | {"spread": 0.1}) < values[2]
